//! Failures become responses, and responses say how they came to be.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod broken;
mod failures;
mod form;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt, service_fn};
use ziggurat_core::{
    Attempt, BoxError, DeploymentId, Failure, FailureKind, FallbackReason, ModelGroup, Served,
    Tried, UpstreamError,
};
use ziggurat_edge::RespondLayer;

async fn answer<F>(layer: RespondLayer, result: F) -> (http::response::Parts, Value)
where
    F: Fn(&Tried) -> Result<Response<Full<Bytes>>, Failure> + Clone + Send + 'static,
{
    let service = layer.layer(service_fn(move |req: Request<()>| {
        let result = result(
            req.extensions()
                .get()
                .expect("respond puts the ledger there"),
        );
        async move { result }
    }));
    let (head, body) = service
        .oneshot(Request::new(()))
        .await
        .unwrap()
        .into_parts();
    let text = body.collect().await.unwrap().to_bytes();
    (
        head,
        serde_json::from_slice(&text)
            .unwrap_or_else(|_| String::from_utf8_lossy(&text).into_owned().into()),
    )
}

fn upstream(kind: FailureKind, status: u16) -> Failure {
    let words = UpstreamError::new("OpenAI", "it broke")
        .with_type("some_type")
        .with_param("n")
        .with_code("some_code");
    Failure::new(kind)
        .with_status(StatusCode::from_u16(status).unwrap())
        .with_upstream(words)
}

#[tokio::test]
async fn other_responses_pass_unchanged() {
    let (head, body) = answer(RespondLayer::new(), |_| {
        let mut response = Response::new(Full::from("teapot"));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
            .headers_mut()
            .insert("content-type", "text/plain".parse().unwrap());
        Ok(response)
    })
    .await;
    assert_eq!((head.status.as_u16(), body), (418, json!("teapot")));
    assert_eq!(head.headers["content-type"], "text/plain");
    assert!(!head.headers.contains_key("x-should-retry"));
}

fn attempt(tried: &Tried, id: &str, group: &str) {
    let mut attempt = Attempt::start();
    attempt.deployment = Some(DeploymentId::from(id));
    attempt.group = Some(ModelGroup::from(group));
    let _ = tried.begin(attempt);
}

/// R88-R90, R92, R170: who answered, after how many attempts; also on failures.
#[tokio::test]
async fn headers_tell_how_a_response_came_to_be() {
    let story = |tried: &Tried| {
        attempt(tried, "a", "first");
        attempt(tried, "b", "first");
        attempt(tried, "b", "first");
        tried.hop(FallbackReason::Error, FailureKind::Server.into());
        attempt(tried, "c", "second");
        attempt(tried, "c", "second");
    };
    let text = |headers: &HeaderMap, name: &str| {
        headers
            .get(name)
            .map(|v| v.to_str().unwrap().to_owned())
            .unwrap_or_default()
    };
    let names = [
        "model-id",
        "model-name",
        "model-api-base",
        "model-group",
        "attempted-retries",
        "attempted-fallbacks",
        "total-attempts",
        "fallback-reason",
    ];
    let all = |headers: &HeaderMap| names.map(|name| text(headers, &format!("x-litellm-{name}")));

    let (head, _) = answer(RespondLayer::new(), move |tried| {
        story(tried);
        let mut response = Response::new(Full::from("{}"));
        response.extensions_mut().insert(Served::new(
            "c".into(),
            "azure/x",
            Some("https://a.example/v1"),
        ));
        Ok(response)
    })
    .await;
    assert_eq!(
        all(&head.headers),
        [
            "c",
            "azure/x",
            "https://a.example/v1",
            "second",
            "1",
            "1",
            "5",
            "error"
        ]
    );

    let (head, _) = answer(RespondLayer::new(), move |tried| {
        story(tried);
        Err(Failure::new(FailureKind::Server).with_deployment("b".into()))
    })
    .await;
    assert_eq!(
        all(&head.headers),
        ["b", "", "", "first", "2", "1", "5", "error"]
    );

    let (head, _) = answer(RespondLayer::new(), |_| {
        Err(Failure::new(FailureKind::UnknownModel))
    })
    .await;
    assert_eq!(all(&head.headers), ["", "", "", "", "0", "0", "0", ""]);
}

/// D7: all that helps was tried here; only a known wait is worth another request.
#[tokio::test]
async fn clients_are_told_whether_to_ask_again() {
    for (failure, again, wait) in [
        (Failure::new(FailureKind::Server), "false", None),
        (Failure::new(FailureKind::RateLimited), "false", None),
        (
            Failure::new(FailureKind::RateLimited).with_retry_after(Duration::from_millis(1200)),
            "true",
            Some("2"),
        ),
        (
            upstream(FailureKind::Server, 503).with_retry_after(Duration::from_secs(7)),
            "true",
            Some("7"),
        ),
        (
            upstream(FailureKind::Server, 500).with_retry_after(Duration::from_secs(7)),
            "false",
            Some("7"),
        ),
    ] {
        let (head, _) = answer(RespondLayer::new(), move |_| Err(failure.clone())).await;
        assert_eq!(head.headers["x-should-retry"], again);
        assert_eq!(
            head.headers.get("retry-after").map(|v| v.to_str().unwrap()),
            wait
        );
    }
}

#[tokio::test]
async fn the_excerpt_reaches_the_sender() {
    let (_, body) = answer(RespondLayer::new(), |_| {
        Err(Failure::new(FailureKind::BadRequest)
            .with_message("invalid JSON at line 1 column 2")
            .with_excerpt("{12: 1}"))
    })
    .await;
    assert_eq!(
        body["error"]["message"],
        "litellm.BadRequestError: invalid JSON at line 1 column 2, near `{12: 1}`"
    );
}

#[derive(Clone)]
struct NeverReady;
impl Service<Request<()>> for NeverReady {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Self::Response, BoxError>>;
    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), BoxError>> {
        std::task::Poll::Ready(Err(Box::new(Failure::new(FailureKind::Connect))))
    }
    fn call(&mut self, _: Request<()>) -> Self::Future {
        panic!("called without being ready")
    }
}

#[tokio::test]
async fn a_service_that_cannot_get_ready_is_answered_for() {
    let response = RespondLayer::new()
        .layer(NeverReady)
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert_eq!(response.status(), 503);
}

#[test]
fn types_are_send_sync_and_unpin() {
    fn service<T: Clone + Send + Sync + 'static>() {}
    fn body<T: Send + Unpin + 'static>() {}
    service::<ziggurat_edge::Respond<ziggurat_edge::Envelope<NeverReady>>>();
    body::<ziggurat_edge::respond::ResponseBody<Full<Bytes>>>();
}
