//! Streams that are encoded unasked, and what a few bytes of them can come to.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use http::{HeaderName, HeaderValue, Method};
use serde_json::{Value, json};
use ziggurat_testing::mock::{Event, Running, Step};

use crate::support::{Answer, Proxy, upstream};

const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}
- {model_name: claude, litellm_params: {model: anthropic/claude-3-opus-20240229, api_key: k, api_base: os.environ/A}}";

async fn start(frames: impl IntoIterator<Item = Vec<u8>>) -> (Proxy, Running) {
    let name = HeaderName::from_static("content-encoding");
    let events = frames.into_iter().map(Event::raw);
    let step = Step::events(events).header(name, HeaderValue::from_static("gzip"));
    let up = upstream("a", [step]).await;
    (Proxy::start(YAML, &[("A", up.url())]).await, up)
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn chunk(delta: &Value, finish: &Value) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "x", "choices": [choice]});
    format!("data: {chunk}\n\n")
}

fn message(kind: &str, members: &Value) -> String {
    let mut event = members.clone();
    event["type"] = json!(kind);
    format!("event: {kind}\ndata: {event}\n\n")
}

fn chat() -> [String; 4] {
    [
        chunk(
            &json!({"role": "assistant", "content": "one"}),
            &Value::Null,
        ),
        chunk(&json!({"content": " two"}), &Value::Null),
        chunk(&json!({}), &json!("stop")),
        "data: [DONE]\n\n".to_owned(),
    ]
}

fn messages() -> [String; 4] {
    let begun = json!({"message": {"id": "m", "type": "message", "role": "assistant", "content": [], "model": "x"}});
    let delta = |text| json!({"index": 0, "delta": {"type": "text_delta", "text": text}});
    [
        message("message_start", &begun),
        message("content_block_delta", &delta("one")),
        message("content_block_delta", &delta(" two")),
        message("message_stop", &json!({})),
    ]
}

async fn ask(proxy: &Proxy, is_chat: bool) -> Answer {
    if is_chat {
        return proxy.chat("m", &json!({"stream": true})).await;
    }
    let question = json!([{"role": "user", "content": "hi"}]);
    let body = json!({"model": "claude", "max_tokens": 9, "stream": true, "messages": question});
    let request = proxy.request(Method::POST, "/v1/messages", body.to_string());
    proxy.call(request).await
}

#[tokio::test(start_paused = true)]
async fn blank_lines_come_to_little() {
    let blank = "\n".repeat(1_000_000);
    for events in [chat(), messages()] {
        let [first, second, third, last] = &events;
        let whole = [first.as_str(), second, &blank, third, last].concat();
        let (proxy, _up) = start([gzip(&whole)]).await;
        let is_chat = last.contains("DONE");
        let answer = ask(&proxy, is_chat).await;
        assert!(answer.text.contains("one") && answer.text.contains(" two"));
        let end = if is_chat { "[DONE]" } else { "message_stop" };
        assert!(answer.text.contains(end));
        assert!(answer.text.len() < 20_000, "{}", answer.text.len());
    }
}

#[tokio::test(start_paused = true)]
async fn each_event_may_be_a_member_of_its_own() {
    for events in [chat(), messages()] {
        let is_chat = events[3].contains("DONE");
        let members = events.each_ref().map(|event| gzip(event));
        let whole = members.concat();
        let halves = whole.chunks(7).map(<[u8]>::to_vec).collect::<Vec<_>>();
        for frames in [members.to_vec(), vec![whole], halves] {
            let (proxy, up) = start(frames).await;
            let answer = ask(&proxy, is_chat).await;
            assert!(answer.text.contains("one") && answer.text.contains(" two"));
            let end = if is_chat { "[DONE]" } else { "message_stop" };
            assert!(answer.text.contains(end), "{}", answer.text);
            assert!(!answer.text.contains("error"), "{}", answer.text);
            assert_eq!(up.count(), 1);
        }
    }
}
