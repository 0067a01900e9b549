//! The deadline of the whole request.

use http::{Request, Response};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service};
use tower_test::mock;
use ziggurat_core::Deadline;

use crate::support::{Group, code, exact, member, one_second, request, seconds, status, with};

fn within(limit: f64) -> Request<()> {
    with(Deadline::start(seconds(limit)).unwrap())
}

#[tokio::test(start_paused = true)]
async fn r108_no_attempt_begins_after_it() {
    let group = Group::nameless(|_| status(503).after(2.0));
    let result = group.ask(&exact(9), within(5.0)).await;
    assert_eq!(code(&result), 503);
    // The one that runs is not cut here.
    assert_eq!(group.times(), [0, 2000, 4000]);
}

#[tokio::test(start_paused = true)]
async fn r108_no_wait_is_made_that_would_not_end_before_it() {
    let group = Group::new([member("a")], |_, _| status(429).retry_after(5));
    let started = tokio::time::Instant::now();
    let result = group.ask(&exact(9), within(12.0)).await;
    assert_eq!(code(&result), 429);
    assert_eq!(group.visits().len(), 3);
    assert!(started.elapsed() < seconds(11.1), "{:?}", started.elapsed());

    let group = Group::nameless(|_| status(500));
    let _ = group.ask(&one_second(9), within(1.0)).await;
    assert_eq!(group.times(), [0]);
    let group = Group::nameless(|_| status(500));
    let _ = group.ask(&one_second(9), within(1.5)).await;
    assert_eq!(group.times(), [0, 1000]);
}

#[tokio::test(start_paused = true)]
async fn r108_without_one_there_is_all_the_time() {
    let group = Group::nameless(|_| status(500).after(3600.0));
    let _ = group.ask(&one_second(3), request()).await;
    assert_eq!(group.visits().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn r108_time_that_passes_before_the_service_is_ready_counts() {
    let (service, mut handle) = mock::pair::<Request<()>, Response<()>>();
    handle.allow(1);
    let mut retry = exact(3).layer(service);
    assert_ready_ok!(task::spawn(()).enter(|cx, _| retry.poll_ready(cx)));
    let mut call = task::spawn(retry.call(within(5.0)));
    let first = handle.poll_request();
    let (_, answer) = assert_ready!(first).unwrap();
    answer.send_response(Response::builder().status(503).body(()).unwrap());
    assert_pending!(call.poll());

    tokio::time::advance(seconds(5.0)).await;
    handle.allow(1);
    let failure = assert_ready_err!(call.poll());
    assert_eq!(failure.status(), 503);
    let next = handle.poll_request();
    assert_pending!(next);
}
