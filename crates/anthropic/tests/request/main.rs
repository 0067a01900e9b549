//! What is sent, beyond what is recorded.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![allow(clippy::needless_pass_by_value, reason = "`json!` makes values")]

mod native;
mod parts;
#[path = "../support/mod.rs"]
mod support;
mod thinking;
mod tools;

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use support::{builder, hello, prepare, request, sent};
use ziggurat_core::FailureKind;
use ziggurat_provider::{Call, Dialect};

pub(crate) const OPUS: &str = "claude-3-opus-20240229";
pub(crate) const SONNET: &str = "claude-sonnet-4-5-20250929";
pub(crate) const ADAPTIVE: &str = "claude-opus-4-6";

pub(crate) fn with(name: &str, value: Value) -> Value {
    let mut body = hello();
    body[name] = value;
    body
}

pub(crate) fn messages(messages: Value) -> Value {
    json!({"model": "g", "messages": messages})
}

/// The refusal of what cannot be said: the part that it names.
pub(crate) fn refused(asked: &Value) -> String {
    let failure = prepare(builder(OPUS), asked).err().unwrap();
    assert_eq!(failure.kind(), FailureKind::BadRequest, "{asked}");
    let param = failure.param().unwrap();
    assert!(failure.message().unwrap().contains(param), "{failure:?}");
    param.to_owned()
}

pub(crate) fn body(asked: &Value) -> Value {
    sent(builder(OPUS), asked).1
}

#[test]
fn turns_alternate_and_results_come_first() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": ""}});
    let sent = body(&messages(json!([
        {"role": "user", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "b"}]},
        {"role": "assistant", "tool_calls": [call("x:1"), call("2")]},
        {"role": "tool", "tool_call_id": "x:1", "content": [{"type": "text", "text": "one"}]},
        {"role": "developer", "content": "note"},
        {"role": "tool", "tool_call_id": "2", "content": null},
    ])));
    let turns = sent["messages"].as_array().unwrap();
    assert_eq!(turns.len(), 3);
    assert_eq!(turns[0]["content"].as_array().unwrap().len(), 2);
    let calls = &turns[1]["content"];
    assert_eq!(
        calls[0],
        json!({"type": "tool_use", "id": "x_1", "name": "f", "input": {}})
    );
    let last = turns[2]["content"].as_array().unwrap();
    let kinds: Vec<_> = last
        .iter()
        .map(|block| block["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["tool_result", "tool_result", "text", "text"]);
    assert_eq!(last[0]["content"], json!([{"type": "text", "text": "one"}]));
    assert_eq!(last[1]["tool_use_id"], "2");
    // Tools were called, so that one has to be declared.
    assert_eq!(sent["tools"][0]["name"], "dummy_tool");
}

#[test]
fn texts_keep_their_characters_and_blanks_are_filled() {
    let text = "quote \" slash \\ tab \t é 😀 \u{1}";
    let sent = body(&messages(json!([
        {"role": "system", "content": "  "},
        {"role": "user", "content": text},
        {"role": "assistant", "content": "so far \n"},
    ])));
    assert_eq!(sent["messages"][0]["content"][0]["text"], text);
    assert_eq!(sent["messages"][1]["content"][0]["text"], "so far");
    assert!(sent.get("system").is_none());
    let parts = json!([{"type": "text", "text": " "}, {"type": "text", "text": "x"}]);
    let sent = body(&messages(json!([{"role": "user", "content": parts}])));
    assert_eq!(
        sent["messages"][0]["content"],
        json!([{"type": "text", "text": "x"}])
    );
    for blank in ["", " ", "\n\t"] {
        let sent = body(&messages(json!([{"role": "user", "content": blank}])));
        let text = sent["messages"][0]["content"][0]["text"].as_str().unwrap();
        assert!(text.starts_with("[System: Empty"), "{blank:?}");
    }
}

#[test]
fn documents_and_images_keep_their_place_in_the_cache() {
    let sent = body(&messages(json!([{"role": "user", "content": [
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "https://example.com/b.pdf"}},
        {"type": "image_url", "image_url": "data:image/jpg;base64,BBBB", "cache_control": {"type": "ephemeral"}},
        {"type": "search_result", "source": "x", "title": "y", "content": []},
    ]}])));
    assert_eq!(
        sent["messages"][0]["content"],
        json!([
            {"type": "document", "title": "a.pdf",
             "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}},
            {"type": "document", "source": {"type": "url", "url": "https://example.com/b.pdf"}},
            {"type": "image", "cache_control": {"type": "ephemeral"},
             "source": {"type": "base64", "media_type": "image/jpeg", "data": "BBBB"}},
            {"type": "search_result", "source": "x", "title": "y", "content": []},
        ])
    );
    let files = messages(json!([{"role": "user", "content": [
        {"type": "file", "file": {"file_id": "file_1"}},
    ]}]));
    let (headers, _) = support::sent(builder(OPUS), &files);
    assert_eq!(headers["anthropic-beta"], "files-api-2025-04-14");
}

#[test]
fn what_cannot_be_said_is_named() {
    let part = |part: Value| {
        messages(json!([{"role": "user", "content": [{"type": "text", "text": "x"}, part]}]))
    };
    let cases = [
        (
            part(json!({"type": "image_url", "image_url": {"url": "http://example.com/a.png"}})),
            "messages[0].content[1]",
        ),
        (
            part(json!({"type": "image_url", "image_url": {"url": "data:text/html;base64,AA"}})),
            "messages[0].content[1]",
        ),
        (part(json!({"type": "image_url"})), "messages[0].content[1]"),
        (
            part(json!({"type": "input_audio", "input_audio": {}})),
            "messages[0].content[1]",
        ),
        (part(json!(7)), "messages[0].content[1]"),
        (messages(json!([])), "messages"),
        (messages(json!("hi")), "messages"),
        (
            messages(json!([{"role": "system", "content": "only"}])),
            "messages",
        ),
        (
            messages(json!([{"role": "robot", "content": "x"}])),
            "messages[0].role",
        ),
        (
            messages(json!([{"role": "tool", "content": "x"}])),
            "messages[0].tool_call_id",
        ),
        (
            messages(json!([{"role": "assistant", "tool_calls": [
                {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":"}},
            ]}])),
            "messages[0].tool_calls[0].function.arguments",
        ),
        (with("tools", json!("x")), "tools"),
        (with("stop", json!(3)), "stop"),
        (with("max_tokens", json!("many")), "max_tokens"),
        (
            with("response_format", json!({"type": "xml"})),
            "response_format",
        ),
        (with("seed", json!(3)), "seed"),
        (with("n", json!(2)), "n"),
        (with("service_tier", json!("flex")), "service_tier"),
    ];
    for (asked, param) in cases {
        assert_eq!(refused(&asked), param, "{asked}");
    }
}

#[test]
fn what_asks_for_nothing_is_left_out_and_what_is_native_goes_through() {
    let mut asked = with("n", json!(1));
    for (name, value) in [
        ("presence_penalty", json!(0)),
        ("frequency_penalty", json!(0.0)),
        ("logit_bias", json!({})),
        ("logprobs", json!(false)),
        ("top_logprobs", json!(0)),
        ("store", json!(false)),
        ("modalities", json!(["text"])),
        ("function_call", json!("auto")),
        ("functions", json!([])),
        ("prediction", json!(null)),
        ("verbosity", json!("medium")),
        ("prompt_cache_key", json!("tenant-7")),
        ("seed", json!(null)),
        ("top_k", json!(5)),
        ("mcp_servers", json!([])),
        ("service_tier", json!("standard_only")),
        ("extra_body", json!({"container": "c"})),
        ("user", json!("ada@example.com")),
        ("litellm_call_id", json!("x")),
    ] {
        asked[name] = value;
    }
    let mut sent = body(&asked);
    sent.as_object_mut().unwrap().remove("messages");
    assert_eq!(
        sent,
        json!({
            "model": OPUS, "max_tokens": 4096, "top_k": 5, "mcp_servers": [], "container": "c",
            "service_tier": "standard_only",
        })
    );
    for tier in ["auto", "default"] {
        let sent = body(&with("service_tier", json!(tier)));
        assert!(sent.get("service_tier").is_none(), "{tier}");
    }
    let allowed = builder(OPUS).allowed_params(["seed"]);
    assert_eq!(support::sent(allowed, &with("seed", json!(3))).1["seed"], 3);
}

#[test]
fn schemas_lose_the_limits_that_are_not_enforced() {
    let schema = json!({
        "type": "object",
        "properties": {
            "b": {"type": "integer", "minimum": 1, "description": "A count."},
            "a": {"type": "array", "items": {"type": "string", "maxLength": 3}, "maxItems": 2},
            "minimum": {"$ref": "#/$defs/c"},
        },
        "$defs": {"c": {"properties": {}, "additionalProperties": true}},
    });
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let asked = with("response_format", format);
    let (headers, sent) = support::sent(builder(SONNET), &asked);
    assert_eq!(headers["anthropic-beta"], "structured-outputs-2025-11-13");
    assert_eq!(
        sent["output_format"]["schema"],
        json!({
            "type": "object",
            "properties": {
                "b": {"type": "integer", "description": "A count. (minimum: 1)"},
                "a": {
                    "type": "array",
                    "items": {"type": "string", "description": "maxLength: 3"},
                    "description": "maxItems: 2",
                },
                "minimum": {"$ref": "#/$defs/c"},
            },
            "$defs": {"c": {"properties": {}, "additionalProperties": false}},
            "additionalProperties": false,
        })
    );
    // Without native schemas the tool is one of several, or the only one.
    let mut asked = asked;
    asked["tools"] = json!([{"type": "function", "function": {"name": "f"}}]);
    let sent = body(&asked);
    assert_eq!(sent["tool_choice"], json!({"type": "any"}));
    assert_eq!(sent["tools"][1]["name"], "json_tool_call");
}

#[test]
fn headers_of_all_sides_are_joined() {
    let dialect = support::builder(SONNET)
        .header("anthropic-beta", "own-1")
        .build()
        .unwrap();
    let mut asked = with(
        "response_format",
        json!({"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}),
    );
    asked["stream"] = json!(true);
    let mut request = request(&asked);
    let forward = ["anthropic-beta", "anthropic-version"].map(HeaderName::from_static);
    for (name, value) in [
        ("anthropic-beta", "theirs-1, own-1"),
        ("anthropic-beta", "theirs-2"),
        ("anthropic-version", "2024-01-01"),
        ("x-api-key", "no"),
    ] {
        request
            .headers_mut()
            .append(name, HeaderValue::from_static(value));
    }
    let outgoing = dialect.prepare(Call::new(&request, &forward)).unwrap();
    let headers = outgoing.request.headers();
    assert_eq!(
        headers["anthropic-beta"],
        "theirs-1,own-1,theirs-2,structured-outputs-2025-11-13"
    );
    assert_eq!(headers["anthropic-version"], "2024-01-01");
    assert_eq!(headers["x-api-key"], support::KEY);
    assert!(headers["x-api-key"].is_sensitive());
}

#[test]
fn keys_and_addresses() {
    let cases = [
        ("https://a.example", "https://a.example/v1/messages"),
        ("https://a.example/", "https://a.example/v1/messages"),
        ("https://a.example/v1", "https://a.example/v1/messages"),
        (
            "https://a.example/x/v1/messages?k=v",
            "https://a.example/x/v1/messages?k=v",
        ),
    ];
    for (base, url) in cases {
        let outgoing = prepare(builder(OPUS).api_base(base), &hello()).unwrap();
        assert_eq!(outgoing.request.uri(), url);
    }
    for base in ["nonsense", "ftp://a.example", "https://me:secret@a.example"] {
        assert_eq!(
            builder(OPUS).api_base(base).build().unwrap_err().setting(),
            "api_base"
        );
    }
    let token = ziggurat_anthropic::Anthropic::builder(OPUS).api_key("sk-ant-oat01-abc");
    let (headers, _) = support::sent(token, &hello());
    assert_eq!(headers["authorization"], "Bearer sk-ant-oat01-abc");
    assert_eq!(headers["anthropic-beta"], "oauth-2025-04-20");
    assert!(!headers.contains_key("x-api-key"));

    let keyless = ziggurat_anthropic::Anthropic::builder(OPUS)
        .build()
        .unwrap();
    assert!(keyless.is_key_missing());
    let failure = keyless
        .prepare(Call::new(&request(&hello()), &[]))
        .err()
        .unwrap();
    assert_eq!(failure.kind(), FailureKind::Authentication);
    assert!(!format!("{:?}", builder(OPUS).build().unwrap()).contains("secret"));
}
