//! Tokens for API keys.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use ziggurat_core::{Failure, FailureKind, JsonBody, Served, json::Document};
use ziggurat_mock::{Running, Step, Upstream};
use ziggurat_provider::{HttpClient, ProviderService};
use ziggurat_watsonx::Watsonx;

fn answer(status: u16, body: &Value) -> Step {
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    Step::respond(response.body(body.to_string()).unwrap())
}

fn token(token: &str) -> Step {
    answer(200, &json!({"access_token": token, "expires_in": 3600}))
}

fn hello() -> Step {
    answer(
        200,
        &json!({"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}),
    )
}

async fn upstream(steps: impl IntoIterator<Item = Step>) -> Running {
    let script = ziggurat_mock::Script::new(steps);
    Upstream::new("watsonx")
        .script(script)
        .start()
        .await
        .unwrap()
}

/// A leaf whose deployment authenticates at `iam`.
fn leaf(upstream: &Running, iam: &str) -> ProviderService {
    leaf_of(HttpClient::new(), upstream, iam)
}

fn leaf_of(client: HttpClient, upstream: &Running, iam: &str) -> ProviderService {
    let iam = format!("{iam}/identity/token");
    let dialect = Watsonx::builder("ibm/granite")
        .client(client.clone())
        .api_base(upstream.url())
        .api_key("the-api-key+/=")
        .space_id("s")
        .environment(move |name| (name == "WATSONX_IAM_URL").then(|| iam.clone()))
        .build()
        .unwrap();
    let served = Served::new("d".into(), "watsonx/ibm/granite", None);
    ProviderService::new(client, Arc::new(dialect), served)
}

async fn call(leaf: &ProviderService) -> Result<Option<Failure>, Failure> {
    let body = Document::parse(Bytes::from_static(
        br#"{"messages":[{"role":"user","content":"hi"}]}"#,
    ))
    .unwrap();
    let response = leaf
        .clone()
        .oneshot(Request::new(JsonBody::new(body)))
        .await?;
    let (head, body) = response.into_parts();
    body.collect().await?;
    Ok(head.extensions.get::<Failure>().cloned())
}

#[tokio::test]
async fn twenty_calls_at_once_exchange_the_key_once() {
    let iam = upstream([token("eyJ-first").delay(Duration::from_millis(50))]).await;
    let server = upstream([hello()]).await;
    let leaf = leaf(&server, &iam.url());
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let leaf = leaf.clone();
            tokio::spawn(async move { call(&leaf).await })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().unwrap().is_none());
    }
    assert_eq!((iam.count(), server.count()), (1, 20));
    assert!(
        server
            .hits()
            .iter()
            .all(|hit| hit.header("authorization") == Some("Bearer eyJ-first"))
    );
    let form = iam.hits()[0].body().clone();
    assert!(form.ends_with(b"&apikey=the-api-key%2B%2F%3D"), "{form:?}");
}

#[tokio::test]
async fn deployments_with_one_key_exchange_it_once() {
    let iam = upstream([token("eyJ-first")]).await;
    let server = upstream([hello()]).await;
    let client = HttpClient::new();
    let leaves: Vec<_> = (0..20)
        .map(|_| leaf_of(client.clone(), &server, &iam.url()))
        .collect();
    for leaf in &leaves {
        assert!(call(leaf).await.unwrap().is_none());
    }
    assert_eq!((iam.count(), server.count()), (1, 20));
}

#[tokio::test]
async fn a_token_server_that_fails_is_a_failure() {
    let unknown = json!({"errorCode": "BXNIM0415E", "errorMessage": "no such key: the-api-key+/="});
    let cases = [
        (answer(400, &unknown), FailureKind::Authentication),
        (answer(401, &json!({})), FailureKind::Authentication),
        (answer(404, &json!({})), FailureKind::Authentication),
        (answer(429, &json!({})), FailureKind::RateLimited),
        (answer(500, &json!({})), FailureKind::Server),
        (answer(302, &json!({})), FailureKind::InvalidResponse),
        (
            answer(200, &json!({"access_token": ""})),
            FailureKind::InvalidResponse,
        ),
        (
            answer(200, &json!({"access_token": "a\nb"})),
            FailureKind::InvalidResponse,
        ),
        (answer(200, &json!("x")), FailureKind::InvalidResponse),
        (Step::reset(), FailureKind::Disconnected),
    ];
    let server = upstream([hello()]).await;
    for (step, kind) in cases {
        let iam = upstream([step]).await;
        let failure = call(&leaf(&server, &iam.url())).await.unwrap_err();
        assert_eq!(failure.kind(), kind, "{failure:?}");
        assert!(!format!("{failure:?} {failure}").contains("the-api-key"));
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_server_that_hangs_is_a_failure_in_time() {
    // No connection is made to an address that nobody answers at; the limit ends it.
    let server = upstream([hello()]).await;
    let iam = upstream([Step::hang()]).await;
    let failure = call(&leaf(&server, &iam.url())).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Timeout);
    assert_eq!(failure.status().as_u16(), 504);
}

#[tokio::test]
async fn a_token_that_is_refused_is_not_used_again() {
    let iam = upstream([token("eyJ-first"), token("eyJ-second")]).await;
    let expired =
        json!({"errors": [{"code": "authentication_token_expired", "message": "eyJ-first"}]});
    let server = upstream([hello(), answer(401, &expired), hello()]).await;
    let leaf = leaf(&server, &iam.url());
    assert!(call(&leaf).await.unwrap().is_none());
    let failure = call(&leaf).await.unwrap().unwrap();
    assert_eq!(failure.kind(), FailureKind::Authentication);
    assert_eq!(failure.upstream().unwrap().message(), "[redacted]");
    assert!(call(&leaf).await.unwrap().is_none());
    assert_eq!(iam.count(), 2);
    assert_eq!(
        server.hits()[2].header("authorization"),
        Some("Bearer eyJ-second")
    );
}

#[tokio::test]
async fn a_new_token_that_is_refused_is_not_used_again() {
    let iam = upstream([token("eyJ-first"), token("eyJ-second")]).await;
    let refused = json!({"errors": [{"code": "x", "message": "no such token: eyJ-first"}]});
    let server = upstream([answer(401, &refused), hello()]).await;
    let leaf = leaf(&server, &iam.url());
    let failure = call(&leaf).await.unwrap().unwrap();
    let message = failure.upstream().unwrap().message();
    assert_eq!(message, "no such token: [redacted]");
    assert!(call(&leaf).await.unwrap().is_none());
    assert_eq!(iam.count(), 2);
}
