//! Tools, choices among them, and what ties calls to results.

use serde_json::{Value, json};

use crate::{NOVA, SONNET_35, ask, builder, messages, param, refusal, send, tool, try_send};

fn call(id: &str, name: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}})
}

#[test]
fn tools_are_renamed_where_they_must_be() {
    let long = "x".repeat(70);
    let tools = json!([tool("a.b"), tool("a b"), tool(&long), tool("fine")]);
    let choice = json!({"type": "function", "function": {"name": "a b"}});
    let sent = send(
        SONNET_35,
        &ask(&json!({"tools": tools, "tool_choice": choice})),
    );
    let names = sent["toolConfig"]["tools"].as_array().unwrap().iter();
    let names: Vec<&str> = names
        .map(|tool| tool["toolSpec"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a_b", "a_b_2", &long[..64], "fine"]);
    assert_eq!(
        sent["toolConfig"]["toolChoice"],
        json!({"tool": {"name": "a_b_2"}})
    );
    let schema = json!({"json": {"type": "object", "properties": {}}});
    assert_eq!(
        sent["toolConfig"]["tools"][3]["toolSpec"]["inputSchema"],
        schema
    );
    refusal(
        builder(SONNET_35),
        &ask(&json!({"tools": [{"type": "web_search"}]})),
    );
    refusal(
        builder(SONNET_35),
        &ask(&json!({"tools": [tool("f")], "tool_choice": "perhaps"})),
    );
}

#[test]
fn names_that_would_become_the_same_stay_apart() {
    let long = |end: &str| format!("{}{end}", "x".repeat(64));
    let names = ["a.b", "a_b", &long("1"), &long("2")];
    let mut asked = messages(json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [call("1", "a_b"), call("2", "a.b")]},
    ]));
    asked["tools"] = names.iter().map(|name| tool(name)).collect();
    let sent = send(SONNET_35, &asked);
    let tools = sent["toolConfig"]["tools"].as_array().unwrap().iter();
    let tools: Vec<_> = tools
        .map(|tool| tool["toolSpec"]["name"].as_str().unwrap())
        .collect();
    let base = "x".repeat(64);
    assert_eq!(
        tools,
        ["a_b_2", "a_b", &base, &format!("{}_2", &base[..62])]
    );
    let calls = &sent["messages"][1]["content"];
    assert_eq!(calls[0]["toolUse"]["name"], "a_b");
    assert_eq!(calls[1]["toolUse"]["name"], "a_b_2");
}

#[test]
fn a_tool_of_the_clients_is_not_taken_for_the_schemas() {
    let format = json!({"type": "json_schema", "json_schema": {"schema": {"type": "object"}}});
    let asked = ask(&json!({"tools": [tool("json_tool_call")], "response_format": format}));
    let tools = &send(SONNET_35, &asked)["toolConfig"]["tools"];
    assert_eq!(tools[0]["toolSpec"]["name"], "json_tool_call_2");
    assert_eq!(tools[1]["toolSpec"]["name"], "json_tool_call");
}

#[test]
fn ids_of_calls_stay_apart_and_pair_with_their_results() {
    let (long, longer) = ("y".repeat(70), "y".repeat(71));
    let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": id});
    let calls = ["c:1", "c_1", &long, &longer].map(|id| call(id, "f"));
    let mut asked = messages(json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": calls},
        result(&longer), result("c_1"), result("c:1"), result(&long),
    ]));
    asked["tools"] = json!([tool("f")]);
    let sent = send(SONNET_35, &asked);
    let of = |turn: usize, name: &str| -> Vec<String> {
        let blocks = sent["messages"][turn]["content"].as_array().unwrap().iter();
        let ids = blocks.map(|block| block[name]["toolUseId"].as_str().unwrap());
        ids.map(str::to_owned).collect()
    };
    let calls = of(1, "toolUse");
    assert_eq!(calls[..2], ["c_1", "c_1_2"]);
    assert_eq!(calls[3], format!("{}_2", &long[..62]));
    let results = of(2, "toolResult");
    assert_eq!(results, [&*calls[3], &calls[1], &calls[0], &calls[2]]);
}

#[test]
fn functions_of_old_are_tools_whose_name_pairs_them() {
    let function = json!({"name": "my.f", "arguments": "{\"a\":1}"});
    let call = json!({"role": "assistant", "content": null, "function_call": function});
    let result = json!({"role": "function", "name": "my.f", "content": "r"});
    let mut asked = messages(json!([{"role": "user", "content": "x"}, call, result, call, result]));
    asked["tools"] = json!([tool("my.f")]);
    let sent = send(SONNET_35, &asked);
    let block = |turn: usize| sent["messages"][turn]["content"][0].clone();
    let used = json!({"toolUseId": "my_f", "name": "my_f", "input": {"a": 1}});
    assert_eq!(block(1), json!({ "toolUse": used }));
    let gave = json!({"toolUseId": "my_f", "content": [{"text": "r"}]});
    assert_eq!(block(2), json!({ "toolResult": gave }));
    assert_eq!(block(3)["toolUse"]["toolUseId"], "my_f_2");
    assert_eq!(block(4)["toolResult"]["toolUseId"], "my_f_2");
    asked["tools"] = json!(null);
    let sent = send(SONNET_35, &asked);
    let text = |turn: usize| sent["messages"][turn]["content"][0]["text"].clone();
    assert_eq!(text(1), "[tool call my.f({\"a\":1})]");
    assert_eq!(text(2), "[tool result for my.f]");
}

#[test]
fn results_come_first_in_their_turn() {
    let cached = json!({"type": "ephemeral"});
    let mut asked = messages(json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [call("1", "f"), call("2", "f")]},
        {"role": "tool", "tool_call_id": "1", "content": "r", "cache_control": cached},
        {"role": "user", "content": "meanwhile"},
        {"role": "system", "content": "note"},
        {"role": "tool", "tool_call_id": "2", "content": "s"},
    ]));
    asked["tools"] = json!([tool("f")]);
    let content = send(SONNET_35, &asked)["messages"][2]["content"].clone();
    let blocks = content.as_array().unwrap().iter();
    let kinds: Vec<_> = blocks
        .flat_map(|block| block.as_object().unwrap().keys())
        .collect();
    let expected = [
        "toolResult",
        "cachePoint",
        "toolResult",
        "text",
        "text",
        "text",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(content[3]["text"], "meanwhile");
}

#[test]
fn a_choice_of_some_tools_leaves_the_others_out() {
    let allowed = |mode: &str, names: &[&str]| {
        let tools: Vec<_> = names.iter().map(|name| tool(name)).collect();
        let allowed = json!({"mode": mode, "tools": tools});
        let choice = json!({"type": "allowed_tools", "allowed_tools": allowed});
        ask(&json!({"tools": [tool("f"), tool("g.h"), tool("i")], "tool_choice": choice}))
    };
    let sent = send(SONNET_35, &allowed("required", &["g.h", "i"]));
    let names = sent["toolConfig"]["tools"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|tool| &tool["toolSpec"]["name"]).collect();
    assert_eq!(names, ["g_h", "i"]);
    assert_eq!(sent["toolConfig"]["toolChoice"], json!({"any": {}}));
    for unknown in [&["z"][..], &[]] {
        assert_eq!(param(SONNET_35, &allowed("auto", unknown)), "tool_choice");
    }
}

#[test]
fn tools_that_cannot_be_said_are_named() {
    let function = |members: Value| json!({"type": "function", "function": members});
    let cases = [
        (
            json!({"type": "custom", "custom": {"name": "x"}}),
            "tools[1]",
        ),
        (json!({"type": "web_search"}), "tools[1]"),
        (json!(7), "tools[1]"),
        (function(json!({"name": 7})), "tools[1]"),
        (
            function(json!({"name": "x", "parameters": "none"})),
            "tools[1].function.parameters",
        ),
    ];
    for (wrong, named) in cases {
        let asked = ask(&json!({"tools": [tool("f"), wrong]}));
        assert_eq!(param(SONNET_35, &asked), named);
    }
}

#[test]
fn anthropics_words_go_to_anthropics_models_only() {
    let asked = |parallel: bool| {
        let members = json!({"tools": [tool("f")], "parallel_tool_calls": parallel});
        ask(&members)
    };
    let fields = |sent: Value| sent["additionalModelRequestFields"].clone();
    let choice = json!({"tool_choice": {"type": "auto", "disable_parallel_tool_use": true}});
    assert_eq!(fields(send(SONNET_35, &asked(false))), choice);
    // More calls than one at once is what others do anyway.
    assert_eq!(fields(send(NOVA, &asked(true))), Value::Null);
    assert_eq!(param(NOVA, &asked(false)), "parallel_tool_calls");
    let dropped = try_send(builder(NOVA).drop_params(true), &asked(false)).unwrap();
    assert_eq!(fields(dropped), Value::Null);
    let allowed = builder(NOVA).allowed_params(["parallel_tool_calls"]);
    assert_eq!(fields(try_send(allowed, &asked(false)).unwrap()), choice);
}

#[test]
fn llama_is_not_made_to_call_a_tool() {
    const LLAMA: &str = "us.meta.llama3-3-70b-instruct-v1:0";
    let named = json!({"type": "function", "function": {"name": "f"}});
    for choice in [json!("required"), named] {
        let asked = ask(&json!({"tools": [tool("f")], "tool_choice": choice}));
        assert_eq!(param(LLAMA, &asked), "tool_choice");
        let sent = try_send(builder(LLAMA).drop_params(true), &asked).unwrap();
        assert!(sent["toolConfig"].get("toolChoice").is_none(), "{sent}");
        assert!(send(NOVA, &asked)["toolConfig"].get("toolChoice").is_some());
    }
    let auto = ask(&json!({"tools": [tool("f")], "tool_choice": "auto"}));
    let config = &send(LLAMA, &auto)["toolConfig"];
    assert_eq!(config["toolChoice"], json!({"auto": {}}));
    // The tool that stands in for a schema is there, and it may call it.
    let format = json!({"type": "json_schema", "json_schema": {"schema": {"type": "object"}}});
    for tools in [json!([]), json!([tool("f")])] {
        let asked = ask(&json!({"tools": tools, "response_format": format}));
        let config = &send(LLAMA, &asked)["toolConfig"];
        let count = tools.as_array().unwrap().len();
        assert_eq!(config["tools"][count]["toolSpec"]["name"], "json_tool_call");
        assert!(config.get("toolChoice").is_none(), "{config}");
    }
}
