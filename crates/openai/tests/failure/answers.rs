//! Answers with status 200 that are none.

use super::*;

/// A plain answer: the client's text, or the failure.
fn answer(body: &str) -> Result<String, Failure> {
    answer_of(Operation::Chat, body)
}

fn answer_of(operation: Operation, body: &str) -> Result<String, Failure> {
    let printed = exchange_of(operation).plain(Bytes::copy_from_slice(body.as_bytes()))?;
    Ok(String::from_utf8(printed.into_bytes().to_vec()).unwrap())
}

/// Clients read the first choice's message, whatever else there is.
#[test]
fn choices_that_say_nothing_are_no_answer() {
    for choices in [
        "null",
        "{}",
        "\"x\"",
        "1",
        "[1]",
        "[{}, null]",
        "[[]]",
        "[]",
        "[ ]",
        "[{}]",
        r#"[{"message":null}]"#,
        r#"[{"message":"a"}]"#,
        r#"[{"text":"a"}]"#,
        r#"[{"finish_reason":"content_filter"}]"#,
    ] {
        let failure = answer(&format!(r#"{{"id":"c","choices":{choices}}}"#)).unwrap_err();
        assert_eq!(failure.kind(), Kind::InvalidResponse, "{choices}");
    }
    for choices in [
        r#"[{"message":{}}]"#,
        r#"[ { "message" : { "content" : "a" } } , {} ]"#,
    ] {
        answer(&format!(r#"{{"id":"c","choices":{choices}}}"#)).unwrap();
    }
}

#[test]
fn completions_say_text() {
    let text_of = |choices: &str| {
        answer_of(
            Operation::Completions,
            &format!(r#"{{"id":"c","choices":{choices}}}"#),
        )
    };
    for choices in [r#"[{"message":{}}]"#, r#"[{"text":null}]"#, "[]"] {
        let failure = text_of(choices).unwrap_err();
        assert_eq!(failure.kind(), Kind::InvalidResponse, "{choices}");
    }
    text_of(r#"[{"text":""}]"#).unwrap();
}

/// What came of them is no answer.
#[test]
fn choices_that_broke_off_are_no_answer() {
    for reason in ["error", "abort", "ERROR"] {
        let choice = format!(r#"{{"message":{{"content":"a"}},"finish_reason":"{reason}"}}"#);
        let failure = answer(&format!(r#"{{"id":"c","choices":[{choice}]}}"#)).unwrap_err();
        assert_eq!(failure.kind(), Kind::Server);
        assert!(failure.to_string().contains(reason), "{failure}");
    }
}

#[test]
fn an_empty_error_beside_an_answer_is_none() {
    for error in ["null", "false", "{}", "{ }", "\"\"", "[]"] {
        let body = format!(r#"{{"id":"c","choices":[{{"message":{{}}}}],"error":{error}}}"#);
        assert_eq!(answer(&body).unwrap(), body);
        let failure = answer(&format!(r#"{{"error":{error}}}"#)).unwrap_err();
        assert_eq!(failure.kind(), Kind::InvalidResponse, "{error}");
    }
}

#[test]
fn an_error_beside_an_answer_does_not_quote_it() {
    for error in ["true", "{\"code\":503}", "[1]"] {
        let body = format!(r#"{{"choices":[{{"message":"hush"}}],"error":{error}}}"#);
        let failure = answer(&body).unwrap_err();
        assert_eq!(failure.kind(), Kind::Server);
        let message = failure.upstream().unwrap().message();
        assert!(!message.contains("hush"), "{message}");
    }
}

/// An error of which no code tells the status.
#[test]
fn words_of_an_error_of_unknown_status_count() {
    let cases = [
        ("Rate limit reached for requests", Kind::RateLimited),
        ("no 'rate limit reached' here", Kind::Server),
        (
            "This model's maximum context length is 5 tokens",
            Kind::ContextWindow,
        ),
        ("oops", Kind::Server),
    ];
    for (message, kind) in cases {
        let failure = answer(&format!(r#"{{"error":{{"message":"{message}"}}}}"#)).unwrap_err();
        assert_eq!(failure.kind(), kind, "{message}");
    }
}

#[test]
fn an_error_of_a_choice_is_no_answer() {
    let answer_with = |error: &str| {
        let whole = r#"{"index":0,"message":{"content":"a","error":{"message":"x"}},"finish_reason":"stop"}"#;
        let half =
            format!(r#"{{"index":1,"message":{{}},"finish_reason":"stop","error":{error}}}"#);
        answer(&format!(
            r#"{{"id":"c","model":"m","choices":[{whole},{half}]}}"#
        ))
    };
    let error = r#"{"code":502,"message":"oops sk-very-secret-key"}"#;
    let failure = answer_with(error).unwrap_err();
    assert_eq!(
        (failure.kind(), failure.status().as_u16()),
        (Kind::Server, 502)
    );
    assert_eq!(failure.upstream().unwrap().message(), "oops [redacted]");
    for none in ["null", "{}", "\"\"", "false"] {
        assert!(answer_with(none).unwrap().contains(r#""error""#), "{none}");
    }
}
