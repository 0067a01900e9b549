//! Schemas of tools for OpenAI itself, which refuses `anyOf`, `oneOf` and `allOf` at their top.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![allow(
    clippy::needless_pass_by_value,
    reason = "`json!` borrows, its callers have no other use for their values"
)]

use http::Request;
use serde_json::{Value, json};
use ziggurat_core::{JsonBody, json::Document};
use ziggurat_openai::{Face, OpenAi};
use ziggurat_provider::{Call, Dialect};

/// The parameters that the upstream gets.
fn sent_to(base: &str, parameters: &Value) -> Value {
    let tool = json!({"type": "function", "function": {"name": "f", "strict": false, "parameters": parameters}});
    let other = json!({"type": "function", "function": {"name": "g"}});
    let body = json!({"model": "g", "messages": [], "tools": [tool, other]}).to_string();
    let request = Request::new(JsonBody::new(Document::parse(body.into()).unwrap()));
    let builder = OpenAi::builder(Face::OpenAi, "m").api_key("sk-very-secret-key");
    let dialect = builder.api_base(base).build().unwrap();
    let outgoing = dialect.prepare(Call::new(&request, &[])).unwrap().request;
    let body: Value = serde_json::from_slice(&outgoing.into_body().into_bytes()).unwrap();
    assert_eq!(
        (&body["tools"][1], &body["tools"][0]["function"]["strict"]),
        (&other, &json!(false))
    );
    body["tools"][0]["function"]["parameters"].clone()
}

fn sent(parameters: &Value) -> Value {
    sent_to("https://api.openai.com/v1", parameters)
}

fn object(properties: Value, required: Value) -> Value {
    json!({"type": "object", "properties": properties, "required": required})
}

const STRING: &str = r#"{"type":"string"}"#;

fn string() -> Value {
    serde_json::from_str(STRING).unwrap()
}

#[test]
fn one_of_several_objects_becomes_one_with_the_properties_of_all() {
    for combinator in ["anyOf", "oneOf"] {
        let parameters = json!({
            "description": "kept", "$defs": {"x": {}},
            "properties": {"id": string()}, "required": ["id"],
            combinator: [
                object(json!({"kind": {"const": "a"}, "on": {"type": "boolean"}}), json!(["kind", "on"])),
                object(json!({"kind": {"const": "b"}, "at": string()}), json!(["at", "kind"])),
            ],
        });
        let kind = json!({"anyOf": [{"const": "a"}, {"const": "b"}]});
        let mut expected = object(
            json!({"id": string(), "kind": kind, "on": {"type": "boolean"}, "at": string()}),
            json!(["id", "kind"]),
        );
        expected["description"] = json!("kept");
        expected["$defs"] = json!({"x": {}});
        assert_eq!(sent(&parameters), expected);
    }
}

#[test]
fn all_of_several_objects_become_one_with_the_demands_of_all() {
    let parameters = json!({"allOf": [
        object(json!({"a": string(), "b": string()}), json!(["a"])),
        {"properties": {"b": string(), "c": string()}, "required": ["a", "c"], "title": "lost"},
    ]});
    let expected = object(
        json!({"a": string(), "b": string(), "c": string()}),
        json!(["a", "c"]),
    );
    assert_eq!(sent(&parameters), expected);
}

#[test]
fn demands_that_only_some_make_are_not_made() {
    let parameters = json!({
        "type": "object", "properties": {"a": string(), "b": string()},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    });
    assert_eq!(
        sent(&parameters),
        json!({"type": "object", "properties": parameters["properties"]})
    );
}

#[test]
fn an_object_is_closed_if_what_it_is_made_of_is() {
    let closed = |combinator: &str, own: Value, branches: [Value; 2]| {
        let branches = branches.map(|it| json!({"additionalProperties": it}));
        let got =
            sent(&json!({"type": "object", "additionalProperties": own, combinator: branches}));
        got.get("additionalProperties") == Some(&json!(false))
    };
    assert!(closed("anyOf", json!(true), [json!(false), json!(false)]));
    assert!(!closed("anyOf", json!(true), [json!(false), json!(true)]));
    assert!(closed("anyOf", json!(false), [json!(true), json!(true)]));
    assert!(closed("allOf", json!(true), [json!(false), json!(true)]));
}

/// What cannot be joined without a guess is for the upstream to judge.
#[test]
fn what_says_more_stays_as_it_is() {
    let part = || object(json!({"a": string()}), json!([]));
    let number = || json!({"properties": {"a": {"type": "number"}}});
    let cases = [
        json!({"anyOf": [part(), {"$ref": "#/$defs/x"}], "$defs": {"x": {}}}),
        json!({"anyOf": [part(), {"anyOf": [part()]}]}),
        json!({"anyOf": [part(), {"not": {"required": ["a"]}}]}),
        json!({"anyOf": [part(), {"type": "null"}]}),
        json!({"anyOf": [part(), {"additionalProperties": string()}]}),
        json!({"anyOf": [part(), true]}),
        json!({"anyOf": []}),
        json!({"allOf": [part(), number()]}),
        json!({"properties": {"a": string()}, "anyOf": [number(), part()]}),
        json!({"type": "array", "anyOf": [part()]}),
        json!({"type": "object", "properties": {"a": {"anyOf": [string()]}, "anyOf": string()}}),
        json!({"type": "object", "description": "\"anyOf\""}),
    ];
    for parameters in cases {
        assert_eq!(sent(&parameters), parameters);
    }
}

#[test]
fn other_servers_get_schemas_as_they_are() {
    let parameters = json!({"anyOf": [object(json!({"a": string()}), json!([]))]});
    assert_eq!(sent_to("http://h/v1", &parameters), parameters);
    assert_ne!(sent(&parameters), parameters);
}
