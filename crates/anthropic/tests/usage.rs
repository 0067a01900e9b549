//! What a stream used.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use serde_json::{Value, json};
use support::{exchange, hello};

/// R189: who asks for the usage gets one: the upstream's, or an estimate if it tells none.
#[test]
fn usage_that_is_not_told_is_estimated() {
    let delta = |text: &str| {
        format!(
            "data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n"
        )
    };
    let text = [
        "data: {\"type\":\"message_start\",\"message\":{\"model\":\"claude\"}}\n\n",
        &delta("a"),
        &delta("b"),
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
    ]
    .concat();
    let mut asked = hello();
    asked["stream"] = json!(true);
    asked["stream_options"] = json!({"include_usage": true});
    let (mut exchange, meter) = exchange(&asked);
    let streamed = exchange.chunk(text.into());
    streamed.end.unwrap().unwrap();
    let text = std::str::from_utf8(&streamed.data).unwrap();
    let told = text.trim_end().rsplit("\n\n").nth(1).unwrap();
    let told: Value = serde_json::from_str(told.strip_prefix("data: ").unwrap()).unwrap();
    let prompt = asked["messages"].to_string().len() / 4;
    let usage =
        json!({"prompt_tokens": prompt, "completion_tokens": 2, "total_tokens": prompt + 2});
    assert_eq!(told["usage"], usage);
    assert_eq!((meter.input(), meter.output()), (None, Some(2)));
}
