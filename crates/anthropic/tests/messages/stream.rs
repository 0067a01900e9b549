//! Streams, chunk by chunk into events.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use ziggurat_core::{Failure, FailureKind};

use super::exchange;

/// What a client sees of pieces of a stream, and how it ends.
fn play(pieces: &[&[u8]]) -> (String, Result<(), Failure>) {
    let (mut exchange, mut text) = (exchange(), String::new());
    for piece in pieces {
        let streamed = exchange.chunk(Bytes::copy_from_slice(piece));
        text.push_str(std::str::from_utf8(&streamed.data).unwrap());
        if let Some(end) = streamed.end {
            return (text, end);
        }
    }
    let streamed = exchange.end(None);
    text.push_str(std::str::from_utf8(&streamed.data).unwrap());
    (text, streamed.end.unwrap())
}

/// The events; each has its type as its name.
fn events(text: &str) -> Vec<Value> {
    let blocks = text.split("\n\n").filter(|block| block.contains("data: "));
    let event = |block: &str| {
        let (name, data) = block.split_once('\n').unwrap();
        let event: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(name.strip_prefix("event: "), event["type"].as_str());
        event
    };
    blocks.map(event).collect()
}

fn stream(deltas: &[Value], reason: &str) -> String {
    let chunk = |choices: Value| {
        let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices});
        format!("data: {chunk}\n\n")
    };
    let mut text: String = deltas
        .iter()
        .map(|delta| chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}])))
        .collect();
    text += &chunk(json!([{"index": 0, "delta": {}, "finish_reason": reason}]));
    text += "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":5}}\n\n";
    text + "data: [DONE]\n\n"
}

/// Thoughts, text, and two calls.
fn rich() -> String {
    let call = |delta: Value| json!({"tool_calls": [delta]});
    let deltas = [
        json!({"role": "assistant", "content": ""}),
        json!({"reasoning_content": "h\u{e9}"}),
        json!({"reasoning_content": "", "thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "sig"}]}),
        json!({"content": "I see 😀"}),
        json!({"content": " it\n"}),
        call(
            json!({"index": 0, "id": "t1", "type": "function", "function": {"name": "f", "arguments": ""}}),
        ),
        call(json!({"index": 0, "function": {"arguments": "{\"a\":"}})),
        call(json!({"index": 0, "function": {"arguments": "1}"}})),
        call(
            json!({"index": 1, "id": "t2", "type": "function", "function": {"name": "g", "arguments": "{}"}}),
        ),
    ];
    stream(&deltas, "tool_calls")
}

#[test]
fn each_block_begins_goes_on_and_ends() {
    let (text, end) = play(&[rich().as_bytes()]);
    end.unwrap();
    let mut events = events(&text);
    let id = events[0]["message"]["id"].take();
    assert!(id.as_str().unwrap().starts_with("msg_"), "{id}");
    let zero = json!({"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0});
    let start = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta = |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    let tool =
        |id: &str, name: &str| json!({"type": "tool_use", "id": id, "name": name, "input": {}});
    let piece = |json: &str| json!({"type": "input_json_delta", "partial_json": json});
    let expected = [
        json!({"type": "message_start", "message": {"id": null, "type": "message", "role": "assistant", "model": "m",
            "content": [], "stop_reason": null, "stop_sequence": null, "usage": zero}}),
        start(
            0,
            json!({"type": "thinking", "thinking": "", "signature": ""}),
        ),
        delta(0, json!({"type": "thinking_delta", "thinking": "h\u{e9}"})),
        delta(0, json!({"type": "signature_delta", "signature": "sig"})),
        stop(0),
        start(1, json!({"type": "text", "text": ""})),
        delta(1, json!({"type": "text_delta", "text": "I see 😀"})),
        delta(1, json!({"type": "text_delta", "text": " it\n"})),
        stop(1),
        start(2, tool("t1", "f")),
        delta(2, piece("{\"a\":")),
        delta(2, piece("1}")),
        stop(2),
        start(3, tool("t2", "g")),
        delta(3, piece("{}")),
        stop(3),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
            "usage": {"input_tokens": 9, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 5}}),
        json!({"type": "message_stop"}),
    ];
    assert_eq!(events, expected);
}

#[test]
fn events_come_as_their_chunks_do() {
    let (mut exchange, whole) = (exchange(), rich());
    let chunks = whole.split_inclusive("\n\n");
    let counts: Vec<_> = chunks
        .map(|chunk| {
            let data = exchange
                .chunk(Bytes::copy_from_slice(chunk.as_bytes()))
                .data;
            events(std::str::from_utf8(&data).unwrap()).len()
        })
        .collect();
    assert_eq!(counts, [1, 2, 2, 2, 1, 2, 1, 1, 3, 0, 0, 3]);
}

#[test]
fn a_cut_stream_has_no_end() {
    let whole = rich();
    let cut = &whole[..whole.find("[DONE]").unwrap()];
    let (text, end) = play(&[cut.as_bytes()]);
    assert_eq!(end.unwrap_err().kind(), FailureKind::Disconnected);
    assert!(
        !text.contains("message_stop") && !text.contains("message_delta"),
        "{text}"
    );
}

#[test]
fn a_stream_that_ends_with_an_error_has_no_end() {
    for reason in ["error", "abort"] {
        let (text, end) = play(&[stream(&[json!({"content": "a"})], reason).as_bytes()]);
        assert_eq!(end.unwrap_err().kind(), FailureKind::Server, "{reason}");
        assert_eq!(events(&text).last().unwrap()["type"], "content_block_delta");
    }
}

/// What some servers write where others write null.
#[test]
fn no_reason_ends_nothing() {
    let whole = stream(&[json!({"content": "a"})], "length");
    let odd = |reason: &str| {
        let choice = format!(r#"{{"index":0,"delta":{{}},"finish_reason":{reason}}}"#);
        format!("data: {{\"choices\":[{choice}]}}\n\n")
    };
    for reason in ["false", "0", "\"null\"", "\"\""] {
        let done = "data: [DONE]";
        let text = whole.replace(done, &(odd(reason) + done));
        let (text, end) = play(&[text.as_bytes()]);
        end.unwrap();
        assert!(text.contains(r#""stop_reason":"max_tokens""#), "{text}");
    }
}

#[test]
fn oddities() {
    // A comment keeps the client's connection alive too.
    let text = stream(&[json!({"content": "a"})], "length").replacen("\n\n", "\n\n: hi\n\n", 1);
    let (text, end) = play(&[text.as_bytes()]);
    end.unwrap();
    assert!(text.contains("event: ping\n"), "{text}");
    assert!(text.contains(r#""stop_reason":"max_tokens""#), "{text}");

    let hidden = json!({"thinking_blocks": [{"type": "redacted_thinking", "data": "d"}]});
    let (text, _) = play(&[stream(&[hidden, json!({"refusal": "no"})], "stop").as_bytes()]);
    let events = events(&text);
    assert_eq!(
        events[1]["content_block"],
        json!({"type": "redacted_thinking", "data": "d"})
    );
    assert_eq!(events[3]["content_block"]["type"], "text");
    assert_eq!(events[6]["delta"]["stop_reason"], "refusal");

    // There is no way back to a block that has ended.
    let call = |index| json!({"tool_calls": [{"index": index, "id": "t", "function": {"name": "f", "arguments": "{}"}}]});
    let (_, end) = play(&[stream(&[call(0), call(1), call(0)], "stop").as_bytes()]);
    assert_eq!(end.unwrap_err().kind(), FailureKind::InvalidResponse);
    for nonsense in [
        "data: {\n\n",
        "data: [DONE]\n\n",
        "data: {\"choices\":1}\n\n",
    ] {
        let (_, end) = play(&[nonsense.as_bytes()]);
        assert_eq!(
            end.unwrap_err().kind(),
            FailureKind::InvalidResponse,
            "{nonsense}"
        );
    }
}

proptest! {
    #[test]
    fn where_the_bytes_are_cut_does_not_matter(cuts in prop::collection::vec(0..rich().len(), 0..12)) {
        let whole = rich();
        let mut cuts = cuts;
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &whole.as_bytes()[cut[0]..cut[1]]).collect();
        let ((cut, end), (one, _)) = (play(&pieces), play(&[whole.as_bytes()]));
        prop_assert!(end.is_ok());
        let shown = |text: &str| {
            let mut events = events(text);
            events[0]["message"]["id"].take();
            events
        };
        prop_assert_eq!(shown(&cut), shown(&one));
    }
}
