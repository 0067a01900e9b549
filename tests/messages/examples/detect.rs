//! What tells content is no `Detect`.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_core::Head;
use ziggurat_stream_timeout::{ByContentType, Detect, StreamTimeoutLayer};

type ContentScan = <ByContentType as Detect>::Scan;

#[derive(Clone)]
struct AnyByte;

#[cfg(not(broken))]
impl Detect for AnyByte {
    type Scan = ContentScan;

    fn scan(&self, head: Head<'_>) -> ContentScan {
        ByContentType.scan(head)
    }
}

fn detects<D: Detect>(layer: StreamTimeoutLayer<D>) -> StreamTimeoutLayer<D> {
    layer
}

fn main() {
    let layer = detects(StreamTimeoutLayer::new(Duration::from_secs(1)).detect(AnyByte));
    let answer = |_: Request<()>| async { Ok::<_, Infallible>(Response::new(String::new())) };
    drop(layer.layer(service_fn(answer)).oneshot(Request::new(())));
}

#[cfg(broken)]
fn _used(_: Head<'_>, _: ContentScan) {}
