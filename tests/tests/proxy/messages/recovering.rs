//! Streams of messages that go on after they broke, passed on or translated, the first as the second.

use serde_json::{Value, json};
use ziggurat_testing::mock::{Answer as Reply, Cut, Event, Running, Step};

use super::{ask, hi, read};
use crate::support::{Answer, Proxy, upstream};

const CLAUDE: &str = "anthropic/claude-3-opus-20240229";
const GPT: &str = "openai/gpt-4o";

/// What one says whose stream breaks, and the one who goes on.
struct Pair {
    proxy: Proxy,
    first: Running,
    second: Running,
}

async fn pair(recovery: &str, models: [&str; 2], first: Step, second: &[Step]) -> Pair {
    let first = upstream("first", [first]).await;
    let second = upstream("second", second.to_vec()).await;
    let [one, two] = models.map(|model| format!("model: {model}, api_key: sk-canary"));
    let yaml = format!(
        "
model_list:
- {{model_name: one, litellm_params: {{{one}, api_base: os.environ/A, stream_timeout: 9, stream_idle_timeout: 2}}}}
- {{model_name: two, litellm_params: {{{two}, api_base: os.environ/B}}, model_info: {{supports_assistant_prefill: true}}}}
litellm_settings: {{num_retries: 0, fallbacks: [{{one: [two]}}]}}
router_settings: {{stream_recovery: {recovery}}}"
    );
    let environment = [("A", first.url()), ("B", second.url())];
    Pair {
        proxy: Proxy::start(&yaml, &environment).await,
        first,
        second,
    }
}

fn words() -> Step {
    Step::answer(Reply::deltas(["one", " two", " three"]))
}

/// How many events Anthropic's streams have before the first piece, and OpenAI's.
fn ahead(model: &str) -> usize {
    match model {
        CLAUDE => 3,
        _ => 1,
    }
}

async fn stream(pair: &Pair) -> Answer {
    ask(&pair.proxy, "one", &json!({"stream": true})).await
}

/// One message with one block of text, which says this.
#[track_caller]
fn assert_whole(answer: &Answer, text: &str) {
    let (mut names, said) = read(answer);
    assert_eq!(said, text, "{}", answer.text);
    names.dedup();
    let expected = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(names, expected, "{}", answer.text);
    let events = answer.events();
    let blocks = events.iter().filter_map(|event| event["index"].as_u64());
    assert!(
        blocks.into_iter().all(|index| index == 0),
        "{}",
        answer.text
    );
    // The name of the one that was asked for: its message is the one that began.
    assert_eq!(events[0]["message"]["model"], "one");
}

const PAIRS: [[&str; 2]; 4] = [[CLAUDE, GPT], [GPT, CLAUDE], [CLAUDE, CLAUDE], [GPT, GPT]];

#[tokio::test(start_paused = true)]
async fn a_message_that_breaks_is_gone_on_with() {
    for models in PAIRS {
        let two = ahead(models[0]) + 2;
        for (number, step) in [
            words().cut_after(two, Cut::Reset),
            words().cut_after(two, Cut::Eof),
            words().cut_after(two, Cut::Hang),
            words().cut_after(two + 1, Cut::Reset),
        ]
        .into_iter()
        .enumerate()
        {
            let again = Step::answer(Reply::deltas(["on", "e two thr", "ee"]).usage(5, 9));
            let pair = pair("restart", models, step, &[again]).await;
            let answer = stream(&pair).await;
            assert_whole(&answer, "one two three");
            let ends = answer.events();
            let end = ends.iter().find(|event| event["type"] == "message_delta");
            let usage = &end.unwrap()["usage"];
            assert_eq!(usage["output_tokens"], 9, "{number} {}", answer.text);
            assert_eq!(usage["input_tokens"], 5, "{number} {}", answer.text);
            assert_eq!((pair.first.count(), pair.second.count()), (1, 1));
        }
    }
}

/// An error that a stream says itself, and an event that cannot be read.
#[tokio::test(start_paused = true)]
async fn a_message_with_an_error_in_it_is_gone_on_with() {
    let overloaded =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}});
    let overloaded = format!("event: error\ndata: {overloaded}\n\n");
    for last in [
        &*overloaded,
        "event: content_block_delta\ndata: {\"what\n\n",
    ] {
        let begin = json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant",
            "model": "claude-3-opus-20240229", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}});
        let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
        let piece = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "one t"}});
        let events = [begin, block, piece].map(|event| {
            let name = event["type"].as_str().unwrap();
            Event::raw(format!("event: {name}\ndata: {event}\n\n"))
        });
        let events = events.into_iter().chain([Event::raw(last.to_owned())]);
        let pair = pair("restart", [CLAUDE, GPT], Step::events(events), &[words()]).await;
        assert_whole(&stream(&pair).await, "one two three");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_says_something_else_ends_it_with_its_error() {
    for models in PAIRS {
        let cut = words().cut_after(ahead(models[0]) + 2, Cut::Reset);
        let pair = pair("restart", models, cut, &[Step::hello()]).await;
        let answer = stream(&pair).await;
        let (names, text) = read(&answer);
        assert_eq!(
            (&*text, names.last().unwrap().as_str()),
            ("one two", "error"),
            "{}",
            answer.text
        );
        assert!(!answer.text.contains("message_stop"), "{}", answer.text);
        let events = answer.events();
        let error = &events.last().unwrap()["error"];
        assert_eq!(error["type"], "api_error");
        assert!(
            error["message"].as_str().unwrap().contains("repeats"),
            "{error}"
        );
        assert_eq!(pair.second.count(), 1);
    }
}

/// Each is sent the beginning in the words of its API; who refuses it is asked for the whole.
#[tokio::test(start_paused = true)]
async fn another_goes_on_from_what_was_said() {
    let rest = || Step::answer(Reply::deltas([" thr", "ee"]));
    let refusal = || {
        let body =
            r#"{"type":"error","error":{"message":"no prefill","type":"invalid_request_error"}}"#;
        Step::respond(http::Response::builder().status(400).body(body).unwrap())
    };
    for models in PAIRS {
        for steps in [vec![rest()], vec![refusal(), words()]] {
            let cut = words().cut_after(ahead(models[0]) + 2, Cut::Hang);
            let pair = pair("continue", models, cut, &steps).await;
            assert_whole(&stream(&pair).await, "one two three");
            assert_eq!(pair.second.count(), steps.len() as u64);
            let sent = pair.second.hits()[0].json().unwrap();
            let mut begun = json!({"role": "assistant", "content": "one two"});
            if models[1] == GPT {
                begun["prefix"] = true.into();
            }
            let messages: Value = sent["messages"].clone();
            assert_eq!(messages, json!([hi("", &json!({}))["messages"][0], begun]));
        }
    }
}

/// Anthropic refuses a beginning that ends with a space.
#[tokio::test(start_paused = true)]
async fn what_ends_with_a_space_is_asked_for_again() {
    let words = || Step::answer(Reply::deltas(["one ", "two"]));
    let cut = words().cut_after(4, Cut::Reset);
    let pair = pair("continue", [CLAUDE, CLAUDE], cut, &[words()]).await;
    assert_whole(&stream(&pair).await, "one two");
    let sent = pair.second.hits()[0].json().unwrap();
    assert_eq!(sent["messages"].as_array().unwrap().len(), 1);
}
