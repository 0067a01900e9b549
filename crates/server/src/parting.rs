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
    wake_gate::{Gate, WakeGated},
};

/// Whether a server is about to end. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending(Arc<AtomicBool>);

/// Tells clients in each answer that their connection is done with, once the server is about to end.
///
/// One stands before each connection. A call of HTTP/1 is polled only if something woke it: when a request's body is taken
/// hyper wakes the connection, though it has read all of it, and that poll would go through all layers.
#[derive(Debug)]
pub(crate) struct Parting<S> {
    inner: S,
    ending: Ending,
    gate: Gate,
}

pin_project! {
    /// The future of [`Parting`].
    pub(crate) struct PartingFuture<F> {
        #[pin]
        future: F,
        version: Version,
        ending: Ending,
        // `None` where calls run side by side.
        gate: Option<Gate>,
    }
}

// === impl Ending ===

impl Ending {
    pub(crate) fn begin(&self) {
        self.0.store(true, Relaxed);
    }

    pub(crate) fn wrap<S>(&self, inner: S) -> Parting<S> {
        Parting {
            inner,
            ending: self.clone(),
            gate: Gate::of_nobody(),
        }
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
        let version = req.version();
        PartingFuture {
            version,
            gate: (version <= Version::HTTP_11).then(|| self.gate.clone()),
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
        let polled = match this.gate {
            Some(gate) => gate.poll(cx, |cx| this.future.poll(cx)),
            None => this.future.poll(cx),
        };
        let mut response = ready!(polled)?;
        if this.ending.0.load(Relaxed) {
            close(&mut response, *this.version);
        }
        let gate = this.gate.take();
        Poll::Ready(Ok(response.map(|body| WakeGated::new(body, gate))))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        future::poll_fn,
        sync::{Mutex, atomic::AtomicUsize},
    };

    use tokio::sync::oneshot;
    use tokio_test::task;
    use tower::service_fn;

    use super::*;

    /// Counts the polls of a call that three come to for nothing, and one for the answer.
    fn polls_of_a_call(version: Version) -> usize {
        let asked = Arc::new(AtomicUsize::new(0));
        let (answer, answered) = oneshot::channel();
        let answered = Arc::new(Mutex::new(answered));
        let count = Arc::clone(&asked);
        let service = service_fn(move |_: Request<()>| {
            let (count, answered) = (Arc::clone(&count), Arc::clone(&answered));
            poll_fn(move |cx| {
                count.fetch_add(1, Relaxed);
                let body = ready!(Pin::new(&mut *answered.lock().unwrap()).poll(cx));
                Poll::Ready(Ok::<_, Infallible>(Response::new(body.unwrap())))
            })
        });
        let parting = Ending::default().wrap(service);
        let mut request = Request::new(());
        *request.version_mut() = version;
        let mut call = task::spawn(hyper::service::Service::call(&parting, request));
        for _ in 0..3 {
            assert!(call.poll().is_pending());
        }
        answer.send(String::new()).unwrap();
        assert!(call.is_woken());
        assert!(call.poll().is_ready());
        asked.load(Relaxed)
    }

    #[test]
    fn a_call_is_polled_when_something_woke_it() {
        assert_eq!(polls_of_a_call(Version::HTTP_11), 2);
    }

    #[test]
    fn calls_side_by_side_are_always_polled() {
        assert_eq!(polls_of_a_call(Version::HTTP_2), 4);
    }
}
