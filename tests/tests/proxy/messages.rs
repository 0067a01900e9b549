//! Anthropic's own surface: to Anthropic the bytes pass, to others they are translated, over the same layers.

mod elsewhere;
mod failing;
mod recovering;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};
use ziggurat_testing::mock::{Answer as Reply, Running, Step};

use crate::support::{Answer, Proxy, upstream};

const YAML: &str = "
model_list:
- {model_name: claude, litellm_params: {model: anthropic/claude-3-opus-20240229, api_key: sk-ant-key, api_base: os.environ/A, stream_timeout: 2}}
- {model_name: gpt, litellm_params: {model: openai/gpt-4o, api_key: sk-canary, api_base: os.environ/B, stream_timeout: 2}}
- {model_name: o3, litellm_params: {model: openai/o3, api_key: sk-canary, api_base: os.environ/B}}
- {model_name: both, litellm_params: {model: openai/gpt-4o, api_key: sk-canary, api_base: os.environ/B}}
- {model_name: both, litellm_params: {model: anthropic/claude-3-opus-20240229, api_key: sk-canary, api_base: os.environ/A}}
litellm_settings: {num_retries: 0, fallbacks: [{claude: [gpt]}]}";

struct Two {
    proxy: Proxy,
    claude: Running,
    gpt: Running,
}

async fn start(claude: Step, gpt: Step) -> Two {
    let (claude, gpt) = (
        upstream("claude", [claude]).await,
        upstream("gpt", [gpt]).await,
    );
    let proxy = Proxy::start(YAML, &[("A", claude.url()), ("B", gpt.url())]).await;
    Two { proxy, claude, gpt }
}

fn hi(model: &str, members: &Value) -> Value {
    let mut body =
        json!({"model": model, "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in members.as_object().cloned().unwrap_or_default() {
        body[name] = value;
    }
    body
}

async fn post(proxy: &Proxy, path: &str, body: impl Into<Bytes>) -> Answer {
    proxy.call(proxy.request(Method::POST, path, body)).await
}

async fn ask(proxy: &Proxy, model: &str, members: &Value) -> Answer {
    post(proxy, "/v1/messages", hi(model, members).to_string()).await
}

/// The names of the events, pings left out, and the text in them.
fn read(answer: &Answer) -> (Vec<String>, String) {
    let names = answer
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("event: "));
    let names = names.filter(|name| *name != "ping").map(str::to_owned);
    let events = answer.events();
    let texts = events
        .iter()
        .filter_map(|event| event["delta"]["text"].as_str());
    (names.collect(), texts.collect())
}

fn document(text: &'static str) -> Step {
    let response = Response::builder().header("content-type", "application/json");
    Step::respond(response.body(Bytes::from_static(text.as_bytes())).unwrap())
}

#[tokio::test]
async fn bytes_pass_to_anthropic_and_back() {
    const ANSWER: &str = r#"{"id":"msg_1", "type":"message","role":"assistant","model":"claude-3-opus-20240229","content":[{"type":"thinking","thinking":"hm","signature":"s=="},{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"x"}},{"type":"text","text":"a\u00e9"}],"stop_reason":"end_turn","stop_sequence":null,"container":null,"usage":{"input_tokens":5,"output_tokens":7,"server_tool_use":{"web_search_requests":1}}}"#;
    let two = start(document(ANSWER), Step::hello()).await;
    let body = r#"{"model":"claude",  "max_tokens":64,"metadata": {"user_id":"u 1"},
      "system":[{"type":"text","text":"Be terse.","cache_control":{"type":"ephemeral"}}],
      "thinking":{"type":"enabled","budget_tokens":1024}, "tools":[{"type":"web_search_20250305","name":"web_search"}],
      "messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"x"}]}, {"role":"user","content":[{"type":"text","text":"\u00e9"}]}]}"#;
    for path in [
        "/v1/messages",
        "/messages",
        "/anthropic/v1/messages?beta=true",
    ] {
        let mut request = two.proxy.request(Method::POST, path, body);
        let headers = request.headers_mut();
        headers.insert(
            "anthropic-beta",
            HeaderValue::from_static("one-2025-01-01,two"),
        );
        headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        headers.insert("x-api-key", HeaderValue::from_static("client-key"));
        let answer = two.proxy.call(request).await;
        assert_eq!(
            answer.text,
            ANSWER.replace("claude-3-opus-20240229", "claude"),
            "{path}"
        );
        assert_eq!(answer.header("x-litellm-model-group"), "claude");
        let hit = two.claude.hits().pop().unwrap();
        let sent = String::from_utf8(hit.body().to_vec()).unwrap();
        assert_eq!(
            sent,
            body.replacen("\"claude\"", "\"claude-3-opus-20240229\"", 1)
        );
        assert_eq!(hit.path(), "/v1/messages");
        assert_eq!(hit.header("anthropic-beta"), Some("one-2025-01-01,two"));
        assert_eq!(hit.header("x-api-key"), Some("sk-ant-key"));
    }
}

#[tokio::test]
async fn what_is_ours_is_cut_out() {
    let two = start(Step::hello(), Step::hello()).await;
    let members = json!({"metadata": {"user_id": "u", "tags": ["a"]}, "num_retries": 1, "fallbacks": ["gpt"]});
    let answer = ask(&two.proxy, "claude", &members).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let sent: Value = two.claude.hits()[0].json().unwrap();
    let expected = hi(
        "claude-3-opus-20240229",
        &json!({"metadata": {"user_id": "u"}}),
    );
    assert_eq!(sent, expected);
}

/// R91: what fallbacks went around stands after the event that clients expect first, whoever answers.
#[tokio::test]
async fn an_event_tells_what_a_fallback_went_around() {
    let broken = Step::error(StatusCode::INTERNAL_SERVER_ERROR);
    let (claude, gpt) = (
        upstream("claude", [broken]).await,
        upstream("gpt", [Step::hello()]).await,
    );
    let yaml = format!("{YAML}\ngeneral_settings: {{expose_fallback_errors_to_caller: true}}");
    let proxy = Proxy::start(&yaml, &[("A", claude.url()), ("B", gpt.url())]).await;
    let members = json!({"stream": true, "include_fallback_errors": true});
    let answer = ask(&proxy, "claude", &members).await;
    let (names, text) = read(&answer);
    assert_eq!(text, "hello from gpt");
    assert_eq!(names[0], "message_start");
    let told = names.iter().position(|name| name == "litellm_fallback");
    let told = told.unwrap_or_else(|| panic!("{}", answer.text));
    let event = &answer.events()[told];
    assert_eq!(event["litellm_fallback"]["errors"][0]["code"], "500");
    let header = answer.header("x-litellm-fallback-errors");
    let header: Value = serde_json::from_str(header).unwrap();
    assert_eq!(event["litellm_fallback"]["errors"], header);
}

#[tokio::test]
async fn a_stream_passes_with_the_name_of_the_group() {
    let two = start(Step::answer(Reply::deltas(["one", " two"])), Step::hello()).await;
    let answer = ask(&two.proxy, "claude", &json!({"stream": true})).await;
    let (names, text) = read(&answer);
    assert_eq!(text, "one two");
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    assert_eq!(answer.events()[0]["message"]["model"], "claude");
    assert!(!answer.text.contains("[DONE]"), "{}", answer.text);
    assert!(
        answer
            .header("content-type")
            .starts_with("text/event-stream")
    );
}

#[tokio::test]
async fn others_get_it_translated() {
    for stream in [false, true] {
        let two = start(Step::hello(), Step::answer(Reply::deltas(["one", " two"]))).await;
        let members = json!({
            "stream": stream, "system": "Be terse.", "stop_sequences": ["x"],
            "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        });
        let answer = ask(&two.proxy, "gpt", &members).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let hit = two.gpt.hits().pop().unwrap();
        assert_eq!(hit.path(), "/chat/completions");
        let sent: Value = hit.json().unwrap();
        let messages =
            json!([{"role": "system", "content": "Be terse."}, {"role": "user", "content": "hi"}]);
        assert_eq!(sent["messages"], messages);
        assert_eq!(
            (&sent["model"], &sent["stop"]),
            (&json!("gpt-4o"), &json!(["x"]))
        );
        assert_eq!(
            sent["tools"][0]["function"]["parameters"],
            json!({"type": "object"})
        );
        assert_eq!(
            (&sent["tool_choice"], &sent["parallel_tool_calls"]),
            (&json!("required"), &json!(false))
        );
        if stream {
            let (names, text) = read(&answer);
            assert_eq!(text, "one two");
            assert_eq!(names.first().unwrap(), "message_start");
            assert_eq!(names.last().unwrap(), "message_stop");
            let events = answer.events();
            assert_eq!(events[0]["message"]["model"], "gpt");
            let end = &events[events.len() - 2];
            assert_eq!(end["delta"]["stop_reason"], "end_turn");
            assert!(end["usage"]["input_tokens"].as_u64().unwrap() > 0, "{end}");
        } else {
            let message = answer.json();
            assert_eq!(
                (&message["type"], &message["model"]),
                (&json!("message"), &json!("gpt"))
            );
            assert_eq!(
                message["content"],
                json!([{"type": "text", "text": "one two"}])
            );
            assert_eq!(message["stop_reason"], "end_turn");
        }
    }
}

#[tokio::test]
async fn what_has_no_words_is_refused_or_served_by_who_has_them() {
    let two = start(Step::hello(), Step::hello()).await;
    let search = json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]});
    let answer = ask(&two.proxy, "gpt", &search).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let error = answer.json();
    assert_eq!(error["error"]["type"], "invalid_request_error");
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("`tools.0`"),
        "{error}"
    );
    assert_eq!(two.gpt.count(), 0);
    for _ in 0..8 {
        let answer = ask(&two.proxy, "both", &search).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    assert_eq!((two.claude.count(), two.gpt.count()), (8, 0));
}

#[tokio::test]
async fn tokens_are_counted_there_or_here() {
    let two = start(document(r#"{"input_tokens":14}"#), Step::hello()).await;
    let path = "/v1/messages/count_tokens";
    let body = |model| json!({"model": model, "system": "Be terse.", "messages": [{"role": "user", "content": "hello there"}]});
    let answer = post(&two.proxy, path, body("claude").to_string()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (200, json!({"input_tokens": 14}))
    );
    let hit = two.claude.hits().pop().unwrap();
    assert_eq!(hit.path(), path);
    assert_eq!(hit.json().unwrap(), body("claude-3-opus-20240229"));

    let answer = post(&two.proxy, path, body("gpt").to_string()).await;
    // A frame of 3 for each message and the reply; 1 for each role, 3 and 2 words and signs.
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (200, json!({"input_tokens": 16})),
        "{}",
        answer.text
    );
    assert_eq!(two.gpt.count(), 0);
}

#[tokio::test]
async fn a_prompt_that_is_too_long_goes_to_the_larger_window() {
    let (a, b) = (
        upstream("a", [Step::hello()]).await,
        upstream("b", [Step::hello()]).await,
    );
    let yaml = "
model_list:
- {model_name: m, litellm_params: {model: openai/gpt-4o, api_key: sk-canary, api_base: os.environ/A}, model_info: {max_input_tokens: 60}}
- {model_name: m, litellm_params: {model: openai/gpt-4o, api_key: sk-canary, api_base: os.environ/B}, model_info: {max_input_tokens: 9000}}
router_settings: {enable_pre_call_checks: true}";
    let proxy = Proxy::start(yaml, &[("A", a.url()), ("B", b.url())]).await;
    let long = "many words ".repeat(50);
    let result = json!([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": long}]}]}]);
    let tool = json!([{"name": "f", "description": long, "input_schema": {"type": "object"}}]);
    for members in [
        json!({"system": long}),
        json!({"messages": result}),
        json!({"tools": tool}),
    ] {
        for _ in 0..4 {
            let answer = ask(&proxy, "m", &members).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    }
    assert_eq!((a.count(), b.count()), (0, 12));
}

#[tokio::test]
async fn models_that_do_not_think_are_not_asked_to() {
    let two = start(Step::hello(), Step::hello()).await;
    let members = json!({"thinking": {"type": "enabled", "budget_tokens": 2048}});
    for (model, effort) in [("gpt", json!(null)), ("o3", json!("medium"))] {
        let answer = ask(&two.proxy, model, &members).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let sent: Value = two.gpt.hits().pop().unwrap().json().unwrap();
        assert_eq!(sent["reasoning_effort"], effort, "{model}");
    }
}
