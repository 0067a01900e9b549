//! What a stream used.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use serde_json::{Value, json};
use support::{exchange, hello};

/// R189: who asks for the usage gets one: what the upstream tells, and an estimate of what it does not.
#[test]
fn usage_that_is_not_told_is_estimated() {
    let mut asked = hello();
    asked["stream"] = json!(true);
    asked["stream_options"] = json!({"include_usage": true});
    let prompt = asked["messages"].to_string().len() as u64 / 4;
    for (input, output) in [
        (None, None),
        (Some(7), None),
        (None, Some(9)),
        (Some(7), Some(9)),
    ] {
        let events = [
            json!({"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": input}}}),
            delta("a"),
            delta("b"),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": output}}),
            json!({"type": "message_stop"}),
        ];
        let (mut exchange, meter) = exchange(&asked);
        let text: String = events
            .iter()
            .map(|event| format!("data: {event}\n\n"))
            .collect();
        let streamed = exchange.chunk(text.into());
        streamed.end.unwrap().unwrap();
        let text = std::str::from_utf8(&streamed.data).unwrap();
        let last = text.trim_end().rsplit("\n\n").nth(1).unwrap();
        let last: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
        let (prompt, answer) = (input.unwrap_or(prompt), output.unwrap_or(2));
        let usage = &last["usage"];
        assert_eq!(usage["prompt_tokens"], prompt);
        assert_eq!(usage["completion_tokens"], answer);
        assert_eq!(usage["total_tokens"], prompt + answer);
        assert_eq!((meter.input(), meter.output()), (input, Some(answer)));
    }
}

fn delta(text: &str) -> Value {
    let delta = json!({"type": "text_delta", "text": text});
    json!({"type": "content_block_delta", "index": 0, "delta": delta})
}
