//! Which limit holds.

use std::time::Duration;

use http::Request;
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready_err, task};
use tower::{Layer, Service as _};
use ziggurat_core::overrides::{StreamTimeout, Timeout};
use ziggurat_testing::ScriptedBody;
use ziggurat_timeout::{Elapsed, TimeoutLayer};

use crate::support::{Service, answering, ask, elapsed, limit, plain, seconds, streaming, with};

/// Returns the limit of the wait for a head that never comes, in seconds.
async fn head_limit(layer: TimeoutLayer, request: Request<()>) -> u64 {
    let start = Instant::now();
    let service = Service::new().ok(Default::default()).never();
    let failure = ask(layer, &service, request).await.unwrap_err();
    assert_eq!(start.elapsed(), elapsed(&failure));
    assert_eq!(service.futures(), 0, "the call is dropped");
    start.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn r94_of_a_plain_call() {
    let asks = |limit| with(plain(), Timeout(seconds(limit)));
    assert_eq!(head_limit(limit(5), plain()).await, 5);
    assert_eq!(head_limit(limit(5), asks(3)).await, 3);
    assert_eq!(head_limit(limit(5), asks(9)).await, 9);
    assert_eq!(head_limit(limit(0), asks(9)).await, 9);
    // What concerns streams does not matter.
    assert_eq!(head_limit(limit(5).stream(seconds(1)), plain()).await, 5);
    let request = with(plain(), StreamTimeout(seconds(1)));
    assert_eq!(head_limit(limit(5), request).await, 5);
}

#[tokio::test(start_paused = true)]
async fn r96_of_the_head_of_a_stream() {
    let configured = limit(5).stream(seconds(2));
    assert_eq!(head_limit(limit(5), streaming()).await, 5);
    assert_eq!(head_limit(configured, streaming()).await, 2);
    assert_eq!(
        head_limit(limit(1).stream(seconds(2)), streaming()).await,
        2
    );
    assert_eq!(
        head_limit(limit(0).stream(seconds(2)), streaming()).await,
        2
    );
    // What the request asks for beats what is configured, and the smaller of its two values holds.
    for (stream, total, expected) in [
        (Some(7), None, 7),
        (None, Some(8), 8),
        (Some(7), Some(8), 7),
        (Some(8), Some(7), 7),
    ] {
        let mut request = streaming();
        request.extensions_mut().extend(extensions(stream, total));
        assert_eq!(head_limit(configured, request).await, expected);
    }
}

fn extensions(stream: Option<u64>, total: Option<u64>) -> http::Extensions {
    let mut extensions = http::Extensions::new();
    if let Some(limit) = stream {
        extensions.insert(StreamTimeout(seconds(limit)));
    }
    if let Some(limit) = total {
        extensions.insert(Timeout(seconds(limit)));
    }
    extensions
}

#[tokio::test(start_paused = true)]
async fn r97_zero_is_not_set() {
    let configured = limit(5).stream(seconds(2));
    let zero = Duration::ZERO;
    assert_eq!(
        head_limit(configured, with(plain(), Timeout(zero))).await,
        5
    );
    assert_eq!(
        head_limit(configured, with(streaming(), StreamTimeout(zero))).await,
        2
    );
    assert_eq!(head_limit(limit(5).stream(zero), streaming()).await, 5);
    let request = with(with(streaming(), StreamTimeout(zero)), Timeout(seconds(3)));
    assert_eq!(head_limit(configured, request).await, 3);
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_a_call_may_take_forever() {
    let year = seconds(366 * 24 * 60 * 60);
    let service = Service::new().ok(Default::default()).after(year);
    let layers = [
        limit(0),
        TimeoutLayer::new(Duration::MAX).stream(Duration::MAX),
    ];
    for layer in layers {
        for request in [plain(), streaming(), with(plain(), Timeout(Duration::MAX))] {
            let start = Instant::now();
            ask(layer, &service, request).await.unwrap();
            assert_eq!(start.elapsed(), year);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_fraction_of_a_second_is_told_as_one() {
    let layer = TimeoutLayer::new(Duration::from_millis(500));
    let service = answering(ScriptedBody::new()).never();
    let failure = ask(layer, &service, plain()).await.unwrap_err();
    assert_eq!(failure.to_string(), "timeout after 0.5 s");
    assert_eq!(elapsed(&failure), Duration::from_millis(500));
    let source = std::error::Error::source(&failure).unwrap();
    assert_eq!(source.to_string(), "the limit of 0.5 s has passed");
}

#[tokio::test(start_paused = true)]
async fn r103_a_call_that_no_one_looked_at_tells_how_long_it_took() {
    let mut service = limit(5).layer(answering(ScriptedBody::new()).never());
    let mut call = task::spawn(service.call(plain()));
    assert_pending!(call.poll());
    tokio::time::advance(Duration::from_millis(7300)).await;
    let failure = assert_ready_err!(call.poll());
    assert_eq!(
        failure.to_string(),
        "timeout after 7.3 s, the limit was 5 s"
    );
    assert_eq!(failure.limit(), Some(seconds(5)));
    let source = std::error::Error::source(&failure).unwrap();
    let elapsed = source.downcast_ref::<Elapsed>().unwrap().elapsed();
    assert_eq!(elapsed, Duration::from_millis(7300));
}
