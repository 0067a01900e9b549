//! Streams of models that think aloud.

use serde_json::{Value, json};
use ziggurat_testing::mock::{Cut, Event, Step};

use super::stream;
use crate::support::{Answer, Proxy, upstream};

const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: FIRST, api_key: k, api_base: os.environ/A}}
- {model_name: n, litellm_params: {model: SECOND, api_key: k, api_base: os.environ/B}}
litellm_settings: {num_retries: 0, fallbacks: [{m: [n]}]}
router_settings: {stream_recovery: restart}";

const CLAUDE: &str = "anthropic/claude-3-opus-20240229";
const OPEN: &str = "openai/x";

/// Anthropic's events of a message that thinks these pieces, signs them, and says something.
fn claude(thoughts: &[&str], signature: &str, texts: &[&str]) -> Vec<Event> {
    let delta = |index: u32, kind: &str, name: &str, text: &str| {
        let delta = json!({"type": format!("{name}_delta"), kind: text});
        json!({"type": "content_block_delta", "index": index, "delta": delta})
    };
    let start = |index: u32, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let stop = |index: u32| json!({"type": "content_block_stop", "index": index});
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "x", "content": [],
        "usage": {"input_tokens": 1, "output_tokens": 1}});
    let mut events = vec![
        json!({"type": "message_start", "message": message}),
        start(
            0,
            json!({"type": "thinking", "thinking": "", "signature": ""}),
        ),
    ];
    let thoughts = thoughts.iter();
    events.extend(thoughts.map(|text| delta(0, "thinking", "thinking", text)));
    events.push(delta(0, "signature", "signature", signature));
    events.extend([stop(0), start(1, json!({"type": "text", "text": ""}))]);
    events.extend(texts.iter().map(|text| delta(1, "text", "text", text)));
    events.push(stop(1));
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}));
    events.push(json!({"type": "message_stop"}));
    let written = |event: &Value| {
        let kind = event["type"].as_str().unwrap_or_default();
        Event::raw(format!("event: {kind}\ndata: {event}\n\n"))
    };
    events.iter().map(written).collect()
}

/// Chunks of a server that is compatible with OpenAI's.
fn open(thoughts: &[&str], texts: &[&str]) -> Vec<Event> {
    let chunk = |delta: &Value, end: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": end});
        let chunk = json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "x", "choices": [choice]});
        Event::data(chunk.to_string())
    };
    let mut deltas = vec![json!({"role": "assistant", "content": ""})];
    deltas.extend(
        thoughts
            .iter()
            .map(|text| json!({"reasoning_content": text})),
    );
    deltas.extend(texts.iter().map(|text| json!({"content": text})));
    let mut events: Vec<_> = deltas.iter().map(|it| chunk(it, Value::Null)).collect();
    events.extend([chunk(&json!({}), "stop".into()), Event::done()]);
    events
}

/// Plays a stream that breaks after so many events, and the one that is to go on with it.
async fn played(first: (&str, Vec<Event>, usize), second: (&str, Vec<Event>)) -> Answer {
    let broken = Step::events(first.1).cut_after(first.2, Cut::Reset);
    let a = upstream("a", [broken]).await;
    let b = upstream("b", [Step::events(second.1)]).await;
    let yaml = YAML.replace("FIRST", first.0).replace("SECOND", second.0);
    let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
    let answer = stream(&proxy).await;
    assert_eq!((a.count(), b.count()), (1, 1));
    answer
}

/// What a client adds up: the reasoning, the text of the block of thoughts, and its signatures.
fn thoughts(answer: &Answer) -> [String; 3] {
    let mut all = [(); 3].map(|()| String::new());
    for event in answer.events() {
        let delta = &event["choices"][0]["delta"];
        let said = &delta["reasoning_content"];
        all[0] += said.as_str().unwrap_or_default();
        for block in delta["thinking_blocks"].as_array().into_iter().flatten() {
            assert_eq!(
                (&block["index"], &block["type"]),
                (&json!(0), &json!("thinking"))
            );
            all[1] += block["thinking"].as_str().unwrap_or_default();
            all[2] += block["signature"].as_str().unwrap_or_default();
        }
    }
    all
}

#[tokio::test(start_paused = true)]
async fn thoughts_of_claude_go_on_wherever_they_were_cut() {
    let first = claude(&["I po", "nder", " on this"], "one", &["Yes", "."]);
    // After the first, the second and the third of its pieces.
    for after in 3..=5 {
        let second = claude(&["I", " ponder on", " th", "is"], "two", &["Y", "es."]);
        let answer = played((CLAUDE, first.clone(), after), (CLAUDE, second)).await;
        assert_eq!(answer.content(), "Yes.", "{}", answer.text);
        assert_eq!(
            thoughts(&answer),
            ["I ponder on this", "I ponder on this", "two"]
        );
        assert!(answer.text.ends_with("data: [DONE]\n\n") && !answer.text.contains("error"));
    }
    // The signature, and more, has gone out.
    for (after, text) in [(6, ""), (9, "Yes")] {
        let second = claude(&["I ponder on this"], "two", &["Yes."]);
        let answer = played((CLAUDE, first.clone(), after), (CLAUDE, second)).await;
        assert_eq!(
            super::broke_off(&answer, text)["code"],
            "502",
            "{}",
            answer.text
        );
        assert_eq!(
            thoughts(&answer),
            ["I ponder on this", "I ponder on this", "one"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn reasoning_of_an_open_model_goes_on_with_claude_and_the_other_way_round() {
    let thought = || ["I ponder on this"; 2].map(str::to_owned);
    // In the middle of the reasoning, and of the text.
    for after in [2, 3, 5] {
        let first = open(&["I po", "nder on", " this"], &["Yes", "."]);
        let second = claude(&["I ponder", " on this"], "two", &["Y", "es."]);
        let answer = played((OPEN, first, after), (CLAUDE, second)).await;
        assert_eq!(answer.content(), "Yes.", "{}", answer.text);
        let [reasoning, block, signature] = thoughts(&answer);
        assert_eq!(([reasoning, block], &*signature), (thought(), "two"));
    }
    for (after, block, signature) in [
        (3, "I po", ""),
        (6, "I ponder on this", "one"),
        (9, "I ponder on this", "one"),
    ] {
        let first = claude(&["I po", "nder", " on this"], "one", &["Yes", "."]);
        let second = open(&["I ponder", " on this"], &["Y", "es."]);
        let answer = played((CLAUDE, first, after), (OPEN, second)).await;
        assert_eq!(answer.content(), "Yes.", "{}", answer.text);
        assert_eq!(thoughts(&answer), ["I ponder on this", block, signature]);
    }
}
