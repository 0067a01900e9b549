//! Calls of services that are ready, as most are.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use pin_project_lite::pin_project;
use tower::{Service, ServiceExt, util::Oneshot};

pin_project! {
    /// One call of a service of its own.
    pub(crate) struct Calling<S, Req>
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
        Called { #[pin] future: S::Future },
        // In a box, for it is rare, and holds the request.
        Waiting { oneshot: Pin<Box<Oneshot<S, Req>>> },
        // `None` once it was told.
        Lost { error: Option<S::Error> },
    }
}

/// Calls a service at once if it is ready, else as soon as it is.
pub(crate) fn call<S, Req>(mut service: S, req: Req) -> Calling<S, Req>
where
    S: Service<Req>,
{
    // Nobody has to be woken: one that is not ready is asked again by the future.
    let state = match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(())) => State::Called {
            future: service.call(req),
        },
        Poll::Ready(Err(error)) => State::Lost { error: Some(error) },
        Poll::Pending => State::Waiting {
            oneshot: Box::pin(service.oneshot(req)),
        },
    };
    Calling { state }
}

impl<S, Req> Future for Calling<S, Req>
where
    S: Service<Req>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Called { future } => future.poll(cx),
            StateProj::Waiting { oneshot } => oneshot.as_mut().poll(cx),
            StateProj::Lost { error } => {
                Poll::Ready(Err(error.take().expect("polled after completion")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tower::{limit::ConcurrencyLimit, service_fn};

    use super::*;

    #[tokio::test]
    async fn a_service_without_room_is_waited_for() {
        let echo = service_fn(|n: u8| ready(Ok::<_, String>(n)));
        let one = ConcurrencyLimit::new(echo, 1);
        let first = call(one.clone(), 1);
        let mut second = tokio_test::task::spawn(call(one, 2));
        assert!(second.poll().is_pending());
        assert_eq!(first.await, Ok(1));
        assert!(second.is_woken());
        assert_eq!(second.await, Ok(2));
    }

    #[tokio::test]
    async fn a_service_that_fails_before_its_call_fails_the_call() {
        let (lost, mut handle) = tower_test::mock::pair::<(), ()>();
        handle.send_error("gone");
        let error = call(lost, ()).await.unwrap_err();
        assert_eq!(error.to_string(), "gone");
    }
}
