//! Requests, from Anthropic's words into OpenAI's.

use serde_json::{Value, json};
use ziggurat_anthropic::Messages;
use ziggurat_core::{Failure, FailureKind, overrides::Prefilled};
use ziggurat_provider::{Call, Dialect};

use super::{messages, prepare, request};

fn sent_by(messages: &Messages, body: &Value) -> Result<Value, Failure> {
    let request = prepare(messages, body)?.request;
    Ok(serde_json::from_slice(&request.into_body().into_bytes()).unwrap())
}

fn sent(body: &Value) -> Result<Value, Failure> {
    sent_by(&messages(), body)
}

/// The messages that these become.
fn turns(turns: &Value) -> Value {
    sent(&json!({"model": "m", "messages": turns})).unwrap()["messages"].clone()
}

#[test]
fn parameters_get_openais_names() {
    let own = json!({
        "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": true,
        "temperature": 0.5, "top_p": 0.9, "top_k": 3, "stop_sequences": ["a", "b"],
        "metadata": {"user_id": "u"}, "service_tier": "auto", "cache_control": {"type": "ephemeral"},
        "mcp_servers": [], "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    });
    let expected = json!({
        "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": true,
        "stream_options": {"include_usage": true},
        "temperature": 0.5, "top_p": 0.9, "top_k": 3, "stop": ["a", "b"], "user": "u",
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema",
            "json_schema": {"name": "answer", "schema": {"type": "object"}, "strict": true}},
    });
    assert_eq!(sent(&own).unwrap(), expected);
    // Longer than OpenAI takes.
    let long = json!({"model": "m", "messages": [], "metadata": {"user_id": "u".repeat(65)}});
    assert_eq!(sent(&long).unwrap(), json!({"model": "m", "messages": []}));
}

#[test]
fn a_system_prompt_is_the_first_message() {
    let of = |system: Value| {
        let body = json!({"model": "m", "system": system, "messages": []});
        sent(&body).unwrap()["messages"].clone()
    };
    assert_eq!(of(json!("a")), json!([{"role": "system", "content": "a"}]));
    let cached = json!({"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}});
    assert_eq!(
        of(json!([cached])),
        json!([{"role": "system", "content": "a"}])
    );
    let two = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    assert_eq!(of(two.clone()), json!([{"role": "system", "content": two}]));
    assert_eq!(of(json!([])), json!([]));
}

#[test]
fn images_and_documents_keep_their_bytes() {
    let content = json!([
        {"type": "text", "text": "look \u{e9} \"q\""},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA+/="}},
        {"type": "image", "source": {"type": "url", "url": "https://h/a.png"}},
        {"type": "document", "title": "t.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "plain"}},
    ]);
    let expected = json!([
        {"type": "text", "text": "look \u{e9} \"q\""},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA+/="}},
        {"type": "image_url", "image_url": {"url": "https://h/a.png"}},
        {"type": "file", "file": {"filename": "t.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
        {"type": "text", "text": "plain"},
    ]);
    let turn = turns(&json!([{"role": "user", "content": content}]));
    assert_eq!(turn, json!([{"role": "user", "content": expected}]));
}

#[test]
fn calls_of_tools_and_their_results() {
    let conversation = json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "text", "text": "I "}, {"type": "text", "text": "will\n"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": "\u{e9}"}},
            {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
        ]},
        {"role": "user", "content": [
            {"type": "text", "text": "here"},
            {"type": "tool_result", "tool_use_id": "t1", "content": "one"},
            {"type": "tool_result", "tool_use_id": "t2", "is_error": true, "content": [
                {"type": "text", "text": "two"},
                {"type": "image", "source": {"type": "url", "url": "https://h/a.png"}},
            ]},
        ]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t3", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t3"}]},
    ]);
    let call = |id, name, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let expected = json!([
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": "I will\n",
            "tool_calls": [call("t1", "f", "{\"a\":\"\u{e9}\"}"), call("t2", "g", "{}")]},
        {"role": "tool", "tool_call_id": "t1", "content": "one"},
        {"role": "tool", "tool_call_id": "t2", "content": "two"},
        {"role": "user", "content": [
            {"type": "text", "text": "here"},
            {"type": "image_url", "image_url": {"url": "https://h/a.png"}},
        ]},
        {"role": "assistant", "content": null, "tool_calls": [call("t3", "f", "{}")]},
        {"role": "tool", "tool_call_id": "t3", "content": ""},
    ]);
    assert_eq!(turns(&conversation), expected);
}

#[test]
fn tools_and_their_choice() {
    let tool = json!({"type": "custom", "name": "f", "description": "d", "input_schema": {"type": "object"},
        "cache_control": {"type": "ephemeral"}});
    let function = json!({"type": "function",
        "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}});
    for (own, openai) in [
        (json!({"type": "auto"}), json!("auto")),
        (json!({"type": "any"}), json!("required")),
        (json!({"type": "none"}), json!("none")),
        (
            json!({"type": "tool", "name": "f"}),
            json!({"type": "function", "function": {"name": "f"}}),
        ),
    ] {
        let body = json!({"model": "m", "messages": [], "tools": [tool], "tool_choice": own});
        let sent = sent(&body).unwrap();
        assert_eq!(
            (&sent["tools"], &sent["tool_choice"]),
            (&json!([function]), &openai)
        );
        assert!(sent.get("parallel_tool_calls").is_none());
    }
}

#[test]
fn who_knows_anthropics_words_gets_them() {
    let messages = messages().own_words(true);
    let thought = json!({"type": "thinking", "thinking": "hm", "signature": "s"});
    let unsigned = json!({"type": "thinking", "thinking": "hm", "signature": ""});
    let hidden = json!({"type": "redacted_thinking", "data": "d"});
    let mark = json!({"type": "ephemeral"});
    let thinking = json!({"type": "enabled", "budget_tokens": 5000});
    let body = json!({"model": "m", "thinking": thinking, "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": mark}]},
        {"role": "assistant", "content": [thought, unsigned, hidden, {"type": "text", "text": "b"}]},
    ]});
    let sent = sent_by(&messages, &body).unwrap();
    assert_eq!(sent["thinking"], thinking);
    assert!(sent.get("reasoning_effort").is_none());
    let turns = json!([
        {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": mark}]},
        {"role": "assistant", "content": "b", "thinking_blocks": [thought, hidden]},
    ]);
    assert_eq!(sent["messages"], turns);
}

#[test]
fn budgets_become_efforts() {
    let effort = |thinking: Value| {
        let body = json!({"model": "m", "messages": [], "thinking": thinking});
        sent(&body).unwrap()["reasoning_effort"].clone()
    };
    for (budget, expected) in [
        (1024, "low"),
        (2047, "low"),
        (2048, "medium"),
        (4096, "high"),
        (32000, "high"),
    ] {
        assert_eq!(
            effort(json!({"type": "enabled", "budget_tokens": budget})),
            expected
        );
    }
    assert_eq!(effort(json!({"type": "disabled"})), Value::Null);
    assert_eq!(effort(json!({"type": "adaptive"})), Value::Null);
}

#[test]
fn what_only_anthropic_has_is_refused_by_name() {
    let with = |name: &str, value: Value| {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        body[name] = value;
        sent(&body).unwrap_err()
    };
    let user = |block: Value| json!([{"role": "user", "content": [block]}]);
    for (name, value, place) in [
        ("container", json!("c"), "`container`"),
        (
            "mcp_servers",
            json!([{"url": "https://h"}]),
            "`mcp_servers`",
        ),
        (
            "context_management",
            json!({"edits": [{"type": "compact_20260112"}]}),
            "`context_management`",
        ),
        (
            "tools",
            json!([{"type": "web_search_20250305", "name": "web_search"}]),
            "`tools.0`",
        ),
        ("tool_choice", json!({"type": "some"}), "`tool_choice`"),
        (
            "messages",
            user(json!({"type": "search_result", "source": "https://h"})),
            "`messages.0.content.0`",
        ),
        (
            "messages",
            user(json!({"type": "image", "source": {"type": "file", "file_id": "f"}})),
            "`messages.0.content.0`",
        ),
        (
            "messages",
            json!([{"role": "assistant", "content": [{"type": "server_tool_use"}]}]),
            "`messages.0.content.0`",
        ),
        (
            "messages",
            json!([{"role": "user", "content": 1}]),
            "`messages.0.content`",
        ),
        ("messages", json!("hi"), "`messages`"),
        ("system", json!([{"type": "image"}]), "`system.0`"),
        (
            "output_format",
            json!({"type": "grammar"}),
            "`output_format`",
        ),
    ] {
        let failure = with(name, value);
        assert_eq!(failure.kind(), FailureKind::BadRequest);
        assert_eq!(failure.param(), Some(name));
        let message = failure.message().unwrap();
        assert!(message.contains(place), "{message}");
    }
}

/// Mistral and DeepSeek go on from a beginning only if it says that it is one.
#[test]
fn the_beginning_of_an_answer_says_so_where_it_was_put_there() {
    let begun = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "a"}]);
    let body = json!({"model": "m", "messages": begun});
    assert_eq!(sent(&body).unwrap()["messages"], begun);
    let mut request = request(&body);
    request.extensions_mut().insert(Prefilled);
    let outgoing = messages().prepare(Call::new(&request, &[])).unwrap();
    let text = outgoing.request.into_body().into_bytes();
    let sent: Value = serde_json::from_slice(&text).unwrap();
    let mut marked = begun;
    marked[1]["prefix"] = true.into();
    assert_eq!(sent["messages"], marked);
}
