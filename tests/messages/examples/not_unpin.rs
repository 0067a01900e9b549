//! A layer whose response body is not `Unpin` is put through the contract.

use std::{
    marker::PhantomPinned,
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use http_body::{Body, Frame};
use tower::util::MapResponseLayer;
use ziggurat_testing::{ScriptedBody, contract};

#[cfg(broken)]
type Marker = PhantomPinned;
#[cfg(not(broken))]
type Marker = Box<PhantomPinned>;

#[derive(Default)]
struct Mine {
    _marker: Marker,
}

impl Body for Mine {
    type Data = <ScriptedBody as Body>::Data;
    type Error = <ScriptedBody as Body>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Poll::Ready(None)
    }
}

fn main() {
    let wrap = |response: Response<ScriptedBody>| response.map(|_| Mine::default());
    let layer = MapResponseLayer::new(wrap);
    drop(contract::pass_through(&layer, &contract::request()));
}
