//! Calls in flight: as long as the response lives, through a connection too, and never more than allowed.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{convert::Infallible, future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use tokio_test::task::spawn;
use tower::{ServiceExt, service_fn};
use ziggurat_balance::{Balance, Endpoint, LatencyBased, Shuffle};
use ziggurat_core::{FailureKind, Open, Vitals};
use ziggurat_testing::{ScriptedBody, wire};

type Leaf<F> = Open<tower::util::ServiceFn<F>>;
type Answer = std::future::Ready<Result<Response<ScriptedBody>, Infallible>>;

fn balance<B: 'static>(
    vitals: Arc<Vitals>,
    body: impl Fn() -> ScriptedBody + Clone,
) -> Balance<Leaf<impl Clone + Fn(Request<B>) -> Answer>, LatencyBased> {
    let answer = move |_: Request<B>| std::future::ready(Ok(Response::new(body())));
    let endpoint = Endpoint::new("a", Open::new(service_fn(answer)));
    Balance::with_policy([endpoint.vitals(vitals)], LatencyBased::seeded(1))
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_with_its_body() {
    let vitals = Arc::new(Vitals::new());
    let in_flight = || vitals.load().in_flight();
    let trailers = || ScriptedBody::new().data("a").trailers(HeaderMap::new());

    // The last frame ends it, though no one polls further.
    let mut body = balance(vitals.clone(), trailers)
        .oneshot(Request::new(()))
        .await
        .unwrap()
        .into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(in_flight(), 1);
    body.frame().await.unwrap().unwrap();
    assert_eq!(in_flight(), 0);
    assert!(body.is_end_stream());

    // One that does not tell ends with nothing.
    let silent = || ScriptedBody::new().data("a").silent_end();
    let mut body = balance(vitals.clone(), silent)
        .oneshot(Request::new(()))
        .await
        .unwrap()
        .into_body();
    body.frame().await.unwrap().unwrap();
    assert_eq!(in_flight(), 1);
    assert!(body.frame().await.is_none());
    assert_eq!(in_flight(), 0);

    // A broken one counts as a failure.
    let broken = || ScriptedBody::new().data("a").error("broken").data("b");
    let mut body = balance(vitals.clone(), broken)
        .oneshot(Request::new(()))
        .await
        .unwrap()
        .into_body();
    body.frame().await.unwrap().unwrap();
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(
        (in_flight(), body.is_end_stream(), body.get_ref().is_none()),
        (0, true, true)
    );
    assert!(body.frame().await.is_none());
    assert!(vitals.load().peak_latency().unwrap() > Duration::from_secs(99));

    // The client hangs up: neither success nor failure.
    let endless = || ScriptedBody::new().data("a").hang();
    let fresh = Arc::new(Vitals::new());
    let mut body = balance(fresh.clone(), endless)
        .oneshot(Request::new(()))
        .await
        .unwrap()
        .into_body();
    body.frame().await.unwrap().unwrap();
    let pending = poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx).is_pending())).await;
    assert!(pending && fresh.load().in_flight() == 1);
    drop(body);
    assert_eq!(fresh.load().in_flight(), 0);
    assert!(fresh.load().peak_latency().unwrap() < Duration::from_secs(1));
}

#[tokio::test]
async fn responses_pass_through_connections_and_are_counted() {
    let vitals = Arc::new(Vitals::new());
    let body = || ScriptedBody::new().data("hello ").pending().data("world");
    let served = wire::serve_full(balance(vitals.clone(), body))
        .await
        .unwrap();
    for mut client in [served.http1().await.unwrap(), served.http2().await.unwrap()] {
        let response = client
            .send(Request::new(Full::<Bytes>::default()))
            .await
            .unwrap();
        assert_eq!(response.headers()["content-length"], "11");
        let body = response.into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), "hello world");
    }
    assert_eq!(vitals.load().in_flight(), 0);
}

/// One step of many clients.
#[derive(Clone, Copy, Debug)]
enum Step {
    Call,
    /// Drops one of the calls or responses.
    Drop(usize),
    Poll(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Call),
        1 => any::<usize>().prop_map(Step::Drop),
        2 => any::<usize>().prop_map(Step::Poll),
    ]
}

proptest! {
    #[test]
    fn no_one_is_above_its_cap_and_all_comes_back(
        caps in prop::collection::vec((0..4_u32, prop::option::of(0..3_u8)), 1..5),
        steps in prop::collection::vec(step(), 0..60),
        wait: bool,
        seed: u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _entered = runtime.enter();
        let vitals: Vec<_> = caps.iter().map(|_| Arc::new(Vitals::new())).collect();
        let endpoints = caps.iter().zip(&vitals).enumerate().map(|(n, ((cap, order), vitals))| {
            let answer = |_: Request<()>| std::future::ready(Ok::<_, Infallible>(Response::new(())));
            let endpoint = Endpoint::new(n.to_string(), Open::new(service_fn(answer)));
            let endpoint = endpoint.max_parallel_requests(*cap).vitals(vitals.clone());
            match order {
                Some(order) => endpoint.order(f64::from(*order)),
                None => endpoint,
            }
        });
        let balance = Balance::with_policy(endpoints, Shuffle::seeded(seed))
            .max_parallel_wait(Duration::from_secs(u64::from(wait)));
        let order = |n: usize| caps[n].1.unwrap_or(u8::MAX);
        let free = |n: usize| caps[n].0 == 0 || vitals[n].load().in_flight() < caps[n].0;
        let mut calls = Vec::new();
        let mut responses = Vec::new();
        for step in steps {
            let (mut call, place) = match step {
                Step::Call => (spawn(balance.clone().oneshot(Request::new(()))), None),
                Step::Drop(n) if !responses.is_empty() => {
                    responses.swap_remove(n % responses.len());
                    continue;
                }
                Step::Poll(n) if !calls.is_empty() => {
                    let n = n % calls.len();
                    (calls.swap_remove(n), Some(n))
                }
                Step::Drop(_) | Step::Poll(_) => continue,
            };
            let best = (0..caps.len()).filter(|n| free(*n)).map(order).min();
            match call.poll() {
                Poll::Ready(Ok(response)) => {
                    let id = response.extensions().get::<ziggurat_core::DeploymentId>().unwrap();
                    let chosen: usize = id.as_str().parse().unwrap();
                    prop_assert!(place.is_some() || Some(order(chosen)) == best);
                    responses.push(response);
                }
                Poll::Ready(Err(failure)) => {
                    prop_assert!(!wait && best.is_none());
                    prop_assert_eq!(failure.kind(), FailureKind::RateLimited);
                }
                Poll::Pending => {
                    prop_assert!(wait);
                    calls.push(call);
                }
            }
            for ((cap, _), vitals) in caps.iter().zip(&vitals) {
                prop_assert!(*cap == 0 || vitals.load().in_flight() <= *cap);
            }
        }
        // Whoever waits and was not woken has nowhere to go.
        if (0..caps.len()).any(free) {
            prop_assert!(calls.is_empty() || calls.iter().any(|call| call.is_woken()));
        }
        drop((calls, responses));
        for vitals in vitals {
            prop_assert_eq!(vitals.load().in_flight(), 0);
        }
    }
}
