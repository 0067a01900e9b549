//! The service that new requests go to, which may be replaced while others run.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    task::{Context, Poll},
};

use tower::Service;

use crate::call::{Calling, call};

/// Hands each request to the service that is the latest when it arrives. Clones share it.
pub(crate) struct Latest<S> {
    /// Locked for as long as a clone takes.
    service: Arc<RwLock<S>>,
}

impl<S: Clone> Latest<S> {
    pub(crate) fn new(service: S) -> Self {
        Self {
            service: Arc::new(RwLock::new(service)),
        }
    }

    /// Lets all requests from now on go to another service. Those that run keep theirs.
    pub(crate) fn replace(&self, service: S) {
        let mut latest = self.service.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *latest, service);
        drop(latest);
        // Dropped here, the last tree of its kind keeps no request waiting.
        drop(before);
    }

    fn get(&self) -> S {
        let latest = self.service.read();
        latest.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S> Clone for Latest<S> {
    fn clone(&self) -> Self {
        Self {
            service: Arc::clone(&self.service),
        }
    }
}

impl<S> fmt::Debug for Latest<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latest").finish_non_exhaustive()
    }
}

impl<S, Req> Service<Req> for Latest<S>
where
    S: Service<Req> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Calling<S, Req>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // Which service it will be is not known before the call, whose future waits for it.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        call(self.get(), request)
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future::ready};

    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn requests_keep_the_service_that_they_began_with() {
        let answer = |n: u8| service_fn(move |()| ready(Ok::<_, Infallible>(n)));
        let latest = Latest::new(answer(1));
        let clone = latest.clone();
        let begun = clone.clone().oneshot(());
        let called = clone.clone().call(());
        latest.replace(answer(2));
        assert_eq!(called.await, Ok(1));
        assert_eq!(begun.await, Ok(2), "it had not arrived before");
        assert_eq!(clone.oneshot(()).await, Ok(2));
    }
}
