//! Prompts that do not fit a model.

use http::StatusCode;
use serde_json::{Value, json};
use ziggurat_testing::mock::{ApiError, Running, Script, Step};

use crate::support::{Proxy, upstream};

/// The seed's configuration for one group.
const SAME_GROUP: &str = r#"
router_settings:
  enable_pre_call_checks: true # 1. Enable pre-call checks
model_list:
- model_name: gpt-3.5-turbo
  litellm_params:
    model: azure/chatgpt-v-2
    api_base: os.environ/AZURE_API_BASE
    api_key: os.environ/AZURE_API_KEY
    api_version: "2023-07-01-preview"
  model_info:
    base_model: azure/gpt-4-1106-preview # 2. (azure-only) SET BASE MODEL
- model_name: gpt-3.5-turbo
  litellm_params:
    model: gpt-3.5-turbo-1106
    api_base: os.environ/OPENAI
    api_key: os.environ/OPENAI_API_KEY
"#;

/// The seed's configuration across groups. Here the small group is small, so that its chain is needed.
const GROUPS: &str = r#"
router_settings:
  enable_pre_call_checks: true # 1. Enable pre-call checks
model_list:
- model_name: gpt-3.5-turbo-small
  litellm_params:
    model: azure/chatgpt-v-2
    api_base: os.environ/AZURE_API_BASE
    api_key: os.environ/AZURE_API_KEY
    api_version: "2023-07-01-preview"
  model_info:
    base_model: azure/gpt-4-0613 # 2. (azure-only) SET BASE MODEL
- model_name: gpt-3.5-turbo-large
  litellm_params:
    model: gpt-3.5-turbo-1106
    api_base: os.environ/OPENAI
    api_key: os.environ/OPENAI_API_KEY
- model_name: claude-opus
  litellm_params:
    model: openai/claude-3-opus-20240229
    api_base: os.environ/CLAUDE
    api_key: os.environ/OPENAI_API_KEY
  model_info:
    base_model: claude-3-opus-20240229
litellm_settings:
  context_window_fallbacks: [{"gpt-3.5-turbo-small": ["gpt-3.5-turbo-large", "claude-opus"]}]
"#;

struct Upstreams {
    proxy: Proxy,
    azure: Running,
    openai: Running,
    claude: Running,
}

async fn start(yaml: &str) -> Upstreams {
    let (azure, openai, claude) = (
        upstream("azure", Script::default()).await,
        upstream("openai", Script::default()).await,
        upstream("claude", Script::default()).await,
    );
    let environment = [
        ("AZURE_API_BASE", azure.url()),
        ("AZURE_API_KEY", "azure-key".to_owned()),
        ("OPENAI", openai.url()),
        ("OPENAI_API_KEY", "openai-key".to_owned()),
        ("CLAUDE", claude.url()),
    ];
    let proxy = Proxy::start(yaml, &environment).await;
    Upstreams {
        proxy,
        azure,
        openai,
        claude,
    }
}

impl Upstreams {
    fn counts(&self) -> [u64; 3] {
        [&self.azure, &self.openai, &self.claude].map(Running::count)
    }
}

/// The seed's prompt: 8 tokens, so many times.
fn prompt(times: usize) -> Value {
    let text = "What is the meaning of 42?".repeat(times);
    json!({"messages": [{"role": "system", "content": text}, {"role": "user", "content": "Who was Alexander?"}]})
}

fn with(mut members: Value, name: &str, value: impl Into<Value>) -> Value {
    members[name] = value.into();
    members
}

#[tokio::test(start_paused = true)]
async fn within_a_group_a_long_prompt_goes_to_the_large_window() {
    let up = start(SAME_GROUP).await;
    for stream in [false, true] {
        for _ in 0..20 {
            let members = with(prompt(5000), "stream", stream);
            let answer = up.proxy.chat("gpt-3.5-turbo", &members).await;
            assert_eq!(answer.content(), "hello from azure");
            assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "0");
        }
    }
    assert_eq!(up.counts(), [40, 0, 0]);
    for _ in 0..60 {
        up.proxy.chat("gpt-3.5-turbo", &prompt(1)).await;
    }
    // Either is missed in 60 once in 10^18 runs.
    assert!(up.azure.count() > 40 && up.openai.count() > 0);
}

/// 20 000 tokens fit neither 8 192 nor 16 385: no call is made for either, and only the one that is asked is a hop.
#[tokio::test(start_paused = true)]
async fn across_groups_a_long_prompt_goes_to_the_first_window_that_holds_it() {
    let up = start(GROUPS).await;
    for (times, from, counts) in [
        (1, "azure", [1, 0, 0]),
        (1200, "openai", [1, 1, 0]),
        (3000, "claude", [1, 1, 1]),
    ] {
        let answer = up.proxy.chat("gpt-3.5-turbo-small", &prompt(times)).await;
        assert_eq!(answer.content(), format!("hello from {from}"));
        assert_eq!(up.counts(), counts);
        let (hops, reason) = match times {
            1 => ("0", ""),
            _ => ("1", "context_window"),
        };
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), hops);
        assert_eq!(answer.header("x-litellm-fallback-reason"), reason);
    }
}

/// R143: if nothing holds it, the first group's refusal says what was needed and what there is.
#[tokio::test(start_paused = true)]
async fn a_prompt_that_fits_nowhere_is_refused_at_once() {
    let up = start(GROUPS).await;
    let members = with(prompt(3000), "disable_fallbacks", true);
    let answer = up.proxy.chat("gpt-3.5-turbo-small", &members).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let message = answer.json()["error"]["message"].to_string();
    assert!(
        message.contains("Model=azure/chatgpt-v-2, Max Input Tokens=8192, Got="),
        "{message}"
    );
    assert_eq!(answer.header("x-litellm-total-attempts"), "0");
    let answer = up.proxy.chat("gpt-3.5-turbo-small", &prompt(30_000)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    assert_eq!(up.counts(), [0, 0, 0]);
}

/// Without the checks nothing is counted; the provider's own error leads to the chain all the same.
#[tokio::test(start_paused = true)]
async fn without_checks_the_provider_decides() {
    let up = start(&GROUPS.replace("checks: true", "checks: false")).await;
    up.azure
        .set_script([Step::error(ApiError::context_window())]);
    up.openai
        .set_script([Step::error(ApiError::context_window())]);
    let answer = up.proxy.chat("gpt-3.5-turbo-small", &prompt(3000)).await;
    assert_eq!(answer.content(), "hello from claude");
    assert_eq!(up.counts(), [1, 1, 1]);
    assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "2");
}

/// A deployment's own window counts before its model's, and a request that names a deployment gets it.
#[tokio::test(start_paused = true)]
async fn a_deployment_can_say_how_long_prompts_may_be() {
    let yaml = "
model_list:
- {model_name: m, litellm_params: {model: openai/gpt-4o, api_base: os.environ/OPENAI}, model_info: {id: d, max_input_tokens: 20}}
router_settings: {enable_pre_call_checks: true}";
    let up = start(yaml).await;
    let words = |count: usize| {
        let content = "word ".repeat(count);
        json!({"messages": [{"role": "user", "content": content}]})
    };
    assert_eq!(up.proxy.chat("m", &words(12)).await.status, StatusCode::OK);
    let refused = up.proxy.chat("m", &words(13)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    assert!(
        refused.text.contains("Max Input Tokens=20, Got=21"),
        "{}",
        refused.text
    );
    assert_eq!(up.proxy.chat("d", &words(13)).await.status, StatusCode::OK);
}

/// A target that brings its own prompt is asked, however long the request's is; one that does not is passed over.
#[tokio::test(start_paused = true)]
async fn a_target_with_a_prompt_of_its_own_is_not_judged_by_the_requests() {
    let own = r#"{model: gpt-3.5-turbo-small, messages: [{role: user, content: "Say sorry."}]}"#;
    for (target, expected) in [(own, [1, 1, 0]), ("gpt-3.5-turbo-small", [0, 1, 0])] {
        let chain = format!("  fallbacks: [{{gpt-3.5-turbo-large: [{target}]}}]");
        let u = start(&format!("{GROUPS}{chain}\n  num_retries: 0\n")).await;
        u.openai
            .set_script([Step::error(StatusCode::INTERNAL_SERVER_ERROR)]);
        u.proxy.chat("gpt-3.5-turbo-large", &prompt(1200)).await;
        assert_eq!(u.counts(), expected, "{target}");
    }
}
