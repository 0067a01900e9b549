//! The future of a filtered call.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Response;
use pin_project_lite::pin_project;
use ziggurat_core::{BoxError, DeploymentId, Failure};

use crate::learned::Learned;

pin_project! {
    /// The future of [`RegionFilter`](crate::RegionFilter).
    ///
    /// Dropping it drops the call.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = StateProj]
    enum State<F> {
        Calling {
            #[pin]
            call: F,
            learns: Option<(Arc<Learned>, Option<DeploymentId>)>,
        },
        // `None` after the end.
        Refused { failure: Option<Failure> },
    }
}

// === impl ResponseFuture ===

impl<F> ResponseFuture<F> {
    pub(crate) const fn calling(
        call: F,
        learns: Option<(Arc<Learned>, Option<DeploymentId>)>,
    ) -> Self {
        Self {
            state: State::Calling { call, learns },
        }
    }

    pub(crate) const fn refused(failure: Failure) -> Self {
        Self {
            state: State::Refused {
                failure: Some(failure),
            },
        }
    }
}

impl<F, R, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<R>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (call, learns) = match self.project().state.project() {
            StateProj::Calling { call, learns } => (call, learns),
            StateProj::Refused { failure } => {
                let failure = failure
                    .take()
                    .expect("a future is not polled after its end");
                return Poll::Ready(Err(failure));
            }
        };
        let result = ready!(call.poll(cx)).map_err(Failure::wrap);
        if let (Ok(response), Some((learned, deployment))) = (&result, learns) {
            learned.learn(response.headers(), deployment.as_ref());
        }
        Poll::Ready(result)
    }
}
