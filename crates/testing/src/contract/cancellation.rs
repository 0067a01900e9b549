use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Waker},
};

use http::Request;
use http_body::Body;
use tower::ServiceExt;
use tower_service::Service;

use super::{Inner, LayerOver, RequestBody, call, drive, ok, unready, within};
use crate::{Guards, ScriptedBody, Tally};

/// More polls than any state machine over the probe takes. A layer that waits by its own clock does not move under
/// these polls; then its first states have been checked.
const MOST_POLLS: usize = 64;

/// Checks that dropping the response future or the response body after any number of polls frees the inner ones at
/// once, and leaves the service usable.
///
/// # Panics
///
/// If something stays behind.
pub async fn cancellation<L, B>(layer: &L, request: &Request<B>)
where
    B: RequestBody,
    L: LayerOver<Inner<B>, B>,
{
    for polls in 0..MOST_POLLS {
        let (probe, held) = probe();
        let mut service = layer.layer(probe);
        within("the service does not become ready", service.ready())
            .await
            .map(drop)
            .unwrap_or_else(unready);
        let answered = poll_future(service.call(request.clone()), polls);
        held.nothing_after(&format!(
            "the response future was dropped after {polls} polls"
        ));
        drive(&mut service, request.clone()).await;
        held.nothing_after("a response was read to its end");
        if answered {
            break;
        }
    }
    for polls in 0..MOST_POLLS {
        let (probe, held) = probe();
        let mut service = layer.layer(probe);
        let body = call(&mut service, request.clone()).await.into_body();
        let ended = poll_body(body, polls);
        held.nothing_after(&format!(
            "the response body was dropped after {polls} polls"
        ));
        drive(&mut service, request.clone()).await;
        if ended {
            break;
        }
    }
}

/// What the probe has handed out and not got back.
struct Held {
    futures: Tally,
    bodies: Guards,
}

fn probe<B>() -> (Inner<B>, Held) {
    let bodies = Guards::new();
    let guards = bodies.clone();
    let body = move || {
        ScriptedBody::new()
            .pending()
            .data("a")
            .pending()
            .data("b")
            .pending()
            .guard(guards.take())
    };
    let probe = ok(body).ready_after(1).answer_after(2);
    let futures = probe.tally();
    (probe, Held { futures, bodies })
}

impl Held {
    fn nothing_after(&self, what: &str) {
        assert_eq!(
            self.futures.futures(),
            0,
            "inner response futures held after {what}"
        );
        assert_eq!(
            self.bodies.held(),
            0,
            "inner response bodies held after {what}"
        );
    }
}

/// Polls at most so many times, then drops. Returns true if the future ended.
fn poll_future(future: impl Future, polls: usize) -> bool {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    (0..polls).any(|_| future.as_mut().poll(&mut cx).is_ready())
}

/// Polls at most so many times, then drops. Returns true if the body ended.
fn poll_body(mut body: impl Body + Unpin, polls: usize) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    (0..polls).any(|_| {
        let frame = Pin::new(&mut body).poll_frame(&mut cx);
        matches!(frame, std::task::Poll::Ready(None | Some(Err(_))))
    })
}
