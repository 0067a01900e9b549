//! The tool that stands in for schemas where Azure does not know these.

use bytes::Bytes;
use serde_json::{Value, json};
use ziggurat_provider::Exchange;

use crate::{azure, prepare, sent, tool};

fn exchange(body: &Value) -> Box<dyn Exchange> {
    let builder = azure("d", "2024-02-15-preview");
    prepare(builder, body).unwrap().exchange
}

fn named(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name}})
}

// === asked for ===

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}})
}

fn asking() -> Value {
    json!({"model": "g", "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema()}}})
}

fn json_tool() -> Value {
    json!({"type": "function", "function": {"name": "json_tool_call", "parameters": schema()}})
}

#[test]
fn a_tool_stands_in_for_a_schema_where_that_is_not_known() {
    let emulated = |model: &str, version: &str| {
        let got = sent(azure(model, version), &asking());
        match got.get("response_format") {
            Some(_) => assert_eq!(got["response_format"], asking()["response_format"]),
            None => assert_eq!(
                got,
                json!({"model": model, "tools": [json_tool()], "tool_choice": named("json_tool_call")})
            ),
        }
        got.get("response_format").is_none()
    };
    assert!(emulated("d", "2024-07-01-preview"));
    assert!(emulated("d", "2023-05-15"));
    assert!(!emulated("d", "2024-08-01-preview"));
    assert!(!emulated("d", "v1"));
    assert!(emulated("my-gpt-35-turbo", "2025-02-01-preview"));
    assert!(emulated("gpt-3.5-turbo", "v1"));
    let base = azure("d", "2025-02-01-preview").base_model("azure/gpt-3.5-turbo");
    assert!(sent(base, &asking()).get("response_format").is_none());
}

#[test]
fn other_formats_and_those_allowed_are_sent_as_they_are() {
    let old = || azure("d", "2024-02-15-preview");
    for format in [
        json!({"type": "json_object"}),
        json!({"type": "json_schema", "json_schema": {"name": "a"}}),
        json!("text"),
    ] {
        let body = json!({"model": "d", "response_format": format});
        assert_eq!(sent(old(), &body), body);
    }
    let got = sent(old().allowed_params(["response_format"]), &asking());
    assert_eq!(got["response_format"], asking()["response_format"]);
}

#[test]
fn the_clients_description_is_the_tools() {
    let mut body = asking();
    body["response_format"]["json_schema"]["description"] = json!("a \"city\"");
    let got = sent(azure("d", "2024-02-15-preview"), &body);
    assert_eq!(got["tools"][0]["function"]["description"], "a \"city\"");
}

#[test]
fn tools_of_the_client_stay_and_can_be_called() {
    let ask = |version: &str, choice: Value| {
        let mut body = asking();
        body["tools"] = json!([tool("f")]);
        body["tool_choice"] = choice;
        sent(azure("my-gpt-35", version), &body)
    };
    let names = |got: &Value| -> Vec<String> {
        let tools = got["tools"].as_array().unwrap().iter();
        tools
            .map(|tool| tool["function"]["name"].as_str().unwrap().to_owned())
            .collect()
    };
    for choice in [json!(null), json!("auto")] {
        let got = ask("2024-06-01", choice.clone());
        assert_eq!(names(&got), ["f", "json_tool_call"]);
        assert_eq!(
            got["tool_choice"], "required",
            "either kind of answer is a call"
        );
        assert_eq!(
            got["tools"][1]["function"]["description"],
            "Gives the final answer."
        );
        assert_eq!(
            ask("2024-02-01", choice.clone())["tool_choice"],
            choice,
            "`required` is not known"
        );
    }
    let got = ask("2024-02-01", json!("none"));
    assert_eq!(
        (names(&got).len(), &got["tool_choice"]),
        (2, &named("json_tool_call"))
    );
    let got = ask("2024-02-01", named("f"));
    assert_eq!(
        (names(&got), &got["tool_choice"]),
        (vec!["f".to_owned()], &named("f"))
    );
    assert_eq!(got.get("response_format"), None);
}

// === answered ===

fn called(index: u64, name: &str, arguments: &str) -> Value {
    json!({"index": index, "id": format!("c{index}"), "type": "function", "function": {"name": name, "arguments": arguments}})
}

/// The choice that a client gets for one.
fn answered(asked: &Value, message: Value, finish: &str) -> Value {
    let choice = json!({"index": 0, "message": message, "finish_reason": finish});
    let answer = json!({"id": "c", "model": "m", "choices": [choice]}).to_string();
    let printed = exchange(asked).plain(answer.into()).unwrap().into_bytes();
    serde_json::from_slice::<Value>(&printed).unwrap()["choices"][0].take()
}

const CITY: &str = "{\"city\": \"Zürich \\\"x\\\"\"}";

#[test]
fn the_arguments_of_the_tool_are_the_content() {
    let message = || json!({"role": "assistant", "content": null, "tool_calls": [called(0, "json_tool_call", CITY)]});
    let got = answered(&asking(), message(), "tool_calls");
    let content = json!({"role": "assistant", "content": CITY});
    assert_eq!(
        got,
        json!({"index": 0, "message": content, "finish_reason": "stop"})
    );
    for finish in ["stop", "length", "content_filter"] {
        assert_eq!(
            answered(&asking(), message(), finish)["finish_reason"],
            finish
        );
    }
    let bare = json!({"tool_calls": [{"function": {"name": "json_tool_call", "arguments": {"city": "x"}}}]});
    let got = answered(&asking(), bare, "tool_calls");
    assert_eq!(got["message"], json!({"content": "{\"city\":\"x\"}"}));
}

#[test]
fn calls_of_other_tools_stay_calls() {
    let message = json!({"content": null, "tool_calls": [
        called(0, "json_tool_call", CITY), called(1, "f", "{}"), called(2, "json_tool_call", "{}"), called(3, "g", "{}"),
    ]});
    let got = answered(&asking(), message, "tool_calls");
    assert_eq!(got["finish_reason"], "tool_calls");
    assert_eq!(got["message"]["content"], CITY, "the first counts");
    let calls = got["message"]["tool_calls"].as_array().unwrap();
    let calls: Vec<_> = calls
        .iter()
        .map(|call| (&call["index"], &call["function"]["name"]))
        .collect();
    assert_eq!(
        calls,
        [(&json!(0), &json!("f")), (&json!(1), &json!("g"))],
        "without gaps"
    );
    let message = json!({"content": null, "tool_calls": [called(0, "f", "{}")]});
    assert_eq!(
        answered(&asking(), message.clone(), "tool_calls")["message"],
        message
    );
    let message = json!({"content": "prose"});
    assert_eq!(
        answered(&asking(), message.clone(), "stop")["message"],
        message
    );
}

/// A client that brings a tool of that name itself gets calls of it, as it did not ask for a schema.
#[test]
fn without_a_schema_a_call_stays_a_call() {
    let asked = json!({"model": "g", "tools": [tool("json_tool_call")]});
    let message = json!({"content": null, "tool_calls": [called(0, "json_tool_call", "{}")]});
    let got = answered(&asked, message.clone(), "tool_calls");
    assert_eq!(
        (&got["message"], &got["finish_reason"]),
        (&message, &json!("tool_calls"))
    );
}

// === streamed ===

/// Plays chunks of choices; returns the choices of the client's chunks, and whether `[DONE]` came.
fn streamed(choices: &[Value]) -> (Vec<Value>, bool) {
    let mut asked = asking();
    asked["stream"] = json!(true);
    let mut exchange = exchange(&asked);
    let mut text = Vec::new();
    let chunks = choices
        .iter()
        .map(|choices| json!({"id": "c", "model": "m", "choices": choices}));
    let events = chunks.map(|chunk| format!("data: {chunk}\n\n"));
    for event in events.chain(["data: [DONE]\n\n".to_owned()]) {
        let streamed = exchange.chunk(Bytes::from(event));
        text.extend_from_slice(&streamed.data);
        if let Some(end) = streamed.end {
            end.unwrap();
        }
    }
    let text = String::from_utf8(text).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let chunks = data
        .filter(|data| *data != "[DONE]")
        .map(|data| serde_json::from_str::<Value>(data).unwrap());
    let choices = chunks.map(|mut chunk| {
        assert_eq!(chunk["model"], "group");
        chunk["choices"].take()
    });
    (choices.collect(), text.ends_with("data: [DONE]\n\n"))
}

fn delta(index: u64, delta: Value, finish: Option<&str>) -> Value {
    json!({"index": index, "delta": delta, "finish_reason": finish})
}

fn more(index: u64, arguments: &str) -> Value {
    json!({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})
}

#[test]
fn pieces_of_arguments_are_pieces_of_content() {
    let start = json!({"role": "assistant", "content": null, "tool_calls": [called(0, "json_tool_call", "")]});
    let (got, done) = streamed(&[
        json!([delta(0, start, None)]),
        json!([delta(0, more(0, "{\"city\":"), None)]),
        json!([delta(0, more(0, " \"Zü\""), None)]),
        json!([delta(0, more(0, "}"), None)]),
        json!([delta(0, json!({}), Some("tool_calls"))]),
    ]);
    let content = |text: &str| json!([delta(0, json!({"content": text}), None)]);
    let expected = [
        json!([delta(0, json!({"role": "assistant", "content": ""}), None)]),
        content("{\"city\":"),
        content(" \"Zü\""),
        content("}"),
        json!([delta(0, json!({}), Some("stop"))]),
    ];
    assert_eq!(got, expected);
    assert!(done);
}

#[test]
fn each_choice_of_a_stream_has_its_own_calls() {
    let call = |index, name| json!({"tool_calls": [called(index, name, "")]});
    let (got, _) = streamed(&[
        json!([
            delta(0, call(0, "json_tool_call"), None),
            delta(1, call(0, "f"), None)
        ]),
        json!([delta(0, more(0, "a"), None), delta(1, more(0, "b"), None)]),
        json!([delta(1, call(1, "json_tool_call"), None)]),
        json!([
            delta(1, more(1, "c"), None),
            delta(0, json!({}), Some("length"))
        ]),
        json!([delta(1, json!({}), Some("tool_calls"))]),
    ]);
    let expected = [
        json!([
            delta(0, json!({"content": ""}), None),
            delta(1, call(0, "f"), None)
        ]),
        json!([
            delta(0, json!({"content": "a"}), None),
            delta(1, more(0, "b"), None)
        ]),
        json!([delta(1, json!({"content": ""}), None)]),
        json!([
            delta(1, json!({"content": "c"}), None),
            delta(0, json!({}), Some("length"))
        ]),
        json!([delta(1, json!({}), Some("tool_calls"))]),
    ];
    assert_eq!(got, expected);
}

#[test]
fn indices_in_a_stream_leave_no_gap_where_the_tool_was() {
    let call = |index, name| json!({"tool_calls": [called(index, name, "")]});
    let (got, _) = streamed(&[
        json!([delta(0, call(0, "json_tool_call"), None)]),
        json!([delta(0, call(1, "f"), None)]),
        json!([delta(0, more(1, "{}"), None)]),
    ]);
    assert_eq!(got[1][0]["delta"]["tool_calls"][0]["index"], 0);
    assert_eq!(got[2][0]["delta"], more(0, "{}"));
    assert_eq!(
        got[3][0]["finish_reason"], "tool_calls",
        "the finish that is added"
    );
}

#[test]
fn the_finish_that_is_added_after_the_tool_is_a_stop() {
    let call = json!({"tool_calls": [called(0, "json_tool_call", "{}")]});
    let (got, done) = streamed(&[json!([delta(0, call, None)])]);
    assert_eq!(got[1][0]["finish_reason"], "stop");
    assert!(done);
}
