//! Retries while another group would be asked next.

use std::time::Duration;

use tokio::time::Instant;
use ziggurat_core::{FailureKind, FailureKinds, FallbackReason, Tried, overrides::FallbackAhead};

use crate::support::{
    Group, Member, Reply, ahead, exact, fail, member, one_second, script, status, with,
};

/// Asks beside a fallback, with a backoff that would show.
async fn beside_fallback<const N: usize>(
    members: impl IntoIterator<Item = Member>,
    lines: [(&'static str, usize, Reply); N],
) -> Vec<&'static str> {
    let group = Group::new(members, script(lines));
    let start = Instant::now();
    let _ = group.ask(&one_second(3), with(ahead())).await;
    assert_eq!(start.elapsed(), Duration::ZERO, "nothing is waited for");
    group.visits()
}

#[tokio::test(start_paused = true)]
async fn d6_beside_a_fallback_no_one_is_waited_for() {
    let limited = || status(429).retry_after(1);
    let asked = beside_fallback([member("a")], [("a", 0, limited())]);
    assert_eq!(asked.await, ["a"]);
    let too_long = status(429).retry_after(3600);
    let asked = beside_fallback([member("a")], [("a", 0, too_long)]);
    assert_eq!(asked.await, ["a"]);

    let asked = beside_fallback([member("a")], [("a", 0, fail(FailureKind::Timeout))]);
    assert_eq!(asked.await, ["a"]);

    // Untried ones are still asked; then the turn is on who does not rest.
    let asked = beside_fallback(
        [member("a"), member("b")],
        [
            ("a", 0, limited()),
            ("b", 0, status(500)),
            ("b", 1, limited()),
        ],
    );
    assert_eq!(asked.await, ["a", "b", "b"]);
    let asked = beside_fallback(
        [member("a"), member("b")],
        [("a", 0, status(504)), ("b", 0, status(500))],
    );
    assert_eq!(asked.await, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn d6_beside_a_fallback_untried_ones_are_asked_whatever_their_origin_asked_for() {
    for asked in [1, 60, 3600] {
        let limited = || status(429).retry_after(asked);
        let [a, b, c] = ["a", "b", "c"].map(|name| member(name).origin("x"));
        let asked = beside_fallback([a, b], [("a", 0, limited()), ("b", 0, status(200))]);
        assert_eq!(asked.await, ["a", "b"]);

        // Then the turn is on `a`, to which a wait of its origin applies.
        let asked = beside_fallback(
            [a, b, c],
            [
                ("a", 0, status(500)),
                ("b", 0, limited()),
                ("c", 0, status(500)),
            ],
        );
        assert_eq!(asked.await, ["a", "b", "c"]);
    }
}

#[tokio::test(start_paused = true)]
async fn d6_beside_a_fallback_the_slow_do_not_stop_the_others() {
    // `b` timed out, but `a` is asked again; then the turn is on `b`.
    let asked = beside_fallback(
        [member("a"), member("b")],
        [
            ("a", 0, status(500)),
            ("b", 0, status(408)),
            ("a", 1, status(429)),
        ],
    );
    assert_eq!(asked.await, ["a", "b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn d6_a_wait_of_zero_makes_no_one_slow() {
    let asked = beside_fallback(
        [member("a")],
        [
            ("a", 0, status(500).retry_after(0)),
            ("a", 1, status(500)),
            ("a", 2, status(400)),
        ],
    );
    assert_eq!(asked.await, ["a", "a", "a"]);
}

#[tokio::test(start_paused = true)]
async fn d6_a_service_without_a_name_is_another_one_in_each_group() {
    let tried = Tried::new();
    let request = || {
        let mut request = with(ahead());
        request.extensions_mut().insert(tried.clone());
        request
    };
    let slow = Group::nameless(|_| fail(FailureKind::Timeout));
    let _ = slow.ask(&exact(1), request()).await;
    assert_eq!(slow.visits().len(), 1);
    tried.hop(
        FallbackReason::Error,
        ziggurat_core::FailureKind::Server.into(),
    );
    let next = Group::nameless(|_| status(500));
    let _ = next.ask(&exact(1), request()).await;
    assert_eq!(next.visits().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn d6_only_failures_that_are_followed_are_not_waited_for() {
    let without = FailureKinds::ALL.without(FailureKind::RateLimited);
    let limited = || Group::new([member("a")], |_, _| status(429).retry_after(2));
    let group = limited();
    let _ = group
        .ask(&exact(1), with(FallbackAhead::after(without)))
        .await;
    assert_eq!(group.visits().len(), 2);
    assert!(group.times()[1] >= 2000);

    // What is told by the request's own extensions counts as well.
    let lazy = ahead().only_if(|kind, extensions| {
        assert_eq!(kind, FailureKind::RateLimited);
        extensions.get::<u8>().is_none()
    });
    let group = limited();
    let _ = group.ask(&exact(1), with(lazy.clone())).await;
    assert_eq!(group.visits().len(), 1);
    let group = limited();
    let mut request = with(lazy);
    request.extensions_mut().insert(7_u8);
    let _ = group.ask(&exact(1), request).await;
    assert_eq!(group.visits().len(), 2);
}
