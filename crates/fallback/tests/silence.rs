//! Clients that hear nothing new after their stream broke.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::time::Duration;

use common::{
    Req, general,
    streams::{Bodies, DONE, Seen, broken, chunk, finish, play, says, stream, streaming, whole},
};
use tokio::time::Instant;
use ziggurat_core::{
    FailureKind,
    overrides::{StreamTimeout, Timeout},
};
use ziggurat_fallback::{FallbackLayer, StreamRecovery};
use ziggurat_testing::{Guards, ScriptedBody};

const LIMIT: Duration = Duration::from_secs(3);
const SECOND: Duration = Duration::from_secs(1);

fn layer() -> FallbackLayer {
    let layer = general(&[("a", &["b", "c"])]).recovery_timeout(LIMIT);
    layer.stream_recovery(StreamRecovery::Restart)
}

/// Says each of these after a second.
fn slowly(events: impl IntoIterator<Item = String>) -> ScriptedBody {
    let events = events.into_iter();
    events.fold(ScriptedBody::new(), |body, event| {
        body.wait(SECOND).data(event)
    })
}

/// Plays a stream; says how long it took.
async fn timed(layer: &FallbackLayer, request: Req, bodies: Bodies) -> (Seen, Duration) {
    let started = Instant::now();
    let seen = play(layer, request, bodies).await;
    (seen, started.elapsed())
}

#[track_caller]
fn assert_in_time(seen: &Seen, known: &str) {
    let failure = seen.end.as_ref().unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Disconnected);
    assert!(failure.message().unwrap().contains("in time"), "{failure}");
    assert!(seen.bytes.starts_with(known), "{}", seen.bytes);
    assert!(!seen.bytes.contains("two"), "{}", seen.bytes);
}

#[tokio::test(start_paused = true)]
async fn what_is_repeated_slowly_ends_the_stream_in_time() {
    let comment = || ": still here\n\n".to_owned();
    let guards = Guards::new();
    for (known, events) in [
        // A part of what is known, then nothing.
        ("aa", vec![says("two", "a"), chunk("two", "{}")]),
        // All of it, and then nothing.
        ("a", vec![says("two", "a"), says("two", "")]),
        ("aa", vec![says("two", "a"), comment()]),
    ] {
        let last = events.last().unwrap().clone();
        let events = events.into_iter().chain(vec![last; 90]);
        let bodies = [
            ("a", broken(says("one", known))),
            ("b", slowly(events).guard(guards.take())),
            ("c", whole(stream("three", &["aab"]))),
        ];
        let (seen, took) = timed(&layer(), streaming(), bodies.into()).await;
        assert_in_time(&seen, &says("one", known));
        assert!((LIMIT..LIMIT + SECOND).contains(&took), "{took:?}");
        assert_eq!(seen.asked, ["a", "b"]);
        assert_eq!(guards.held(), 0);
    }
    let known = "a".repeat(400);
    let bodies = [
        ("a", broken(says("one", &known))),
        ("b", slowly((0..400).map(|_| says("two", "a")))),
    ];
    let (seen, took) = timed(&layer(), streaming(), bodies.into()).await;
    assert_in_time(&seen, &says("one", &known));
    assert!((LIMIT..LIMIT + SECOND).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_time_counts_for_all_who_are_asked_and_for_those_who_never_answer() {
    for last in [
        ScriptedBody::new().hang(),
        slowly((0..9).map(|_| says("two", ""))),
    ] {
        let bodies = [
            ("a", broken(says("one", "a"))),
            ("b", slowly([says("two", "a")]).wait(SECOND).error("reset")),
            ("c", last),
        ];
        let (seen, took) = timed(&layer(), streaming(), bodies.into()).await;
        assert_in_time(&seen, &says("one", "a"));
        assert_eq!(took, LIMIT);
        assert_eq!(seen.asked, ["a", "b", "c"]);
    }
}

/// A stream that took long to come as far takes as long again.
#[tokio::test(start_paused = true)]
async fn what_took_long_to_say_may_take_as_long_again() {
    let slow = |id: &'static str| (0..9).map(move |_| says(id, "a"));
    let end = finish("two") + DONE;
    let other = slowly(slow("two").chain([says("two", "b")])).wait(20 * SECOND);
    let bodies = [
        ("a", slowly(slow("one")).error("reset")),
        ("b", other.data(end)),
    ];
    let (seen, took) = timed(&layer(), streaming(), bodies.into()).await;
    seen.end.as_ref().unwrap();
    assert_eq!(seen.text("content"), "aaaaaaaaab");
    // The silences after the first new bytes are others' to limit.
    assert_eq!(took, 39 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_request_has_a_limit_of_its_own_and_zero_is_none() {
    let bodies = || {
        let other = slowly((0..50).map(|_| says("two", "a")));
        Bodies::from([
            ("a", broken(says("one", &"a".repeat(49)))),
            ("b", other.data(finish("two") + DONE)),
        ])
    };
    let mut request = streaming();
    request
        .extensions_mut()
        .insert(StreamTimeout(Duration::from_secs(8)));
    request
        .extensions_mut()
        .insert(Timeout(Duration::from_secs(7)));
    let (seen, took) = timed(&layer(), request, bodies()).await;
    assert_in_time(&seen, "");
    assert_eq!(took, Duration::from_secs(7));
    let zero = layer().recovery_timeout(Duration::ZERO);
    let (seen, took) = timed(&zero, streaming(), bodies()).await;
    seen.end.as_ref().unwrap();
    assert_eq!(took, 50 * SECOND);
}
