//! A service that cannot say whether it would take a request stands below a balance.

use http::{Request, Response};
use tower::{Service, service_fn};
use ziggurat_balance::{Balance, Endpoint};
use ziggurat_core::BoxError;

/// Asks for a service, as servers do.
fn serve(_: impl Service<Request<()>>) {}

fn main() {
    let service = service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(())) });
    #[cfg(not(broken))]
    let service = ziggurat_core::Open::new(service);
    serve(Balance::new([Endpoint::new("a", service)]));
}
