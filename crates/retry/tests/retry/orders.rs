//! Above a real balance: the next order after the retries, and groups that rest as a whole.

use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};
use ziggurat_balance::{Balance, Endpoint};
use ziggurat_core::{
    Admit, DeploymentId, Failure, FailureKind, Rejection, Tried, Vitals,
    overrides::{Fallbacks, MaxRetries},
};
use ziggurat_retry::RetryLayer;

use crate::{
    budget::Purse,
    support::{ahead, exact, one_second, request, with},
};

/// A deployment that always answers alike and rests after each answer.
#[derive(Clone)]
struct Deployment {
    status: u16,
    retry_after: u32,
    rests: Duration,
    vitals: Arc<Vitals>,
    calls: Calls,
}

type Calls = Arc<Mutex<Vec<String>>>;

impl Service<Request<()>> for Deployment {
    type Response = Response<()>;
    type Error = Failure;
    type Future = Ready<Result<Response<()>, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let id = request.extensions().get::<DeploymentId>().unwrap();
        self.calls.lock().unwrap().push(id.to_string());
        self.vitals.cooling().cool_for(self.rests);
        if self.status == 0 {
            return ready(Err(Failure::new(FailureKind::ContextWindow)));
        }
        let mut response = Response::builder().status(self.status);
        if self.retry_after > 0 {
            response = response.header("retry-after", self.retry_after);
        }
        ready(Ok(response.body(()).unwrap()))
    }
}

impl Admit<Request<()>> for Deployment {
    fn admit(&self, _: &Request<()>) -> Result<(), Rejection> {
        let rejection = Rejection::new(FailureKind::CoolingDown);
        let rest = self.vitals.cooling().remaining();
        rest.map_or(Ok(()), |rest| Err(rejection.with_retry_after(rest)))
    }
}

fn deployment(calls: &Calls, name: &str, status: u16) -> Endpoint<Deployment> {
    resting(calls, name, status, 0, Duration::ZERO)
}

fn resting(
    calls: &Calls,
    name: &str,
    status: u16,
    retry_after: u32,
    rests: Duration,
) -> Endpoint<Deployment> {
    let vitals = Arc::new(Vitals::new());
    let service = Deployment {
        status,
        retry_after,
        rests,
        vitals: Arc::clone(&vitals),
        calls: Arc::clone(calls),
    };
    Endpoint::new(name, service).vitals(vitals)
}

/// Three of order 1, one of order 2, one without: asks once, and returns who was called and the answer.
async fn levels(
    layer: RetryLayer,
    [one, two, none]: [u16; 3],
    request: Request<()>,
) -> (Vec<&'static str>, u16) {
    let calls = Calls::default();
    let ones = ["1a", "1b", "1c"].map(|name| deployment(&calls, name, one).order(1.0));
    let others = [
        deployment(&calls, "2", two).order(2.0),
        deployment(&calls, "none", none),
    ];
    let retry = layer.layer(Balance::new(ones.into_iter().chain(others)));
    let code = match retry.oneshot(request).await {
        Ok(response) => response.status().as_u16(),
        Err(failure) => failure.status().as_u16(),
    };
    let level = |name: &String| match &**name {
        "2" => "2",
        "none" => "none",
        _ => "1",
    };
    (calls.lock().unwrap().iter().map(level).collect(), code)
}

#[tokio::test(start_paused = true)]
async fn r49_the_next_order_is_asked_after_the_retries() {
    let (calls, code) = levels(exact(2), [500, 200, 200], request()).await;
    assert_eq!((calls, code), (vec!["1", "1", "1", "2"], 200));
    let (calls, _) = levels(exact(1), [500, 500, 200], request()).await;
    assert_eq!(calls, ["1", "1", "2", "none"]);
    let (calls, _) = levels(exact(0), [500, 500, 500], request()).await;
    assert_eq!(calls, ["1", "2", "none"], "once per order");
    let (calls, _) = levels(exact(3), [500, 500, 500], with(MaxRetries(0))).await;
    assert_eq!(calls, ["1", "2", "none"]);
    // Before another group.
    let (calls, _) = levels(exact(0), [500, 200, 200], with(ahead())).await;
    assert_eq!(calls, ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn r49_steps_to_the_next_order_are_no_retries() {
    let (calls, _) = levels(exact(3), [500, 500, 500], request()).await;
    assert_eq!(calls[..5], ["1", "1", "1", "2", "none"]);
    assert_eq!(calls.len(), 1 + 3 + 2);
}

#[tokio::test(start_paused = true)]
async fn r78_whatever_the_error_but_for_prompts_and_content() {
    for status in [400, 401, 402, 404, 413] {
        let (calls, code) = levels(exact(0), [status, 200, 200], request()).await;
        assert_eq!((calls, code), (vec!["1", "2"], 200), "{status}");
    }
    // All of an order would answer alike.
    let (calls, _) = levels(exact(5), [400, 402, 200], request()).await;
    assert_eq!(calls, ["1", "2", "none"]);
    let (calls, _) = levels(exact(5), [0, 200, 200], request()).await;
    assert_eq!(calls, ["1"], "too long for the context window");
}

#[tokio::test(start_paused = true)]
async fn r77_the_next_order_keeps_to_the_other_limits() {
    let mut wishes = Fallbacks::default();
    wishes.disabled = true;
    for status in [500, 400] {
        let (calls, _) = levels(exact(0), [status, 200, 200], with(wishes.clone())).await;
        assert_eq!(calls, ["1"]);
    }
    let layer = exact(0).max_attempts_per_request(2);
    let (calls, _) = levels(layer, [500, 500, 200], request()).await;
    assert_eq!(calls, ["1", "2"]);
    let layer = exact(0).budget(Purse::with(1));
    let (calls, _) = levels(layer, [500, 500, 200], request()).await;
    assert_eq!(calls, ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn a_next_order_without_a_place_does_not_prolong_the_retries() {
    for retries in 0..3 {
        let calls = Calls::default();
        let two = deployment(&calls, "2", 200).max_parallel_requests(1);
        let one = deployment(&calls, "1", 500).order(1.0);
        let balance = Balance::new([one, two.order(2.0)]);
        // Taken for good.
        let holder = balance.clone();
        let tried = Tried::new();
        let mut first = with(tried.clone());
        let _ = holder.clone().oneshot(first.clone()).await;
        first.extensions_mut().insert(tried);
        let held = holder.oneshot(first).await.unwrap();
        assert_eq!(calls.lock().unwrap().len(), 2);
        let _ = exact(retries).layer(balance).oneshot(request()).await;
        assert!(calls.lock().unwrap().len() <= 2 + 2 + retries as usize);
        drop(held);
    }
}

#[tokio::test(start_paused = true)]
async fn r68_nothing_is_waited_for_while_the_whole_group_rests() {
    for (status, retry_after) in [(429, 2), (503, 2), (503, 0)] {
        let calls = Calls::default();
        let start = Instant::now();
        let rests = Duration::from_secs(5);
        let endpoints = ["a", "b"].map(|name| resting(&calls, name, status, retry_after, rests));
        let retry = one_second(3).layer(Balance::new(endpoints));
        let response = retry.oneshot(request()).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(calls.lock().unwrap().len(), 2);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn r68_a_group_that_is_back_in_time_is_asked_again() {
    let calls = Calls::default();
    let rests = Duration::from_secs(5);
    let endpoints = ["a", "b"].map(|name| resting(&calls, name, 503, 6, rests));
    let _ = exact(2)
        .layer(Balance::new(endpoints))
        .oneshot(request())
        .await;
    assert_eq!(calls.lock().unwrap().len(), 3);
    // Whoever waits for the first to return is asked again.
    let calls = Calls::default();
    let endpoints = ["a", "b"].map(|name| resting(&calls, name, 503, 0, rests));
    let balance = Balance::new(endpoints).cooldown_wait(rests);
    let _ = exact(2).layer(balance).oneshot(request()).await;
    assert_eq!(calls.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn r87_an_earlier_failure_is_the_answer_where_no_one_is_left() {
    let calls = Calls::default();
    // Where it rests is not known to the balance.
    let balance = Balance::new([
        resting(&calls, "a", 503, 0, Duration::from_secs(5)).vitals(Arc::new(Vitals::new()))
    ]);
    let tried = Tried::new();
    let failure = exact(3)
        .layer(balance)
        .oneshot(with(tried.clone()))
        .await
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Server);
    assert_eq!(failure.status(), 503);
    assert_eq!(tried.attempts(), 1);
    assert_eq!(calls.lock().unwrap().len(), 1);
}
