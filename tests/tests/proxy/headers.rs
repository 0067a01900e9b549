//! What responses say of the way they came to be (R191), beyond who answered.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::json;
use ziggurat_testing::mock::Step;

use crate::support::{Answer, Proxy, upstream};

const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A, order: 1, rpm: 10, tpm: 1000}}
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/B, order: 2, rpm: 5}}
- {model_name: free, litellm_params: {model: openai/x, api_base: os.environ/B}}
- {model_name: broken, litellm_params: {model: openai/x, api_base: os.environ/C, rpm: 5}}
litellm_settings: {num_retries: 3, fallbacks: [{broken: [free]}]}";

const LIMITS: [&str; 4] = [
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
];

fn limits(answer: &Answer) -> [&str; 4] {
    LIMITS.map(|name| answer.header(name))
}

#[tokio::test(start_paused = true)]
async fn a_group_with_limits_says_what_is_left_of_them() {
    let document = r#"{"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 70, "total_tokens": 100}}"#;
    let response = || Response::builder().header("content-type", "application/json");
    let body = || Bytes::from_static(document.as_bytes());
    let plain = Step::respond(response().body(body()).unwrap());
    let told = response().header("x-ratelimit-remaining-requests", "7");
    let told = Step::respond(told.body(body()).unwrap());
    let a = upstream("a", [plain.clone(), plain, told]).await;
    let b = upstream("b", [Step::hello()]).await;
    let variables = [("A", a.url()), ("B", b.url()), ("C", b.url())];
    let proxy = Proxy::start(YAML, &variables).await;

    let first = proxy.chat("m", &json!({})).await;
    let [limit, left, tokens, _] = limits(&first);
    assert_eq!((limit, left, tokens), ("15", "14", "1000"));
    // The first has used a hundred; the second is counted by its size so far.
    let second = proxy.chat("m", &json!({})).await;
    let [_, left, _, tokens_left] = limits(&second);
    assert_eq!(left, "13");
    let tokens_left: u64 = tokens_left.parse().unwrap();
    assert!((800..900).contains(&tokens_left), "{tokens_left}");
    // The upstream knows better.
    let third = proxy.chat("m", &json!({})).await;
    assert_eq!(limits(&third), ["", "7", "", ""]);
    let free = proxy.chat("free", &json!({})).await;
    assert_eq!(limits(&free), ["", "", "", ""]);
}

#[tokio::test(start_paused = true)]
async fn only_a_success_after_a_retry_says_how_many_there_might_have_been() {
    let failure = || Step::error(StatusCode::INTERNAL_SERVER_ERROR);
    let a = upstream("a", [failure(), failure(), Step::hello()]).await;
    let c = upstream("c", [failure()]).await;
    let yaml = YAML.replace("order: 2", "order: 1, weight: 0");
    let variables = [("A", a.url()), ("B", a.url()), ("C", c.url())];
    let proxy = Proxy::start(&yaml, &variables).await;
    let name = "x-litellm-max-retries";
    let answer = proxy.chat("m", &json!({"num_retries": 2})).await;
    assert_eq!(answer.header("x-litellm-attempted-retries"), "2");
    assert_eq!(answer.header(name), "2");
    assert_eq!(proxy.chat("m", &json!({})).await.header(name), "");
    // The step to the next order is none of them, but another attempt all the same.
    let (failing, b) = (
        upstream("a", [failure()]).await,
        upstream("b", [Step::hello()]).await,
    );
    let variables = [("A", failing.url()), ("B", b.url()), ("C", b.url())];
    let ordered = Proxy::start(YAML, &variables).await;
    let answer = ordered.chat("m", &json!({})).await;
    assert_eq!(answer.header("x-litellm-attempted-retries"), "1");
    assert_eq!(answer.header(name), "3");
    // The retries were in the group before.
    let answer = proxy.chat("broken", &json!({})).await;
    assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
    assert_eq!((answer.header(name), limits(&answer)), ("", [""; 4]));
    let members = json!({"disable_fallbacks": true});
    let answer = proxy.chat("broken", &members).await;
    assert_eq!(answer.status, 500);
    assert_eq!((answer.header(name), limits(&answer)), ("", [""; 4]));
}
