//! Failures become responses, and responses say how they came to be.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt, service_fn};
use ziggurat_core::{
    Attempt, BoxError, DeploymentId, Failure, FailureKind, FallbackReason, ModelGroup, Served,
    Tried, UpstreamError,
};
use ziggurat_edge::{ErrorTypes, RespondLayer};

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

/// R192-R205: status, type, code as text, message with a class, in the default mode.
#[tokio::test]
async fn failures_have_litellms_types() {
    for (failure, status, kind, class) in [
        (
            upstream(FailureKind::BadRequest, 400),
            400,
            "some_type",
            "litellm.BadRequestError: ",
        ),
        (
            upstream(FailureKind::BadRequest, 422),
            422,
            "some_type",
            "litellm.BadRequestError: ",
        ),
        (
            upstream(FailureKind::Authentication, 401),
            401,
            "authentication_error",
            "litellm.AuthenticationError: ",
        ),
        (
            upstream(FailureKind::PermissionDenied, 403),
            403,
            "permission_error",
            "litellm.PermissionDeniedError: ",
        ),
        (
            upstream(FailureKind::NotFound, 404),
            404,
            "invalid_request_error",
            "litellm.NotFoundError: ",
        ),
        (
            upstream(FailureKind::Timeout, 408),
            408,
            "invalid_request_error",
            "litellm.Timeout: ",
        ),
        (
            upstream(FailureKind::Timeout, 504),
            504,
            "internal_server_error",
            "litellm.Timeout: ",
        ),
        (
            upstream(FailureKind::RateLimited, 429),
            429,
            "throttling_error",
            "litellm.RateLimitError: ",
        ),
        (
            upstream(FailureKind::Server, 500),
            500,
            "internal_server_error",
            "litellm.InternalServerError: ",
        ),
        (
            upstream(FailureKind::Server, 502),
            502,
            "internal_server_error",
            "litellm.BadGatewayError: ",
        ),
        (
            upstream(FailureKind::Server, 503),
            503,
            "internal_server_error",
            "litellm.ServiceUnavailableError: ",
        ),
        (
            upstream(FailureKind::Server, 529),
            529,
            "internal_server_error",
            "litellm.APIError: ",
        ),
        (
            upstream(FailureKind::ContextWindow, 400),
            400,
            "invalid_request_error",
            "litellm.ContextWindowExceededError: ",
        ),
        (
            upstream(FailureKind::ContentPolicy, 400),
            400,
            "some_type",
            "litellm.BadRequestError: litellm.ContentPolicyViolationError: ",
        ),
    ] {
        let (head, body) = answer(RespondLayer::new(), move |_| Err(failure.clone())).await;
        assert_eq!(head.status, status);
        let error = &body["error"];
        assert_eq!(
            (&error["type"], &error["code"], &error["param"]),
            (&json!(kind), &json!(status.to_string()), &json!("n"))
        );
        let message = error["message"].as_str().unwrap();
        assert!(
            message.starts_with(class) && message.ends_with("OpenAIException - it broke"),
            "{message}"
        );
        assert_eq!(head.headers["content-type"], "application/json");
    }
}

/// D15: the other mode names errors as OpenAI does.
#[tokio::test]
async fn failures_have_openais_types_on_request() {
    let layer = RespondLayer::new().error_types(ErrorTypes::OpenAi);
    for (failure, kind, code) in [
        (
            upstream(FailureKind::RateLimited, 429),
            "rate_limit_error",
            json!("rate_limit_exceeded"),
        ),
        (
            upstream(FailureKind::Timeout, 504),
            "timeout_error",
            json!("some_code"),
        ),
        (
            upstream(FailureKind::Server, 503),
            "server_error",
            json!("some_code"),
        ),
        (
            upstream(FailureKind::ContextWindow, 400),
            "invalid_request_error",
            json!("context_length_exceeded"),
        ),
        (
            Failure::new(FailureKind::UnknownModel),
            "invalid_request_error",
            json!("model_not_found"),
        ),
        (
            Failure::new(FailureKind::Server),
            "server_error",
            json!(null),
        ),
    ] {
        let words = failure.upstream().is_some();
        let (_, body) = answer(layer, move |_| Err(failure.clone())).await;
        assert_eq!(
            (&body["error"]["type"], &body["error"]["code"]),
            (&json!(kind), &code)
        );
        assert!(!words || body["error"]["message"] == "it broke");
    }
}

#[tokio::test]
async fn a_leafs_failure_takes_the_place_of_the_upstreams_body() {
    let (head, body) = answer(RespondLayer::new(), |_| {
        let mut response = Response::new(Full::from("<html>secret stack trace"));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
            .headers_mut()
            .insert("llm_provider-x", "kept".parse().unwrap());
        for (name, value) in [
            ("content-length", "4"),
            ("content-encoding", "gzip"),
            ("etag", "x"),
        ] {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        let fields =
            UpstreamError::new("Azure", "no").with_fields(r#"{"innererror":{"code":1}}"#.into());
        response
            .extensions_mut()
            .insert(Failure::new(FailureKind::ContentPolicy).with_upstream(fields));
        Ok(response)
    })
    .await;
    assert_eq!(head.status, 400);
    assert_eq!(head.headers["llm_provider-x"], "kept");
    // What told of the old body's bytes would break the connection with the new one.
    assert!(
        ["content-length", "content-encoding", "etag"]
            .iter()
            .all(|name| !head.headers.contains_key(*name))
    );
    assert_eq!(
        body["error"]["provider_specific_fields"],
        json!({"innererror": {"code": 1}})
    );
    assert!(!body.to_string().contains("secret"));
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

fn broken(
    content_type: &'static str,
) -> impl Service<
    Request<()>,
    Response = Response<impl Body<Data = Bytes, Error = Failure> + use<>>,
    Error = Infallible,
> {
    RespondLayer::new().layer(service_fn(move |_: Request<()>| async move {
        let frames = stream::iter([
            Ok(Bytes::from_static(b"data: 1\n\n")),
            Err(Failure::new(FailureKind::Disconnected)),
        ]);
        let mut response = Response::new(StreamBody::new(frames.map(|f| f.map(Frame::data))));
        response
            .headers_mut()
            .insert("content-type", content_type.parse().unwrap());
        Ok::<_, Failure>(response)
    }))
}

/// R189 BETTER, D10: one typed error event with the right code, then `[DONE]`, then the end.
#[tokio::test]
async fn a_stream_that_breaks_says_so() {
    let response = broken("text/event-stream; charset=utf-8")
        .oneshot(Request::new(()))
        .await
        .unwrap();
    assert_eq!(
        (
            &response.headers()["cache-control"],
            &response.headers()["x-accel-buffering"]
        ),
        (
            &"no-cache".parse::<http::HeaderValue>().unwrap(),
            &"no".parse().unwrap()
        )
    );
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&text).unwrap();
    let events: Vec<_> = text
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .collect();
    assert_eq!(
        (events[0], events[2], events.len()),
        ("data: 1", "data: [DONE]", 3),
        "{text}"
    );
    let error: Value = serde_json::from_str(events[1].strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(
        (&error["error"]["code"], &error["error"]["type"]),
        (&json!("502"), &json!("internal_server_error"))
    );
}

#[tokio::test]
async fn a_plain_body_that_breaks_is_not_taken_for_whole() {
    let mut body = broken("application/json")
        .oneshot(Request::new(()))
        .await
        .unwrap()
        .into_body();
    assert!(body.frame().await.unwrap().is_ok());
    assert_eq!(
        body.frame().await.unwrap().unwrap_err().kind(),
        FailureKind::Disconnected
    );
    assert!(body.frame().await.is_none() && body.is_end_stream());
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
