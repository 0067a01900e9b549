//! The JSON that failures become.

use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use ziggurat_core::{Failure, FailureKind, UpstreamError};
use ziggurat_edge::{ErrorTypes, RespondLayer};

use crate::{answer, upstream};

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
            upstream(FailureKind::PaymentRequired, 402),
            402,
            "invalid_request_error",
            "litellm.APIError: ",
        ),
        (
            upstream(FailureKind::Conflict, 409),
            409,
            "invalid_request_error",
            "litellm.APIError: ",
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
