//! How many attempts there are.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_core::{
    BoxError, Deadline, Failure, FailureKind, FallbackReason, Tried,
    overrides::{ClientRetries, MaxRetries},
};
use ziggurat_retry::RetryLayer;

use crate::support::{Group, ahead, code, exact, fail, member, request, status, with};

#[tokio::test(start_paused = true)]
async fn r56_one_attempt_and_the_retries() {
    for retries in [0, 1, 2, 5] {
        let group = Group::nameless(|_| status(500));
        assert_eq!(code(&group.ask(&exact(retries), request()).await), 500);
        assert_eq!(group.visits().len(), 1 + retries as usize);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_sent_twice_in_vain_takes_a_retry_more() {
    for (retries, attempts) in [(0, 1), (1, 1), (2, 2), (5, 5)] {
        let group = Group::nameless(|visit| match visit {
            0 => fail(Failure::new(FailureKind::Disconnected).with_sent_twice()),
            _ => status(500),
        });
        let _ = group.ask(&exact(retries), request()).await;
        assert_eq!(group.visits().len(), attempts, "{retries}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_success_is_returned() {
    let group = Group::nameless(|visit| status(if visit < 2 { 503 } else { 200 }));
    assert_eq!(code(&group.ask(&exact(5), request()).await), 200);
    assert_eq!(group.visits().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn r57_the_request_beats_the_deployment_which_beats_the_layer() {
    let group = || Group::new([member("a").max_retries(3)], |_, _| status(500));

    let asked = group();
    let _ = asked.ask(&exact(1), request()).await;
    assert_eq!(asked.visits().len(), 4);

    for wanted in [0, 1, 5] {
        let asked = group();
        let _ = asked.ask(&exact(1), with(MaxRetries(wanted))).await;
        assert_eq!(asked.visits().len(), 1 + wanted as usize);
    }
}

#[tokio::test(start_paused = true)]
async fn r15_a_deployment_may_allow_retries_where_the_layer_allows_none() {
    let group = Group::new([member("a").max_retries(2)], |_, _| status(500));
    let _ = group.ask(&exact(0), request()).await;
    assert_eq!(group.visits().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn r58_the_deployment_that_failed_first_decides() {
    let members = [member("a").max_retries(1), member("b").max_retries(5)];
    let group = Group::new(members, |_, _| status(500));
    let _ = group.ask(&exact(3), request()).await;
    assert_eq!(group.visits(), ["a", "b"]);

    // The first one has no number of its own: the layer's counts, not the second one's.
    let group = Group::new([member("a"), member("b").max_retries(5)], |_, _| {
        status(500)
    });
    let _ = group.ask(&exact(2), request()).await;
    assert_eq!(group.visits().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn d7_retries_of_the_client_are_taken_off() {
    for (by_client, attempts) in [(0, 4), (1, 3), (3, 1), (9, 1)] {
        let group = Group::nameless(|_| status(500));
        let _ = group.ask(&exact(3), with(ClientRetries(by_client))).await;
        assert_eq!(group.visits().len(), attempts, "{by_client} by the client");

        let group = Group::new([member("a").max_retries(3)], |_, _| status(500));
        let _ = group.ask(&exact(0), with(ClientRetries(by_client))).await;
        assert_eq!(group.visits().len(), attempts, "{by_client} by the client");

        let group = Group::nameless(|_| status(500));
        let mut request = with(ClientRetries(by_client));
        request.extensions_mut().insert(MaxRetries(3));
        let _ = group.ask(&exact(0), request).await;
        assert_eq!(group.visits().len(), attempts, "{by_client} by the client");
    }
}

/// A client that counts may ask again as long as all that it asks stays within the count, whatever was sent before.
#[tokio::test(start_paused = true)]
async fn a_client_that_counts_is_told_when_no_retry_is_left() {
    // What every deployment answers: to wait for longer than the client does.
    let limited = || status(429).retry_after(30);
    let far = || Deadline::start(Duration::from_secs(10)).unwrap();
    for (retries, by_client, members, sent, spent) in [
        (0, Some(0), 1, 1, true),
        (1, Some(0), 1, 1, false),
        (1, Some(1), 1, 1, true),
        (3, Some(2), 1, 1, false),
        (3, Some(3), 1, 1, true),
        // More than one was sent: the client would not say so when it comes back.
        (5, Some(0), 2, 2, true),
        (1, Some(1), 2, 1, true),
        // It does not count, and shares nothing.
        (0, None, 1, 1, false),
        (5, None, 2, 2, false),
    ] {
        let all: Vec<_> = ["a", "b"][..members].iter().map(|id| member(id)).collect();
        let group = Group::new(all, move |_, _| limited());
        let tried = Tried::new();
        let mut request = with(tried.clone());
        request.extensions_mut().insert(far());
        by_client.map(|n| request.extensions_mut().insert(ClientRetries(n)));
        let _ = group.ask(&exact(retries), request).await;
        let found = (tried.attempts(), tried.are_retries_spent());
        assert_eq!(found, (sent, spent), "{retries} {by_client:?} {members}");
    }
    // The cap of the whole request is the client's too.
    for (by_client, cap, spent) in [(0, 2, false), (1, 2, true), (0, 1, true)] {
        let group = Group::new([member("a")], move |_, _| limited());
        let tried = Tried::new();
        let mut request = with(tried.clone());
        request.extensions_mut().insert(far());
        request.extensions_mut().insert(ClientRetries(by_client));
        let layer = exact(5).max_attempts_per_request(cap);
        let _ = group.ask(&layer, request).await;
        assert_eq!(tried.are_retries_spent(), spent, "{by_client} of {cap}");
    }
    // Nothing was sent: it may ask for ever.
    let group = Group::nameless(|_| fail(FailureKind::CoolingDown));
    let tried = Tried::new();
    let mut request = with(tried.clone());
    request.extensions_mut().insert(ClientRetries(7));
    let _ = group.ask(&exact(0), request).await;
    assert!(!tried.are_retries_spent());
}

#[tokio::test(start_paused = true)]
async fn r56_each_hop_has_its_own_retries() {
    let tried = Tried::new();
    for hop in 1..=3 {
        let group = Group::new([member("a").max_retries(2)], |_, _| status(500));
        let _ = group.ask(&exact(0), with(tried.clone())).await;
        assert_eq!(tried.attempts(), 3 * hop);
        tried.hop(
            FallbackReason::Error,
            ziggurat_core::FailureKind::Server.into(),
        );
    }
}

#[tokio::test(start_paused = true)]
async fn r56_the_cap_counts_the_whole_request() {
    let tried = Tried::new();
    let layer = exact(2).max_attempts_per_request(4);
    for attempts in [3, 4, 5] {
        let group = Group::nameless(|_| status(500));
        let _ = group.ask(&layer, with(tried.clone())).await;
        // The third group gets its first attempt, and no more.
        assert_eq!(tried.attempts(), attempts);
        tried.hop(
            FallbackReason::Error,
            ziggurat_core::FailureKind::Server.into(),
        );
    }
}

#[tokio::test(start_paused = true)]
async fn d6_beside_a_fallback_the_whole_count_is_used_without_waits() {
    let group = Group::new([member("a")], |_, _| status(500));
    let _ = group.ask(&RetryLayer::new(3), with(ahead())).await;
    assert_eq!(group.times(), [0, 0, 0, 0]);
}

/// A body that counts its clones.
#[derive(Debug, Default)]
struct Counted(Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

async fn clones(layer: RetryLayer, extend: impl FnOnce(&mut http::Extensions)) -> usize {
    let body = Counted::default();
    let clones = Arc::clone(&body.0);
    let mut request = Request::new(body);
    extend(request.extensions_mut());
    let broken = service_fn(|_: Request<Counted>| async {
        Ok::<_, BoxError>(Response::builder().status(500).body(()).unwrap())
    });
    let _ = layer.layer(broken).oneshot(request).await;
    clones.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn a_request_is_copied_only_if_the_copy_may_be_sent() {
    // Even the last one may be refused for its deployment alone.
    assert_eq!(clones(exact(2), |_| ()).await, 3);
    assert_eq!(clones(exact(0), |_| ()).await, 1);
    let by_client = |extensions: &mut http::Extensions| {
        extensions.insert(MaxRetries(2));
        extensions.insert(ClientRetries(2));
    };
    assert_eq!(clones(exact(2), by_client).await, 1);
    assert_eq!(
        clones(exact(2).max_attempts_per_request(1), |_| ()).await,
        0
    );
    assert_eq!(
        clones(exact(2).max_attempts_per_request(2), |_| ()).await,
        1
    );
}
