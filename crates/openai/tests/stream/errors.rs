//! Errors in streams.

use super::*;

#[test]
fn an_error_in_a_stream_ends_it() {
    let cases = [
        (
            r#"data: {"error":{"message":"oops","type":"server_error"}}"#,
            FailureKind::Server,
            500,
        ),
        (
            r#"data: {"error":"oops","error_type":"overloaded"}"#,
            FailureKind::RateLimited,
            429,
        ),
        (
            r#"data: {"error":{"message":"oops","code":503}}"#,
            FailureKind::Server,
            503,
        ),
        (
            r#"data: {"object":"error","message":"oops","code":429}"#,
            FailureKind::RateLimited,
            429,
        ),
        (
            r#"data: {"type":"error","message":"oops"}"#,
            FailureKind::Server,
            500,
        ),
        (
            r#"data: {"error":{"message":"oops","code":"insufficient_quota"}}"#,
            FailureKind::QuotaExceeded,
            429,
        ),
        (
            "event: error\ndata: {\"message\":\"oops\"}",
            FailureKind::Server,
            500,
        ),
        ("event: error\ndata: oops", FailureKind::Server, 500),
        (
            r#"data: {"detail":"oops","object":"error"}"#,
            FailureKind::Server,
            500,
        ),
        (r#"data: {"detail":"oops"}"#, FailureKind::Server, 500),
        (
            r#"data: {"message":"oops","code":503}"#,
            FailureKind::Server,
            503,
        ),
        (
            r#"data: {"errors":[{"message":"oops"}]}"#,
            FailureKind::Server,
            500,
        ),
        (
            r#"data: {"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded","message":"oops"}}}"#,
            FailureKind::RateLimited,
            429,
        ),
        (
            r#"data: {"error":{"message":"oops","type":"invalid_request_error","code":"context_length_exceeded"}}"#,
            FailureKind::ContextWindow,
            400,
        ),
    ];
    for (error, kind, status) in cases {
        let stream = chunk(0, "hi", None) + &chunk(0, "hi", None) + error + "\n\n" + DONE;
        let (text, end) = play(&[stream.as_bytes()]);
        let failure = end.unwrap_err();
        assert_eq!(
            (failure.kind(), failure.status().as_u16()),
            (kind, status),
            "{error}"
        );
        assert_eq!(failure.upstream().unwrap().message(), "oops");
        assert_eq!(events(&text).len(), 2, "what came before is passed on");
    }
}

#[test]
fn an_error_by_its_shape_shows_no_key_and_quotes_no_answer() {
    let said = r#""output":[{"content":"quoted"}]"#;
    for (error, message) in [
        (
            r#"{"detail":"sk-very-secret-key"}"#.to_owned(),
            "[redacted]",
        ),
        (
            format!(
                r#"{{"type":"response.failed","response":{{"error":{{"message":"sk-very-secret-key"}},{said}}}}}"#
            ),
            "[redacted]",
        ),
        (
            format!(r#"{{"type":"response.failed","response":{{"error":null,{said}}}}}"#),
            "",
        ),
    ] {
        let stream = format!("data: {error}\n\n");
        let (text, end) = play(&[stream.as_bytes()]);
        let failure = end.unwrap_err();
        assert_eq!(failure.upstream().unwrap().message(), message, "{error}");
        assert_eq!(text, "");
    }
    // A member of a chunk that is called so is none.
    let stream =
        chunk(0, "hi", Some("stop")).replace("\"choices\"", "\"message\":\"x\",\"choices\"") + DONE;
    assert!(play(&[stream.as_bytes()]).1.is_ok());
}
