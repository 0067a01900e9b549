//! Answers, and what is none.

use crate::*;

#[tokio::test]
async fn an_answer_says_who_gave_it() {
    let upstream = upstream(Step::hello()).await;
    let response = call(&upstream, false).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(
        response
            .extensions()
            .get::<DeploymentId>()
            .unwrap()
            .as_str(),
        "one"
    );
    assert_eq!(response.extensions().get::<Served>().unwrap().id(), "one");
    assert!(response.extensions().get::<Failure>().is_none());
    let answer: Document = Document::parse(read(response).await.unwrap()).unwrap();
    assert_eq!(answer.get("model").unwrap().as_str().unwrap(), "group");
    let hit = &upstream.hits()[0];
    assert_eq!(hit.json().unwrap()["model"], "gpt-x");
    let host = hit.header("host").unwrap();
    assert!(upstream.url().contains(&format!("//{host}")), "{host}");
    assert_eq!(hit.headers().get_all("host").iter().count(), 1);
}

/// D13: what the client sends beside its request is not the upstream's business, and the other way round.
#[tokio::test]
async fn headers_pass_by_name() {
    let step = Step::hello()
        .header(
            HeaderName::from_static("x-ratelimit-remaining-requests"),
            HeaderValue::from_static("9"),
        )
        .header(
            HeaderName::from_static("x-request-id"),
            HeaderValue::from_static("r1"),
        )
        .header(
            HeaderName::from_static("x-of-its-own"),
            HeaderValue::from_static("o"),
        )
        .header(
            HeaderName::from_static("set-cookie"),
            HeaderValue::from_static("c=1"),
        )
        .header(
            HeaderName::from_static("retry-after"),
            HeaderValue::from_static("3"),
        );
    let upstream = upstream(step).await;
    let mut request = ask(false);
    for name in [
        "traceparent",
        "openai-beta",
        "x-team",
        "cookie",
        "x-stainless-lang",
        "authorization",
    ] {
        let value = HeaderValue::from_static("of-the-client");
        request
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    let leaf = leaf_at(&upstream.url()).forward_headers([HeaderName::from_static("x-team")]);
    let response = leaf.oneshot(request).await.unwrap();
    let hit = &upstream.hits()[0];
    for name in ["traceparent", "openai-beta", "x-team"] {
        assert_eq!(hit.header(name), Some("of-the-client"), "{name}");
    }
    for name in ["cookie", "x-stainless-lang"] {
        assert_eq!(hit.header(name), None, "{name}");
    }
    assert_eq!(
        hit.header("authorization"),
        Some("Bearer sk-very-secret-key")
    );
    assert_eq!(hit.header("accept-encoding"), Some("identity"));
    let headers = response.headers();
    assert_eq!(headers["x-ratelimit-remaining-requests"], "9");
    assert_eq!(headers["llm_provider-x-ratelimit-remaining-requests"], "9");
    assert_eq!(headers["request-id"], "r1");
    assert_eq!(headers["llm_provider-x-of-its-own"], "o");
    assert_eq!(headers["llm_provider-retry-after"], "3");
    for name in [
        "x-of-its-own",
        "set-cookie",
        "llm_provider-set-cookie",
        "content-length",
        "retry-after",
    ] {
        assert!(!headers.contains_key(name), "{name}");
    }
}

/// What sends a request says how it is sent, whatever an operator lists.
#[tokio::test]
async fn headers_of_the_transport_are_not_forwarded() {
    let upstream = upstream(Step::hello()).await;
    let mut request = ask(false);
    let names = ["content-length", "host", "connection", "accept-encoding"];
    for name in names {
        let value = HeaderValue::from_static("3");
        request
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
    let leaf = leaf_at(&upstream.url()).forward_headers(names.map(HeaderName::from_static));
    assert_eq!(leaf.oneshot(request).await.unwrap().status(), 200);
    for name in names {
        assert_ne!(upstream.hits()[0].header(name), Some("3"), "{name}");
    }
}

#[tokio::test]
async fn an_echoed_key_in_a_header_is_not_shown() {
    let echo = || HeaderValue::from_str(&format!("Bearer {KEY}")).unwrap();
    let headers = ["x-echo", "www-authenticate", "retry-after", "content-type"];
    let unauthorized = || Step::error(ApiError::new(StatusCode::UNAUTHORIZED));
    for (step, names) in [
        (Step::hello(), &headers[..1]),
        (unauthorized(), &headers[..]),
    ] {
        let step = names.iter().fold(step, |step, name| {
            step.header(HeaderName::from_static(name), echo())
        });
        let upstream = upstream(step).await;
        let response = call(&upstream, false).await.unwrap();
        assert_eq!(response.headers()["llm_provider-x-echo"], "[redacted]");
        assert!(!format!("{:?}", response.headers()).contains(KEY));
    }
}

#[tokio::test]
async fn connections_are_used_again_after_plain_answers_errors_and_streams() {
    let steps = [
        Step::hello(),
        Step::error(ApiError::new(StatusCode::BAD_REQUEST)),
        // Its end comes a moment after its last event.
        stream([
            chunk("hi", "\"stop\""),
            Event::done(),
            Event::pause(Duration::from_millis(20)),
        ]),
        Step::hello(),
    ];
    let upstream = upstream(Script::new(steps)).await;
    let mut leaf = leaf_at(&upstream.url());
    for streams in [false, false, true, false] {
        let response = leaf
            .ready()
            .await
            .unwrap()
            .call(ask(streams))
            .await
            .unwrap();
        read(response).await.unwrap();
        // The connection goes back to the pool in a task of its own.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(upstream.count(), 4);
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test]
async fn an_answer_in_pieces_is_put_together() {
    let body = format!(
        r#"{{"model":"m","choices":[{{"message":{{"content":"{}"}}}}]}}"#,
        "x".repeat(300_000)
    );
    let step = plain(body.clone()).trickle(NonZeroUsize::new(10_000).unwrap());
    let upstream = upstream(step).await;
    let read = read(call(&upstream, false).await.unwrap()).await.unwrap();
    let answer = Document::parse(read).unwrap();
    assert_eq!(answer.get("choices").unwrap().as_bytes().len(), 300_028);
}

#[tokio::test]
async fn an_answer_larger_than_allowed_is_a_failure() {
    let upstream = upstream(plain(format!(r#"{{"choices":["{}"]}}"#, "x".repeat(100)))).await;
    let leaf = leaf_at(&upstream.url()).max_answer_bytes(100);
    let response = leaf.oneshot(ask(false)).await.unwrap();
    assert_eq!(failure(&response).kind(), FailureKind::InvalidResponse);
    assert!(response.status().is_server_error());
}

#[cfg(feature = "decompression")]
#[tokio::test]
async fn an_answer_encoded_unasked_is_decoded() {
    // gzip of {"choices":[{"message":{}}]}
    let gzip: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x4a\xce\xc8\xcf\x4c\x4e\x2d\x56\xb2\x8a\xae\x56\xca\x4d\x2d\x2e\x4e\x4c\x4f\x55\xb2\xaa\xae\xad\x8d\xad\x05\x00\x15\xe5\xe1\x1e\x1c\x00\x00\x00";
    let step = plain(gzip).header(
        HeaderName::from_static("content-encoding"),
        HeaderValue::from_static("gzip"),
    );
    let upstream = upstream(step).await;
    let response = call(&upstream, false).await.unwrap();
    assert!(!response.headers().contains_key("content-encoding"));
    let answer = Document::parse(read(response).await.unwrap()).unwrap();
    assert_eq!(
        answer.get("choices").unwrap().as_bytes(),
        b"[{\"message\":{}}]"
    );
}

#[tokio::test]
async fn an_answer_encoded_in_an_unknown_way_is_a_failure() {
    let encoding = HeaderName::from_static("content-encoding");
    let step = plain("??").header(encoding, HeaderValue::from_static("snappy"));
    let upstream = upstream(step).await;
    let response = call(&upstream, false).await.unwrap();
    assert_eq!(failure(&response).kind(), FailureKind::InvalidResponse);
}

#[tokio::test]
async fn what_is_no_answer_is_a_failure() {
    let html = Response::builder()
        .header("content-type", "text/html")
        .body("<h1>hi</h1>")
        .unwrap();
    let empty = Response::builder().status(204).body("").unwrap();
    let moved = Response::builder()
        .status(302)
        .header("location", "/x")
        .body("")
        .unwrap();
    let cases = [
        ("html", Step::respond(html), false),
        ("no content", Step::respond(empty), false),
        ("redirect", Step::respond(moved), false),
        ("nothing", plain(""), false),
        ("half", plain(r#"{"choices":["#), false),
        ("an array", plain("[]"), false),
        ("no choices", plain("{}"), false),
        (
            "unasked stream",
            stream([chunk("hi", "\"stop\""), Event::done()]),
            false,
        ),
        ("half for a stream", plain(r#"{"choices":["#), true),
    ];
    for (name, step, streams) in cases {
        let upstream = upstream(step).await;
        let response = call(&upstream, streams).await.unwrap();
        assert_eq!(
            failure(&response).kind(),
            FailureKind::InvalidResponse,
            "{name}"
        );
        assert!(
            response.status().is_server_error(),
            "{name}: {}",
            response.status()
        );
    }
}

#[tokio::test]
async fn an_error_in_place_of_an_answer_is_one() {
    let body = r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#;
    let upstream = upstream(plain(body)).await;
    let response = call(&upstream, false).await.unwrap();
    assert_eq!(failure(&response).kind(), FailureKind::RateLimited);
    assert_eq!(response.status(), 429);
}
