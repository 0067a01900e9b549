//! Errors in the form of the API that was called.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_core::{Failure, FailureKind, Operation, UpstreamError};
use ziggurat_edge::{ErrorForm, ErrorTypes, RespondLayer};

fn request(path: &str) -> Request<()> {
    let request = Request::builder().uri(path);
    request
        .header("x-litellm-call-id", "call-1")
        .body(())
        .unwrap()
}

fn written(path: &str, failure: &Failure) -> (u16, Value) {
    let form = ErrorForm::of(&request(path), ErrorTypes::Litellm);
    let json = serde_json::from_slice(&form.json(failure)).unwrap();
    (form.status(failure).as_u16(), json)
}

#[test]
fn anthropics_have_types_of_their_own() {
    let of = |kind: FailureKind| Failure::new(kind);
    let status = |status: u16| {
        let status = StatusCode::from_u16(status).unwrap();
        Failure::new(FailureKind::Server).with_status(status)
    };
    for (failure, code, kind) in [
        (of(FailureKind::BadRequest), 400, "invalid_request_error"),
        (of(FailureKind::ContextWindow), 400, "invalid_request_error"),
        (of(FailureKind::ContentPolicy), 400, "invalid_request_error"),
        (of(FailureKind::Authentication), 401, "authentication_error"),
        (of(FailureKind::PaymentRequired), 402, "billing_error"),
        (of(FailureKind::Region), 403, "permission_error"),
        (of(FailureKind::NotFound), 404, "not_found_error"),
        (of(FailureKind::UnknownModel), 404, "not_found_error"),
        (of(FailureKind::Timeout), 408, "timeout_error"),
        (of(FailureKind::PayloadTooLarge), 413, "request_too_large"),
        (of(FailureKind::RateLimited), 429, "rate_limit_error"),
        (of(FailureKind::CoolingDown), 429, "rate_limit_error"),
        (of(FailureKind::Connect), 503, "api_error"),
        (status(500), 500, "api_error"),
        (status(503), 503, "overloaded_error"),
        (status(504), 504, "timeout_error"),
    ] {
        let (written, error) = written("/v1/messages", &failure.with_message("so it is"));
        let expected = json!({
            "type": "error", "error": {"type": kind, "message": "so it is"}, "request_id": "call-1",
        });
        assert_eq!((written, error), (code, expected));
    }
}

#[test]
fn what_anthropic_said_is_said_again() {
    let said = |kind: &str, status: u16| {
        let upstream = UpstreamError::new("Anthropic", "so it is").with_type(kind);
        let failure = Failure::new(FailureKind::Server).with_upstream(upstream);
        let failure = failure.with_status(StatusCode::from_u16(status).unwrap());
        let (status, error) = written("/v1/messages", &failure);
        assert_eq!(error["error"]["message"], "so it is");
        (status, error["error"]["type"].as_str().unwrap().to_owned())
    };
    assert_eq!(
        said("overloaded_error", 500),
        (529, "overloaded_error".to_owned())
    );
    assert_eq!(
        said("billing_error", 403),
        (403, "billing_error".to_owned())
    );
    // What another server calls its error, or a type that does not fit, says nothing.
    assert_eq!(said("server_error", 500), (500, "api_error".to_owned()));
    assert_eq!(
        said("overloaded_error", 429),
        (429, "rate_limit_error".to_owned())
    );
}

#[tokio::test]
async fn anthropics_answers_have_the_id_of_their_request() {
    let id = async |path: &str, upstream: Option<&'static str>| {
        let service = RespondLayer::new().layer(service_fn(move |_: Request<()>| async move {
            let mut response = Response::new(String::new());
            if let Some(id) = upstream {
                let id = http::HeaderValue::from_static(id);
                response.headers_mut().insert("request-id", id);
            }
            Ok::<_, Infallible>(response)
        }));
        let response = service.oneshot(request(path)).await.unwrap();
        let id = response.headers().get("request-id");
        id.map(|id| id.to_str().unwrap().to_owned())
    };
    assert_eq!(id("/v1/messages", None).await.as_deref(), Some("call-1"));
    let of_upstream = id("/v1/messages", Some("req_1")).await;
    assert_eq!(of_upstream.as_deref(), Some("req_1"));
    assert_eq!(id("/v1/chat/completions", None).await, None);
}

#[test]
fn paths_tell_the_form() {
    let failure = Failure::new(FailureKind::NotFound);
    let is_anthropic = |path| written(path, &failure).1["type"] == "error";
    for path in [
        "/messages",
        "/v1/messages/batches",
        "/anthropic/v1/models",
        "/v1/messages/count_tokens",
    ] {
        assert!(is_anthropic(path), "{path}");
    }
    for path in [
        "/v1/chat/completions",
        "/v1/responses",
        "/messagesx",
        "/",
        "/v1/models",
    ] {
        assert!(!is_anthropic(path), "{path}");
    }
    // What the request says itself counts before its path.
    let mut named = request("/anywhere");
    named.extensions_mut().insert(Operation::Messages);
    let form = ErrorForm::of(&named, ErrorTypes::OpenAi);
    assert!(form.json(&failure).starts_with(br#"{"type":"error""#));
}

async fn broken(path: &str, before: &'static str) -> String {
    let service = RespondLayer::new().layer(service_fn(move |_: Request<()>| async move {
        let failure = Failure::new(FailureKind::Disconnected).with_message("gone");
        let frames = stream::iter([Ok(Bytes::from_static(before.as_bytes())), Err(failure)]);
        let body = StreamBody::new(frames.map(|frame| frame.map(Frame::data)));
        let response = Response::builder().header("content-type", "text/event-stream");
        Ok::<_, Infallible>(response.body(body).unwrap())
    }));
    let response = service.oneshot(request(path)).await.unwrap();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(text.into()).unwrap();
    text.strip_prefix(before).unwrap().to_owned()
}

#[tokio::test]
async fn a_stream_that_breaks_says_so_in_its_own_form() {
    let event = |text: String| -> Value {
        let data = text.strip_prefix("\n\nevent: error\ndata: ").unwrap();
        serde_json::from_str(data.strip_suffix("\n\n").unwrap()).unwrap()
    };
    let error = event(broken("/v1/messages", "event: ping\ndata: {}\n\n").await);
    let expected = json!({
        "type": "error", "error": {"type": "api_error", "message": "gone"}, "request_id": "call-1",
    });
    assert_eq!(error, expected);
    for (before, number) in [
        ("data: {\"sequence_number\": 41}\n\n", 42),
        (": nothing\n\n", 0),
    ] {
        let error = event(broken("/v1/responses", before).await);
        let message = "litellm.APIConnectionError: gone";
        let mut expected = json!({
            "type": "error", "code": "502", "param": null, "sequence_number": number, "message": message,
        });
        if number == 0 {
            expected["error"] = json!({"type": "internal_server_error", "code": "502", "param": null, "message": message});
        }
        assert_eq!(error, expected);
    }
}
