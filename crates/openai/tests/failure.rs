//! What errors of upstreams mean.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use bytes::Bytes;
use http::{Request, Response};
use ziggurat_core::{Failure, FailureKind as Kind, JsonBody, json::Document};
use ziggurat_openai::{Face, OpenAi};
use ziggurat_provider::{Call, Dialect};

fn judge(status: u16, body: &str) -> Failure {
    let dialect = OpenAi::builder(Face::OpenAi, "m")
        .api_key("sk-very-secret-key")
        .build()
        .unwrap();
    let request = Request::new(JsonBody::new(Document::parse("{}".into()).unwrap()));
    let mut exchange = dialect.prepare(Call::new(&request, &[])).unwrap().exchange;
    let (head, ()) = Response::builder()
        .status(status)
        .body(())
        .unwrap()
        .into_parts();
    exchange.refused(&head, &mut Bytes::copy_from_slice(body.as_bytes()))
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

/// R146: the text refines a 400 and nothing else.
#[test]
fn a_mention_of_rate_limits_does_not_make_one() {
    check(&[
        (
            400,
            r#"{"error":{"message":"Rate limit reached"}}"#,
            Kind::RateLimited,
            429,
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
