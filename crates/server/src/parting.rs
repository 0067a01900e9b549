//! The last answers of a server that ends.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use http::{Request, Response, Version};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    call::{Calling, call},
    outer::close,
    wake_gate::WakeGated,
};

/// Whether a server is about to end. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending(Arc<AtomicBool>);

/// Tells clients in each answer that their connection is done with, once the server is about to end.
#[derive(Clone, Debug)]
pub(crate) struct Parting<S> {
    inner: S,
    ending: Ending,
}

pin_project! {
    /// The future of [`Parting`].
    pub(crate) struct PartingFuture<F> {
        #[pin]
        future: F,
        version: Version,
        ending: Ending,
    }
}

// === impl Ending ===

impl Ending {
    pub(crate) fn begin(&self) {
        self.0.store(true, Relaxed);
    }

    pub(crate) fn wrap<S>(&self, inner: S) -> Parting<S> {
        let ending = self.clone();
        Parting { inner, ending }
    }
}

// === impl Parting ===

/// As hyper wants it, and not by way of hyper-util's glue, which clones and moves once more.
impl<S, B, R> hyper::service::Service<Request<B>> for Parting<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<WakeGated<R>>;
    type Error = S::Error;
    type Future = PartingFuture<Calling<S, Request<B>>>;

    fn call(&self, req: Request<B>) -> Self::Future {
        PartingFuture {
            version: req.version(),
            future: call(self.inner.clone(), req),
            ending: self.ending.clone(),
        }
    }
}

impl<F, R, E> Future for PartingFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<WakeGated<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.future.poll(cx))?;
        if this.ending.0.load(Relaxed) {
            close(&mut response, *this.version);
        }
        Poll::Ready(Ok(response.map(WakeGated::new)))
    }
}
