//! Each policy, by what it chooses.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use support::{Leaf, ask, endpoint, status};
use tokio::time::advance;
use tower::ServiceExt;
use ziggurat_balance::{
    Balance, CostBased, Endpoint, LatencyBased, LeastBusy, PeakEwma, Pick, Strategy, UsageBased,
};
use ziggurat_core::{FailureKind, LlmRequest, Meter, Vitals, json::Document, vitals::InFlight};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn vitals() -> [Arc<Vitals>; 3] {
    [(); 3].map(|()| Arc::new(Vitals::new()))
}

fn group<P: Pick>(vitals: &[Arc<Vitals>; 3], policy: P) -> Balance<Leaf, P> {
    let endpoint = |(name, vitals): (&str, &Arc<Vitals>)| endpoint(name).vitals(vitals.clone());
    Balance::with_policy(NAMES.into_iter().zip(vitals).map(endpoint), policy)
}

/// Asks so often, and returns how often each was chosen.
async fn shares<P: Pick + Clone>(balance: &Balance<Leaf, P>, times: usize) -> [usize; 3] {
    let mut shares = [0; 3];
    for _ in 0..times {
        let name = ask(balance, Request::new(())).await;
        shares[NAMES.iter().position(|it| **it == name).unwrap()] += 1;
    }
    shares
}

fn llm(stream: bool, max_tokens: u64) -> Request<()> {
    let text = format!(
        r#"{{"messages":"{}","max_tokens":{max_tokens}}}"#,
        "x".repeat(38)
    );
    let document = Document::parse(Bytes::from(text)).unwrap();
    let mut request = Request::new(());
    let asked = LlmRequest::new("gpt-4o", stream, document);
    request.extensions_mut().insert(asked);
    request
}

#[tokio::test(start_paused = true)]
async fn r42_least_busy_takes_the_one_with_the_fewest_calls() {
    let vitals = vitals();
    let balance = group(&vitals, LeastBusy::seeded(3));
    let busy: Vec<_> = [0, 0, 1].map(|n: usize| InFlight::enter(&vitals[n])).into();
    assert_eq!(shares(&balance, 20).await, [0, 0, 20]);
    let both = InFlight::enter(&vitals[2]);
    let [a, b, c] = shares(&balance, 200).await;
    assert_eq!(a, 0);
    assert!(
        (70..130).contains(&b) && (70..130).contains(&c),
        "ties are random: {b} {c}"
    );
    drop((busy, both));
    assert!(shares(&balance, 90).await.iter().all(|share| *share > 10));
}

#[tokio::test(start_paused = true)]
async fn r42_a_response_is_in_flight_until_it_is_dropped() {
    let vitals = vitals();
    let balance = group(&vitals, LeastBusy::seeded(3));
    let held: Vec<_> = [(); 3]
        .map(|()| balance.clone().oneshot(Request::new(())))
        .into();
    let mut responses = Vec::new();
    for call in held {
        responses.push(call.await.unwrap());
    }
    assert!(
        vitals.iter().all(|it| it.load().in_flight() == 1),
        "one each"
    );
    drop(responses);
    assert!(vitals.iter().all(|it| it.load().in_flight() == 0));
}

#[tokio::test(start_paused = true)]
async fn r43_latency_based_takes_the_lowest_mean() {
    let vitals = vitals();
    for (vitals, latency) in vitals.iter().zip([1.0, 1.2, 2.0]) {
        vitals.load().answered(seconds(latency), false, None);
    }
    let policy = || LatencyBased::seeded(5);
    // Asking leaves samples of nothing: each policy looks once.
    let [a, b, c] = picks(&vitals, policy()).await;
    assert!(a == 100 && b == 0 && c == 0);
    let [a, b, c] = picks(&vitals, policy().buffer(0.25)).await;
    assert!(a > 25 && b > 25 && c == 0, "{a} {b} {c}");
}

/// What a policy would choose, without anyone being called: samples stay as they are.
async fn picks<P: Pick + Clone>(vitals: &[Arc<Vitals>; 3], policy: P) -> [usize; 3] {
    shares(&group(vitals, Unmeasured(policy)), 100).await
}

/// Lets nothing be measured.
#[derive(Clone)]
struct Unmeasured<P>(P);

impl<P: Pick> Pick for Unmeasured<P> {
    fn pick(&self, candidates: &[ziggurat_balance::Candidate<'_>]) -> usize {
        self.0.pick(candidates)
    }
}

#[tokio::test(start_paused = true)]
async fn r43_one_without_samples_goes_first_once() {
    let vitals = vitals();
    for vitals in &vitals[..2] {
        vitals.load().answered(seconds(0.001), false, None);
    }
    let balance = group(&vitals, LatencyBased::seeded(5));
    let first = balance.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(support::name(&first), "c");
    assert_eq!(
        vitals[2].load().mean_latency(false).map(|it| it.1),
        Some(Duration::ZERO)
    );
}

#[tokio::test(start_paused = true)]
async fn r43_failures_and_timeouts_weigh_and_fade() {
    let failing = |kind: u16| {
        Leaf::new().answering(move |_| status(http::StatusCode::from_u16(kind).unwrap()))
    };
    let vitals = vitals();
    let leaves = [failing(500), failing(504), failing(400)];
    let endpoints = NAMES.into_iter().zip(leaves).zip(&vitals);
    let endpoints =
        endpoints.map(|((name, leaf), it)| Endpoint::new(name, leaf).vitals(it.clone()));
    let balance = Balance::with_policy(endpoints, LatencyBased::seeded(5));
    for _ in 0..3 {
        ask(&balance, Request::new(())).await;
    }
    let mean = |n: usize| {
        vitals[n]
            .load()
            .mean_latency(false)
            .map(|(mean, _)| mean.as_secs())
    };
    assert_eq!(
        [mean(0), mean(1), mean(2)],
        [Some(100), Some(1000), Some(100)]
    );

    for _ in 0..10 {
        vitals[2].load().answered(seconds(1.0), false, None);
    }
    assert_eq!(picks(&vitals, LatencyBased::seeded(1)).await, [0, 0, 100]);
    // 100 s are down to 1 s after seven half-lives: then one request each second goes there.
    advance(Duration::from_secs(7 * 30)).await;
    vitals[2].load().answered(seconds(1.0), false, None);
    let [a, b, c] = picks(&vitals, LatencyBased::seeded(1)).await;
    assert_eq!([a, b, c], [1, 0, 99]);
    let never = LatencyBased::seeded(1).half_life(Duration::ZERO);
    assert_eq!(picks(&vitals, never).await, [0, 0, 100]);
}

#[tokio::test(start_paused = true)]
async fn r43_plain_answers_count_per_token_and_streams_by_their_head() {
    let leaf = Leaf::new().answering(|request| {
        let meter = request.extensions().get::<Meter>().unwrap();
        meter.record(Some(5), Some(50));
        status(http::StatusCode::OK)
    });
    let slow = tower::ServiceBuilder::new()
        .layer_fn(ziggurat_core::Open::new)
        .service_fn(move |request: Request<()>| {
            let leaf = leaf.clone();
            async move {
                tokio::time::sleep(seconds(10.0)).await;
                leaf.oneshot(request).await
            }
        });
    let vitals = Arc::new(Vitals::new());
    let endpoint = Endpoint::new("a", slow).vitals(vitals.clone());
    let balance = Balance::with_policy([endpoint], LatencyBased::seeded(1));
    balance.clone().oneshot(llm(false, 0)).await.unwrap();
    balance.oneshot(llm(true, 0)).await.unwrap();
    let mean = |stream| vitals.load().mean_latency(stream).unwrap().0.as_secs_f64();
    assert!((mean(false) - 0.2).abs() < 1e-6, "{}", mean(false));
    assert!((mean(true) - 10.0).abs() < 1e-6, "{}", mean(true));
}

#[tokio::test(start_paused = true)]
async fn peak_ewma_takes_the_better_of_two() {
    let vitals = vitals();
    for (vitals, latency) in vitals.iter().zip([0.1, 1.0, 10.0]) {
        vitals.load().answered(seconds(latency), false, None);
    }
    let [a, b, c] = picks(&vitals, PeakEwma::seeded(2)).await;
    assert!(
        a > 50 && b > 20 && c == 0,
        "the worst of all loses to any other: {a} {b} {c}"
    );
    let busy: Vec<_> = (0..1000).map(|_| InFlight::enter(&vitals[0])).collect();
    let [a, _, c] = picks(&vitals, PeakEwma::seeded(2)).await;
    assert!(a == 0 && c > 20);
    drop(busy);
    // A peak counts at once, and fades with ten seconds.
    vitals[0].load().failed(false);
    let peak = || vitals[0].load().peak_latency().unwrap().as_secs_f64();
    assert!((peak() - 100.0).abs() < 1e-3);
    advance(Duration::from_secs(10)).await;
    assert!(
        (peak() - 100.0 / std::f64::consts::E).abs() < 1e-3,
        "{}",
        peak()
    );
}

#[tokio::test(start_paused = true)]
async fn r44_usage_based_takes_the_fewest_tokens() {
    let vitals = vitals();
    let balance = group(&vitals, UsageBased::seeded(4));
    for _ in 0..3 {
        balance.clone().oneshot(llm(false, 90)).await.unwrap();
    }
    // 40 bytes of prompt are 10 tokens.
    assert!(vitals.iter().all(|it| it.load().used().tokens == 100));
    vitals[0].load().count(0);
    vitals[1].load().count(1);
    vitals[2].load().count(1);
    assert_eq!(shares(&balance, 20).await, [20, 0, 0]);
    advance(Duration::from_secs(60)).await;
    assert!(
        shares(&balance, 90).await.iter().all(|share| *share > 10),
        "ties are random"
    );
}

#[tokio::test(start_paused = true)]
async fn r44_tokens_are_settled_when_the_response_ends() {
    let answers = [
        (Ok(200), Some(7)),
        (Ok(200), None),
        (Ok(500), None),
        (Err(()), None),
    ];
    for ((answer, told), expected) in answers.into_iter().zip([7 + 3, 100, 0, 0]) {
        let leaf = Leaf::new().answering(move |request| {
            if told.is_some() {
                request
                    .extensions()
                    .get::<Meter>()
                    .unwrap()
                    .record(Some(3), told);
            }
            match answer {
                Ok(code) => status(http::StatusCode::from_u16(code).unwrap()),
                Err(()) => Err(ziggurat_core::Failure::new(FailureKind::Connect).into()),
            }
        });
        let vitals = Arc::new(Vitals::new());
        let endpoint = Endpoint::new("a", leaf).vitals(vitals.clone()).tpm(1e6);
        let response = Balance::new([endpoint]).oneshot(llm(false, 90)).await;
        if response.is_ok() {
            assert_eq!(vitals.load().used().tokens, 100, "reserved while it runs");
        }
        drop(response);
        assert_eq!(vitals.load().used().tokens, expected, "{answer:?}");
        assert_eq!(vitals.load().used().requests, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn r47_cost_based_takes_the_cheapest_and_the_first_of_equals() {
    let endpoints = [
        endpoint("unknown"),
        endpoint("dear").cost(6.0, 5.0),
        endpoint("cheap").cost(1e-6, 4e-6),
        endpoint("alike").cost(4e-6, 1e-6),
        endpoint("wrong").cost(f64::NAN, 0.0),
    ];
    let balance = Balance::with_policy(endpoints, CostBased::new());
    let (_, request) = support::request();
    for expected in ["cheap", "alike", "unknown", "wrong", "dear"] {
        assert_eq!(ask(&balance, request.clone()).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_strategy_is_found_by_its_name() {
    for name in Strategy::NAMES {
        let strategy = Strategy::named(name).unwrap_or_else(|| panic!("{name}"));
        let balance = Balance::with_policy(NAMES.map(endpoint), strategy);
        ask(&balance, Request::new(())).await;
    }
    assert!(Strategy::named("round-robin").is_none());
}
