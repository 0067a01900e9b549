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

/// A chunk whose only choice has an error, before or after its content.
fn marred(error: &str, is_first: bool, reason: &str) -> String {
    let rest = format!(r#""index":0,"delta":{{"content":""}},"finish_reason":{reason}"#);
    let choice = match is_first {
        true => format!(r#"{{"error":{error},{rest}}}"#),
        false => format!(r#"{{{rest},"error":{error}}}"#),
    };
    format!("data: {{\"id\":\"c\",\"model\":\"m\",\"choices\":[{choice}]}}\n\n")
}

#[test]
fn an_error_of_a_choice_ends_a_stream() {
    let error = r#"{"code":429,"message":"oops sk-very-secret-key","metadata":{"x":1}}"#;
    for last in [
        marred(error, true, "\"error\""),
        marred(error, false, "\"error\""),
        marred(error, false, "null"),
    ] {
        for content in [padded("hi", ""), chunk(0, "hi", None)] {
            let stream = [&content, &content, &last, DONE].concat();
            let (text, end) = play(&[stream.as_bytes()]);
            let failure = end.unwrap_err();
            assert_eq!(failure.kind(), FailureKind::RateLimited, "{last}");
            assert_eq!(failure.upstream().unwrap().message(), "oops [redacted]");
            assert_eq!(events(&text).len(), 2, "what came before is passed on");
        }
    }
}

/// Whether it says why or not, with content or without.
#[test]
fn a_choice_that_broke_off_ends_a_stream() {
    for reason in ["error", "abort"] {
        for content in ["", "ha"] {
            let stream = chunk(0, "hi", None) + &chunk(0, content, Some(reason)) + DONE;
            let (text, end) = play(&[stream.as_bytes()]);
            let failure = end.unwrap_err();
            assert_eq!(failure.kind(), FailureKind::Server);
            assert!(failure.to_string().contains(reason), "{failure}");
            assert_eq!(events(&text).len(), 1, "what came before is passed on");
        }
    }
}

#[test]
fn an_empty_error_of_a_choice_is_none() {
    for none in ["null", "{}", "\"\"", "false"] {
        for is_first in [true, false] {
            let last = marred(none, is_first, "\"stop\"");
            let stream = [padded("hi", ""), last, DONE.to_owned()].concat();
            assert!(play(&[stream.as_bytes()]).1.is_ok(), "{none}");
        }
    }
}
