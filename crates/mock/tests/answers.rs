//! What an upstream says when all goes well.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::*;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json as document};
use tokio::time::Instant;
use ziggurat_mock::{Answer, ApiError, Step};

/// Returns the JSON documents of an event stream; the last event has to be `[DONE]`.
fn events(frames: &[Bytes]) -> Vec<Value> {
    let (done, rest) = frames.split_last().unwrap();
    assert_eq!(done, "data: [DONE]\n\n");
    let data = |frame: &Bytes| {
        let text = std::str::from_utf8(frame).unwrap();
        serde_json::from_str(
            text.strip_prefix("data: ")
                .unwrap()
                .strip_suffix("\n\n")
                .unwrap(),
        )
        .unwrap()
    };
    rest.iter().map(data).collect()
}

#[tokio::test(start_paused = true)]
async fn a_plain_request_gets_a_chat_completion_of_the_model_it_asked_for() {
    let upstream = upstream(Step::hello()).await;
    let response = ask(&upstream, PLAIN).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = json(response).await;
    assert_eq!(body["object"], "chat.completion");
    assert_eq!(body["model"], "gpt-4o");
    assert_eq!(
        body["choices"][0]["message"],
        document!({"role": "assistant", "content": "hello from azure-1"})
    );
    assert_eq!(body["choices"][0]["finish_reason"], "stop");
    let prompt = PLAIN.len().div_ceil(4);
    assert_eq!(
        body["usage"],
        document!({"prompt_tokens": prompt, "completion_tokens": 3, "total_tokens": prompt + 3})
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_role_deltas_finish_and_done_one_chunk_each() {
    let upstream = upstream(Step::answer(
        Answer::deltas(["Ro", "ses"]).finish_reason("length"),
    ))
    .await;
    let response = ask(&upstream, STREAM).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let (frames, failed) = frames(response).await;
    assert!(!failed);
    let events = events(&frames);
    let choices: Vec<_> = events
        .iter()
        .map(|event| event["choices"][0].clone())
        .collect();
    let choice = |delta: Value, finish: Option<&str>| document!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
    assert_eq!(
        choices,
        [
            choice(document!({"role": "assistant", "content": ""}), None),
            choice(document!({"content": "Ro"}), None),
            choice(document!({"content": "ses"}), None),
            choice(document!({}), Some("length")),
        ]
    );
    assert!(
        events
            .iter()
            .all(|event| event["object"] == "chat.completion.chunk"
                && event["id"] == events[0]["id"])
    );
    assert!(events.iter().all(|event| event.get("usage").is_none()));
}

#[tokio::test(start_paused = true)]
async fn include_usage_adds_a_last_chunk_with_the_usage() {
    let upstream = upstream(Step::answer(Answer::text("a b").usage(10, 2))).await;
    let asked = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
    let (frames, _) = frames(ask(&upstream, asked).await.unwrap()).await;
    let events = events(&frames);
    let (last, rest) = events.split_last().unwrap();
    assert_eq!(last["choices"], document!([]));
    assert_eq!(
        last["usage"],
        document!({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12})
    );
    assert!(
        rest.iter()
            .all(|event| event.get("usage") == Some(&Value::Null))
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_keeps_its_cadence() {
    let step = Step::answer("a b")
        .delay(Duration::from_secs(1))
        .body_delay(Duration::from_secs(5))
        .interval(Duration::from_secs(2));
    let upstream = upstream(step).await;
    let start = Instant::now();
    let seconds = |start: Instant| start.elapsed().as_secs();
    let response = ask(&upstream, STREAM).await.unwrap();
    assert_eq!(seconds(start), 1);
    let mut body = response.into_body();
    let mut times = Vec::new();
    while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
        frame.unwrap();
        times.push(seconds(start));
    }
    assert_eq!(times, [6, 8, 10, 12, 14]);
}

#[tokio::test(start_paused = true)]
async fn a_plain_body_can_trickle() {
    let response = Response::new("abcdefgh");
    let step = Step::respond(response)
        .trickle(3.try_into().unwrap())
        .interval(Duration::from_secs(1));
    let upstream = upstream(step).await;
    let start = Instant::now();
    let response = ask(&upstream, PLAIN).await.unwrap();
    assert_eq!(response.headers()["content-length"], "8");
    let (frames, failed) = frames(response).await;
    assert_eq!(
        (frames, failed),
        (vec!["abc".into(), "def".into(), "gh".into()], false)
    );
    assert_eq!(start.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn other_paths_have_their_own_form() {
    let upstream = upstream(Step::answer("hi you")).await;
    let http = client();
    let call =
        async |path: &str, body: &str| http.request(post(&upstream, path, body)).await.unwrap();

    let text = json(call("/v1/completions", r#"{"model":"m","prompt":"x"}"#).await).await;
    assert_eq!(
        (&text["object"], &text["choices"][0]["text"]),
        (&"text_completion".into(), &"hi you".into())
    );

    let (stream, _) = frames(
        call(
            "/v1/completions",
            r#"{"model":"m","prompt":"x","stream":true}"#,
        )
        .await,
    )
    .await;
    let texts: Vec<_> = events(&stream)
        .iter()
        .map(|event| event["choices"][0]["text"].clone())
        .collect();
    assert_eq!(texts, ["hi ", "you", ""]);

    let azure = "/openai/deployments/gpt-35/chat/completions?api-version=2024-06-01";
    assert_eq!(json(call(azure, "{}").await).await["model"], "gpt-35");
    assert_eq!(upstream.hits()[2].query(), Some("api-version=2024-06-01"));

    let vectors = async |input: &str| {
        let asked = format!(r#"{{"model":"e","input":{input}}}"#);
        let response = http
            .request(post(&upstream, "/any/prefix/embeddings", &asked))
            .await
            .unwrap();
        json(response).await["data"].as_array().unwrap().len()
    };
    assert_eq!(vectors(r#""one""#).await, 1);
    assert_eq!(vectors(r#"["one","two"]"#).await, 2);
    assert_eq!(vectors("[1,2,3]").await, 1);
    assert_eq!(vectors("[[1,2],[3]]").await, 2);
}

#[tokio::test(start_paused = true)]
async fn models_are_listed() {
    let upstream = ziggurat_mock::Upstream::new("a")
        .models(["m1", "m2"])
        .start()
        .await
        .unwrap();
    let request = Request::get(format!("{}/v1/models", upstream.url()))
        .body(Full::default())
        .unwrap();
    let list = json(client().request(request).await.unwrap()).await;
    let ids: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["id"])
        .collect();
    assert_eq!(ids, ["m1", "m2"]);
}

#[tokio::test(start_paused = true)]
async fn requests_that_make_no_sense_are_refused_as_openai_does() {
    let upstream = upstream(Step::hello()).await;
    let http = client();
    let status = async |method, path, body| {
        let uri = format!("{}{path}", upstream.url());
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .body(Full::from(body))
            .unwrap();
        let response = http.request(request).await.unwrap();
        let status = response.status();
        assert!(json(response).await["error"]["message"].is_string());
        status
    };
    assert_eq!(
        status(Method::POST, "/v1/chat/completions", r#"{"model":"#).await,
        400
    );
    assert_eq!(
        status(Method::POST, "/v1/chat/completions", r#"{"model":7}"#).await,
        400
    );
    assert_eq!(status(Method::POST, "/v1/nothing", "{}").await, 404);
    assert_eq!(status(Method::GET, "/v1/chat/completions", "").await, 405);
}

#[tokio::test(start_paused = true)]
async fn errors_have_openais_form() {
    let rate = Step::error(StatusCode::TOO_MANY_REQUESTS).retry_after(Duration::from_millis(2500));
    let upstream = upstream([rate, Step::error(ApiError::context_window())]).await;
    let response = ask(&upstream, STREAM).await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "3");
    let error = json(response).await;
    assert_eq!(
        error["error"],
        document!({"message": "Rate limit reached.", "type": "requests", "param": null, "code": "rate_limit_exceeded"})
    );

    let response = ask(&upstream, PLAIN).await.unwrap();
    assert_eq!(response.status(), 400);
    let error = json(response).await;
    assert_eq!(error["error"]["code"], "context_length_exceeded");
    assert_eq!(error["error"]["param"], "messages");
}

#[tokio::test(start_paused = true)]
async fn a_response_goes_out_exactly_as_given() {
    let html = || {
        Response::builder()
            .status(502)
            .header("content-type", "text/html")
            .header("x-twice", "1")
            .header("x-twice", "2")
            .body("<html>")
            .unwrap()
    };
    let added = HeaderName::from_static("x-added");
    let upstream =
        upstream(Step::respond(html()).header(added, HeaderValue::from_static("yes"))).await;
    let text = read_all(raw(&upstream, &last(PLAIN)).await).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.lines().collect();
    assert_eq!(lines.remove(0), "HTTP/1.1 502 Bad Gateway");
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "content-length: 6",
            "content-type: text/html",
            "x-added: yes",
            "x-twice: 1",
            "x-twice: 2"
        ]
    );
    assert_eq!(body, "<html>");
}

#[tokio::test(start_paused = true)]
async fn a_response_without_a_body_has_no_length() {
    let step = Step::respond(Response::builder().status(204).body("never sent").unwrap());
    let upstream = upstream(step).await;
    let text = read_all(raw(&upstream, &last(PLAIN)).await).await.unwrap();
    assert_eq!(text, "HTTP/1.1 204 No Content\r\n\r\n");
}
