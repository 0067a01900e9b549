//! The future of a call.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;
use ziggurat_core::{BoxError, Classify, Failure};

use crate::{
    asking::{Asking, Hops, State},
    body::ResponseBody,
    recovery::{StreamRecovery, is_recoverable},
};

pin_project! {
    /// The future of a call: the answer of the first group that gave one, else the outcome of the first group.
    pub struct ResponseFuture<S, B, R, C>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        inner: Inner<S, B, R, C>,
    }
}

pin_project! {
    #[project = InnerProj]
    enum Inner<S, B, R, C>
    where
        S: Service<Request<B>>,
    {
        Direct { #[pin] future: S::Future },
        Failed { failure: Failure },
        Chained { #[pin] asking: Asking<S, B, R, C>, recovery: StreamRecovery },
    }
}

// === impl ResponseFuture ===

impl<S, B, R, C> ResponseFuture<S, B, R, C>
where
    S: Service<Request<B>>,
{
    pub(crate) fn direct(future: S::Future) -> Self {
        Self {
            inner: Inner::Direct { future },
        }
    }

    pub(crate) fn failed(failure: Failure) -> Self {
        Self {
            inner: Inner::Failed { failure },
        }
    }

    /// Asks further groups after a failure; also one of a stream that has begun, with a `recovery`.
    pub(crate) fn chained(
        first: State<S::Future>,
        hops: Box<Hops<S, B, R, C>>,
        recovery: StreamRecovery,
    ) -> Self {
        let asking = Asking::begin(first, hops);
        Self {
            inner: Inner::Chained { asking, recovery },
        }
    }
}

impl<S, B, R, C> Future for ResponseFuture<S, B, R, C>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    C: Classify,
    B: Clone,
{
    type Output = Result<Response<ResponseBody<S, B, R, C>>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match self.project().inner.project() {
            InnerProj::Direct { future } => ready!(future.poll(cx)).map_err(Failure::wrap)?,
            InnerProj::Failed { failure } => return Poll::Ready(Err(failure.clone())),
            InnerProj::Chained {
                mut asking,
                recovery,
            } => {
                let response = ready!(asking.as_mut().poll(cx))?;
                if *recovery != StreamRecovery::Off
                    && is_recoverable(&response)
                    && let Some(hops) = asking.as_mut().take_hops()
                    && hops.may_go_on()
                {
                    let asking = Asking::answered(hops.recovering());
                    return Poll::Ready(Ok(
                        response.map(|body| ResponseBody::recovering(body, asking, *recovery))
                    ));
                }
                response
            }
        };
        Poll::Ready(Ok(response.map(ResponseBody::passing)))
    }
}

impl<S, B, R, C> fmt::Debug for ResponseFuture<S, B, R, C>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
