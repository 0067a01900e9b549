//! Upstreams that fail.

use crate::*;

#[tokio::test]
async fn an_error_answer_keeps_its_status_and_text() {
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS).message("slow down");
    let step = Step::error(error)
        .retry_after(Duration::from_secs(7))
        .header(
            HeaderName::from_static("x-should-retry"),
            HeaderValue::from_static("false"),
        );
    let upstream = upstream(step).await;
    let response = call(&upstream, true).await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "7");
    let failure = failure(&response).clone();
    assert_eq!(failure.kind(), FailureKind::RateLimited);
    assert_eq!(failure.retry_after(), Some(Duration::from_secs(7)));
    assert_eq!(failure.should_retry(), Some(false));
    assert_eq!(failure.deployment().unwrap().as_str(), "one");
    assert_eq!(failure.upstream().unwrap().message(), "slow down");
    assert!(read(response).await.unwrap().starts_with(b"{"));
}

#[tokio::test]
async fn an_echoed_key_is_not_shown() {
    let echo = format!("Incorrect API key provided: {KEY}.");
    let step = Step::error(ApiError::new(StatusCode::UNAUTHORIZED).message(&echo));
    let upstream = upstream(step).await;
    let response = call(&upstream, false).await.unwrap();
    let failure = failure(&response).clone();
    assert_eq!(failure.kind(), FailureKind::Authentication);
    assert_eq!(
        failure.upstream().unwrap().message(),
        "Incorrect API key provided: [redacted]."
    );
    let body = read(response).await.unwrap();
    assert!(!String::from_utf8_lossy(&body).contains(KEY));
    let leaf = leaf_at(&upstream.url());
    assert!(!format!("{leaf:?} {failure:?} {failure}").contains(KEY));
}

#[tokio::test]
async fn a_huge_error_is_cut_and_keeps_its_status() {
    let page = "x".repeat(3 << 20);
    let response = Response::builder().status(502).body(page).unwrap();
    let upstream = upstream(Step::respond(response)).await;
    let response = call(&upstream, false).await.unwrap();
    assert_eq!(response.status(), 502);
    assert_eq!(failure(&response).kind(), FailureKind::Server);
    assert!(
        failure(&response)
            .upstream()
            .unwrap()
            .message()
            .chars()
            .count()
            <= 2_001
    );
    assert!(read(response).await.unwrap().len() <= 1 << 20);
}

/// The head of an error says most of it.
#[tokio::test]
async fn an_error_whose_text_does_not_come_is_judged_by_its_head() {
    for cut in [Cut::Hang, Cut::Close, Cut::Reset] {
        let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS).message("slow down");
        let step = Step::error(error)
            .retry_after(Duration::from_secs(7))
            .cut_after(10, cut);
        let upstream = upstream(step).await;
        let calling = tokio::spawn(leaf_at(&upstream.url()).oneshot(ask(true)));
        upstream.wait_for(1).await;
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        let response = calling.await.unwrap().unwrap();
        assert_eq!(response.status(), 429, "{cut:?}");
        let failure = failure(&response);
        assert_eq!(failure.kind(), FailureKind::RateLimited, "{cut:?}");
        assert_eq!(failure.retry_after(), Some(Duration::from_secs(7)));
        assert!(began.elapsed() < Duration::from_secs(6), "{cut:?}");
        tokio::time::resume();
    }
}

/// Who says nothing more is not asked again as one that fails at once is.
#[tokio::test]
async fn an_error_of_a_server_that_is_silent_then_is_a_timeout() {
    for (cut, kind) in [
        (Cut::Hang, FailureKind::Timeout),
        (Cut::Close, FailureKind::Server),
    ] {
        let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE).message("overloaded");
        let upstream = upstream(Step::error(error).cut_after(10, cut)).await;
        let calling = tokio::spawn(leaf_at(&upstream.url()).oneshot(ask(true)));
        upstream.wait_for(1).await;
        tokio::time::pause();
        let response = calling.await.unwrap().unwrap();
        let failure = failure(&response);
        assert_eq!(response.status(), 503);
        assert_eq!(failure.status(), 503);
        assert_eq!(failure.kind(), kind, "{cut:?}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn no_connection_is_a_failure_that_names_the_host_only() {
    let closed = Closed::new().unwrap();
    let url = format!("{}/v1?tenant=secret", closed.url());
    let failure = leaf_at(&url).oneshot(ask(false)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Connect);
    assert_eq!(failure.status(), 503);
    let host = closed.addr().to_string();
    assert_eq!(failure.to_string(), format!("connecting to {host} failed"));
    assert_eq!(failure.deployment().unwrap().as_str(), "one");
    let text = format!("{failure:?}");
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn a_broken_connection_is_a_failure() {
    let cases = [
        ("reset", Step::reset(), FailureKind::Disconnected),
        (
            "garbage",
            Step::garbage("what?\r\n\r\n"),
            FailureKind::InvalidResponse,
        ),
        (
            "half a body",
            plain(r#"{"choices":[]}"#).cut_after(5, Cut::Close),
            FailureKind::Disconnected,
        ),
        (
            "reset body",
            plain(r#"{"choices":[]}"#).cut_after(5, Cut::Reset),
            FailureKind::Disconnected,
        ),
    ];
    for (name, step, kind) in cases {
        let upstream = upstream(step).await;
        let failure = call(&upstream, false).await.unwrap_err();
        assert_eq!(failure.kind(), kind, "{name}: {failure:?}");
        assert_eq!(failure.status(), 502, "{name}");
    }
}

/// It is one of time: whoever is silent is not asked again while someone else can be.
#[tokio::test]
async fn a_connection_that_takes_too_long_is_a_timeout() {
    // Accepts TCP and never speaks TLS.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    let dialect = OpenAi::builder(Face::OpenAi, "m")
        .api_base(&url)
        .build()
        .unwrap();
    let client = HttpClient::builder()
        .connect_timeout(Duration::from_millis(20))
        .build();
    let served = Served::new("one".into(), "m", None);
    let leaf = ProviderService::new(client, Arc::new(dialect), served);
    let failure = leaf.oneshot(ask(false)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Timeout);
    assert_eq!(failure.status(), 503);
    let host = silent.local_addr().unwrap();
    assert_eq!(
        failure.to_string(),
        format!("connecting to {host} took too long")
    );
}

#[tokio::test]
async fn a_missing_key_is_refused_before_anything_is_sent() {
    let dialect = OpenAi::builder(Face::OpenAi, "gpt-x").build().unwrap();
    let served = Served::new("one".into(), "gpt-x", None);
    let leaf = ProviderService::new(HttpClient::new(), Arc::new(dialect), served);
    let failure = leaf.oneshot(ask(false)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Authentication);
    assert_eq!(failure.deployment().unwrap().as_str(), "one");
}
