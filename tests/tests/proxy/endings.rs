//! What ends a stream, and what only looks as if it did.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde_json::json;
use tokio::time::Instant;
use ziggurat_testing::mock::{Event, Running, Step};

use crate::{
    streams::broken_off,
    support::{Proxy, upstream},
};

const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}
- {model_name: n, litellm_params: {model: openai/x, api_base: os.environ/B}}
litellm_settings: {num_retries: 0, fallbacks: [{m: [n]}]}";

async fn start(events: impl IntoIterator<Item = Event>) -> (Proxy, Running, Running) {
    start_with(Step::events(events)).await
}

async fn start_with(step: Step) -> (Proxy, Running, Running) {
    let (a, b) = (
        upstream("a", [step]).await,
        upstream("b", [Step::hello()]).await,
    );
    let proxy = Proxy::start(YAML, &[("A", a.url()), ("B", b.url())]).await;
    (proxy, a, b)
}

/// A chunk as OpenAI lays it out, with a finish reason and further members as JSON.
fn chunk(index: u32, text: &str, reason: &str, more: &str) -> Event {
    let choice =
        format!(r#"{{"index":{index},"delta":{{"content":"{text}"}},"finish_reason":{reason}}}"#);
    Event::data(format!(
        r#"{{"id":"c","object":"chat.completion.chunk","created":1,"model":"x","choices":[{choice}]{more}}}"#
    ))
}

fn choice(index: u32, text: &str) -> Event {
    chunk(index, text, r#""stop""#, "")
}

/// A choice that was asked for may begin long after another has ended.
#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_until_all_choices_have_ended() {
    let events = [
        choice(0, "first"),
        choice(1, "second").after(Duration::from_millis(1500)),
        Event::pause(Duration::from_secs(60)),
    ];
    let (proxy, a, b) = start(events).await;
    let started = Instant::now();
    let answer = proxy.chat("m", &json!({"stream": true, "n": 2})).await;
    assert!(answer.text.contains("second"), "{}", answer.text);
    assert!(!answer.text.contains("error"), "{}", answer.text);
    assert_eq!(answer.events().last().unwrap(), "[DONE]");
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!((a.count(), b.count()), (1, 0));
}

/// A stream that ends before the last choice begins is cut: it ends with an error, or is asked for again where it was held.
#[tokio::test(start_paused = true)]
async fn a_stream_that_lacks_a_choice_is_cut() {
    for (commit, broken) in [("first_content", true), ("complete", false)] {
        let (a, b) = (
            upstream("a", [Step::events([choice(0, "first")])]).await,
            upstream("b", [Step::events([choice(0, "one"), choice(1, "two")])]).await,
        );
        let yaml = format!("{YAML}\nrouter_settings: {{stream_commit: {commit}}}");
        let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
        let answer = proxy.chat("m", &json!({"stream": true, "n": 2})).await;
        if broken {
            assert_eq!(broken_off(&answer)["code"], "502", "{}", answer.text);
        } else {
            assert!(answer.text.contains("two"), "{}", answer.text);
            assert!(!answer.text.contains("first"), "{}", answer.text);
        }
        assert_eq!((a.count(), b.count()), (1, u64::from(!broken)));
    }
}

/// `false` in the place of a finish reason is none.
#[tokio::test(start_paused = true)]
async fn a_stream_is_cut_where_nothing_says_how_it_ended() {
    for reason in ["null", "false", "0", r#""null""#] {
        let (proxy, _a, _b) = start([chunk(0, "half", reason, "")]).await;
        let answer = proxy.chat("m", &json!({"stream": true})).await;
        assert_eq!(answer.content(), "half");
        assert_eq!(
            broken_off(&answer)["code"],
            "502",
            "{reason}: {}",
            answer.text
        );
    }
}

/// Usage that comes with a piece of the answer is the upstream's: none is invented beside it.
#[tokio::test(start_paused = true)]
async fn usage_is_told_once() {
    let usage = r#","usage":{"prompt_tokens":9,"completion_tokens":30,"total_tokens":39}"#;
    let events = [
        chunk(0, "one", "null", ""),
        chunk(0, " two", "null", usage),
        chunk(0, " three", "null", ""),
        chunk(0, "", r#""stop""#, ""),
        Event::done(),
    ];
    let (proxy, _a, _b) = start(events).await;
    let options = json!({"stream": true, "stream_options": {"include_usage": true}});
    let answer = proxy.chat("m", &options).await;
    assert_eq!(answer.content(), "one two three");
    let told: Vec<_> = answer
        .events()
        .iter()
        .filter_map(|event| event["usage"]["total_tokens"].as_u64())
        .collect();
    assert_eq!(told, [39], "{}", answer.text);
}

/// An upstream that fails while it writes says so in the choice: before its first content another is asked, and a plain answer
/// is none.
#[tokio::test(start_paused = true)]
async fn an_error_of_a_choice_falls_back() {
    let choice = r#"{"index":0,"delta":{"content":""},"message":{"content":"half"},"finish_reason":"error","error":{"code":502,"message":"oops"}}"#;
    let answer = format!(r#"{{"id":"c","created":1,"model":"x","choices":[{choice}]}}"#);
    let first = Event::data(answer.clone());
    let (proxy, a, b) = start([first, Event::done()]).await;
    let streamed = proxy.chat("m", &json!({"stream": true})).await;
    assert_eq!(streamed.content(), "hello from b", "{}", streamed.text);
    assert_eq!((a.count(), b.count()), (1, 1));

    let late = [chunk(0, "half", "null", ""), Event::data(answer.clone())];
    let (proxy, _a, b) = start(late).await;
    let streamed = proxy.chat("m", &json!({"stream": true})).await;
    assert_eq!(streamed.content(), "half");
    let error = broken_off(&streamed);
    assert_eq!(error["code"], "502", "{error}");
    assert!(
        error["message"].as_str().unwrap().contains("oops"),
        "{error}"
    );
    assert_eq!(b.count(), 0);

    let response = Response::builder().header("content-type", "application/json");
    let step = Step::respond(response.body(Bytes::from(answer)).unwrap());
    let (proxy, _a, b) = start_with(step).await;
    let plain = proxy.chat("m", &json!({})).await;
    assert_eq!((plain.content().as_str(), b.count()), ("hello from b", 1));
}
