//! Events that cannot be compared, in streams that may be recovered.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::{
    general,
    streams::{
        Bodies, DONE, Seen, broken, chunk, finish, play, role, says, stream, streaming, whole,
    },
};
use serde_json::{Value, json};
use ziggurat_core::{FailureKind, Operation};
use ziggurat_fallback::{FallbackLayer, StreamRecovery};
use ziggurat_testing::ScriptedBody;

fn layer(recovery: StreamRecovery) -> FallbackLayer {
    let layer = general(&[("a", &["b"])]).prefill(|_| true);
    layer.stream_recovery(recovery)
}

async fn played(operation: Operation, recovery: StreamRecovery, bodies: Bodies) -> Seen {
    let mut request = streaming();
    request.extensions_mut().insert(operation);
    play(&layer(recovery), request, bodies).await
}

/// Deltas that no transcript holds.
const DELTAS: [&str; 24] = [
    r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}"#,
    r#"{"content":{"text":"hm"}}"#,
    r#"{"content":5}"#,
    r#"{"reasoning":{"text":"hm"},"content":"b"}"#,
    r#"{"refusal":false,"content":"b"}"#,
    r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"get","arguments":{"a":1}}}]}"#,
    r#"{"tool_calls":[{"index":-1,"id":"x","function":{"name":"get","arguments":""}}]}"#,
    r#"{"tool_calls":[{"index":0,"id":"x","function":"get"}]}"#,
    r#"{"tool_calls":[{"index":0,"id":"x","type":"custom","custom":{"name":"get","input":"a"}}]}"#,
    r#"{"tool_calls":["get"]}"#,
    r#"{"tool_calls":{"0":{"function":{"name":"get"}}}}"#,
    r#"{"thinking_blocks":{"0":{"thinking":"hm"}}}"#,
    r#"{"thinking_blocks":"hm","content":"b"}"#,
    r#"{"thinking_blocks":["hm"]}"#,
    r#"{"thinking_blocks":[null,{"index":0,"thinking":"hm"}]}"#,
    r#"{"reasoning_content":"hm","thinking_blocks":[{"index":0,"type":"thinking","thinking":["hm"]}]}"#,
    r#"{"thinking_blocks":[{"index":0,"thinking":"hm"},{"index":-1,"thinking":"hm"}]}"#,
    r#"{"reasoning_details":false,"content":"b"}"#,
    r#"{"reasoning_details":[{"index":"0","type":"reasoning.encrypted","data":"d"}]}"#,
    r#"{"reasoning":"hm","reasoning_details":[{"index":0,"type":"reasoning.summary","summary":{"text":"hm"}}]}"#,
    r#"{"reasoning_details":[{"index":0,"text":5,"data":"d"},{"index":0,"text":"hm"}]}"#,
    r#""b""#,
    "[1]",
    "false",
];

/// The choices of chunks, and all else that is no chunk.
const CHUNKS: [&str; 16] = [
    r#"{"id":"1","choices":[null]}"#,
    r#"{"id":"1","choices":["b"]}"#,
    r#"{"id":"1","choices":{"index":0,"delta":{"content":"b"}}}"#,
    r#"{"id":"1","choices":"b"}"#,
    r#"{"id":"1","choices":[{"index":-1,"delta":{"content":"b"}}]}"#,
    r#"{"id":"1","choices":[{"index":"0","delta":{"content":"b"}}]}"#,
    r#"{"id":"1","choices":[{"index":0,"text":5}]}"#,
    r#"{"id":"1","choices":[{"index":0,"text":["b"]}]}"#,
    r#"{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":{"type":"stop"}}]}"#,
    r#"{"id":"1","choices":[{"index":0,"delta":{"content":"\ud83d"}}]}"#,
    r#"{"what":1}"#,
    "[]",
    "5",
    "null",
    r#""a text""#,
    "{\"cho",
];

const MESSAGES: [&str; 16] = [
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":["b"]}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta"}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":{"a":1}}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":"b"}"#,
    r#"{"type":"content_block_delta","index":-1,"delta":{"type":"text_delta","text":"b"}}"#,
    r#"{"type":"content_block_delta","index":"0","delta":{"type":"text_delta","text":"b"}}"#,
    r#"{"type":"content_block_start","index":1,"content_block":"b"}"#,
    r#"{"type":"content_block_start","index":1}"#,
    r#"{"type":"content_block_stop","index":[]}"#,
    r#"{"type":"message_delta","delta":"b"}"#,
    r#"{"type":5}"#,
    r#"{"type":"what"}"#,
    "{}",
    "[]",
    "null",
    "{\"typ",
];

const RESPONSES: [&str; 12] = [
    r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":["b"]}"#,
    r#"{"type":"response.output_text.delta","output_index":0,"content_index":0}"#,
    r#"{"type":"response.output_text.delta","output_index":-1,"content_index":0,"delta":"b"}"#,
    r#"{"type":"response.refusal.delta","output_index":0,"content_index":"0","delta":"b"}"#,
    r#"{"type":"response.content_part.added","output_index":0,"content_index":1,"part":"b"}"#,
    r#"{"type":"response.output_text.annotation.added","output_index":0,"content_index":0}"#,
    r#"{"type":"response.output_item.added","output_index":1,"item":["b"]}"#,
    r#"{"type":["b"]}"#,
    "{}",
    "[]",
    "null",
    "{\"typ",
];

/// The streams of an API, by their events, and the odd ones among them.
fn worlds() -> Vec<(Operation, Vec<String>, Vec<String>)> {
    let data = |odd: &&str| format!("data: {odd}\n\n");
    let deltas = DELTAS.iter().map(|delta| chunk("1", delta));
    let chat = vec![
        role("1"),
        says("1", "a"),
        says("1", "c"),
        finish("1"),
        DONE.to_owned(),
    ];
    let text = |text: &str, end: Value| {
        let choice = json!({"index": 0, "text": text, "finish_reason": end});
        format!("data: {}\n\n", json!({"id": "1", "choices": [choice]}))
    };
    let completion = vec![
        text("a", Value::Null),
        text("c", "stop".into()),
        DONE.to_owned(),
    ];
    let named = |event: &Value| {
        let kind = event["type"].as_str().unwrap();
        format!("event: {kind}\ndata: {event}\n\n")
    };
    let messages = [
        json!({"type": "message_start", "message": {"id": "1", "content": []}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}),
        json!({"type": "message_stop"}),
    ];
    let responses = [
        json!({"type": "response.created", "response": {"id": "1"}}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "m"}}),
        json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "a"}),
        json!({"type": "response.completed", "response": {"id": "1"}}),
    ];
    let chunks: Vec<_> = CHUNKS.iter().map(data).collect();
    vec![
        (
            Operation::Chat,
            chat,
            deltas.chain(chunks.clone()).collect(),
        ),
        (Operation::Completions, completion, chunks),
        (
            Operation::Messages,
            messages.iter().map(named).collect(),
            MESSAGES.iter().map(data).collect(),
        ),
        (
            Operation::Responses,
            responses.iter().map(named).collect(),
            RESPONSES.iter().map(data).collect(),
        ),
    ]
}

/// A body of so many bytes in a frame.
fn cut(text: &str, size: usize) -> ScriptedBody {
    let frames = text.as_bytes().chunks(size);
    frames.fold(ScriptedBody::new(), |body, frame| body.data(frame.to_vec()))
}

const RECOVERIES: [StreamRecovery; 2] = [StreamRecovery::Restart, StreamRecovery::Continue];

#[tokio::test]
async fn a_whole_stream_with_an_odd_event_passes_as_without_recovery() {
    for (operation, events, odd) in worlds() {
        for (odd, at) in odd
            .iter()
            .flat_map(|odd| (0..=events.len()).map(move |at| (odd, at)))
        {
            let text = events[..at].concat() + odd + &events[at..].concat();
            for (recovery, size) in RECOVERIES
                .into_iter()
                .flat_map(|one| [(one, 9), (one, 4096)])
            {
                let bodies = || Bodies::from([("a", cut(&text, size))]);
                let off = played(operation, StreamRecovery::Off, bodies()).await;
                let on = played(operation, recovery, bodies()).await;
                on.end.unwrap_or_else(|end| panic!("{end}: {text}"));
                off.end.unwrap();
                assert_eq!((on.bytes, &off.bytes), (text.clone(), &text));
            }
        }
    }
}

#[tokio::test]
async fn a_stream_with_an_odd_event_that_breaks_is_not_recovered() {
    for (operation, events, odd) in worlds() {
        for odd in odd {
            let text = events[..events.len() - 2].concat() + &odd;
            let bodies = || {
                let whole = whole(events.concat());
                Bodies::from([("a", broken(text.clone())), ("b", whole)])
            };
            for recovery in RECOVERIES {
                let seen = played(operation, recovery, bodies()).await;
                assert_eq!(seen.asked, ["a"], "{text}");
                assert_eq!(seen.bytes, text);
                let failure = seen.end.unwrap_err();
                assert_eq!(failure.kind(), FailureKind::Disconnected);
                assert_eq!(failure.message(), None, "{text}");
            }
        }
    }
}

/// What is new of another answer passes, odd or not; what is to be repeated is not taken for it.
#[tokio::test]
async fn another_answer_may_have_odd_events_after_what_the_client_has() {
    for delta in DELTAS {
        let other = says("2", "a") + &chunk("2", delta) + &says("2", "c") + &finish("2") + DONE;
        for (known, repeats) in [("a", true), ("a b", false)] {
            let bodies = [
                ("a", broken(says("one", known))),
                ("b", whole(other.clone())),
            ];
            let restart = StreamRecovery::Restart;
            let seen = played(Operation::Chat, restart, bodies.into()).await;
            assert_eq!(seen.end.is_ok(), repeats, "{delta}");
            if repeats {
                let odd: Value = serde_json::from_str(delta).unwrap();
                let chunks = seen.chunks();
                assert_eq!(chunks[1]["choices"][0]["delta"], odd);
                assert!(chunks.iter().all(|it| it["id"] == "one"), "{}", seen.bytes);
                assert!(seen.bytes.ends_with(DONE));
            } else {
                assert_eq!(seen.bytes, says("one", known));
            }
        }
    }
    let odd = stream("2", &["a b"]).replace("\"a b\"", "[\"a b\"]");
    let bodies = [("a", broken(says("1", "a"))), ("b", whole(odd))];
    let seen = played(Operation::Chat, StreamRecovery::Restart, bodies.into()).await;
    let failure = seen.end.unwrap_err();
    assert!(failure.message().unwrap().contains("repeats"), "{failure}");
}
