//! Streams in all layouts against a model of what a client reads.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{DONE, events, play};

/// What a client makes of a stream: the content and finish reason of each choice.
fn fold(events: &[Value]) -> BTreeMap<u64, (String, Option<String>)> {
    let mut folded = BTreeMap::<_, (String, Option<String>)>::new();
    for choice in events
        .iter()
        .flat_map(|event| event["choices"].as_array().into_iter().flatten())
    {
        let (content, finish) = folded.entry(choice["index"].as_u64().unwrap()).or_default();
        content.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        *finish = finish
            .take()
            .or(choice["finish_reason"].as_str().map(str::to_owned));
    }
    folded
}

/// A chunk in one of the layouts that servers have.
fn laid_out(layout: u8, index: u64, content: &str, finish: Option<&str>, padding: &str) -> String {
    let (content, finish, padding) = (json!(content), json!(finish), json!(padding));
    match layout {
        0 => format!(
            r#"{{"id":"c","model":"m","choices":[{{"index":{index},"delta":{{"content":{content}}},"logprobs":null,"finish_reason":{finish}}}]}}"#
        ),
        1 => format!(
            r#"{{"choices":[{{"delta":{{"content":{content}}},"finish_reason":{finish},"index":{index}}}],"id":"c","model":"m"}}"#
        ),
        2 => format!(
            r#"{{"id": "c", "model": "m", "choices": [{{"index": {index}, "delta": {{"role": "assistant", "content": {content}}}, "finish_reason": {finish}}}], "obfuscation": {padding}}}"#
        ),
        _ => format!(
            r#"{{"obfuscation":{padding},"choices":[{{"finish_reason":{finish},"index":{index},"delta":{{"content":{content}}}}}],"model":"m","id":"c"}}"#
        ),
    }
}

proptest! {
    /// However chunks are laid out and frames cut, the client reads what the upstream wrote, and learns whether it is
    /// complete.
    #[test]
    fn streams_say_what_the_upstream_said(
        layout in 0u8..5,
        chunks in prop::collection::vec(
            (0u64..3, r#"[a"\\{}:,\nfinish_reaso]{0,12}|"finish_reason":"stop"|"error":1"#, prop::option::weighted(0.2, "stop|length|eos"), "[a\"]{0,3}"),
            0..20,
        ),
        done in any::<bool>(),
        size in 1usize..400,
    ) {
        let mut stream = String::new();
        for (index, content, finish, padding) in &chunks {
            stream += &format!("data: {}\n\n", laid_out(layout, *index, content, finish.as_deref(), padding));
        }
        stream += if done { DONE } else { "" };
        let frames: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
        let (text, end) = play(&frames);
        let mut expected = fold(&events(&stream));
        for (_, finish) in expected.values_mut() {
            *finish = finish.take().map(|finish| if finish == "eos" { "stop".to_owned() } else { finish });
        }
        let complete = !expected.is_empty() && (done || expected.values().all(|(_, finish)| finish.is_some()));
        prop_assert_eq!(end.is_ok(), complete);
        let got = events(&text);
        if complete {
            prop_assert_eq!(got.last().unwrap(), "[DONE]");
            for (_, finish) in expected.values_mut() {
                finish.get_or_insert_with(|| "stop".to_owned());
            }
        }
        prop_assert_eq!(fold(&got), expected);
        let chunks = got.iter().filter(|event| event.is_object());
        prop_assert!(chunks.clone().all(|event| event["model"] == "group"));
    }
}
