//! Tools, choices among them, and what ties calls to results.

use serde_json::{Value, json};

use crate::{OPUS, body, messages, refused, support, with};

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {"properties": {}}}})
}

fn call(id: &str, name: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}})
}

#[test]
fn names_of_tools_are_fitted_and_choices_follow() {
    let mut asked = with(
        "tools",
        json!([tool("a.b"), tool("a b"), {"type": "web_search_20250305", "name": "web_search"}]),
    );
    asked["tool_choice"] = json!({"type": "function", "function": {"name": "a b"}});
    asked["parallel_tool_calls"] = json!(false);
    let sent = body(&asked);
    assert_eq!(sent["tools"][0]["name"], "a_b");
    assert_eq!(
        sent["tools"][0]["input_schema"],
        json!({"type": "object", "properties": {}})
    );
    assert_eq!(sent["tools"][1]["name"], "a_b_2");
    assert_eq!(sent["tools"][2]["type"], "web_search_20250305");
    assert_eq!(
        sent["tool_choice"],
        json!({"type": "tool", "name": "a_b_2", "disable_parallel_tool_use": true})
    );
    let answer = support::plain(
        &asked,
        &json!({"type": "message", "content": [{"type": "tool_use", "id": "1", "name": "a_b_2", "input": {}}]}),
    );
    let message = &answer.unwrap()["choices"][0]["message"];
    assert_eq!(message["tool_calls"][0]["function"]["name"], "a b");
}

#[test]
fn names_that_would_become_the_same_stay_apart() {
    let long = |end: &str| format!("{}{end}", "x".repeat(128));
    let names = ["a.b", "a_b", "a b", &long("1"), &long("2")];
    let mut asked = messages(json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [call("1", "a b"), call("2", "a_b")]},
        {"role": "tool", "tool_call_id": "1", "content": "r"},
        {"role": "tool", "tool_call_id": "2", "content": "s"},
    ]));
    asked["tools"] = names.iter().map(|name| tool(name)).collect();
    let sent = body(&asked);
    let tools = sent["tools"].as_array().unwrap();
    let sent_names: Vec<_> = tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(sent_names[..3], ["a_b_2", "a_b", "a_b_3"]);
    assert!(sent_names[3] != sent_names[4] && sent_names[4].len() <= 128);
    let calls = &sent["messages"][1]["content"];
    assert_eq!(
        (&calls[0]["name"], &calls[1]["name"]),
        (&json!("a_b_3"), &json!("a_b"))
    );
    for (sent, own) in sent_names.iter().zip(names) {
        let block = json!({"type": "tool_use", "id": "1", "name": sent, "input": {}});
        let answer =
            support::plain(&asked, &json!({"type": "message", "content": [block]})).unwrap();
        let call = &answer["choices"][0]["message"]["tool_calls"][0];
        assert_eq!(call["function"]["name"], own);
    }
}

#[test]
fn a_tool_of_the_clients_is_not_taken_for_the_schemas() {
    let mut asked = with("tools", json!([tool("json_tool_call")]));
    asked["response_format"] =
        json!({"type": "json_schema", "json_schema": {"schema": {"type": "object"}}});
    let sent = body(&asked);
    assert_eq!(sent["tools"][0]["name"], "json_tool_call_2");
    assert_eq!(sent["tools"][1]["name"], "json_tool_call");
}

#[test]
fn ids_of_calls_stay_apart_and_pair_with_their_results() {
    let result =
        |id: &str, text: &str| json!({"role": "tool", "tool_call_id": id, "content": text});
    let sent = body(&messages(json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [call("c:1", "f"), call("c_1", "f"), call("c.1", "f")]},
        result("c.1", "third"), result("c_1", "second"), result("c:1", "first"),
        {"role": "assistant", "tool_calls": [call("c:1", "f")]},
        result("c:1", "again"),
    ])));
    let of = |turn: usize, name: &str| -> Vec<String> {
        let blocks = sent["messages"][turn]["content"].as_array().unwrap();
        blocks
            .iter()
            .map(|block| block[name].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(of(1, "id"), ["c_1", "c_1_2", "c_1_3"]);
    assert_eq!(of(2, "tool_use_id"), ["c_1_3", "c_1_2", "c_1"]);
    assert_eq!(of(2, "content"), ["third", "second", "first"]);
    assert_eq!(
        (of(3, "id"), of(4, "tool_use_id")),
        (vec!["c_1_4".into()], vec!["c_1_4".into()])
    );
}

#[test]
fn functions_of_old_are_tools_whose_name_pairs_them() {
    let call = json!({"role": "assistant", "content": null, "function_call": {"name": "my.f", "arguments": "{\"a\":1}"}});
    let result = |text: &str| json!({"role": "function", "name": "my.f", "content": text});
    let sent = body(&messages(json!([
        {"role": "user", "content": "x"}, call, result("one"), call, result("two"),
    ])));
    let block = |turn: usize| sent["messages"][turn]["content"][0].clone();
    let used = |id: &str| json!({"type": "tool_use", "id": id, "name": "my_f", "input": {"a": 1}});
    let gave =
        |id: &str, text: &str| json!({"type": "tool_result", "tool_use_id": id, "content": text});
    assert_eq!((block(1), block(2)), (used("my_f"), gave("my_f", "one")));
    assert_eq!(
        (block(3), block(4)),
        (used("my_f_2"), gave("my_f_2", "two"))
    );
}

#[test]
fn a_choice_of_some_tools_leaves_the_others_out() {
    let allowed = |mode: &str, names: &[&str]| {
        let tools: Vec<_> = names
            .iter()
            .map(|name| json!({"type": "function", "function": {"name": name}}))
            .collect();
        let mut asked = with("tools", json!([tool("f"), tool("g.h"), tool("i")]));
        asked["tool_choice"] =
            json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}});
        asked
    };
    let sent = body(&allowed("required", &["g.h", "i"]));
    let names: Vec<_> = sent["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| &tool["name"])
        .collect();
    assert_eq!(names, ["g_h", "i"]);
    assert_eq!(sent["tool_choice"], json!({"type": "any"}));
    assert_eq!(
        body(&allowed("auto", &["f"]))["tool_choice"],
        json!({"type": "auto"})
    );
    for unknown in [&["z"][..], &[]] {
        assert_eq!(refused(&allowed("auto", unknown)), "tool_choice");
    }
}

#[test]
fn tools_that_cannot_be_said_are_named() {
    let cases = [
        (
            json!({"type": "custom", "custom": {"name": "x"}}),
            "tools[1]",
        ),
        (json!({"type": "custom", "name": "x"}), "tools[1]"),
        (json!({"type": "web_search_preview"}), "tools[1]"),
        (
            json!({"type": "mcp", "server_label": "x", "server_url": "y"}),
            "tools[1]",
        ),
        (json!({"type": "function"}), "tools[1]"),
        (json!(7), "tools[1]"),
        (
            json!({"type": "function", "function": {"name": 7}}),
            "tools[1]",
        ),
        (
            json!({"type": "function", "function": {"name": "x", "parameters": "none"}}),
            "tools[1].function.parameters",
        ),
        (
            json!({"type": "function", "function": {"name": "x", "description": 7}}),
            "tools[1].function.description",
        ),
    ];
    for (wrong, param) in cases {
        assert_eq!(
            refused(&with("tools", json!([tool("f"), wrong]))),
            param,
            "{wrong}"
        );
    }
    let mut asked = with("tools", json!([tool("f")]));
    asked["parallel_tool_calls"] = json!("no");
    assert_eq!(refused(&asked), "parallel_tool_calls");
    let native = json!([
        {"type": "custom", "name": "x", "input_schema": {"type": "object"}},
        {"name": "y", "input_schema": {"type": "object"}},
        {"type": "bash_20250124", "name": "bash"},
        {"type": "mcp_toolset", "mcp_server_name": "m"},
    ]);
    let sent = support::sent(support::builder(OPUS), &with("tools", native.clone()));
    assert_eq!(sent.1["tools"], native);
}
