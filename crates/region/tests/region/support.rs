use http::{Request, Response};
use ziggurat_core::{Admit, AllowedRegions, Failure, Open};
use ziggurat_region::RegionFilterLayer;
use ziggurat_testing::{ScriptedBody, ScriptedService};

pub(crate) type Service = ScriptedService<Request<()>, Response<ScriptedBody>, Failure>;

pub(crate) fn plain() -> Request<()> {
    Request::new(())
}

pub(crate) fn with<T: Clone + Send + Sync + 'static>(
    mut request: Request<()>,
    extension: T,
) -> Request<()> {
    request.extensions_mut().insert(extension);
    request
}

pub(crate) fn allow<const N: usize>(names: [&str; N]) -> AllowedRegions {
    AllowedRegions::new(names)
}

pub(crate) fn bound<const N: usize>(names: [&str; N]) -> Request<()> {
    with(plain(), allow(names))
}

pub(crate) fn admits(layer: &RegionFilterLayer, request: &Request<()>) -> bool {
    tower::Layer::layer(layer, Open::new(()))
        .admit(request)
        .is_ok()
}

/// Says whether a service in `region` may be used by requests for `asked`.
pub(crate) fn satisfies(region: &str, asked: &str) -> bool {
    admits(&RegionFilterLayer::new([region]), &bound([asked]))
}
