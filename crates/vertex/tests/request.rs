//! What is sent for what is asked.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use http::Request;
use serde_json::{Value, json};
use ziggurat_core::{Failure, FailureKind, JsonBody, json::Document};
use ziggurat_provider::{Call, Dialect};
use ziggurat_vertex::{Builder, Face, Vertex};

fn studio(model: &str) -> Builder {
    Vertex::builder(Face::Gemini, model).api_key("gem-key-0123")
}

fn prepare(builder: Builder, body: &Value) -> Result<Value, Failure> {
    let body = Document::parse(body.to_string().into()).unwrap();
    let request = Request::new(JsonBody::new(body));
    let outgoing = builder.build().unwrap().prepare(Call::new(&request, &[]))?;
    let sent = outgoing.request.into_body().into_bytes();
    Ok(serde_json::from_slice(&sent).unwrap())
}

/// What is sent to a model for members beside a question.
fn sent(model: &str, members: &Value) -> Value {
    prepare(studio(model), &asked(members)).unwrap()
}

fn asked(members: &Value) -> Value {
    let mut body = json!({"model": "any", "messages": [{"role": "user", "content": "Hi"}]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn refused(members: &Value) -> (FailureKind, String, String) {
    let failure = prepare(studio("gemini-2.5-flash"), &asked(members)).unwrap_err();
    (
        failure.kind(),
        failure.param().unwrap_or_default().to_owned(),
        failure.message().unwrap_or_default().to_owned(),
    )
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
            "kind": {"enum": ["1", "2"], "type": "string"},
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
fn the_order_of_properties_is_kept() {
    let body = asked(&json!({}));
    let mut body = body.to_string();
    body.pop();
    let schema = r#"{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}"#;
    let body = format!(
        r#"{body},"response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{schema}}}}}}}"#
    );
    let text = |model: &str| {
        let body = Document::parse(body.clone().into()).unwrap();
        let request = Request::new(JsonBody::new(body));
        let dialect = studio(model).build().unwrap();
        let outgoing = dialect.prepare(Call::new(&request, &[])).unwrap();
        String::from_utf8(outgoing.request.into_body().into_bytes().into()).unwrap()
    };
    assert!(text("gemini-2.5-flash").contains(&format!(r#""response_json_schema":{schema}"#)));
    let old = text("gemini-1.5-pro");
    assert!(old.contains(r#""propertyOrdering":["z","a"]"#), "{old}");
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
fn thinking_is_told_as_the_model_takes_it() {
    let cases = [
        (
            "gemini-2.5-flash",
            json!("medium"),
            json!({"thinkingBudget": 2048, "includeThoughts": true}),
        ),
        (
            "gemini-2.5-pro",
            json!("minimal"),
            json!({"thinkingBudget": 128, "includeThoughts": true}),
        ),
        (
            "gemini-2.5-flash",
            json!({"effort": "none"}),
            json!({"thinkingBudget": 0, "includeThoughts": false}),
        ),
        (
            "gemini-3-pro-preview",
            json!("medium"),
            json!({"thinkingLevel": "high", "includeThoughts": true}),
        ),
        (
            "gemini-3-flash",
            json!("none"),
            json!({"thinkingLevel": "minimal", "includeThoughts": false}),
        ),
    ];
    for (model, effort, wanted) in cases {
        let sent = sent(model, &json!({"reasoning_effort": effort}));
        assert_eq!(
            sent["generationConfig"]["thinkingConfig"], wanted,
            "{model}"
        );
    }
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 77}});
    let sent_config = sent("gemini-2.5-flash", &thinking)["generationConfig"].clone();
    assert_eq!(sent_config["thinkingConfig"]["thinkingBudget"], 77);
    assert_eq!(
        sent("gemini-3-pro", &json!({}))["generationConfig"]["temperature"],
        1.0
    );
    let old = prepare(
        studio("gemini-1.5-pro"),
        &asked(&json!({"reasoning_effort": "low"})),
    );
    assert_eq!(old.unwrap_err().param(), Some("reasoning_effort"));
}

#[test]
fn native_members_pass() {
    let sent = sent(
        "gemini-2.5-flash",
        &json!({
            "top_k": 3,
            "safety_settings": [{"category": "C", "threshold": "BLOCK_NONE"}],
            "cached_content": "cachedContents/1",
            "generationConfig": {"mediaResolution": "LOW"},
            "tools": [{"googleSearch": {}}],
            "extra_body": {"labels": {"team": "a"}},
            "max_tokens": 1,
            "max_completion_tokens": 2,
            "stop": "x",
            "modalities": ["text", "image"],
            "user": "u",
        }),
    );
    assert_eq!(
        sent,
        json!({
            "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
            "tools": [{"googleSearch": {}}],
            "generationConfig": {
                "top_k": 3, "mediaResolution": "LOW", "max_output_tokens": 2, "stop_sequences": ["x"],
                "responseModalities": ["TEXT", "IMAGE"],
            },
            "safetySettings": [{"category": "C", "threshold": "BLOCK_NONE"}],
            "cachedContent": "cachedContents/1",
            "labels": {"team": "a"},
        })
    );
}

#[test]
fn unsupported_parameters_are_named_or_dropped() {
    let members = json!({"logit_bias": {"1": 2}, "verbosity": "low"});
    let (kind, param, message) = refused(&members);
    assert_eq!((kind, &*param), (FailureKind::BadRequest, "logit_bias"));
    assert!(message.contains("['logit_bias', 'verbosity']"), "{message}");
    let dropping = studio("gemini-2.5-flash").drop_params(true);
    let sent = prepare(dropping, &asked(&members)).unwrap();
    assert_eq!(sent.as_object().unwrap().len(), 1);
    let allowing = studio("gemini-1.5-pro").drop_params(true);
    let allowing = allowing.allowed_params(["reasoning_effort", "verbosity"]);
    let sent = prepare(
        allowing,
        &asked(&json!({"verbosity": "low", "reasoning_effort": "low", "unknown": 1})),
    );
    let sent = sent.unwrap();
    assert_eq!(sent["verbosity"], "low");
    assert_eq!(
        sent["generationConfig"]["thinkingConfig"]["thinkingBudget"],
        1024
    );
    assert!(sent.get("unknown").is_none());
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let one = json!({"tools": [tool("a")], "parallel_tool_calls": false});
    assert!(prepare(studio("gemini-2.5-flash"), &asked(&one)).is_ok());
    let (_, param, _) =
        refused(&json!({"tools": [tool("a"), tool("b")], "parallel_tool_calls": false}));
    assert_eq!(param, "parallel_tool_calls");
}

#[test]
fn media_go_as_google_takes_them() {
    let content = json!([
        {"type": "image_url", "image_url": "data:image/webp;base64,AAAA"},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.PNG?q=1"}},
        {"type": "image_url", "image_url": {"url": "gs://b/no-ending", "format": "image/png"}},
        {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,CCCC"}},
        {"type": "file", "file": {"file_id": "https://x.example/a.pdf"}},
        {"type": "video_url", "video_url": {"url": "https://www.youtube.com/watch?v=1"}},
    ]);
    let messages = json!({"messages": [{"role": "user", "content": content}]});
    let sent = sent("gemini-2.5-flash", &messages);
    assert_eq!(
        sent["contents"][0]["parts"],
        json!([
            {"inline_data": {"mime_type": "image/webp", "data": "AAAA"}},
            {"file_data": {"mime_type": "image/png", "file_uri": "https://x.example/a.PNG?q=1"}},
            {"file_data": {"mime_type": "image/png", "file_uri": "gs://b/no-ending"}},
            {"inline_data": {"mime_type": "audio/mpeg", "data": "BBBB"}},
            {"inline_data": {"mime_type": "application/pdf", "data": "CCCC"}},
            {"file_data": {"mime_type": "application/pdf", "file_uri": "https://x.example/a.pdf"}},
            {"file_data": {"mime_type": "video/mp4", "file_uri": "https://www.youtube.com/watch?v=1"}},
            {"text": " "},
        ])
    );
    for url in [
        "http://x.example/a.png",
        "https://x.example/a",
        "data:image/png,x",
        "ftp://x",
    ] {
        let part = json!({"type": "image_url", "image_url": {"url": url}});
        let messages = json!({"messages": [{"role": "user", "content": [part]}]});
        let (kind, param, _) = refused(&messages);
        assert_eq!(kind, FailureKind::BadRequest, "{url}");
        assert_eq!(param, "messages[0].content[0]", "{url}");
    }
}

#[test]
fn turns_are_merged_and_signatures_go_back() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}});
    let messages = json!({"messages": [
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": "", "tool_calls": [call("call_1__thought__SIG"), call("call_2")]},
        {"role": "tool", "tool_call_id": "call_1__thought__SIG", "content": "[1]"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "{\"b\":2}"}]},
    ]});
    let wanted = json!([
        {"role": "user", "parts": [{"text": "a"}, {"text": "b"}]},
        {"role": "model", "parts": [
            {"function_call": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "SIG"},
            {"function_call": {"name": "f", "args": {"a": 1}}},
        ]},
        {"role": "user", "parts": [
            {"function_response": {"name": "f", "response": {"content": "[1]"}}},
            {"function_response": {"name": "f", "response": {"b": 2}}},
        ]},
    ]);
    assert_eq!(sent("gemini-2.5-flash", &messages)["contents"], wanted);
    let alone = json!({"messages": [{"role": "system", "content": "be brief"}]});
    let sent = sent("gemini-2.5-flash", &alone);
    assert_eq!(
        sent["contents"],
        json!([{"role": "user", "parts": [{"text": " "}]}])
    );
    let lost = json!({"messages": [{"role": "tool", "tool_call_id": "x", "content": "1"}]});
    assert_eq!(refused(&lost).1, "messages[0].tool_call_id");
    let odd = json!({"messages": [{"role": "system", "content": [{"type": "image_url", "image_url": "data:image/png;base64,AA"}]}]});
    assert_eq!(refused(&odd).1, "messages[0]");
}
