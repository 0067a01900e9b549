//! What any tower layer owes: readiness, cancellation, pass-through, types.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer};
use tower_test::mock;
use ziggurat_core::{BoxError, Deadline, Failure, FailureKind, overrides::MaxRetries};
use ziggurat_retry::{Retry, RetryLayer, RetryPolicy, future::ResponseFuture};
use ziggurat_testing::{Guard, Guards, ScriptedService, StrictProbe, contract};

use crate::{
    budget::Purse,
    support::{Group, code, exact, request, seconds, status},
};

/// A body that is counted as long as it lives.
type Held = Response<Guard>;

fn respond(status: u16, guards: &Guards) -> Held {
    let response = Response::builder().status(status);
    response.body(guards.take()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_common_contract_holds() {
    contract::all(&RetryLayer::new(2), &contract::request()).await;
    contract::admission(&RetryLayer::new(2), &contract::request()).await;
    let mut once = contract::request();
    once.extensions_mut().insert(MaxRetries(0));
    contract::all(&RetryLayer::new(2), &once).await;

    let mut policy = RetryPolicy::new();
    policy.default = Some(2);
    let all = RetryLayer::new(2)
        .policy(policy)
        .budget(Purse::with(1000))
        .exhaust_untried(true);
    let mut limited = contract::request();
    limited
        .extensions_mut()
        .insert(Deadline::start(seconds(60.0)).unwrap());
    contract::all(&all, &limited).await;
    contract::admission(&all, &limited).await;
}

#[tokio::test(start_paused = true)]
async fn every_attempt_is_made_on_an_instance_that_is_ready() {
    let probe = StrictProbe::new(|_| Err::<Held, Failure>(FailureKind::Server.into()))
        .ready_after(2)
        .answer_after(2);
    let tally = probe.tally();
    let mut retry = exact(2).layer(probe);
    for calls in [3, 6] {
        let result = retry.ready().await.unwrap().call(request()).await;
        assert_eq!(result.unwrap_err().kind(), FailureKind::Server);
        assert_eq!(tally.calls(), calls);
        assert_eq!(tally.futures(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn one_place_is_enough_for_all_attempts() {
    let group = Group::nameless(|_| status(503).after(1.0));
    let retry = ServiceBuilder::new()
        .layer(exact(2))
        .layer(ConcurrencyLimitLayer::new(1))
        .service(group.clone());
    let (a, b) = tokio::join!(retry.clone().oneshot(request()), retry.oneshot(request()));
    assert_eq!((code(&a), code(&b)), (503, 503));
    assert_eq!(group.times(), [0, 1000, 2000, 3000, 4000, 5000]);
}

#[tokio::test(start_paused = true)]
async fn two_at_once_count_for_themselves() {
    let group = Group::nameless(|_| status(500).after(1.0));
    let retry = exact(2).layer(group.clone());
    let (a, b) = tokio::join!(retry.clone().oneshot(request()), retry.oneshot(request()));
    assert_eq!((code(&a), code(&b)), (500, 500));
    assert_eq!(group.times(), [0, 0, 1000, 1000, 2000, 2000]);
}

type Mock = mock::Mock<Request<()>, Held>;
type Handle = mock::Handle<Request<()>, Held>;
type Call = task::Spawn<ResponseFuture<Mock, ()>>;

/// Calls a retrying mock that is ready for one call.
fn call(layer: &RetryLayer) -> (Retry<Mock>, Handle, Call) {
    let (service, mut handle) = mock::pair();
    handle.allow(1);
    let mut retry = layer.layer(service);
    assert_ready_ok!(task::spawn(()).enter(|cx, _| retry.poll_ready(cx)));
    let call = task::spawn(retry.call(request()));
    (retry, handle, call)
}

fn answer(handle: &mut Handle, response: Held) {
    let next = handle.poll_request();
    let (_, answer) = assert_ready!(next).unwrap();
    answer.send_response(response);
}

#[tokio::test(start_paused = true)]
async fn the_failed_response_is_dropped_before_the_wait() {
    let guards = Guards::new();
    let wait = exact(1).min_delay(seconds(1.0));
    let (_retry, mut handle, mut call) = call(&wait);
    answer(&mut handle, respond(500, &guards));
    assert_pending!(call.poll());
    assert_eq!(guards.held(), 0);

    // Readiness is asked for after the wait, not during it.
    handle.allow(1);
    assert_pending!(call.poll());
    tokio::time::advance(Duration::from_millis(1001)).await;
    assert_pending!(call.poll());
    answer(&mut handle, respond(200, &guards));
    let response = assert_ready_ok!(call.poll());
    assert_eq!((response.status().as_u16(), guards.held()), (200, 1));
}

#[tokio::test(start_paused = true)]
async fn a_drop_frees_everything_in_each_state() {
    let guards = Guards::new();
    let group = || Group::nameless(|_| status(500).after(1.0));
    for (name, after) in [("calling", 0.5), ("waiting", 1.5), ("calling again", 2.5)] {
        let probe = ziggurat_service(&guards, group());
        let retry = exact(3).min_delay(seconds(1.0)).layer(probe);
        let call = retry.oneshot(request());
        let cut = tokio::time::timeout(seconds(after), call).await;
        assert!(cut.is_err(), "{name}");
        assert_eq!(guards.held(), 0, "{name}");
    }
}

/// Holds a guard in the service, in each clone of it, and in each call.
fn ziggurat_service(
    guards: &Guards,
    group: Group,
) -> impl Service<Request<()>, Response = Held, Error = Failure, Future: Send> + Clone {
    let guards = guards.clone();
    let in_service = guards.take();
    tower::service_fn(move |request| {
        let (guards, in_call) = (guards.clone(), in_service.clone());
        let answer = group.clone().oneshot(request);
        async move {
            let response = answer.await?;
            drop(in_call);
            Ok(response.map(|()| guards.take()))
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_drop_while_readying_frees_the_kept_request() {
    let guards = Guards::new();
    let (_retry, mut handle, mut call) = call(&exact(1));
    answer(&mut handle, respond(500, &guards));
    assert_pending!(call.poll());
    assert_eq!(guards.held(), 0);
    drop(call);
    // The place that it waited for goes to no one.
    handle.allow(1);
    let next = handle.poll_request();
    assert_pending!(next);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_closes_between_attempts_ends_the_call() {
    let guards = Guards::new();
    let (_retry, mut handle, mut call) = call(&exact(1));
    answer(&mut handle, respond(500, &guards));
    handle.send_error("closed");
    let failure = assert_ready_err!(call.poll());
    assert_eq!(failure.kind(), FailureKind::Other);
    assert_eq!(
        std::error::Error::source(&failure).unwrap().to_string(),
        "closed"
    );
}

#[test]
fn readiness_is_that_of_the_inner_service() {
    let (service, mut handle) = mock::pair::<Request<()>, Held>();
    let mut retry = exact(1).layer(service);
    let mut task = task::spawn(());
    handle.allow(0);
    assert_pending!(task.enter(|cx, _| retry.poll_ready(cx)));
    handle.allow(1);
    assert_ready_ok!(task.enter(|cx, _| retry.poll_ready(cx)));

    let (service, mut handle) = mock::pair::<Request<()>, Held>();
    let mut retry = exact(1).layer(service);
    handle.send_error(Failure::new(FailureKind::Connect));
    let failure = assert_ready_err!(task.enter(|cx, _| retry.poll_ready(cx)));
    assert_eq!(failure.kind(), FailureKind::Connect);
}

#[tokio::test(start_paused = true)]
async fn a_success_passes_through_as_it_is() {
    let mut response = Response::builder()
        .status(206)
        .header("x-model", "zephyr")
        .body("body")
        .unwrap();
    response.extensions_mut().insert(7_u8);
    let service = ScriptedService::<Request<()>, _, Infallible>::new().ok(response);
    let passed = exact(2).layer(service).oneshot(request()).await.unwrap();
    assert_eq!(passed.status(), 206);
    assert_eq!(passed.headers()["x-model"], "zephyr");
    assert_eq!(passed.extensions().get(), Some(&7_u8));
    assert_eq!(passed.into_body(), "body");
}

#[tokio::test(start_paused = true)]
async fn the_last_failed_response_passes_through_as_it_is() {
    let limited = || Response::builder().status(429).header("retry-after", "1");
    let service = ScriptedService::new()
        .answer(move |_: &Request<()>| Ok::<_, BoxError>(limited().body("slow down").unwrap()));
    let passed = exact(2)
        .layer(service.clone())
        .oneshot(request())
        .await
        .unwrap();
    assert_eq!(service.calls(), 3);
    assert_eq!(passed.headers()["retry-after"], "1");
    assert_eq!(passed.into_body(), "slow down");
}

#[tokio::test(start_paused = true)]
async fn every_attempt_gets_the_same_request() {
    let service = ScriptedService::new().answer(|_: &Request<&str>| {
        Ok::<_, BoxError>(Response::builder().status(500).body(()).unwrap())
    });
    let mut request = Request::post("/v1/chat/completions")
        .header("traceparent", "00-1")
        .body("{}")
        .unwrap();
    request.extensions_mut().insert(7_u8);
    let _ = exact(2).layer(service.clone()).oneshot(request).await;
    let requests = service.take_requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!(request.uri(), "/v1/chat/completions");
        assert_eq!(request.headers()["traceparent"], "00-1");
        assert_eq!(request.extensions().get(), Some(&7_u8));
        assert_eq!(*request.body(), "{}");
    }
}

#[test]
fn the_inner_service_can_be_reached() {
    let mut retry = exact(1).layer("inner");
    assert_eq!(*retry.get_ref(), "inner");
    *retry.get_mut() = "other";
    assert_eq!(retry.into_inner(), "other");
}

#[test]
fn the_future_is_send_if_the_inner_one_is() {
    fn is_send<T: Send>(_: &T) {}
    let probe = StrictProbe::new(|_: Request<()>| Ok::<_, Infallible>(Response::new(())));
    is_send(&exact(1).layer(probe).oneshot(request()));
}
