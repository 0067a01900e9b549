//! What Google's errors mean.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use ziggurat_core::{Failure, FailureKind, JsonBody, json::Document};
use ziggurat_provider::{Call, Dialect};
use ziggurat_vertex::{Face, Vertex};

const KEY: &str = "gem-key-0123";

fn refused(status: u16, headers: &[(&str, &str)], body: &mut Bytes) -> Failure {
    let document =
        Document::parse(r#"{"messages":[{"role":"user","content":"Hi"}]}"#.into()).unwrap();
    let request = Request::new(JsonBody::new(document));
    let dialect = Vertex::builder(Face::Gemini, "gemini-2.5-flash").api_key(KEY);
    let dialect = dialect.build().unwrap();
    let outgoing = dialect.prepare(Call::new(&request, &[])).unwrap();
    let mut exchange = outgoing.exchange;
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let (head, ()) = response.body(()).unwrap().into_parts();
    exchange.refused(&head, body)
}

fn of(status: u16, body: &Value) -> Failure {
    refused(status, &[], &mut Bytes::from(body.to_string()))
}

fn error(code: u16, message: &str) -> Value {
    json!({"error": {"code": code, "message": message, "status": "X"}})
}

#[test]
fn the_status_counts_and_words_refine_a_refused_request() {
    use FailureKind::{
        Authentication, BadRequest, ContentPolicy, ContextWindow, NotFound, PermissionDenied,
        RateLimited, Server, Timeout,
    };
    let cases = [
        (
            400,
            "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            ContextWindow,
            400,
        ),
        (
            400,
            "Unable to submit request because the input token count is 9 but model only supports up to 8.",
            ContextWindow,
            400,
        ),
        (
            400,
            "Request payload size exceeds the limit: 20971520 bytes.",
            ContextWindow,
            400,
        ),
        (400, "The response was blocked.", ContentPolicy, 400),
        (
            400,
            "API key not valid. Please pass a valid API key.",
            Authentication,
            401,
        ),
        (
            400,
            "Unknown name \"The response was blocked.\"",
            BadRequest,
            400,
        ),
        (400, "Quota 403 of nothing", BadRequest, 400),
        (401, "x", Authentication, 401),
        (
            403,
            "API has not been used in project 1 before or it is disabled.",
            PermissionDenied,
            403,
        ),
        (404, "x", NotFound, 404),
        (408, "x", Timeout, 408),
        (429, "You exceeded your current quota", RateLimited, 429),
        (500, "x", Server, 500),
        (
            503,
            "The model is overloaded. Please try again later.",
            Server,
            500,
        ),
        (503, "x", Server, 503),
        (504, "x", Timeout, 504),
    ];
    for (status, message, kind, shown) in cases {
        let failure = of(status, &error(status, message));
        assert_eq!(failure.kind(), kind, "{message}");
        assert_eq!(failure.status().as_u16(), shown, "{message}");
        let upstream = failure.upstream().unwrap();
        assert_eq!((upstream.message(), upstream.error_type()), (message, None));
        assert_eq!(upstream.code(), Some("X"));
    }
    assert_eq!(of(500, &error(429, "x")).kind(), RateLimited);
    let reason = json!({"error": {"code": 400, "message": "x", "details": [
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"},
    ]}});
    assert_eq!(of(400, &reason).kind(), Authentication);
}

#[test]
fn the_wait_is_that_of_the_header_or_of_the_details() {
    let body = json!({"error": {"code": 429, "message": "x", "details": [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"},
    ]}});
    let wait = of(429, &body).retry_after();
    assert_eq!(wait, Some(Duration::from_millis(34_500)));
    let mut text = Bytes::from(body.to_string());
    let wait = refused(429, &[("retry-after", "9")], &mut text).retry_after();
    assert_eq!(wait, Some(Duration::from_secs(9)));
    for odd in ["-1s", "1e300s", "s", "x", "NaNs"] {
        let body = json!({"error": {"details": [{"retryDelay": odd}]}});
        assert_eq!(of(429, &body).retry_after(), None, "{odd}");
    }
}

#[test]
fn keys_are_cut_out() {
    let mut body = Bytes::from(error(400, &format!("bad key {KEY}")).to_string());
    let failure = refused(400, &[], &mut body);
    assert!(!format!("{failure:?}").contains(KEY));
    assert!(!String::from_utf8_lossy(&body).contains(KEY));
    let mut body = Bytes::from(format!("<html>{KEY}</html>"));
    let failure = refused(502, &[], &mut body);
    assert!(!failure.upstream().unwrap().message().contains(KEY));
    assert!(!String::from_utf8_lossy(&body).contains(KEY));
}
