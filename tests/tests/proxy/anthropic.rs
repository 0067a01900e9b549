//! Anthropic behind OpenAI's format: across providers when a prompt does not fit or is refused, and with tools.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::HeaderName};
use serde_json::{Value, json};
use ziggurat_testing::mock::{ApiError, Event, Running, Script, Step};

use crate::support::{Proxy, upstream};

const MODELS: &str = r#"
model_list:
- model_name: gpt-3.5-turbo-small
  litellm_params:
    model: azure/chatgpt-v-2
    api_base: os.environ/AZURE_API_BASE
    api_key: os.environ/AZURE_API_KEY
    api_version: "2023-07-01-preview"
- model_name: gpt-3.5-turbo-large
  litellm_params:
    model: gpt-3.5-turbo-1106
    api_base: os.environ/OPENAI
    api_key: os.environ/OPENAI_API_KEY
- model_name: claude-opus
  litellm_params:
    model: claude-3-opus-20240229
    api_key: os.environ/ANTHROPIC_API_KEY
"#;

const TOO_LONG: &str = r#"
litellm_settings:
  context_window_fallbacks: [{"gpt-3.5-turbo-small": ["gpt-3.5-turbo-large", "claude-opus"]}, {"claude-opus": ["gpt-3.5-turbo-large"]}]
"#;

const REFUSED: &str = r#"
litellm_settings:
  content_policy_fallbacks: [{"gpt-3.5-turbo-small": ["claude-opus"]}, {"claude-opus": ["gpt-3.5-turbo-large"]}]
"#;

struct Groups {
    proxy: Proxy,
    small: Running,
    large: Running,
    claude: Running,
}

/// The seed's groups; the address of Anthropic comes from the environment.
async fn start(settings: &str, small: Step, large: Step, claude: impl Into<Script>) -> Groups {
    let small = upstream("small", [small]).await;
    let large = upstream("large", [large]).await;
    let claude = upstream("claude", claude).await;
    let environment = [
        ("AZURE_API_BASE", small.url()),
        ("AZURE_API_KEY", "azure-key".to_owned()),
        ("OPENAI", large.url()),
        ("OPENAI_API_KEY", "openai-key".to_owned()),
        ("ANTHROPIC_BASE_URL", claude.url()),
        ("ANTHROPIC_API_KEY", "sk-ant-key".to_owned()),
    ];
    let proxy = Proxy::start(&format!("{MODELS}{settings}"), &environment).await;
    Groups {
        proxy,
        small,
        large,
        claude,
    }
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Step {
    let body = json!({"type": "error", "error": {"type": kind, "message": message}});
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    Step::respond(response.body(Bytes::from(body.to_string())).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_is_too_long_goes_on_to_claude() {
    for stream in [false, true] {
        let too_long = || Step::error(ApiError::context_window());
        let groups = start(TOO_LONG, too_long(), too_long(), Script::default()).await;
        let members = json!({"stream": stream, "max_tokens": 50});
        let answer = groups.proxy.chat("gpt-3.5-turbo-small", &members).await;
        assert_eq!(answer.content(), "hello from claude");
        let tried = [&groups.small, &groups.large, &groups.claude].map(Running::count);
        assert_eq!(tried, [1, 1, 1]);
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "2");
        assert_eq!(answer.header("x-litellm-model-group"), "claude-opus");
        let [hit] = &groups.claude.hits()[..] else {
            panic!("one request")
        };
        assert_eq!(hit.path(), "/v1/messages");
        assert_eq!(hit.header("x-api-key"), Some("sk-ant-key"));
        assert_eq!(hit.header("anthropic-version"), Some("2023-06-01"));
        let sent: Value = hit.json().unwrap();
        assert_eq!(
            (&sent["model"], &sent["max_tokens"]),
            (&json!("claude-3-opus-20240229"), &json!(50))
        );
        if stream {
            let events = answer.events();
            assert_eq!(events.last(), Some(&json!("[DONE]")));
            assert!(
                events[..events.len() - 1]
                    .iter()
                    .all(|event| event["model"] == "claude-opus")
            );
        } else {
            assert_eq!(answer.json()["model"], "claude-opus");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_prompt_goes_to_claude() {
    for stream in [false, true] {
        let policy = Step::error(ApiError::content_policy());
        let groups = start(REFUSED, policy, Step::hello(), Script::default()).await;
        let answer = groups
            .proxy
            .chat("gpt-3.5-turbo-small", &json!({"stream": stream}))
            .await;
        assert_eq!(answer.content(), "hello from claude");
        assert_eq!((groups.small.count(), groups.claude.count()), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn claudes_own_refusals_have_their_fallbacks() {
    let invalid = "invalid_request_error";
    let cases = [
        (
            TOO_LONG,
            "prompt is too long: 210000 tokens > 200000 maximum",
        ),
        (REFUSED, "Output blocked by content filtering policy"),
    ];
    for (settings, message) in cases {
        for stream in [false, true] {
            let claude = [refusal(StatusCode::BAD_REQUEST, invalid, message)];
            let groups = start(settings, Step::hello(), Step::hello(), claude).await;
            let answer = groups
                .proxy
                .chat("claude-opus", &json!({"stream": stream}))
                .await;
            assert_eq!(answer.content(), "hello from large", "{message}");
        }
    }
    // As the first event of a stream as well: nothing was shown yet.
    let error = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 3 > 2"}}"#;
    let events = Step::events([Event::raw(format!("event: error\ndata: {error}\n\n"))]);
    let groups = start(TOO_LONG, Step::hello(), Step::hello(), [events]).await;
    let answer = groups
        .proxy
        .chat("claude-opus", &json!({"stream": true}))
        .await;
    assert_eq!(answer.content(), "hello from large");
}

#[tokio::test(start_paused = true)]
async fn what_claude_does_wrong_is_told_in_openais_words() {
    let overloaded = [refusal(
        StatusCode::from_u16(529).unwrap(),
        "overloaded_error",
        "Overloaded",
    )];
    let settings = "litellm_settings: {num_retries: 0}\n";
    let groups = start(settings, Step::hello(), Step::hello(), overloaded).await;
    let answer = groups.proxy.chat("claude-opus", &json!({})).await;
    assert_eq!(answer.status, 500);
    assert!(answer.text.contains("Overloaded"));
    let unsupported = groups.proxy.chat("claude-opus", &json!({"seed": 3})).await;
    assert_eq!(unsupported.status, 400);
    assert!(
        unsupported.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("seed")
    );
    assert_eq!(groups.claude.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_deployment_without_a_key_is_left_out() {
    let small = upstream("small", Script::default()).await;
    let environment = [
        ("AZURE_API_BASE", small.url()),
        ("AZURE_API_KEY", "azure-key".to_owned()),
    ];
    let proxy = Proxy::start(MODELS, &environment).await;
    let readiness = proxy.get("/health/readiness").await.json();
    let left_out = readiness["left_out"].as_array().unwrap();
    let claude = left_out
        .iter()
        .find(|it| it["model_name"] == "claude-opus")
        .unwrap();
    assert!(claude.to_string().contains("ANTHROPIC_API_KEY"), "{claude}");
    let answer = proxy.chat("gpt-3.5-turbo-small", &json!({})).await;
    assert_eq!(answer.content(), "hello from small");
}

#[tokio::test(start_paused = true)]
async fn tools_are_called_and_their_results_go_back() {
    let message = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-3-opus-20240229",
        "content": [
            {"type": "text", "text": "Let me look."},
            {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Boston"}},
        ],
        "stop_reason": "tool_use", "usage": {"input_tokens": 9, "output_tokens": 5},
    });
    let call = Response::builder().header("content-type", "application/json");
    let call = Step::respond(call.body(Bytes::from(message.to_string())).unwrap()).header(
        HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
        HeaderValue::from_static("41"),
    );
    let groups = start(
        "",
        Step::hello(),
        Step::hello(),
        Script::from([call, Step::hello()]),
    )
    .await;
    let tools = json!([{"type": "function", "function": {
        "name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    }}]);
    let asked = json!({"tools": tools, "tool_choice": "required"});
    let answer = groups.proxy.chat("claude-opus", &asked).await;
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), "41");
    assert_eq!(
        answer.header("llm_provider-anthropic-ratelimit-requests-remaining"),
        "41"
    );
    let choice = answer.json()["choices"][0].clone();
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert_eq!(choice["message"]["content"], "Let me look.");
    assert_eq!(
        choice["message"]["tool_calls"][0]["function"]["arguments"],
        r#"{"city":"Boston"}"#
    );
    assert_eq!(answer.json()["usage"]["total_tokens"], 14);

    let messages = json!([
        {"role": "user", "content": "weather?"},
        choice["message"],
        {"role": "tool", "tool_call_id": "toolu_1", "content": "5 degrees"},
    ]);
    let answer = groups
        .proxy
        .chat(
            "claude-opus",
            &json!({"messages": messages, "tools": tools}),
        )
        .await;
    assert_eq!(answer.content(), "hello from claude");
    let sent: Value = groups.claude.hits()[1].json().unwrap();
    assert_eq!(
        sent["messages"][1]["content"][1]["input"],
        json!({"city": "Boston"})
    );
    assert_eq!(
        sent["messages"][2]["content"][0],
        json!({"type": "tool_result", "tool_use_id": "toolu_1", "content": "5 degrees"})
    );
}

/// R165: an answer that Claude kept back goes where refusals may go, and is passed on where there is no such place.
#[tokio::test(start_paused = true)]
async fn an_answer_that_claude_keeps_back_is_taken_to_the_chain_for_refusals() {
    let kept = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-3-opus-20240229",
        "content": [{"type": "text", "text": "no"}], "stop_reason": "refusal",
        "usage": {"input_tokens": 1, "output_tokens": 1}});
    for (settings, reason) in [
        ("{content_policy_fallbacks: [{c: [o]}]}", "stop"),
        ("{fallbacks: [{c: [o]}]}", "content_filter"),
    ] {
        let response = Response::builder().header("content-type", "application/json");
        let response = response.body(Bytes::from(kept.to_string())).unwrap();
        let (claude, other) = (
            upstream("claude", [Step::respond(response)]).await,
            upstream("other", Script::default()).await,
        );
        let yaml = format!(
            "
model_list:
- {{model_name: c, litellm_params: {{model: anthropic/claude-3-opus-20240229, api_base: os.environ/A, api_key: sk-canary}}}}
- {{model_name: o, litellm_params: {{model: openai/x, api_base: os.environ/B}}}}
litellm_settings: {settings}"
        );
        let proxy = Proxy::start(&yaml, &[("A", claude.url()), ("B", other.url())]).await;
        let answer = proxy.chat("c", &json!({})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.json()["choices"][0]["finish_reason"], reason);
        assert_eq!(other.count(), u64::from(reason == "stop"));
    }
}
