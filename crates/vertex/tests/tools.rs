//! Tools, and which of them are called.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use ziggurat_core::{FailureKind, JsonBody, json::Document};
use ziggurat_provider::{Call, Dialect};

use self::support::request::{asked, refused, sent, studio};

/// What becomes of the schema of a property.
fn cleaned(property: &Value) -> Value {
    let parameters = json!({
        "type": "object",
        "properties": {"it": property},
        "$defs": {"point": {"type": "object", "description": "Any.", "properties": {"x": {"type": "number"}}, "required": ["x"]}},
    });
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": parameters}});
    let sent = sent("gemini-2.5-flash", &json!({"tools": [tool]}));
    let declared = &sent["tools"][0]["function_declarations"][0];
    declared["parameters"]["properties"]["it"].clone()
}

#[test]
fn schemas_become_those_of_google() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {
            "place": {"type": "object", "properties": {"city": {"type": ["string", "null"]}}, "additionalProperties": false},
            "tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/tree"}}},
        },
        "type": "object",
        "properties": {
            "z": {"$ref": "#/$defs/place"},
            "a": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "title": "A"},
            "kind": {"enum": [1, 2]},
            "when": {"type": "string", "format": "uri"},
            "either": {"oneOf": [{"type": "string"}, {"type": "number"}]},
            "tree": {"$ref": "#/$defs/tree"},
            "one": {"const": "x"},
        },
        "required": ["z"],
        "strict": true,
    });
    let tool = json!({"type": "function", "function": {"name": "f", "strict": true, "parameters": schema}});
    let sent = sent("gemini-2.5-flash", &json!({"tools": [tool]}));
    let wanted = json!({
        "type": "object",
        "properties": {
            "z": {"type": "object", "properties": {"city": {"type": "string", "nullable": true}}},
            "a": {"type": "integer", "minimum": 1, "title": "A", "nullable": true},
            "kind": {"type": "integer", "description": "One of: 1, 2"},
            "when": {"type": "string"},
            "either": {"anyOf": [{"type": "string"}, {"type": "number"}]},
            "tree": {"type": "object", "properties": {"left": {"type": "object"}}},
            "one": {"enum": ["x"], "type": "string"},
        },
        "required": ["z"],
    });
    assert_eq!(
        sent["tools"][0]["function_declarations"][0]["parameters"],
        wanted
    );
}

#[test]
fn schemas_that_blow_up_are_refused() {
    let mut defs = serde_json::Map::new();
    for at in 0..25 {
        let next = format!("#/$defs/d{}", at + 1);
        let both =
            json!({"type": "object", "properties": {"a": {"$ref": next}, "b": {"$ref": next}}});
        defs.insert(format!("d{at}"), both);
    }
    defs.insert("d25".into(), json!({"type": "string"}));
    let parameters = json!({"$defs": defs, "$ref": "#/$defs/d0"});
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": parameters}});
    let (kind, param, _) = refused(&json!({"tools": [tool]}));
    assert_eq!(
        (kind, &*param),
        (FailureKind::BadRequest, "tools[0].function")
    );
}

#[test]
fn schemas_that_are_too_deep_are_called_so() {
    let deep = (0..200).fold(json!({}), |inner, _| json!({"properties": {"a": inner}}));
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": deep}});
    let (kind, param, message) = refused(&json!({"tools": [tool]}));
    assert_eq!(
        (kind, &*param),
        (FailureKind::BadRequest, "tools[0].function")
    );
    assert!(message.contains("nested too deeply"), "{message}");
}

#[test]
fn what_google_refuses_in_schemas_is_said_otherwise() {
    let cases = [
        (
            json!({"type": "array"}),
            json!({"type": "array", "items": {"type": "object"}}),
        ),
        (
            json!({"type": "array", "items": {}}),
            json!({"type": "array", "items": {"type": "object"}}),
        ),
        (
            json!({"type": "integer", "enum": [1, 2, null], "description": "How many."}),
            json!({"type": "integer", "description": "How many.\nOne of: 1, 2", "nullable": true}),
        ),
        (
            json!({"enum": [true]}),
            json!({"type": "boolean", "description": "One of: true"}),
        ),
        (
            json!({"enum": ["", "a", 1]}),
            json!({"type": "string", "enum": ["a", "1"]}),
        ),
        (
            json!({"const": 1.5}),
            json!({"type": "number", "description": "One of: 1.5"}),
        ),
        (
            json!({"$ref": "#/$defs/point", "description": "Where.", "nullable": true}),
            json!({
                "type": "object", "description": "Where.", "nullable": true,
                "properties": {"x": {"type": "number"}}, "required": ["x"],
            }),
        ),
        (
            json!({"anyOf": [{"type": "string"}, {"type": "array"}, {"type": "null"}], "title": "T", "default": null}),
            json!({"anyOf": [
                {"type": "string", "title": "T", "nullable": true},
                {"type": "array", "title": "T", "nullable": true, "items": {"type": "object"}},
            ]}),
        ),
        (
            json!({"type": ["array", "string"], "items": {"type": "integer"}}),
            json!({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "string"}]}),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "anyOf": [{"required": ["a"]}, {}]}),
            json!({"type": "object", "properties": {"a": {"type": "string"}}}),
        ),
        (
            json!({"allOf": [{"$ref": "#/$defs/point"}, {"required": ["x", "y"]}], "properties": {"y": {"type": "string"}}}),
            json!({
                "type": "object", "description": "Any.", "required": ["x", "y"],
                "properties": {"x": {"type": "number"}, "y": {"type": "string"}},
            }),
        ),
        (
            json!({"type": "string", "format": "uuid"}),
            json!({"type": "string"}),
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}, "required": ["a"]}),
            json!({"type": "object"}),
        ),
    ];
    for (schema, wanted) in cases {
        assert_eq!(cleaned(&schema), wanted, "{schema}");
    }
}

#[test]
fn functions_are_sent_in_letters_that_google_takes_and_answered_in_their_own() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let own = ["get weather", "get/weather", "2d.plot", "plain"];
    let body = asked(&json!({
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": own[0], "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "fine"},
        ],
        "tools": own.map(tool),
        "tool_choice": tool(own[1]),
    }));
    let body = Document::parse(body.to_string().into()).unwrap();
    let request = Request::new(JsonBody::new(body));
    let dialect = studio("gemini-2.5-flash").build().unwrap();
    let outgoing = dialect.prepare(Call::new(&request, &[])).unwrap();
    let sent: Value = serde_json::from_slice(&outgoing.request.into_body().into_bytes()).unwrap();
    let declared = sent["tools"][0]["function_declarations"]
        .as_array()
        .unwrap();
    let names: Vec<_> = declared
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    for (at, name) in names.iter().enumerate() {
        assert!(name.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic()));
        assert!(
            name.chars()
                .all(|it| it.is_ascii_alphanumeric() || "_.-".contains(it)),
            "{name}"
        );
        assert!(!names[..at].contains(name), "{name}");
    }
    assert_eq!(names[3], "plain");
    let choice = &sent["toolConfig"]["functionCallingConfig"]["allowed_function_names"];
    assert_eq!(choice, &json!([names[1]]));
    assert_eq!(
        sent["contents"][1]["parts"][0]["function_call"]["name"],
        names[0]
    );
    assert_eq!(
        sent["contents"][2]["parts"][0]["function_response"]["name"],
        names[0]
    );
    let calls = names
        .iter()
        .map(|name| json!({"functionCall": {"name": name, "args": {}}}));
    let answer = json!({"candidates": [{"content": {"parts": calls.collect::<Vec<_>>()}, "finishReason": "STOP"}]});
    let mut exchange = outgoing.exchange;
    let plain = exchange.plain(Bytes::from(answer.to_string())).unwrap();
    let plain: Value = serde_json::from_slice(&plain.into_bytes()).unwrap();
    let streamed = exchange
        .chunk(Bytes::from(format!("data: {answer}\n\n")))
        .data;
    let streamed = std::str::from_utf8(&streamed).unwrap();
    for (at, name) in own.iter().enumerate() {
        let call = &plain["choices"][0]["message"]["tool_calls"][at];
        assert_eq!(call["function"]["name"], *name);
        assert!(streamed.contains(&format!("\"name\":\"{name}\"")), "{name}");
    }
}

#[test]
fn choices_of_tools_are_those_of_google() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let config = |choice: &Value| {
        let members = json!({"tools": [tool("a"), tool("b")], "tool_choice": choice});
        sent("gemini-2.5-flash", &members)["toolConfig"]["functionCallingConfig"].clone()
    };
    let allowed = |mode: &str, tools: Value| json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}});
    let cases = [
        (json!("auto"), json!({"mode": "AUTO"})),
        (json!("required"), json!({"mode": "ANY"})),
        (json!("none"), json!({"mode": "NONE"})),
        (
            tool("a"),
            json!({"mode": "ANY", "allowed_function_names": ["a"]}),
        ),
        (
            allowed("required", json!([tool("b")])),
            json!({"mode": "ANY", "allowed_function_names": ["b"]}),
        ),
        (
            allowed("auto", json!([tool("b")])),
            json!({"mode": "VALIDATED", "allowed_function_names": ["b"]}),
        ),
        (allowed("auto", json!([])), json!({"mode": "NONE"})),
    ];
    for (choice, wanted) in cases {
        assert_eq!(config(&choice), wanted, "{choice}");
    }
    let members = json!({"functions": [{"name": "a"}], "function_call": {"name": "a"}});
    let sent = sent("gemini-2.5-flash", &members);
    let choice = &sent["toolConfig"]["functionCallingConfig"]["allowed_function_names"];
    assert_eq!(choice, &json!(["a"]));
    for odd in [
        json!("sometimes"),
        json!({"type": "custom", "custom": {"name": "a"}}),
        allowed("required", json!([])),
        allowed("maybe", json!([tool("a")])),
        allowed("auto", json!([{"type": "mcp", "server_label": "s"}])),
    ] {
        let (kind, param, _) = refused(&json!({"tools": [tool("a")], "tool_choice": odd}));
        assert_eq!(
            (kind, &*param),
            (FailureKind::BadRequest, "tool_choice"),
            "{odd}"
        );
    }
    let custom = json!({"tools": [tool("a"), {"type": "custom", "custom": {"name": "b"}}]});
    assert_eq!(refused(&custom).1, "tools[1]");
}
