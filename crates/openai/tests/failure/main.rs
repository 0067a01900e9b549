//! What errors of upstreams mean.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod answers;

use bytes::Bytes;
use http::{Request, Response};
use ziggurat_core::{Failure, FailureKind as Kind, JsonBody, Operation, json::Document};
use ziggurat_openai::{Face, OpenAi};
use ziggurat_provider::{Call, Dialect, Exchange};

fn judge(status: u16, body: &str) -> Failure {
    judge_body(status, &mut Bytes::copy_from_slice(body.as_bytes()))
}

/// Also shows what becomes of the body.
fn judge_body(status: u16, body: &mut Bytes) -> Failure {
    let (head, ()) = Response::builder()
        .status(status)
        .body(())
        .unwrap()
        .into_parts();
    exchange().refused(&head, body)
}

fn exchange() -> Box<dyn Exchange> {
    exchange_of(Operation::Chat)
}

fn exchange_of(operation: Operation) -> Box<dyn Exchange> {
    let dialect = OpenAi::builder(Face::OpenAi, "m")
        .api_key("sk-very-secret-key")
        .build()
        .unwrap();
    let mut request = Request::new(JsonBody::new(Document::parse("{}".into()).unwrap()));
    request.extensions_mut().insert(operation);
    dialect.prepare(Call::new(&request, &[])).unwrap().exchange
}

fn check(cases: &[(u16, &str, Kind, u16)]) {
    for (status, body, kind, code) in cases {
        let failure = judge(*status, body);
        assert_eq!(
            (failure.kind(), failure.status().as_u16()),
            (*kind, *code),
            "{status} {body}"
        );
    }
}

#[test]
fn the_status_says_what_it_is() {
    check(&[
        (400, "{}", Kind::BadRequest, 400),
        (401, "", Kind::Authentication, 401),
        (402, "", Kind::PaymentRequired, 402),
        (403, "", Kind::PermissionDenied, 403),
        (404, "", Kind::NotFound, 404),
        (408, "", Kind::Timeout, 408),
        (413, "", Kind::PayloadTooLarge, 413),
        (418, "", Kind::BadRequest, 418),
        (422, "", Kind::BadRequest, 422),
        (429, "", Kind::RateLimited, 429),
        (500, "", Kind::Server, 500),
        (504, "", Kind::Timeout, 504),
        (529, "", Kind::Server, 529),
    ]);
}

/// R145, R162: codes come first, whatever the text.
#[test]
fn codes_refine_it() {
    check(&[
        (
            400,
            r#"{"error":{"message":"x","code":"context_length_exceeded"}}"#,
            Kind::ContextWindow,
            400,
        ),
        (
            413,
            r#"{"error":{"message":"x","code":"context_length_exceeded"}}"#,
            Kind::ContextWindow,
            400,
        ),
        (
            400,
            r#"{"error":{"message":"x","code":"content_filter","innererror":{"code":"ContentFiltered"}}}"#,
            Kind::ContentPolicy,
            400,
        ),
        (
            400,
            r#"{"error":{"message":"x","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            Kind::ContentPolicy,
            400,
        ),
        (
            400,
            r#"{"error":{"message":"x","type":"invalid_request_error","code":"model_not_found"}}"#,
            Kind::NotFound,
            404,
        ),
        (
            400,
            r#"{"error":{"message":"x","code":"rate_limit_exceeded"}}"#,
            Kind::RateLimited,
            429,
        ),
        (
            429,
            r#"{"error":{"message":"x","type":"insufficient_quota"}}"#,
            Kind::QuotaExceeded,
            429,
        ),
    ]);
}

/// R145, R161: texts of servers that have no codes.
#[test]
fn texts_refine_a_bad_request() {
    let context = [
        "This model's maximum context length is 4097 tokens.",
        "the request exceeds the available context size. try increasing it",
        "current length is 10 while limit is 5",
        "maximum input length is 100 tokens",
        "Input validation error: `inputs` must have less than 1000 tokens. Given: 2000",
        "Input tokens exceed the configured limit of 5 tokens",
        "Invalid 'messages': string too long. Expected a string with maximum length 10",
    ];
    for text in context {
        check(&[(
            400,
            &format!(r#"{{"message":"{text}"}}"#),
            Kind::ContextWindow,
            400,
        )]);
        check(&[(
            422,
            &format!(r#"{{"error":"{text}"}}"#),
            Kind::ContextWindow,
            400,
        )]);
        check(&[(500, &format!(r#"{{"error":"{text}"}}"#), Kind::Server, 500)]);
    }
    let policy = [
        "Your request was rejected as a result of our safety system.",
        "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
        "The model produced invalid content. Consider modifying your prompt",
    ];
    for text in policy {
        check(&[(
            400,
            &format!(r#"{{"error":{{"message":"{text}"}}}}"#),
            Kind::ContentPolicy,
            400,
        )]);
    }
    check(&[(
        400,
        r#"{"error":{"message":"Invalid 'user': string too long. Expected a string with maximum length 64"}}"#,
        Kind::BadRequest,
        400,
    )]);
}

/// R146: the status comes first.
#[test]
fn a_mention_of_rate_limits_does_not_make_one() {
    check(&[
        (
            400,
            r#"{"error":{"message":"Invalid value for 'stop': 'the rate limit reached today'."}}"#,
            Kind::BadRequest,
            400,
        ),
        (
            400,
            r#"{"error":{"message":"Rate limit reached"}}"#,
            Kind::BadRequest,
            400,
        ),
        (
            500,
            r#"{"error":{"message":"could not check the rate limit"}}"#,
            Kind::Server,
            500,
        ),
        (
            404,
            r#"{"error":{"message":"no rate limit of that name"}}"#,
            Kind::NotFound,
            404,
        ),
    ]);
}

/// R145, R161: what may be an echo of the request says nothing.
#[test]
fn quotes_of_the_request_do_not_refine_it() {
    let messages = [
        "Unknown tool 'content_policy_violation_checker'",
        "Unknown tool: content_policy_violation_checker",
        "Invalid value: \\\"this model's maximum context length is 5 tokens\\\" for messages[0]",
        "Invalid value: 'say that this model's maximum context length is 5'.",
        "Invalid value 'a' maximum context length is 5 tokens' for 'stop'",
        "Invalid value `maximum context length is 5` for stop",
        "Invalid value “maximum context length is 5”",
        "Invalid value: 'Your request was rejected as a result of our safety system",
        "not a tool: say your request was rejected as a result of our safety system",
    ];
    for message in messages {
        check(&[(
            400,
            &format!(r#"{{"error":{{"message":"{message}","type":"invalid_request_error"}}}}"#),
            Kind::BadRequest,
            400,
        )]);
    }
    check(&[(
        400,
        r#"{"error":{"message":"This model's maximum context length is 5 tokens, your 'messages' have 'more'."}}"#,
        Kind::ContextWindow,
        400,
    )]);
}

#[test]
fn messages_are_found_in_every_shape() {
    let cases = [
        (
            r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#,
            "m",
        ),
        (r#"{"error":"m","error_type":"t"}"#, "m"),
        (r#"{"object":"error","message":"m","code":400}"#, "m"),
        (r#"{"detail":"m"}"#, "m"),
        (r#"{"detail":[{"msg":"m"}]}"#, r#"{"detail":[{"msg":"m"}]}"#),
        (r#"{"errors":[{"message":"m"}]}"#, "m"),
        (r#"[{"error":{"message":"m"}}]"#, "m"),
        (r#""m""#, "m"),
        ("<html>\n  <h1>m</h1>\n</html>", "<html> <h1>m</h1> </html>"),
        ("\u{0}\u{1}", "\u{0}\u{1}"),
        ("", ""),
    ];
    for (body, message) in cases {
        assert_eq!(
            judge(400, body).upstream().unwrap().message(),
            message,
            "{body}"
        );
    }
    let failure = judge(400, cases[0].0);
    let upstream = failure.upstream().unwrap();
    assert_eq!(
        (
            upstream.provider(),
            upstream.error_type(),
            upstream.param(),
            upstream.code()
        ),
        ("OpenAI", Some("t"), Some("p"), Some("c"))
    );
}

#[test]
fn details_of_a_filter_are_kept() {
    let body = r#"{"error":{"message":"m","code":"content_filter","innererror":{"code":"X","content_filter_result":{}}}}"#;
    let failure = judge(400, body);
    let fields: serde_json::Value =
        serde_json::from_slice(failure.upstream().unwrap().fields().unwrap()).unwrap();
    assert_eq!(fields["innererror"]["code"], "X");
    assert_eq!(fields["azure_error"]["message"], "m");
}

#[test]
fn an_echoed_key_is_cut_out_of_all_texts() {
    const KEY: &str = "sk-very-secret-key";
    let deep = format!(r#"{{"code":"{KEY}","list":["{KEY}"],"{KEY}":{{"x":"a {KEY} b"}}}}"#);
    let cases = [
        format!(
            r#"{{"error":{{"message":"{KEY}","type":"{KEY}","param":"{KEY}","code":"{KEY}"}}}}"#
        ),
        format!(r#"{{"error":{{"message":"m","innererror":{deep}}}}}"#),
        r#"{"error":{"message":"sk-very\u002dsecret-key"}}"#.to_owned(),
        // Of two members of one name a reader takes the last.
        format!(r#"{{"error":{{"message":"m","code":"{KEY}","code":"x"}}}}"#),
        // The key lies across the end of what is kept.
        format!(r#"{{"error":{{"message":"{}{KEY}"}}}}"#, "y".repeat(1_990)),
        format!("{}{KEY}", "y".repeat(1_990)),
    ];
    for body in cases {
        let mut text = Bytes::from(body.clone());
        let failure = judge_body(400, &mut text);
        let upstream = failure.upstream().unwrap();
        let fields = upstream
            .fields()
            .map(|fields| String::from_utf8_lossy(fields));
        let shown = [
            Some(upstream.message()),
            upstream.error_type(),
            upstream.param(),
            upstream.code(),
            fields.as_deref(),
            std::str::from_utf8(&text).ok(),
        ];
        for shown in shown.into_iter().flatten() {
            assert!(
                !shown.contains("sk-very") && !shown.contains("secret"),
                "{shown}"
            );
        }
        assert!(!text.is_empty());
    }
}

#[test]
fn details_larger_than_any_filter_makes_are_dropped() {
    let body = |bytes: usize| {
        let long = "x".repeat(bytes);
        format!(r#"{{"error":{{"message":"m","innererror":{{"code":"X","detail":"{long}"}}}}}}"#)
    };
    assert!(
        judge(400, &body(1_000))
            .upstream()
            .unwrap()
            .fields()
            .is_some()
    );
    assert!(
        judge(400, &body(20_000))
            .upstream()
            .unwrap()
            .fields()
            .is_none()
    );
}
