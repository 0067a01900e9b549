//! Answers that come whole where a stream was asked for.

use serde_json::{Value, json};
use ziggurat_core::{Operation, json::Printed};
use ziggurat_provider::{Answer, Call, Dialect, Exchange, Outgoing, Streamed};

use super::*;

/// Whose answers are in the client's format.
#[derive(Debug)]
struct Verbatim(String);

impl Dialect for Verbatim {
    fn provider(&self) -> &'static str {
        "test"
    }

    fn speaks(&self, _: Operation) -> bool {
        true
    }

    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        let mut request = Request::post(&self.0).body(call.body().print()).unwrap();
        call.forward(request.headers_mut());
        let exchange = Box::new(Self(String::new()));
        Ok(Outgoing { request, exchange })
    }
}

impl Exchange for Verbatim {
    fn announced(&self, head: &http::response::Parts) -> Result<Answer, Failure> {
        Answer::of(head, true)
    }

    fn refused(&mut self, _: &http::response::Parts, _: &mut Bytes) -> Failure {
        FailureKind::Server.into()
    }

    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        Ok(body.into())
    }

    fn chunk(&mut self, _: Bytes) -> Streamed {
        panic!("it comes whole")
    }

    fn end(&mut self, _: Option<Failure>) -> Streamed {
        panic!("it comes whole")
    }
}

/// Asks for a stream of something, of an upstream that answers with this document.
async fn answered(operation: Operation, options: &str, answer: &str) -> Response<ProviderBody> {
    let upstream = upstream(plain(answer.to_owned())).await;
    let served = Served::new("one".into(), "test/m", None);
    let dialect = Verbatim(format!("{}/chat/completions", upstream.url()));
    let text = format!(r#"{{"model":"group","messages":[],"stream":true{options}}}"#);
    let mut request = Request::new(JsonBody::new(Document::parse(text.into()).unwrap()));
    request.extensions_mut().insert(operation);
    let leaf = ProviderService::new(HttpClient::new(), Arc::new(dialect), served);
    leaf.oneshot(request).await.unwrap()
}

/// The events of a stream: names, if they have any, and data.
async fn events(operation: Operation, options: &str, answer: &str) -> Vec<(String, Value)> {
    let response = answered(operation, options, answer).await;
    assert_eq!(
        response.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    let text = read(response).await.unwrap();
    let text = std::str::from_utf8(&text).unwrap();
    let events = text.strip_suffix("\n\n").unwrap().split("\n\n");
    let event = |event: &str| {
        let (name, data) = match event.split_once('\n') {
            Some((name, data)) => (name.strip_prefix("event: ").unwrap(), data),
            None => ("", event),
        };
        let data = data.strip_prefix("data: ").unwrap();
        let data = serde_json::from_str(data).unwrap_or_else(|_| json!(data));
        (name.to_owned(), data)
    };
    events.map(event).collect()
}

/// The data alone, of events that have their names in it.
async fn named(operation: Operation, answer: &str) -> Vec<Value> {
    let events = events(operation, "", answer).await;
    let data = events.into_iter().map(|(name, data)| {
        assert_eq!(data["type"], name);
        data
    });
    data.collect()
}

const INCLUDE: &str = r#","stream_options":{"include_usage":true}"#;

#[tokio::test]
async fn each_choice_of_a_chat_completion_is_a_chunk() {
    // With line breaks of both kinds between the tokens.
    let answer = "{\"id\":\"c1\",\n\"object\":\"chat.completion\",\r\n\"created\":1.50,\"model\":\"m\",\"usage\":{\"total_tokens\":3},
        \"choices\":[
            {\"index\":1,\"message\":{\"role\":\"assistant\",\"content\":\"a\\nb\",\"reasoning_content\":\"why\",\"refusal\":\"no\"},
                \"finish_reason\":\"length\",\"logprobs\":null},
            {\"message\":{\"content\":null,\"tool_calls\":[
                {\"id\":\"x\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}},
                {\"id\":\"y\",\"index\":7,\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]}}]}";
    let chunk = |choices: Value| {
        let data = json!({
            "id": "c1", "object": "chat.completion.chunk", "created": 1.5, "model": "m", "choices": choices,
        });
        (String::new(), data)
    };
    let said = json!({"role": "assistant", "content": "a\nb", "reasoning_content": "why", "refusal": "no"});
    let calls = json!([
        {"id": "x", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}"}},
        {"id": "y", "type": "function", "index": 1, "function": {"name": "g", "arguments": ""}},
    ]);
    let called = json!({"role": "assistant", "content": null, "tool_calls": calls});
    let mut expected = vec![
        chunk(json!([{"index": 1, "delta": said, "finish_reason": "length", "logprobs": null}])),
        chunk(json!([{"index": 1, "delta": called, "finish_reason": "tool_calls"}])),
        (String::new(), json!("[DONE]")),
    ];
    assert_eq!(events(Operation::Chat, "", answer).await, expected);
    let mut usage = chunk(json!([]));
    usage.1["usage"] = json!({"total_tokens": 3});
    expected.insert(2, usage);
    assert_eq!(events(Operation::Chat, INCLUDE, answer).await, expected);
}

#[tokio::test]
async fn each_choice_of_a_text_is_a_chunk() {
    let answer = r#"{"id":"c1","object":"text_completion","model":"m","choices":[{"text":"hi","index":0}],"usage":null}"#;
    let chunk = json!({
        "id": "c1", "object": "text_completion", "model": "m",
        "choices": [{"text": "hi", "index": 0, "finish_reason": "stop"}],
    });
    let expected = [(String::new(), chunk), (String::new(), json!("[DONE]"))];
    let made = events(Operation::Completions, INCLUDE, answer).await;
    assert_eq!(made, expected);
}

#[tokio::test]
async fn the_blocks_of_a_message_are_events() {
    let answer = r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[
            {"type":"thinking","thinking":"why","signature":"sig"},
            {"type":"redacted_thinking","data":"xyz"},
            {"type":"text","text":"hi","citations":[{"type":"char_location"}]},
            {"type":"tool_use","id":"t1","name":"f","input":{"b":1, "a":2.50}}
        ],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":5}}"#;
    let usage = json!({"input_tokens": 3, "output_tokens": 5});
    let start = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    let begin = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let piece = |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    let expected = vec![
        json!({"type": "message_start", "message": start}),
        begin(
            0,
            json!({"type": "thinking", "thinking": "", "signature": ""}),
        ),
        piece(0, json!({"type": "thinking_delta", "thinking": "why"})),
        piece(0, json!({"type": "signature_delta", "signature": "sig"})),
        stop(0),
        begin(1, json!({"type": "redacted_thinking", "data": "xyz"})),
        stop(1),
        begin(2, json!({"type": "text", "text": ""})),
        piece(
            2,
            json!({"type": "citations_delta", "citation": {"type": "char_location"}}),
        ),
        piece(2, json!({"type": "text_delta", "text": "hi"})),
        stop(2),
        begin(
            3,
            json!({"type": "tool_use", "id": "t1", "name": "f", "input": {}}),
        ),
        // As it was written: numbers and the order of members may matter.
        piece(
            3,
            json!({"type": "input_json_delta", "partial_json": r#"{"b":1, "a":2.50}"#}),
        ),
        stop(3),
        json!({
            "type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, "usage": usage,
        }),
        json!({"type": "message_stop"}),
    ];
    assert_eq!(named(Operation::Messages, answer).await, expected);
}

#[tokio::test]
async fn the_items_of_a_response_are_events() {
    let text =
        json!({"type": "output_text", "text": "hi", "annotations": [{"type": "file_citation"}]});
    let message = json!({"id": "m1", "type": "message", "role": "assistant", "status": "completed", "content": [text]});
    let call = json!({"id": "f1", "type": "function_call", "name": "f", "arguments": "{}", "status": "completed"});
    let thought = json!({"id": "r1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "why"}]});
    let mut response = json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": "m",
        "output": [thought, message, call], "usage": {"input_tokens": 3, "output_tokens": 5},
    });
    let made = named(Operation::Responses, &response.to_string()).await;
    let kinds: Vec<_> = made
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.annotation.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(kinds, expected.map(|kind| format!("response.{kind}")));
    for (number, event) in made.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let begun = &made[0]["response"];
    assert_eq!(
        (&begun["status"], &begun["output"]),
        (&json!("in_progress"), &json!([]))
    );
    assert_eq!(made[8]["output_index"], 1);
    assert_eq!(
        (&made[8]["item"]["content"], &made[8]["item"]["id"]),
        (&json!([]), &json!("m1"))
    );
    let empty = json!({"type": "output_text", "text": "", "annotations": []});
    assert_eq!(made[9]["part"], empty);
    let delta = &made[11];
    assert_eq!(
        (&delta["item_id"], &delta["content_index"], &delta["delta"]),
        (&json!("m1"), &json!(0), &json!("hi"))
    );
    assert_eq!(
        (&made[4]["delta"], &made[4]["summary_index"]),
        (&json!("why"), &json!(0))
    );
    assert_eq!(
        (&made[15]["item"]["arguments"], &made[16]["delta"]),
        (&json!(""), &json!("{}"))
    );
    assert_eq!(made[14]["item"], message);
    assert_eq!(made[19]["response"], response);

    response["status"] = json!("incomplete");
    let made = named(Operation::Responses, &response.to_string()).await;
    assert_eq!(made.last().unwrap()["type"], "response.incomplete");
}

#[tokio::test]
async fn what_says_nothing_is_no_stream() {
    let (chat, messages) = (Operation::Chat, Operation::Messages);
    let (text, responses) = (Operation::Completions, Operation::Responses);
    for (operation, answer) in [
        (chat, "<html>"),
        (chat, r#"{"object":"list"}"#),
        (chat, r#"{"choices":[]}"#),
        (chat, r#"{"choices":[{"index":0}]}"#),
        (chat, r#"{"choices":["hi"]}"#),
        (chat, r#"{"choices":[{"text":"hi"}]}"#),
        (text, r#"{"choices":[{"message":{"content":"hi"}}]}"#),
        (messages, r#"{"content":"hi"}"#),
        (messages, r#"{"content":[{"text":"hi"}]}"#),
        (responses, r#"{"output":null}"#),
        (responses, r#"{"output":[],"status":"queued"}"#),
        (responses, r#"{"output":[{"type":"message"}]}"#),
    ] {
        let response = answered(operation, "", answer).await;
        assert_eq!(
            failure(&response).kind(),
            FailureKind::InvalidResponse,
            "{answer}"
        );
        assert_eq!(response.status(), 500, "{answer}");
        assert_eq!(read(response).await.unwrap(), "", "its text stays here");
    }
}
