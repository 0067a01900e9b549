//! Readiness, cancellation and what passes through.

mod common;

use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use bytes::Bytes;
use common::{Req, World, general, group_of, request, wishing};
use http::{Request, Response, StatusCode};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit, service_fn};
use tower_test::mock;
use ziggurat_core::{
    Attempt, BoxError, ByStatus, Failure,
    FailureKind::{self, NoCandidate, Server},
    ModelGroup, Tried,
    overrides::FallbackAhead,
};
use ziggurat_fallback::{Fallback, FallbackLayer, future::ResponseFuture};

type Mock = mock::Mock<Req, Response<&'static str>>;
type Handle = mock::Handle<Req, Response<&'static str>>;

fn layer() -> FallbackLayer {
    general(&[("a", &["b", "c"])])
}

/// The layer over a mock that may be called `allowed` times, and by one caller at a time.
fn limited(allowed: u64) -> (Fallback<ConcurrencyLimit<Mock>>, Handle) {
    let (mock, mut handle) = mock::pair();
    handle.allow(allowed);
    (layer().layer(ConcurrencyLimit::new(mock, 1)), handle)
}

fn failed(body: &'static str) -> Response<&'static str> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}

/// Makes the service ready and calls it.
fn call<S: Service<Req>>(service: &mut S, group: &str) -> task::Spawn<S::Future> {
    let mut ready = task::spawn(async { service.ready().await.map(drop) });
    assert!(ready.poll().is_ready());
    drop(ready);
    task::spawn(service.call(request(group)))
}

#[tokio::test(start_paused = true)]
async fn readiness_is_that_of_the_service_below() {
    let (mut service, mut handle) = limited(0);
    let mut ready = task::spawn(async { service.ready().await.map(drop) });
    assert_pending!(ready.poll());
    handle.allow(1);
    assert!(ready.is_woken());
    assert_ready_ok!(ready.poll());
}

#[tokio::test(start_paused = true)]
async fn every_hop_waits_for_readiness() {
    let (mut service, mut handle) = limited(1);
    let mut call = call(&mut service, "a");
    assert_pending!(call.poll());
    let (first, answer) = handle.next_request().await.unwrap();
    answer.send_response(failed("a"));
    assert_pending!(call.poll());
    assert_pending!(task::spawn(handle.next_request()).poll());
    // A hop counts once it is on its way.
    let tried = first.extensions().get::<Tried>().unwrap();
    assert_eq!(tried.hops(), 0);

    handle.allow(1);
    assert!(call.is_woken());
    assert_pending!(call.poll());
    assert_eq!(tried.hops(), 1);
    let (second, answer) = handle.next_request().await.unwrap();
    assert_eq!(group_of(&second), "b");
    answer.send_response(Response::new("b"));
    assert_eq!(assert_ready_ok!(call.poll()).body().get_ref(), Some(&"b"));
}

#[tokio::test(start_paused = true)]
async fn a_drop_in_any_state_frees_the_service_below() {
    // How many answers the call sees, and how many calls the service below takes.
    for (answers, allowed) in [(0, 1), (1, 1), (1, 2), (2, 2), (2, 3)] {
        let (mut service, mut handle) = limited(allowed);
        let mut other = service.clone();
        let mut call = call(&mut service, "a");
        assert_pending!(call.poll());
        for _ in 0..answers {
            let (_, answer) = handle.next_request().await.unwrap();
            answer.send_response(failed("down"));
            assert_pending!(call.poll());
        }
        handle.allow(9);
        let mut waiting = task::spawn(async { other.ready().await.map(drop) });
        assert_pending!(waiting.poll(), "the only place is taken");
        drop(call);
        assert!(waiting.is_woken());
        assert_ready_ok!(waiting.poll());
    }
}

#[tokio::test(start_paused = true)]
async fn two_at_once_share_one_place_without_a_deadlock() {
    let world = World::down(["a", "b"]);
    let service = layer().layer(ConcurrencyLimit::new(world.clone(), 1));
    let mut held = service.clone();
    held.ready().await.unwrap();

    let ask = || service.clone().oneshot(request("a"));
    let mut both = task::spawn(async { tokio::join!(ask(), ask()) });
    assert_pending!(both.poll());
    drop(held);
    let (first, second) = loop {
        match both.poll() {
            Poll::Ready(answers) => break answers,
            Poll::Pending => assert!(both.is_woken(), "each waits for the other"),
        }
    };
    assert_eq!(first.unwrap().body().get_ref().unwrap(), "c");
    assert_eq!(second.unwrap().body().get_ref().unwrap(), "c");
    assert_eq!(world.asked(), ["a", "a", "b", "b", "c", "c"], "by turns");
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_walk_on_their_own() {
    let (mock, mut handle) = mock::pair::<Req, Response<&'static str>>();
    handle.allow(u64::MAX);
    let mut service = layer().layer(mock);
    let mut first = call(&mut service, "a");
    let mut second = call(&mut service, "a");
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    let (_, first_answer) = handle.next_request().await.unwrap();
    let (_, second_answer) = handle.next_request().await.unwrap();
    first_answer.send_response(failed("a"));
    assert_pending!(first.poll());
    second_answer.send_response(Response::new("a"));
    assert_eq!(assert_ready_ok!(second.poll()).body().get_ref(), Some(&"a"));
    let (hop, answer) = handle.next_request().await.unwrap();
    assert_eq!(group_of(&hop), "b");
    answer.send_response(Response::new("b"));
    assert_eq!(assert_ready_ok!(first.poll()).body().get_ref(), Some(&"b"));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_ends_leaves_the_first_outcome() {
    let (mut service, mut handle) = limited(1);
    let mut call = call(&mut service, "a");
    assert_pending!(call.poll());
    let (_, answer) = handle.next_request().await.unwrap();
    answer.send_response(failed("a"));
    handle.send_error("out of order");
    let outcome = assert_ready_ok!(call.poll());
    assert_eq!(
        (outcome.status(), *outcome.body().get_ref().unwrap()),
        (StatusCode::BAD_GATEWAY, "a")
    );

    let (mut service, mut handle) = limited(1);
    handle.send_error("out of order");
    let mut ready = task::spawn(async { service.ready().await.map(drop) });
    let failure: Failure = assert_ready_err!(ready.poll());
    assert_eq!(failure.kind(), FailureKind::Other);
}

#[tokio::test]
async fn failed_responses_of_hops_are_gone_before_the_next_hop() {
    /// A response body, which stands for its connection.
    #[derive(Debug)]
    struct Held(#[allow(dead_code, reason = "counted")] Arc<()>);

    let connections = Arc::new(());
    let counts = Arc::new(std::sync::Mutex::new(Vec::new()));
    let service = service_fn(|_: Req| {
        counts
            .lock()
            .unwrap()
            .push(Arc::strong_count(&connections) - 1);
        let mut response = Response::new(Held(Arc::clone(&connections)));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        async { Ok::<_, BoxError>(response) }
    });
    let layer = general(&[("a", &["b", "c", "d"])]);
    let kept = layer.layer(service).oneshot(request("a")).await.unwrap();
    assert_eq!(*counts.lock().unwrap(), [0, 1, 1, 1], "the first is kept");
    assert_eq!(Arc::strong_count(&connections), 2);
    drop(kept);
    assert_eq!(Arc::strong_count(&connections), 1);
}

#[tokio::test]
async fn without_a_group_or_a_chain_everything_passes_through() {
    /// A body that counts its clones.
    #[derive(Debug, Default)]
    struct Body(Arc<AtomicUsize>);
    impl Clone for Body {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, Ordering::Relaxed);
            Self(Arc::clone(&self.0))
        }
    }
    let send = async |layer: FallbackLayer, request: Request<()>| {
        let clones = Body::default();
        let answer = layer
            .layer(service_fn(|request: Request<Body>| async move {
                let extensions = request.extensions();
                let touched = extensions.get::<Tried>().is_some()
                    || extensions.get::<FallbackAhead>().is_some();
                let response = Response::builder().status(500).header("x-a", "1");
                Ok::<_, Infallible>(response.body(touched).unwrap())
            }))
            .oneshot(request.map(|()| Body(Arc::clone(&clones.0))))
            .await
            .unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["x-a"]),
            (500, &"1".parse().unwrap())
        );
        let touched = *answer.body().get_ref().unwrap();
        (clones.0.load(Ordering::Relaxed), touched)
    };
    let of = |group: &str| request(group).map(drop);
    assert_eq!(send(layer(), Request::default()).await, (0, false));
    assert_eq!(send(layer(), of("x")).await, (0, false));
    assert_eq!(send(layer().max_fallbacks(0), of("a")).await, (0, false));
    assert_eq!(send(general(&[("a", &["a"])]), of("a")).await, (0, false));
    let disabled = wishing("a", |wishes| wishes.disabled = true).map(drop);
    assert_eq!(send(layer(), disabled).await, (0, false));
    // One to keep, one for each hop.
    assert_eq!(send(layer(), of("a")).await, (3, true));
}

#[tokio::test]
async fn the_answer_of_a_hop_is_untouched() {
    let service = service_fn(|request: Req| async move {
        if group_of(&request) == "a" {
            return Err(BoxError::from("down"));
        }
        let response = Response::builder().status(201).header("x-a", "1");
        Ok(response
            .extension(ModelGroup::from("its own"))
            .body(Bytes::from_static(b"text"))?)
    });
    let answer = layer().layer(service).oneshot(request("a")).await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["x-a"], "1");
    assert_eq!(
        answer.extensions().get::<ModelGroup>().unwrap().as_str(),
        "its own"
    );
    assert_eq!(answer.body().get_ref().unwrap(), "text");
}

#[tokio::test]
async fn errors_of_any_type_become_failures() {
    async fn of<E: Into<BoxError> + Clone>(error: E, groups: &'static str) -> Failure {
        let service =
            service_fn(|_: Req| std::future::ready(Err::<Response<()>, E>(error.clone())));
        layer()
            .layer(service)
            .oneshot(request(groups))
            .await
            .unwrap_err()
    }
    for group in ["a", "without a chain"] {
        let failure = of(Failure::new(NoCandidate).with_message("none"), group).await;
        assert_eq!(
            (failure.kind(), failure.message()),
            (NoCandidate, Some("none"))
        );
        assert_eq!(of("text", group).await.kind(), FailureKind::Other);
        assert_eq!(of(fmt::Error, group).await.kind(), FailureKind::Other);
    }
}

#[tokio::test]
async fn it_works_over_the_router() {
    let group = |name: &'static str| {
        (
            name,
            service_fn(move |request: Req| async move {
                if let Some(tried) = request.extensions().get::<Tried>() {
                    let _ = tried.begin(Attempt::start());
                }
                match name {
                    "b" => Err(Failure::new(Server)),
                    _ => Ok(Response::new(name)),
                }
            }),
        )
    };
    let router = ziggurat_router::Router::new(["b", "c"].map(group));
    // R36: the name that no group has, then the group that is down, then the one that answers.
    let tried = Tried::new();
    let mut sent = request("a");
    sent.extensions_mut().insert(tried.clone());
    let answer = layer().layer(router).oneshot(sent).await.unwrap();
    assert_eq!(answer.body().get_ref(), Some(&"c"));
    assert_eq!((tried.hops(), tried.attempts()), (2, 2));
}

#[test]
fn parts_can_be_reached() {
    let mut service = layer().layer(7);
    assert_eq!(*service.get_ref(), 7);
    *service.get_mut() += 1;
    assert_eq!(service.into_inner(), 8);
}

#[test]
fn types_are_as_free_as_their_services() {
    fn free<T: Send + Sync + 'static>() {}
    fn service<T: Clone + fmt::Debug>() {}
    free::<FallbackLayer>();
    service::<FallbackLayer>();
    free::<Fallback<World>>();
    service::<Fallback<Vec<u8>>>();
    free::<ResponseFuture<World, Bytes, String, ByStatus>>();
}
