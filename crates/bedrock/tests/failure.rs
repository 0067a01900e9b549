//! What error answers mean, through the dialect alone.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use bytes::Bytes;
use http::{Request, Response};
use proptest::prelude::*;
use ziggurat_bedrock::Bedrock;
use ziggurat_core::{Failure, FailureKind, JsonBody, json::Document};
use ziggurat_provider::{Call, Dialect, Exchange};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG";

fn exchange() -> Box<dyn Exchange> {
    let body = r#"{"messages":[{"role":"user","content":"hi"}]}"#;
    let request = Request::new(JsonBody::new(Document::parse(body.into()).unwrap()));
    let dialect = Bedrock::builder("anthropic.claude-3-5-sonnet-20241022-v2:0")
        .aws_access_key_id("AKIA")
        .aws_secret_access_key(SECRET)
        .build()
        .unwrap();
    dialect.prepare(Call::new(&request, &[])).unwrap().exchange
}

fn refused(status: u16, exception: &str, body: &str) -> (Failure, Bytes) {
    let mut response = Response::builder().status(status);
    if !exception.is_empty() {
        response = response.header("x-amzn-errortype", exception);
    }
    let (head, ()) = response.body(()).unwrap().into_parts();
    let mut body = Bytes::copy_from_slice(body.as_bytes());
    let failure = exchange().refused(&head, &mut body);
    (failure, body)
}

#[test]
fn names_come_before_texts_and_statuses() {
    use FailureKind::*;
    let cases = [
        (
            400,
            "ValidationException",
            "Input is too long for requested model.",
            ContextWindow,
            400,
        ),
        (
            400,
            "",
            "prompt is too long: 1 tokens > 0 maximum",
            ContextWindow,
            400,
        ),
        (
            400,
            "",
            "Malformed input request: expected maxLength: 5, actual: 9",
            ContextWindow,
            400,
        ),
        (
            400,
            "",
            "Malformed input request: 2 schema violations found",
            BadRequest,
            400,
        ),
        (413, "", "Too many input tokens", ContextWindow, 400),
        (
            400,
            "ValidationException",
            "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
            ContextWindow,
            400,
        ),
        (
            400,
            "ValidationException",
            "The model returned the following errors: Input is too long for requested model.",
            ContextWindow,
            400,
        ),
        // The request may say anything.
        (
            400,
            "ValidationException",
            "Value 'the prompt is too long' at 'messages.1' is invalid",
            BadRequest,
            400,
        ),
        // Differs from the phrase about prompts by a capital letter only.
        (
            429,
            "ThrottlingException",
            "Too many tokens, please wait before trying again.",
            RateLimited,
            429,
        ),
        (429, "", "Too many tokens, please wait", RateLimited, 429),
        (
            400,
            "ThrottlingException:http://x/",
            "Rate exceeded",
            RateLimited,
            429,
        ),
        (
            400,
            "ServiceQuotaExceededException",
            "no",
            QuotaExceeded,
            429,
        ),
        (
            400,
            "",
            "Output blocked by content filtering policy",
            ContentPolicy,
            400,
        ),
        (
            403,
            "AccessDeniedException",
            "You don't have access",
            PermissionDenied,
            403,
        ),
        (
            403,
            "ExpiredTokenException",
            "The security token included in the request is expired",
            Authentication,
            401,
        ),
        (
            403,
            "",
            "The security token included in the request is invalid.",
            Authentication,
            401,
        ),
        (
            400,
            "com.amazon#UnrecognizedClientException",
            "no",
            Authentication,
            401,
        ),
        (404, "ResourceNotFoundException", "no", NotFound, 404),
        (408, "ModelTimeoutException", "no", Timeout, 408),
        (
            424,
            "ModelErrorException",
            "Input is too long, said the model",
            Server,
            500,
        ),
        (424, "", "no", Server, 500),
        (429, "ModelNotReadyException", "no", RateLimited, 429),
        (
            500,
            "InternalServerException",
            "rate limit reached, too many tokens",
            Server,
            500,
        ),
        (503, "ServiceUnavailableException", "no", Server, 503),
        (504, "", "Gateway Timeout", Timeout, 504),
        (418, "", "teapot", BadRequest, 418),
    ];
    for (status, exception, message, kind, own) in cases {
        let body = serde_json::json!({ "message": message }).to_string();
        let (failure, unchanged) = refused(status, exception, &body);
        assert_eq!(failure.kind(), kind, "{status} {exception} {message}");
        assert_eq!(
            failure.status().as_u16(),
            own,
            "{status} {exception} {message}"
        );
        assert_eq!(failure.upstream().unwrap().message(), message);
        assert_eq!(unchanged, body);
    }
    let in_body = r#"{"__type":"com.amazon.coral#ThrottlingException","message":"no"}"#;
    assert_eq!(refused(400, "", in_body).0.kind(), RateLimited);
}

#[test]
fn what_quotes_the_signed_request_is_cut() {
    let quoted = "The request signature we calculated does not match. The Canonical String for this request should have \
                  been 'POST\nx-amz-security-token:hidden'";
    let body = serde_json::json!({ "message": quoted }).to_string();
    let (failure, body) = refused(403, "InvalidSignatureException", &body);
    assert_eq!(failure.kind(), FailureKind::Authentication);
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(
        !body.contains("hidden") && body.contains("does not match"),
        "{body}"
    );
    assert!(!failure.upstream().unwrap().message().contains("hidden"));
    let (failure, body) = refused(400, "", &format!("<html> {SECRET} </html>"));
    assert!(!String::from_utf8(body.to_vec()).unwrap().contains(SECRET));
    assert_eq!(
        failure.upstream().unwrap().message(),
        "<html> [redacted] </html>"
    );
    assert!(exchange().is_secret(SECRET.as_bytes()));
}

#[test]
fn an_error_in_place_of_an_answer_is_one() {
    let plain = |body: &str| {
        exchange()
            .plain(Bytes::copy_from_slice(body.as_bytes()))
            .unwrap_err()
    };
    let unknown = plain(
        r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#,
    );
    assert_eq!(unknown.kind(), FailureKind::Server);
    assert_eq!(plain(r#"{"message":"oops"}"#).kind(), FailureKind::Server);
    // No status says otherwise.
    for body in [
        r#"{"message":"Input is too long"}"#,
        r#"{"error":{"message":"Input is too long"}}"#,
    ] {
        assert_eq!(plain(body).kind(), FailureKind::ContextWindow);
    }
    let native = plain(r#"{"type":"error","error":{"type":"rate_limit_error","message":"no"}}"#);
    assert_eq!(
        (native.kind(), native.status().as_u16()),
        (FailureKind::RateLimited, 429)
    );
    let throttled = plain(r#"{"__type":"ThrottlingException","message":"no"}"#);
    assert_eq!(throttled.kind(), FailureKind::RateLimited);
    for body in ["", "{", "[]", "{}", r#"{"output":{}}"#, "<html>"] {
        let failure = plain(body);
        assert_eq!(failure.kind(), FailureKind::InvalidResponse, "{body}");
        assert_eq!(failure.status(), 500, "{body}");
    }
}

/// Plain answers, beyond what is recorded.
#[test]
fn answers_tell_what_is_known_of_their_tokens() {
    let plain = |content: serde_json::Value, usage: serde_json::Value| {
        let answer = serde_json::json!({
            "output": {"message": {"content": content}}, "stopReason": "end_turn", "usage": usage,
        });
        let printed = exchange().plain(answer.to_string().into()).unwrap();
        serde_json::from_slice::<serde_json::Value>(&printed.into_bytes()).unwrap()
    };
    let usage =
        serde_json::json!({"inputTokens": 1, "outputTokens": 3, "cacheReadInputTokens": null});
    let text = plain(serde_json::json!([{"text": "a"}]), usage.clone());
    let details = serde_json::json!({"reasoning_tokens": 0, "text_tokens": 3});
    assert_eq!(text["usage"]["completion_tokens_details"], details);
    let thought =
        serde_json::json!([{"reasoningContent": {"reasoningText": {"text": "hm"}}}, {"text": "a"}]);
    assert_eq!(
        plain(thought, usage.clone())["usage"].get("completion_tokens_details"),
        None
    );
    // Nothing said is an empty text, as elsewhere.
    let nothing = plain(serde_json::json!([]), usage);
    assert_eq!(nothing["choices"][0]["message"]["content"], "");
}

proptest! {
    #[test]
    fn any_error_body_is_read(status in 400..600_u16, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (head, ()) = Response::builder().status(status).body(()).unwrap().into_parts();
        let failure = exchange().refused(&head, &mut bytes.clone().into());
        prop_assert!(failure.upstream().is_some());
        prop_assert!(exchange().plain(bytes.into()).is_err());
    }

    #[test]
    fn any_json_is_read(text in r#"\{"(message|error|__type|output)":("[^"\\]{0,40}"|\[\]|\{\}|1|null)\}"#) {
        let (failure, _) = refused(400, "", &text);
        prop_assert!(failure.upstream().is_some());
        prop_assert!(exchange().plain(text.into()).is_err());
    }
}
