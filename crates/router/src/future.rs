//! The future of a call.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tower_service::Service;
use ziggurat_core::{BoxError, Failure};

pin_project! {
    /// The future of a call: waits until the service of the group is ready, then calls it.
    pub struct ResponseFuture<S, Req>
    where
        S: Service<Req>,
    {
        #[pin]
        state: State<S, Req>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Req>
    where
        S: Service<Req>,
    {
        Readying { service: S, request: Option<Req> },
        Calling { #[pin] future: S::Future },
        Failed { failure: Failure },
    }
}

impl<S, Req> ResponseFuture<S, Req>
where
    S: Service<Req>,
{
    pub(crate) fn new(service: S, request: Req) -> Self {
        Self {
            state: State::Readying {
                service,
                request: Some(request),
            },
        }
    }

    pub(crate) fn failed(failure: Failure) -> Self {
        Self {
            state: State::Failed { failure },
        }
    }
}

impl<S, Req> Future for ResponseFuture<S, Req>
where
    S: Service<Req>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let future = match state.as_mut().project() {
                StateProj::Readying { service, request } => {
                    ready!(service.poll_ready(cx)).map_err(Failure::wrap)?;
                    let request = request.take();
                    service.call(request.expect("leaves this state together with its request"))
                }
                StateProj::Calling { future } => return future.poll(cx).map_err(Failure::wrap),
                StateProj::Failed { failure } => return Poll::Ready(Err(failure.clone())),
            };
            state.set(State::Calling { future });
        }
    }
}

impl<S, Req> fmt::Debug for ResponseFuture<S, Req>
where
    S: Service<Req>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
