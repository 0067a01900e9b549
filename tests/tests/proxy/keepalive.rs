//! Signs of life in streams: while one is silent, and before there is an answer.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::ServiceExt;
use ziggurat::{
    Gateway,
    core::{
        FailureKind, Observer,
        observe::{Ended, RequestEnd},
    },
};
use ziggurat_testing::mock::{Answer as Reply, Event, Progress, Running, Step};

use crate::support::{Answer, Proxy, config, upstream};

const PING: &str = ": ping\n\n";

/// A plain answer to whatever was asked.
const PLAIN: &[u8] = br#"{"id": "x", "object": "chat.completion", "created": 1, "model": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}"#;

/// Sends no head before an answer, unless it is told to.
const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}
- {model_name: n, litellm_params: {model: openai/y, api_base: os.environ/B}}
- {model_name: own, litellm_params: {model: openai/x, api_base: os.environ/A, keepalive_seconds: 3}}
- {model_name: claude, litellm_params: {model: anthropic/claude-3-opus-20240229, api_key: sk-canary, api_base: os.environ/A}}
router_settings: {disable_cooldowns: true}
general_settings: {expose_fallback_errors_to_caller: true}
litellm_settings: {num_retries: 1, fallbacks: [{m: [n]}]";
const EVERY: &str = ", sse_keepalive_ping_interval_seconds: 2}";

fn words() -> Step {
    Step::answer(Reply::deltas(["one", " two", " three"]))
}

fn late(seconds: f64) -> Step {
    Step::hello().delay(Duration::from_secs_f64(seconds))
}

fn fails(status: StatusCode) -> Step {
    Step::error(status).delay(Duration::from_secs(5))
}

async fn start(settings: &str, a: Step, b: Step) -> (Proxy, Running, Running) {
    let (a, b) = (upstream("a", [a]).await, upstream("b", [b]).await);
    let yaml = format!("{YAML}{settings}");
    let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
    (proxy, a, b)
}

async fn stream(proxy: &Proxy, members: &Value) -> Answer {
    let mut all = json!({"stream": true});
    for (name, value) in members.as_object().cloned().unwrap_or_default() {
        all[name] = value;
    }
    let model = all["model"].as_str().unwrap_or("m").to_owned();
    proxy.chat(&model, &all).await
}

/// R190: comments where a stream is silent, and only there.
#[tokio::test(start_paused = true)]
async fn a_silent_stream_gives_signs_of_life() {
    for (model, settings, pings) in [("m", "}", 0), ("m", EVERY, 2), ("own", EVERY, 2)] {
        let slow = words().interval(Duration::from_millis(3500));
        let (proxy, _a, _b) = start(settings, slow, Step::hello()).await;
        let answer = stream(&proxy, &json!({"model": model})).await;
        assert_eq!(answer.content(), "one two three");
        let (before, begun) = answer.text.split_at(answer.text.find("data: ").unwrap());
        // The first chunk waits for its first content, and the end brings no content.
        assert_eq!(before, PING.repeat(usize::from(pings > 0)), "{settings}");
        let found = begun.matches(PING).count();
        assert!((pings..=3).contains(&found) && found.min(1) == pings.min(1));
        assert!(!begun.contains("data: : ping") && begun.ends_with("data: [DONE]\n\n"));
        // Not in plain answers.
        let plain = proxy.chat(model, &json!({})).await;
        assert!(plain.json()["id"].is_string());
    }
}

/// Some servers end their lines with two bytes.
#[tokio::test(start_paused = true)]
async fn pings_go_between_events_whatever_ends_their_lines() {
    let chunk = |text: &str, reason: Value| {
        let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "x",
            "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]});
        Event::raw(format!("data: {chunk}\r\n\r\n"))
    };
    let pause = || Event::pause(Duration::from_secs(5));
    let events = [
        chunk("one", Value::Null),
        pause(),
        chunk(" two", json!("stop")),
        Event::raw("data: [DONE]\r\n\r\n"),
    ];
    let (proxy, _a, _b) = start(EVERY, Step::events(events), Step::hello()).await;
    let answer = stream(&proxy, &json!({})).await;
    assert_eq!(answer.content(), "one two");
    assert_eq!(answer.text.matches(PING).count(), 2, "{}", answer.text);
}

/// D9: who waits for an answer gets the head of a stream, and a ping at each interval.
#[tokio::test(start_paused = true)]
async fn a_client_that_waits_gets_a_head_and_pings() {
    let none = json!({});
    for (model, members, settings, pings) in [
        ("m", &none, "}", 0),
        ("m", &none, EVERY, 3),
        // The deployment's own time goes before, and the request's before that.
        ("own", &none, "}", 2),
        ("own", &none, EVERY, 2),
        ("own", &json!({"keepalive_seconds": 1}), EVERY, 7),
        ("m", &json!({"keepalive_seconds": "1.0"}), "}", 7),
        // As far as it is a time that could be configured.
        ("m", &json!({"keepalive_seconds": 0.01}), "}", 7),
        ("m", &json!({"keepalive_seconds": 0}), EVERY, 3),
        ("m", &json!({"keepalive_seconds": 9}), EVERY, 0),
    ] {
        let (proxy, a, _b) = start(settings, late(7.5), Step::hello()).await;
        let mut members = members.clone();
        members["model"] = model.into();
        let answer = stream(&proxy, &members).await;
        assert_eq!(answer.content(), "hello from a");
        let expected = PING.repeat(pings);
        assert!(
            answer.text.starts_with(&(expected + "data: ")),
            "{members} {settings}: {}",
            answer.text
        );
        let json = a.hits()[0].json().unwrap();
        assert_eq!(json.get("keepalive_seconds"), None);
        assert_eq!(answer.header("x-ziggurat-ignored"), "");
        // Nobody knows yet who will answer.
        let id = answer.headers.contains_key("x-litellm-model-id");
        let attempts = answer.headers.contains_key("x-litellm-total-attempts");
        assert_eq!((id, attempts), (pings == 0, pings == 0));
        assert_eq!(answer.header("cache-control"), "no-cache");
        let events = "text/event-stream; charset=utf-8";
        assert_eq!(answer.header("content-type"), events);
    }
    for wrong in [json!(-1), json!("often"), json!([])] {
        let (proxy, _a, _b) = start("}", late(0.0), Step::hello()).await;
        let answer = stream(&proxy, &json!({"keepalive_seconds": wrong})).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"]["param"], "keepalive_seconds");
    }
}

/// D9: what fails after the head, but before any content, is retried and falls back.
#[tokio::test(start_paused = true)]
async fn attempts_go_on_behind_the_head() {
    let broken = fails(StatusCode::INTERNAL_SERVER_ERROR);
    let (proxy, a, b) = start(EVERY, broken, late(1.0)).await;
    let answer = stream(&proxy, &json!({"include_fallback_errors": true})).await;
    assert_eq!((a.count(), b.count()), (2, 1));
    assert_eq!(answer.content(), "hello from b");
    assert!(answer.text.starts_with(&PING.repeat(5)));
    // What the fallback went around was not known when the head went out.
    let events = answer.events();
    let errors = &events[0]["litellm_fallback"]["errors"];
    assert_eq!(errors[0]["code"], "500", "{}", answer.text);
    assert_eq!(errors.as_array().unwrap().len(), 1);
    assert_eq!(answer.header("x-litellm-fallback-errors"), "");
}

/// D9: if all fail the stream has one error, and its end.
#[tokio::test(start_paused = true)]
async fn a_failure_after_the_head_is_an_event() {
    for (a, b, code) in [
        (
            fails(StatusCode::UNAUTHORIZED),
            fails(StatusCode::BAD_REQUEST),
            "401",
        ),
        (
            words().delay(Duration::from_secs(60)),
            fails(StatusCode::BAD_REQUEST),
            "408",
        ),
        (
            fails(StatusCode::INTERNAL_SERVER_ERROR),
            Step::reset(),
            "500",
        ),
    ] {
        let (proxy, _a, _b) = start(EVERY, a, b).await;
        let answer = stream(&proxy, &json!({"stream_timeout": 10})).await;
        assert_eq!(answer.status, 200);
        let events = answer.events();
        let [failure, end] = &events[..] else {
            panic!("{}", answer.text)
        };
        assert_eq!(
            (&failure["error"]["code"], end),
            (&json!(code), &json!("[DONE]"))
        );
        assert!(failure["error"]["type"].is_string());
    }
    // What fails sooner is a plain error still.
    let soon = || Step::error(StatusCode::BAD_REQUEST).delay(Duration::from_millis(500));
    let (proxy, _a, _b) = start(EVERY, soon(), soon()).await;
    assert_eq!(stream(&proxy, &json!({})).await.status, 400);
    // Of a plain answer a stream is made, which can follow the head of one.
    let plain = Response::builder().header("content-type", "application/json");
    let plain = Step::respond(plain.body(Bytes::from_static(PLAIN)).unwrap());
    let (proxy, _a, _b) = start(EVERY, plain.delay(Duration::from_secs(5)), Step::reset()).await;
    let answer = stream(&proxy, &json!({})).await;
    let events = answer.events();
    let [said, end] = &events[..] else {
        panic!("{}", answer.text)
    };
    assert_eq!(said["choices"][0]["delta"]["content"], "hi");
    assert_eq!(end, "[DONE]");
}

#[tokio::test(start_paused = true)]
async fn plain_answers_and_what_has_no_streams_wait_as_ever() {
    let (proxy, a, _b) = start(EVERY, fails(StatusCode::BAD_REQUEST), Step::reset()).await;
    assert_eq!(proxy.chat("own", &json!({})).await.status, 400);
    let body = json!({"model": "own", "input": "hi", "stream": true}).to_string();
    let answer = proxy.request(Method::POST, "/v1/embeddings", body);
    assert_eq!(proxy.call(answer).await.status, 400);
    assert_eq!(a.count(), 2);
}

/// Whoever leaves after the head ends the attempt that runs behind it.
#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_after_the_head_ends_the_attempt() {
    let (proxy, a, b) = start(EVERY, Step::hang(), Step::hello()).await;
    let request = proxy.chat_request("m", &json!({"stream": true}));
    let mut body = proxy.send(request).await.into_body();
    let ping = body.frame().await.unwrap().unwrap();
    assert_eq!(ping.into_data().unwrap(), PING);
    drop(body);
    assert_eq!(a.hits()[0].ended().await, Progress::ClientLeft);
    assert_eq!((a.count(), b.count()), (1, 0));
}

/// Each API has its own signs of life and its own errors.
#[tokio::test(start_paused = true)]
async fn other_apis_get_them_in_their_own_form() {
    let refused = || fails(StatusCode::BAD_REQUEST);
    let (proxy, a, _b) = start(EVERY, refused(), refused()).await;
    let body = json!({"model": "claude", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let ask = |path, body: &Value| proxy.call(proxy.request(Method::POST, path, body.to_string()));
    let answer = ask("/v1/messages", &body).await;
    let ping = "event: ping\ndata: {\"type\": \"ping\"}\n\n";
    assert!(answer.text.starts_with(&ping.repeat(2)), "{}", answer.text);
    let end = answer.text.rsplit_once("event: error\ndata: ").unwrap().1;
    let error: Value = serde_json::from_str(end).unwrap();
    assert_eq!(error["error"]["type"], "invalid_request_error");
    assert!(!answer.text.contains("[DONE]"));
    assert_eq!(a.count(), 1);

    let body = json!({"model": "m", "input": "hi", "stream": true, "disable_fallbacks": true});
    let answer = ask("/v1/responses", &body).await;
    assert!(answer.text.starts_with(&PING.repeat(2)), "{}", answer.text);
    let error = &answer.events()[0];
    assert_eq!(
        (&error["type"], &error["sequence_number"]),
        (&json!("error"), &json!(0))
    );
    // The SDKs raise what has this member.
    assert_eq!(error["error"]["message"], error["message"]);
}

/// How a request ended, as an observer hears it.
type End = (Option<String>, Ended, Option<u64>, bool);

#[derive(Default)]
struct Ends(Mutex<Vec<End>>);

impl Observer for Ends {
    fn request_ended(&self, end: &RequestEnd<'_>) {
        let deployment = end.deployment.map(ToString::to_string);
        let tokens = end.call.output_tokens;
        let waited = end.call.first_chunk >= Some(Duration::from_secs(5));
        let mut ends = self.0.lock().unwrap();
        ends.push((deployment, end.call.outcome, tokens, waited));
    }
}

/// What the head could not tell is told to observers all the same, and a ping is no chunk.
#[tokio::test(start_paused = true)]
async fn observers_hear_who_answered_after_the_head() {
    let yaml = format!("{YAML}{EVERY}").replacen("/A}}", "/A}, model_info: {id: this}}", 1);
    let refused = fails(StatusCode::BAD_REQUEST);
    let config_of = |up: &Running| config(&yaml, &[("A", up.url()), ("B", up.url())]);
    for (step, outcome, tokens) in [
        (late(5.0), Ended::Completed, Some(5)),
        (refused, Ended::Failed(FailureKind::BadRequest), None),
    ] {
        let up = upstream("a", [step]).await;
        let ends = Arc::new(Ends::default());
        let gateway = Gateway::builder(&config_of(&up))
            .observer(ends.clone())
            .build()
            .unwrap();
        let body = json!({"model": "m", "stream": true, "disable_fallbacks": true, "num_retries": 0,
            "messages": [{"role": "user", "content": "hi"}]});
        let body = Full::new(Bytes::from(body.to_string()));
        let request = Request::post("/v1/chat/completions").body(body).unwrap();
        let response = gateway.oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap();
        let ends = ends.0.lock().unwrap();
        let waited = outcome == Ended::Completed;
        assert_eq!(*ends, [(Some("this".to_owned()), outcome, tokens, waited)]);
    }
}
