//! What is written: attempts, outcomes, and who answered.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::time::Duration;

use http::{Request, Response, StatusCode, header::RETRY_AFTER};
use support::{Leaf, name, refused, request, status};
use tokio::time::sleep;
use tokio_test::{assert_pending, task::spawn};
use tower::{ServiceExt, service_fn, util::MapRequest};
use ziggurat_balance::{Balance, Endpoint};
use ziggurat_core::{
    BoxError, DeploymentId, Failure, FailureKind, GrpcStatus, ModelGroup, Open, Outcome, Tried,
};

fn only(leaf: Leaf) -> Balance<Leaf> {
    Balance::new([Endpoint::new("a", leaf).origin("x").max_retries(4)])
}

fn outcome(tried: &Tried) -> Option<Outcome> {
    tried.read(|attempts| attempts.last().unwrap().outcome.clone())
}

#[tokio::test(start_paused = true)]
async fn an_attempt_says_where_and_how_long() {
    let answer = |_: Request<()>| async {
        sleep(Duration::from_secs(2)).await;
        Ok::<_, BoxError>(Response::new(()))
    };
    let endpoint = Endpoint::new("a", Open::new(service_fn(answer)));
    let balance = Balance::new([endpoint.origin("x").max_retries(4)]);
    let (tried, mut request) = request();
    request.extensions_mut().insert(ModelGroup::from("group"));
    let mut call = spawn(balance.oneshot(request));
    assert_pending!(call.poll());
    tried.read(|attempts| {
        let attempt = &attempts[0];
        assert_eq!(attempt.deployment, Some("a".into()));
        assert_eq!(attempt.group, Some("group".into()));
        assert_eq!(attempt.origin.as_deref(), Some("x"));
        assert_eq!(attempt.max_retries, Some(4));
        assert_eq!((attempt.elapsed, &attempt.outcome), (None, &None));
    });
    call.await.unwrap();
    tried.read(|attempts| {
        assert_eq!(attempts.len(), 1);
        assert_eq!(attempts[0].elapsed, Some(Duration::from_secs(2)));
        let answered = Outcome::Answered(StatusCode::OK);
        assert_eq!(attempts[0].outcome, Some(answered));
    });
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_has_no_outcome() {
    let never = |_: Request<()>| std::future::pending::<Result<Response<()>, BoxError>>();
    let balance = Balance::new([Endpoint::new("a", Open::new(service_fn(never)))]);
    let (tried, request) = request();
    let mut call = spawn(balance.oneshot(request));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!((tried.attempts(), outcome(&tried)), (1, None));
}

#[tokio::test]
async fn the_request_and_the_response_name_the_deployment() {
    let leaf = Leaf::new().answering(|request| {
        assert_eq!(request.extensions().get(), Some(&DeploymentId::from("a")));
        Ok(Response::new(()))
    });
    let response = only(leaf).oneshot(Request::new(())).await.unwrap();
    assert_eq!(name(&response), "a");
}

#[tokio::test]
async fn a_name_given_below_stays() {
    let leaf = Leaf::new().answering(|_| {
        let mut response = Response::new(());
        let extensions = response.extensions_mut();
        extensions.insert(DeploymentId::from("below"));
        let failure = Failure::new(FailureKind::Server);
        extensions.insert(failure.with_deployment("below".into()));
        Ok(response)
    });
    let response = only(leaf).oneshot(Request::new(())).await.unwrap();
    assert_eq!(name(&response), "below");
    let failure: &Failure = response.extensions().get().unwrap();
    assert_eq!(failure.deployment().unwrap().as_str(), "below");

    let leaf = Leaf::new().answering(|_| {
        let failure = Failure::new(FailureKind::Server);
        Err(failure.with_deployment("below".into()).into())
    });
    let failure = refused(&only(leaf), Request::new(())).await;
    assert_eq!(failure.deployment().unwrap().as_str(), "below");
}

type Site = Open<MapRequest<Balance<Leaf>, fn(Request<()>) -> Request<()>>>;

/// A balance of `names`, all of which fail, as an endpoint of another that keeps the ledger to itself.
fn site(name: &str, names: [&'static str; 2]) -> Endpoint<Site> {
    let failing = || Leaf::new().answering(|_| status(StatusCode::BAD_GATEWAY));
    let balance = Balance::new(names.map(|name| Endpoint::new(name, failing())));
    let without: fn(Request<()>) -> Request<()> = |mut request| {
        request.extensions_mut().remove::<Tried>();
        request
    };
    Endpoint::new(name, Open::new(MapRequest::new(balance, without)))
}

#[tokio::test]
async fn a_balance_below_another_stays_out_of_the_ledger_if_that_is_taken_off() {
    let sites = [site("eu", ["eu-1", "eu-2"]), site("us", ["us-1", "us-2"])];
    let balance = Balance::new(sites);
    let (tried, request) = request();
    let mut sites = Vec::new();
    for untried in [true, false] {
        let response = balance.clone().oneshot(request.clone()).await.unwrap();
        tried.read(|attempts| {
            let attempt = attempts.last().unwrap();
            assert_eq!(attempt.left_untried(), untried);
            assert!(attempt.failed_with(FailureKind::Server));
            let site = attempt.deployment.as_ref().unwrap().to_string();
            assert!(name(&response).starts_with(&site));
            sites.push(site);
        });
    }
    sites.sort();
    assert_eq!(sites, ["eu", "us"]);
    assert_eq!(tried.attempts(), 2);
}

#[tokio::test]
async fn a_failed_response_passes_untouched_but_for_the_name() {
    let leaf = Leaf::new().answering(|_| {
        let mut response = status(StatusCode::TOO_MANY_REQUESTS)?;
        response.headers_mut().insert(RETRY_AFTER, 7.into());
        let failure = Failure::new(FailureKind::QuotaExceeded);
        let failure = failure.with_retry_after(Duration::from_secs(7));
        response.extensions_mut().insert(failure);
        Ok(response)
    });
    let (tried, request) = request();
    let response = only(leaf).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(response.headers()[RETRY_AFTER], "7");
    let failure: &Failure = response.extensions().get().unwrap();
    assert_eq!(failure.deployment().unwrap().as_str(), "a");
    assert_eq!(failure.kind(), FailureKind::QuotaExceeded);
    let expected = Outcome::Failed {
        kind: FailureKind::QuotaExceeded,
        retry_after: Some(Duration::from_secs(7)),
    };
    assert_eq!(outcome(&tried), Some(expected));
}

#[tokio::test]
async fn a_status_is_judged_where_no_failure_is_given() {
    let leaf = Leaf::new().answering(|_| status(StatusCode::BAD_GATEWAY));
    let (tried, request) = request();
    let response = only(leaf).oneshot(request).await.unwrap();
    assert!(response.extensions().get::<Failure>().is_none());
    let (kind, retry_after) = (FailureKind::Server, None);
    assert_eq!(outcome(&tried), Some(Outcome::Failed { kind, retry_after }));
}

#[tokio::test]
async fn a_classifier_of_ones_own_judges_the_outcome() {
    let leaf = Leaf::new().answering(|_| {
        let mut response = Response::new(());
        response.headers_mut().insert("grpc-status", 14.into());
        Ok(response)
    });
    let (tried, request) = request();
    let balance = only(leaf).classify(GrpcStatus);
    balance.oneshot(request).await.unwrap();
    let (kind, retry_after) = (FailureKind::Connect, None);
    assert_eq!(outcome(&tried), Some(Outcome::Failed { kind, retry_after }));
}

#[tokio::test]
async fn an_error_becomes_a_failure_of_the_deployment() {
    let leaf = Leaf::new().answering(|_| Err(Failure::new(FailureKind::Disconnected).into()));
    let (tried, request) = request();
    let failure = refused(&only(leaf), request).await;
    assert_eq!(failure.kind(), FailureKind::Disconnected);
    assert_eq!(failure.deployment().unwrap().as_str(), "a");
    let (kind, retry_after) = (FailureKind::Disconnected, None);
    assert_eq!(outcome(&tried), Some(Outcome::Failed { kind, retry_after }));

    let leaf = Leaf::new().answering(|_| Err("foreign".into()));
    let failure = refused(&only(leaf), Request::new(())).await;
    assert_eq!(failure.kind(), FailureKind::Other);
    assert_eq!(failure.deployment().unwrap().as_str(), "a");
}

#[tokio::test]
async fn a_service_may_read_the_ledger_at_any_time() {
    // It would hang if the ledger were locked while services are asked or called.
    #[derive(Clone)]
    struct Reads;
    impl ziggurat_core::Admit<Request<()>> for Reads {
        fn admit(&self, request: &Request<()>) -> Result<(), ziggurat_core::Rejection> {
            let _ = request.extensions().get::<Tried>().unwrap().attempts();
            Ok(())
        }
    }
    impl tower::Service<Request<()>> for Reads {
        type Response = Response<usize>;
        type Error = std::convert::Infallible;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;
        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Self::Error>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, request: Request<()>) -> Self::Future {
            let tried = request.extensions().get::<Tried>().unwrap();
            std::future::ready(Ok(Response::new(tried.attempts())))
        }
    }
    let balance = Balance::new([Endpoint::new("a", Reads), Endpoint::new("b", Reads)]);
    let (_, request) = request();
    for expected in [1, 2, 3] {
        let response = balance.clone().oneshot(request.clone()).await.unwrap();
        assert_eq!(response.body().get_ref(), Some(&expected));
    }
}
