//! Where a retry goes, and when.

use std::time::Duration;

use tokio::time::Instant;
use ziggurat_core::{Failure, FailureKind};
use ziggurat_retry::RetryLayer;

use crate::support::{
    Group, code, exact, fail, member, one_second, request, script, seconds, status,
};

#[tokio::test(start_paused = true)]
async fn r70_untried_deployments_are_asked_at_once() {
    let members = [member("a"), member("b"), member("c")];
    let group = Group::new(members, |_, _| status(500));
    let _ = group.ask(&one_second(3), request()).await;
    assert_eq!(group.visits(), ["a", "b", "c", "a"]);
    assert_eq!(group.times(), [0, 0, 0, 1000]);
}

#[tokio::test(start_paused = true)]
async fn r72_a_wait_that_was_asked_for_is_kept() {
    let group = Group::new(
        [member("a")],
        script([
            ("a", 0, status(429).retry_after(2).after(0.25)),
            ("a", 1, status(503).retry_after(7)),
            ("a", 2, status(200)),
        ]),
    );
    assert_eq!(code(&group.ask(&exact(2), request()).await), 200);
    assert_eq!(group.times(), [0, 2250, 9250]);
}

#[tokio::test(start_paused = true)]
async fn r72_a_wait_of_zero_is_none_and_backs_off() {
    let group = Group::nameless(|_| status(429).retry_after(0));
    let _ = group.ask(&one_second(1), request()).await;
    assert_eq!(group.times(), [0, 1000]);
}

#[tokio::test(start_paused = true)]
async fn r72_a_failure_without_a_response_may_ask_for_a_wait() {
    let failure = Failure::new(FailureKind::RateLimited).with_retry_after(seconds(1.5));
    let group = Group::nameless(move |_| fail(failure.clone()));
    let _ = group.ask(&exact(1), request()).await;
    assert_eq!(group.times(), [0, 1500]);
}

#[tokio::test(start_paused = true)]
async fn r72_the_wait_is_never_cut_and_spread_by_a_tenth_at_most() {
    for seed in 0..200 {
        let group = Group::nameless(|_| status(429).retry_after(2));
        let layer = RetryLayer::new(1).seed(seed);
        let _ = group.ask(&layer, request()).await;
        let wait = group.times()[1];
        assert!((2000..=2200).contains(&wait), "{wait} ms with seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn r72_the_backoff_doubles_up_to_its_longest() {
    let mut longest = [0; 6];
    for seed in 0..300 {
        let group = Group::nameless(|_| status(500));
        let _ = group.ask(&RetryLayer::new(6).seed(seed), request()).await;
        for (longest, pair) in longest.iter_mut().zip(group.times().windows(2)) {
            *longest = (*longest).max(pair[1] - pair[0]);
        }
    }
    for (longest, ceiling) in longest.into_iter().zip([500, 1000, 2000, 4000, 8000, 8000]) {
        // A timer may be late by its resolution of a millisecond.
        assert!(longest <= ceiling + 1, "{longest} ms of {ceiling}");
        assert!(longest >= ceiling * 9 / 10, "{longest} ms of {ceiling}");
    }
}

#[tokio::test(start_paused = true)]
async fn r72_the_shortest_delay_holds_even_above_the_longest() {
    let layer = RetryLayer::new(1)
        .backoff(seconds(0.1), seconds(1.0))
        .min_delay(seconds(3.0));
    let group = Group::nameless(|_| status(500));
    let _ = group.ask(&layer, request()).await;
    assert_eq!(group.times(), [0, 3000]);
}

#[tokio::test(start_paused = true)]
async fn r73_nothing_is_waited_for_after_the_last_attempt() {
    let start = Instant::now();
    let group = Group::nameless(|_| status(429).retry_after(2));
    assert_eq!(code(&group.ask(&exact(2), request()).await), 429);
    assert_eq!(group.times(), [0, 2000, 4000]);
    assert_eq!(start.elapsed(), Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn r73_one_that_asks_for_a_wait_is_left_for_an_untried_one() {
    let group = Group::new(
        [member("a"), member("b")],
        script([("a", 0, status(429).retry_after(30)), ("b", 0, status(200))]),
    );
    assert_eq!(code(&group.ask(&exact(2), request()).await), 200);
    assert_eq!(group.times(), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn r73_an_untried_one_of_the_same_origin_is_asked_after_the_wait() {
    let members = [member("a").origin("x"), member("b").origin("x")];
    let limited = || status(429).retry_after(3);
    let group = Group::new(
        members,
        script([("a", 0, limited()), ("b", 0, status(200))]),
    );
    let _ = group.ask(&exact(2), request()).await;
    assert_eq!(group.visits(), ["a", "b"]);
    assert_eq!(group.times(), [0, 3000]);

    let members = [members[0], members[1], member("c").origin("y")];
    let group = Group::new(
        members,
        script([("a", 0, limited()), ("c", 0, status(200))]),
    );
    let _ = group.ask(&exact(2), request()).await;
    assert_eq!(group.visits(), ["a", "c"]);
    assert_eq!(group.times(), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn r73_those_held_back_by_an_earlier_failure_are_told_from_the_free() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(member);
    // After `b` only `c` is left, which shares the limits of `a`.
    let group = Group::new(
        [a.origin("x"), b, c.origin("x")],
        script([
            ("a", 0, status(429).retry_after(3)),
            ("b", 0, status(500)),
            ("c", 0, status(200)),
        ]),
    );
    let _ = group.ask(&exact(2), request()).await;
    assert_eq!(group.visits(), ["a", "b", "c"]);
    assert_eq!(group.times(), [0, 0, 3000]);

    // Here `d`, which shares those of `b`, is free.
    let group = Group::new(
        [a.origin("x"), b.origin("y"), c.origin("x"), d.origin("y")],
        script([
            ("a", 0, status(429).retry_after(3)),
            ("b", 0, status(500)),
            ("d", 0, status(500)),
            ("c", 0, status(200)),
        ]),
    );
    let _ = group.ask(&exact(3), request()).await;
    assert_eq!(group.visits(), ["a", "b", "d", "c"]);
    assert_eq!(group.times(), [0, 0, 0, 3000]);
}

#[tokio::test(start_paused = true)]
async fn r73_the_wait_is_that_of_the_deployment_to_be_asked() {
    // `a` asked for 3 s, and `b` for none: the turn is on `b`.
    let group = Group::new(
        [member("a"), member("b")],
        script([
            ("a", 0, status(429).retry_after(3)),
            ("b", 0, status(500).after(1.0)),
            ("b", 1, status(200)),
        ]),
    );
    let _ = group.ask(&exact(2), request()).await;
    assert_eq!(group.times(), [0, 0, 1000]);

    // Both asked: the turn is on the one whose wait is over first.
    for (a, b, turn) in [(3, 2, "b"), (2, 3, "a")] {
        let group = Group::new(
            [member("a"), member("b")],
            script([
                ("a", 0, status(429).retry_after(a)),
                ("b", 0, status(429).retry_after(b)),
                (turn, 1, status(200)),
            ]),
        );
        let _ = group.ask(&exact(2), request()).await;
        assert_eq!(group.times(), [0, 0, 2000]);
    }

    // `b` asked for 9 s, but the turn is on `a`, which did not.
    let group = Group::new(
        [member("a"), member("b")],
        script([
            ("a", 0, status(500)),
            ("b", 0, status(429).retry_after(9)),
            ("a", 1, status(200)),
        ]),
    );
    let _ = group.ask(&one_second(2), request()).await;
    assert_eq!(group.times(), [0, 0, 1000]);
}

#[tokio::test(start_paused = true)]
async fn r73_the_wait_holds_for_all_of_its_origin() {
    let group = Group::new(
        [member("a").origin("x"), member("b").origin("x")],
        script([
            ("a", 0, status(500)),
            ("b", 0, status(429).retry_after(4)),
            ("a", 1, status(200)),
        ]),
    );
    let _ = group.ask(&exact(2), request()).await;
    assert_eq!(group.times(), [0, 0, 4000]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_has_passed_is_not_waited_for() {
    let group = Group::new(
        [member("a"), member("b")],
        script([
            ("a", 0, status(429).retry_after(3)),
            ("b", 0, status(500).after(5.0)),
            ("a", 1, status(200)),
        ]),
    );
    let _ = group.ask(&exact(2), request()).await;
    assert_eq!(group.times(), [0, 0, 5000]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_too_long_a_wait_is_not_asked_again() {
    for (asked, times) in [(60, &[0, 60_000][..]), (61, &[0]), (86_400, &[0])] {
        for code_asked in [429, 503] {
            let group = Group::nameless(move |_| status(code_asked).retry_after(asked));
            assert_eq!(
                code(&group.ask(&one_second(1), request()).await),
                code_asked
            );
            assert_eq!(group.times(), times, "{asked} s");
        }
    }
    let group = Group::nameless(|_| status(429).retry_after(61));
    let longer = one_second(1).max_wait(seconds(61.0));
    let _ = group.ask(&longer, request()).await;
    assert_eq!(group.times(), [0, 61_000]);
}

#[tokio::test(start_paused = true)]
async fn beside_one_that_asks_for_too_long_others_are_asked_and_backed_off() {
    let [a, b] = ["a", "b"].map(member);
    let group = Group::new(
        [a, b],
        script([
            ("a", 0, status(429).retry_after(3600)),
            ("b", 0, status(500)),
            ("b", 1, status(500)),
            ("b", 2, status(500)),
        ]),
    );
    assert_eq!(code(&group.ask(&one_second(3), request()).await), 500);
    assert_eq!(group.visits(), ["a", "b", "b", "b"]);
    assert_eq!(group.times(), [0, 0, 1000, 2000]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_was_too_long_is_not_made_later_on() {
    // When the second one asks for a wait too, less than a minute is left of the first.
    let [a, b] = ["a", "b"].map(member);
    let group = Group::new(
        [a, b],
        script([
            ("a", 0, status(429).retry_after(61)),
            ("b", 0, status(429).retry_after(3600).after(5.0)),
        ]),
    );
    let _ = group.ask(&one_second(3), request()).await;
    assert_eq!(group.visits(), ["a", "b"]);

    // A shorter one, that was asked for besides, ends too early.
    let group = Group::new(
        [a.origin("x"), b.origin("x")],
        script([
            ("a", 0, status(429).retry_after(3600)),
            ("b", 0, status(429).retry_after(5)),
        ]),
    );
    let _ = group.ask(&one_second(3), request()).await;
    assert_eq!(group.visits(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn r72_untried_ones_of_an_origin_that_asks_for_too_long_are_backed_off() {
    let [a, b, c] = ["a", "b", "c"].map(member);
    let too_long = || status(429).retry_after(3600);
    let group = Group::new(
        [a.origin("x"), b.origin("x")],
        script([("a", 0, too_long()), ("b", 0, status(200))]),
    );
    let _ = group.ask(&one_second(2), request()).await;
    assert_eq!(group.visits(), ["a", "b"]);
    assert_eq!(group.times(), [0, 1000]);

    // One of another origin goes before, and is free at once.
    let group = Group::new(
        [a.origin("x"), b.origin("x"), c.origin("y")],
        script([
            ("a", 0, too_long()),
            ("c", 0, status(500)),
            ("b", 0, status(200)),
        ]),
    );
    let _ = group.ask(&one_second(2), request()).await;
    assert_eq!(group.visits(), ["a", "c", "b"]);
    assert_eq!(group.times(), [0, 0, 1000]);
}

#[tokio::test(start_paused = true)]
async fn r73_an_origin_that_asks_for_a_wait_is_asked_before_one_that_asks_for_too_long() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(member);
    let group = Group::new(
        [a.origin("x"), b.origin("y"), c.origin("x"), d.origin("y")],
        script([
            ("a", 0, status(429).retry_after(3600)),
            ("b", 0, status(429).retry_after(4)),
            ("d", 0, status(500)),
            ("c", 0, status(200)),
        ]),
    );
    let _ = group.ask(&one_second(3), request()).await;
    assert_eq!(group.visits(), ["a", "b", "d", "c"]);
    assert_eq!(group.times(), [0, 0, 4000, 5000]);
}
