//! Errors and plain answers, beyond what is recorded.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{KEY, exchange, hello, plain, refused};
use ziggurat_core::FailureKind;

fn error(kind: &str, message: &str) -> String {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "r"})
        .to_string()
}

#[test]
fn statuses_and_words_tell_the_kind() {
    let invalid = "invalid_request_error";
    let cases = [
        (
            400,
            invalid,
            "prompt is too long: 210000 tokens > 200000 maximum",
            FailureKind::ContextWindow,
            400,
        ),
        (
            413,
            "request_too_large",
            "Prompt is too long",
            FailureKind::ContextWindow,
            400,
        ),
        (
            400,
            invalid,
            "input length and `max_tokens` exceed context limit: 9 > 8",
            FailureKind::ContextWindow,
            400,
        ),
        (
            400,
            invalid,
            "messages: too many total text bytes: 9 > 8",
            FailureKind::ContextWindow,
            400,
        ),
        (
            400,
            invalid,
            "Output blocked by content filtering policy",
            FailureKind::ContentPolicy,
            400,
        ),
        (
            400,
            invalid,
            "messages.0: unexpected 'prompt is too long'",
            FailureKind::BadRequest,
            400,
        ),
        (
            500,
            "api_error",
            "prompt is too long",
            FailureKind::Server,
            500,
        ),
        (
            413,
            "request_too_large",
            "Request exceeds the maximum size",
            FailureKind::PayloadTooLarge,
            413,
        ),
        (
            401,
            "authentication_error",
            "invalid x-api-key",
            FailureKind::Authentication,
            401,
        ),
        (
            402,
            "billing_error",
            "pay",
            FailureKind::PaymentRequired,
            402,
        ),
        (
            403,
            "permission_error",
            "no",
            FailureKind::PermissionDenied,
            403,
        ),
        (
            404,
            "not_found_error",
            "model: x",
            FailureKind::NotFound,
            404,
        ),
        (408, "timeout_error", "late", FailureKind::Timeout, 408),
        (
            429,
            "rate_limit_error",
            "slow",
            FailureKind::RateLimited,
            429,
        ),
        (500, "api_error", "oops", FailureKind::Server, 500),
        (502, "api_error", "oops", FailureKind::Server, 502),
        (504, "timeout_error", "late", FailureKind::Timeout, 504),
        (
            529,
            "overloaded_error",
            "Overloaded",
            FailureKind::Server,
            500,
        ),
    ];
    for (status, kind, message, expected, shown) in cases {
        let (failure, _) = refused(status, &error(kind, message));
        assert_eq!(
            (failure.kind(), failure.status().as_u16()),
            (expected, shown),
            "{status} {message}"
        );
        assert_eq!(failure.retry_after(), Some(Duration::from_secs(7)));
        let upstream = failure.upstream().unwrap();
        assert_eq!(
            (upstream.message(), upstream.error_type()),
            (message, Some(kind))
        );
    }
}

#[test]
fn bodies_of_any_shape_are_read_and_keys_cut_out() {
    let cases = [
        ("<html>down\n  now</html>", "<html>down now</html>"),
        (r#"{"error":"gone"}"#, "gone"),
        (r#"{"detail":"not here"}"#, "not here"),
        ("[1]", "[1]"),
        ("", ""),
    ];
    for (body, message) in cases {
        let (failure, _) = refused(503, body);
        assert_eq!(failure.kind(), FailureKind::Server);
        assert_eq!(failure.upstream().unwrap().message(), message);
    }
    for body in [
        error("authentication_error", &format!("bad {KEY}")),
        format!("<p>{KEY}</p>"),
    ] {
        let (failure, body) = refused(401, &body);
        assert!(!failure.upstream().unwrap().message().contains(KEY));
        assert!(!String::from_utf8_lossy(&body).contains(KEY));
    }
}

#[test]
fn keys_do_not_show_where_nobody_expects_them() {
    let echo = error("api_error", &format!("bad {KEY}"));
    let (mut exchange, _) = exchange(&hello());
    assert!(exchange.is_secret(format!("key={KEY}").as_bytes()));
    assert!(!exchange.is_secret(b"harmless"));
    let plain = exchange.plain(echo.clone().into()).err().unwrap();
    let streamed = exchange.chunk(format!("data: {echo}\n\n").into());
    for failure in [plain, streamed.end.unwrap().unwrap_err()] {
        assert_eq!(failure.upstream().unwrap().message(), "bad [redacted]");
    }
}

#[test]
fn what_is_no_answer_fails() {
    let cases = [
        (json!([]), FailureKind::InvalidResponse, 500),
        (
            json!({"type": "message"}),
            FailureKind::InvalidResponse,
            500,
        ),
        (
            json!({"type": "message", "content": "x"}),
            FailureKind::InvalidResponse,
            500,
        ),
        (
            json!({"type": "message", "content": [1]}),
            FailureKind::InvalidResponse,
            500,
        ),
        (
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
            FailureKind::Server,
            500,
        ),
        (
            json!({"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}),
            FailureKind::RateLimited,
            429,
        ),
        // Nothing but the words tells.
        (
            json!({"error": {"message": "prompt is too long: 3 > 2"}}),
            FailureKind::ContextWindow,
            400,
        ),
        (
            json!({"error": {"type": "new_error", "message": "what?"}}),
            FailureKind::Server,
            500,
        ),
    ];
    for (answer, kind, status) in cases {
        let failure = plain(&hello(), &answer).unwrap_err();
        assert_eq!(
            (failure.kind(), failure.status().as_u16()),
            (kind, status),
            "{answer}"
        );
    }
}

#[test]
fn what_is_not_known_is_kept() {
    let answer = json!({
        "type": "message", "model": "m", "stop_reason": "end_turn", "stop_sequence": null,
        "content": [
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
            {"type": "text", "text": "a \"b\"", "citations": [{"type": "char_location", "cited_text": "a"}]},
            {"type": "text", "text": " 😀"},
        ],
        "usage": {"input_tokens": 3, "output_tokens": 4, "server_tool_use": {"web_search_requests": 1}},
    });
    let answer = plain(&hello(), &answer).unwrap();
    let message = &answer["choices"][0]["message"];
    assert_eq!(message["content"], "a \"b\" 😀");
    assert_eq!(
        message["thinking_blocks"],
        json!([{"type": "redacted_thinking", "data": "xyz"}])
    );
    let fields = &message["provider_specific_fields"];
    assert_eq!(fields["citations"][0][0]["cited_text"], "a");
    assert_eq!(fields["content_blocks"][0]["name"], "web_search");
    assert_eq!(answer["usage"]["server_tool_use"]["web_search_requests"], 1);
    assert_eq!(answer["usage"]["total_tokens"], 7);
}

#[test]
fn answers_end_for_a_reason_and_are_metered() {
    let ends = [
        ("end_turn", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("new", "stop"),
    ];
    let answer = |reason: &str| -> Value {
        json!({"type": "message", "content": [], "stop_reason": reason, "usage": {"input_tokens": 3, "output_tokens": 4}})
    };
    for (native, openai) in ends {
        let answer = plain(&hello(), &answer(native)).unwrap();
        assert_eq!(answer["choices"][0]["finish_reason"], openai);
        assert_eq!(answer["choices"][0]["message"]["content"], "");
    }
    let (mut exchange, meter) = exchange(&hello());
    exchange
        .plain(answer("end_turn").to_string().into())
        .unwrap();
    assert_eq!((meter.input(), meter.output()), (Some(3), Some(4)));
    // An answer without usage stays without.
    let bare = plain(&hello(), &json!({"type": "message", "content": []})).unwrap();
    assert!(bare.get("usage").is_none());
}
