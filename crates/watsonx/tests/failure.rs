//! Errors, and answers that are none.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use bytes::Bytes;
use http::Extensions;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{builder, exchange, head};
use ziggurat_core::{ContentFiltered, Failure, FailureKind};

fn refused(status: u16, body: &str) -> Failure {
    let mut exchange = exchange(
        builder("m"),
        &json!({"messages": [{"role": "user", "content": "hi"}]}),
    );
    exchange.refused(&head(status), &mut Bytes::copy_from_slice(body.as_bytes()))
}

fn error(code: &str, message: &str) -> String {
    json!({"errors": [{"code": code, "message": message}], "trace": "t"}).to_string()
}

#[test]
fn errors_have_a_kind() {
    use FailureKind as Kind;
    let does_not_fit =
        "the number of input tokens 9000 cannot exceed the total tokens limit 8192 for this model";
    let cases = [
        (
            400,
            error("invalid_input_argument", does_not_fit),
            Kind::ContextWindow,
            400,
        ),
        (
            422,
            error("x", "this model's maximum context length is 8192"),
            Kind::ContextWindow,
            400,
        ),
        (
            403,
            error("token_quota_reached", "used up"),
            Kind::RateLimited,
            429,
        ),
        (
            400,
            error("model_no_support_for_function", "no"),
            Kind::BadRequest,
            400,
        ),
        (
            400,
            error("content_policy_violation", "no"),
            Kind::ContentPolicy,
            400,
        ),
        (
            401,
            error("authentication_token_expired", "no"),
            Kind::Authentication,
            401,
        ),
        (403, error("x", "no"), Kind::PermissionDenied, 403),
        (404, error("model_not_supported", "no"), Kind::NotFound, 404),
        (408, error("x", "no"), Kind::Timeout, 408),
        (422, error("x", "no"), Kind::BadRequest, 422),
        (424, error("x", "no"), Kind::BadRequest, 424),
        (
            429,
            error("x", "maximum context length is"),
            Kind::RateLimited,
            429,
        ),
        (500, error("x", does_not_fit), Kind::Server, 500),
        (502, "<html>".to_owned(), Kind::Server, 502),
        (504, String::new(), Kind::Timeout, 504),
        // What is quoted may be the prompt.
        (
            400,
            error("x", "bad 'maximum context length is' in input"),
            Kind::BadRequest,
            400,
        ),
    ];
    for (status, body, kind, shown) in cases {
        let failure = refused(status, &body);
        assert_eq!(
            (failure.kind(), failure.status().as_u16()),
            (kind, shown),
            "{body}"
        );
    }
}

#[test]
fn messages_and_codes_are_kept_in_short() {
    let failure = refused(500, &error("internal_error", &"é".repeat(5_000)));
    let upstream = failure.upstream().unwrap();
    assert_eq!(
        (upstream.provider(), upstream.code()),
        ("Watsonx", Some("internal_error"))
    );
    assert_eq!(upstream.message().chars().count(), 2_001);
    let iam = r#"{"errorCode":"BXNIM0415E","errorMessage":"Provided API key could not be found."}"#;
    let failure = refused(400, iam);
    assert_eq!(
        failure.upstream().unwrap().message(),
        "Provided API key could not be found."
    );
}

#[test]
fn tokens_are_cut_out_of_errors() {
    let mut exchange = exchange(
        builder("m"),
        &json!({"messages": [{"role": "user", "content": "hi"}]}),
    );
    for text in [
        error("x", "bad token eyJ-a-token"),
        "bad token eyJ-a-token".to_owned(),
    ] {
        let mut body = Bytes::from(text);
        let failure = exchange.refused(&head(401), &mut body);
        assert!(!String::from_utf8_lossy(&body).contains("eyJ-a-token"));
        assert_eq!(
            failure.upstream().unwrap().message(),
            "bad token [redacted]"
        );
    }
    assert!(exchange.is_secret(b"Bearer eyJ-a-token"));
}

fn plain(body: &str) -> Result<Value, Failure> {
    let mut exchange = exchange(
        builder("m"),
        &json!({"messages": [{"role": "user", "content": "hi"}]}),
    );
    let answer = exchange.plain(Bytes::copy_from_slice(body.as_bytes()))?;
    Ok(serde_json::from_slice(&answer.into_bytes()).unwrap())
}

#[test]
fn answers_that_are_none_are_failures() {
    for body in [
        "",
        "[]",
        "{}",
        r#"{"choices":7}"#,
        r#"{"choices":[]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":3}}"#,
        r#"{"choices":["a"]}"#,
        r#"{"choices":[{}]}"#,
        r#"{"choices":[{"message":null}]}"#,
        r#"{"results":[]}"#,
    ] {
        let failure = plain(body).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::InvalidResponse, "{body}");
        assert_eq!(failure.status().as_u16(), 500, "{body}");
    }
    let error = r#"{"errors":[{"code":"x","message":"slow down"}],"status_code":429}"#;
    assert_eq!(plain(error).unwrap_err().kind(), FailureKind::RateLimited);
    // Empty ones beside an answer are none.
    assert!(plain(r#"{"errors":[],"error":null,"choices":[{"message":{}}]}"#).is_ok());
}

#[test]
fn answers_that_broke_off_are_failures() {
    for reason in ["error", "cancelled"] {
        let choice = json!({"message": {"content": "a"}, "finish_reason": reason});
        let failure = plain(&json!({"choices": [choice]}).to_string()).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Server, "{reason}");
    }
}

#[test]
fn answers_are_openais() {
    let answer = plain(
        r#"{"model":"ibm/m","x":1.10,"choices":[{"index":0,"logprobs":{"y":-0.10},"finish_reason":"stop","message":{
            "role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"}}]}}]}"#,
    )
    .unwrap();
    assert_eq!(
        (&answer["model"], &answer["object"]),
        (&json!("granite"), &json!("chat.completion"))
    );
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(
        (&answer["x"], &answer["choices"][0]["logprobs"]["y"]),
        (&json!(1.10), &json!(-0.10))
    );
    assert!(answer["id"].as_str().unwrap().starts_with("chatcmpl-") && answer["created"].is_u64());
}

#[test]
fn an_answer_that_was_held_back_says_so() {
    let mut exchange = exchange(
        builder("m"),
        &json!({"messages": [{"role": "user", "content": "hi"}]}),
    );
    let body = r#"{"choices":[{"message":{},"finish_reason":"content_filter"}]}"#;
    exchange.plain(Bytes::from(body)).unwrap();
    let mut extensions = Extensions::new();
    exchange.tell(&mut extensions);
    assert!(extensions.get::<ContentFiltered>().is_some());
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_some_error(status in 400_u16..600, body in proptest::collection::vec(any::<u8>(), 0..256)) {
        let mut exchange = exchange(builder("m"), &json!({"messages": [{"role": "user", "content": "hi"}]}));
        let failure = exchange.refused(&head(status), &mut body.into());
        prop_assert!(failure.status().is_client_error() || failure.status().is_server_error());
    }

    #[test]
    fn json_of_any_shape_is_some_error(body in "[\\[\\]{}:,\" a-z0-9]{0,64}|\\{\"(errors|error|message)\":[\\[\\]{}:,\"a-z0-9]{0,32}\\}") {
        refused(400, &body);
        let _ = plain(&body);
    }
}
