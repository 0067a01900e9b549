//! The leaf against upstreams that behave, and upstreams that do not.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::{Service, ServiceExt};
use ziggurat_core::{
    DeploymentId, Failure, FailureKind, JsonBody, LlmRequest, ModelGroup, Served, json::Document,
};
use ziggurat_mock::{ApiError, Closed, Cut, Event, Progress, Running, Script, Step, Upstream};
use ziggurat_openai::{Face, OpenAi};
use ziggurat_provider::{HttpClient, ProviderBody, ProviderService};

const KEY: &str = "sk-very-secret-key";

async fn upstream(script: impl Into<Script>) -> Running {
    Upstream::new("upstream")
        .script(script)
        .start()
        .await
        .unwrap()
}

fn leaf_at(url: &str) -> ProviderService {
    let dialect = OpenAi::builder(Face::OpenAi, "gpt-x")
        .api_base(url)
        .api_key(KEY)
        .build()
        .unwrap();
    let served = Served::new("one".into(), "openai/gpt-x", Some(url));
    ProviderService::new(HttpClient::new(), Arc::new(dialect), served)
}

fn ask(stream: bool) -> Request<JsonBody> {
    let text = format!(r#"{{"model":"group","messages":[],"stream":{stream}}}"#);
    let document = Document::parse(text.into()).unwrap();
    let mut request = Request::new(JsonBody::new(document.clone()));
    request
        .extensions_mut()
        .insert(LlmRequest::new("group", stream, document));
    request.extensions_mut().insert(ModelGroup::new("group"));
    request
}

async fn call(upstream: &Running, stream: bool) -> Result<Response<ProviderBody>, Failure> {
    leaf_at(&upstream.url()).oneshot(ask(stream)).await
}

/// The failure in a response, as layers see it.
fn failure(response: &Response<ProviderBody>) -> &Failure {
    response.extensions().get::<Failure>().expect("a failure")
}

async fn read(response: Response<ProviderBody>) -> Result<Bytes, Failure> {
    Ok(response.into_body().collect().await?.to_bytes())
}

fn chunk(content: &str, finish: &str) -> Event {
    Event::data(format!(
        r#"{{"id":"c1","created":1,"model":"m","choices":[{{"index":0,"delta":{{"content":"{content}"}},"finish_reason":{finish}}}]}}"#
    ))
}

fn stream(events: impl IntoIterator<Item = Event>) -> Step {
    Step::events(events)
}

fn plain(body: impl Into<Bytes>) -> Step {
    let response = Response::builder().header("content-type", "application/json");
    Step::respond(response.body(body.into()).unwrap())
}

// === answers ===

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
    let body = format!(r#"{{"model":"m","choices":["{}"]}}"#, "x".repeat(300_000));
    let step = plain(body.clone()).trickle(NonZeroUsize::new(10_000).unwrap());
    let upstream = upstream(step).await;
    let read = read(call(&upstream, false).await.unwrap()).await.unwrap();
    let answer = Document::parse(read).unwrap();
    assert_eq!(answer.get("choices").unwrap().as_bytes().len(), 300_004);
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
    // gzip of {"choices":[]}
    let gzip: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x4a\xce\xc8\xcf\x4c\x4e\x2d\x56\xb2\x8a\x8e\xad\x05\x00\x4b\x9e\xba\xad\x0e\x00\x00\x00";
    let step = plain(gzip).header(
        HeaderName::from_static("content-encoding"),
        HeaderValue::from_static("gzip"),
    );
    let upstream = upstream(step).await;
    let response = call(&upstream, false).await.unwrap();
    assert!(!response.headers().contains_key("content-encoding"));
    let answer = Document::parse(read(response).await.unwrap()).unwrap();
    assert_eq!(answer.get("choices").unwrap().as_bytes(), b"[]");
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
async fn json_in_place_of_a_stream_is_an_answer() {
    let upstream = upstream(plain(r#"{"id":"a","model":"m","choices":[]}"#)).await;
    let response = call(&upstream, true).await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(
        read(response).await.unwrap(),
        r#"{"id":"a","model":"group","choices":[]}"#
    );
}

#[tokio::test]
async fn an_error_in_place_of_an_answer_is_one() {
    let body = r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#;
    let upstream = upstream(plain(body)).await;
    let response = call(&upstream, false).await.unwrap();
    assert_eq!(failure(&response).kind(), FailureKind::RateLimited);
    assert_eq!(response.status(), 429);
}

// === failures ===

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

#[tokio::test]
async fn a_connection_that_takes_too_long_is_a_failure() {
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
    assert_eq!(failure.kind(), FailureKind::Connect);
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

// === proxies ===

fn leaf_through(proxy: &str, url: &str) -> ProviderService {
    let dialect = OpenAi::builder(Face::OpenAi, "m")
        .api_base(url)
        .api_key(KEY)
        .build()
        .unwrap();
    let proxy = proxy.replace("http://", "http://user:pass@");
    let client = HttpClient::builder()
        .proxy_environment(|name| match name {
            "http_proxy" | "HTTPS_PROXY" => Some(proxy.clone()),
            "no_proxy" => Some("near.test,127.0.0.1".to_owned()),
            _ => None,
        })
        .build();
    let served = Served::new("one".into(), "m", None);
    ProviderService::new(client, Arc::new(dialect), served)
}

#[tokio::test]
async fn a_proxy_is_asked_for_the_whole_url_of_a_plain_upstream() {
    let proxy = upstream(Step::hello()).await;
    let leaf = leaf_through(&proxy.url(), "http://far.test/v1");
    let response = leaf.oneshot(ask(false)).await.unwrap();
    assert_eq!(response.status(), 200);
    let hit = &proxy.hits()[0];
    assert_eq!(hit.uri().to_string(), "http://far.test/v1/chat/completions");
    assert_eq!(
        hit.header("proxy-authorization"),
        Some("Basic dXNlcjpwYXNz")
    );
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel_to_an_upstream_with_tls() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let leaf = leaf_through(
        &format!("http://{}", proxy.local_addr().unwrap()),
        "https://far.test/v1",
    );
    let asked = async {
        let (mut stream, _) = proxy.accept().await.unwrap();
        let mut head = vec![0; 1024];
        let length = stream.read(&mut head).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            .await
            .unwrap();
        String::from_utf8(head[..length].to_vec()).unwrap()
    };
    let (failure, head) = tokio::join!(leaf.oneshot(ask(false)), asked);
    assert!(
        head.starts_with("CONNECT far.test:443 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.to_ascii_lowercase()
            .contains("proxy-authorization: basic dxnlcjpwyxnz"),
        "{head}"
    );
    assert!(!head.contains(KEY));
    assert_eq!(failure.unwrap_err().kind(), FailureKind::Connect);
}

#[tokio::test]
async fn hosts_that_need_no_proxy_are_asked_directly() {
    let upstream = upstream(Step::hello()).await;
    let nowhere = Closed::new().unwrap();
    let leaf = leaf_through(&nowhere.url(), &upstream.url());
    leaf.oneshot(ask(false)).await.unwrap();
    assert_eq!(upstream.hits()[0].header("proxy-authorization"), None);
}

// === streams ===

#[tokio::test]
async fn the_first_chunk_leaves_before_the_second_comes() {
    let events = [
        chunk("one", "null"),
        chunk("two", "\"stop\"").after(Duration::from_secs(3600)),
    ];
    let upstream = upstream(stream(events)).await;
    let response = call(&upstream, true).await.unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("one"));
}

#[tokio::test]
async fn dropping_the_body_leaves_the_upstream() {
    let events = [
        chunk("one", "null"),
        Event::pause(Duration::from_secs(3600)),
        Event::done(),
    ];
    let upstream = upstream(stream(events)).await;
    let mut body = call(&upstream, true).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    left(&upstream).await;
}

#[tokio::test]
async fn dropping_the_future_leaves_the_upstream() {
    let upstream = upstream(Step::hang()).await;
    let calling = call(&upstream, false);
    tokio::select! {
        _ = calling => panic!("the upstream hangs"),
        _ = upstream.wait_for(1) => {}
    }
    left(&upstream).await;
}

async fn left(upstream: &Running) {
    while upstream.hits()[0].progress() != Progress::ClientLeft {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_fails_after_what_came() {
    for cut in [Cut::Eof, Cut::Close, Cut::Reset] {
        let events = [
            chunk("one", "null"),
            chunk("two", "\"stop\"").after(Duration::from_millis(30)),
        ];
        let upstream = upstream(stream(events).cut_after(1, cut)).await;
        let mut body = call(&upstream, true).await.unwrap().into_body();
        assert!(body.frame().await.unwrap().is_ok(), "{cut:?}");
        let failure = body.frame().await.unwrap().unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Disconnected, "{cut:?}");
        assert_eq!(failure.status(), 502);
        assert_eq!(failure.deployment().unwrap().as_str(), "one");
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test]
async fn an_upstream_that_stays_after_the_end_does_not_hold_the_client() {
    let events = [
        chunk("one", "\"stop\""),
        Event::done(),
        Event::pause(Duration::from_secs(3600)),
        Event::comment("late"),
    ];
    let upstream = upstream(stream(events)).await;
    let text = read(call(&upstream, true).await.unwrap()).await.unwrap();
    assert!(text.ends_with(b"data: [DONE]\n\n"));
}
