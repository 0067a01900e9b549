//! How a configuration becomes a stack: names, tables, caps, addresses.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tokio::time::Instant;
use ziggurat_testing::mock::{Answer, ApiError, Running, Script, Step};

use crate::support::{Proxy, upstream};

/// `bad` fails, `good` answers; both are in every configuration.
const MODELS: &str = "
model_list:
- {model_name: bad, litellm_params: {model: openai/bad-model, api_base: os.environ/BAD}, model_info: {id: bad-id}}
- {model_name: good, litellm_params: {model: openai/good-model, api_base: os.environ/GOOD}, model_info: {id: good-id}}
";

async fn start(more: &str, bad: impl Into<Script>) -> (Proxy, Running, Running) {
    let (bad, good) = (
        upstream("bad", bad).await,
        upstream("good", Script::default()).await,
    );
    let proxy = Proxy::start(
        &format!("{MODELS}{more}"),
        &[("BAD", bad.url()), ("GOOD", good.url())],
    )
    .await;
    (proxy, bad, good)
}

fn broken() -> [Step; 1] {
    [Step::error(StatusCode::INTERNAL_SERVER_ERROR)]
}

/// R33 BETTER: a table is looked up under the alias, then under what it stands for, in configurations and requests.
#[tokio::test(start_paused = true)]
async fn an_alias_has_the_fallbacks_of_its_group() {
    let alias = "router_settings: {num_retries: 0, model_group_alias: {al: bad}";
    let (proxy, _bad, _good) = start(
        &format!("{alias}, fallbacks: [{{bad: [good]}}, {{'*': [bad]}}]}}"),
        broken(),
    )
    .await;
    assert_eq!(
        proxy.chat("al", &json!({})).await.content(),
        "hello from good"
    );
    let (proxy, _bad, _good) = start(&format!("{alias}}}"), broken()).await;
    assert_eq!(
        proxy
            .chat("al", &json!({"fallbacks": [{"bad": ["good"]}]}))
            .await
            .content(),
        "hello from good"
    );
}

/// R75: the key of a bare name may bear the provider that the name leads to.
#[tokio::test(start_paused = true)]
async fn a_key_may_name_the_provider() {
    let more = "
- {model_name: gpt-4o, litellm_params: {model: openai/x, api_base: os.environ/BAD}}
router_settings: {num_retries: 0, fallbacks: [{openai/gpt-4o: [good]}]}";
    let (proxy, _bad, _good) = start(more, broken()).await;
    assert_eq!(
        proxy.chat("gpt-4o", &json!({})).await.content(),
        "hello from good"
    );
}

/// R85: a configured target may have parameters of its own.
#[tokio::test(start_paused = true)]
async fn a_configured_target_brings_its_parameters() {
    let more = "litellm_settings: {num_retries: 0, fallbacks: [{bad: [{model: good, temperature: 0.5, timeout: 1}]}]}";
    let (proxy, bad, good) = start(more, broken()).await;
    assert_eq!(
        proxy
            .chat("bad", &json!({"temperature": 1}))
            .await
            .content(),
        "hello from good"
    );
    assert_eq!(
        (
            &bad.hits()[0].json().unwrap()["temperature"],
            &good.hits()[0].json().unwrap()["temperature"]
        ),
        (&json!(1), &json!(0.5))
    );
    good.set_script([Step::hang()]);
    let started = Instant::now();
    assert_eq!(proxy.chat("bad", &json!({})).await.status, 500);
    assert_eq!(started.elapsed().as_secs(), 1);
}

/// R32, R35b: ids of deployments and their configured models are names, where no group has them.
#[tokio::test(start_paused = true)]
async fn deployments_are_found_by_id_and_model() {
    let (proxy, _bad, _good) = start("", broken()).await;
    for name in ["good-id", "openai/good-model"] {
        let answer = proxy.chat(name, &json!({})).await;
        assert_eq!(
            (answer.content().as_str(), &answer.json()["model"]),
            ("hello from good", &json!(name))
        );
    }
    assert!(!proxy.get("/v1/models").await.text.contains("good-id"));
}

/// R28: a blocked deployment serves no one; a group of blocked ones is refused and not listed.
#[tokio::test(start_paused = true)]
async fn the_blocked_are_passed_over() {
    let more = "
- {model_name: good, litellm_params: {model: openai/x, api_base: os.environ/BAD}, model_info: {blocked: true}}
- {model_name: closed, litellm_params: {model: openai/x, api_base: os.environ/BAD}, model_info: {blocked: true}}
- {model_name: closed, litellm_params: {model: openai/y, api_base: os.environ/BAD}, model_info: {blocked: true}}";
    let (proxy, bad, _good) = start(more, broken()).await;
    for _ in 0..20 {
        assert_eq!(
            proxy.chat("good", &json!({})).await.content(),
            "hello from good"
        );
    }
    let answer = proxy.chat("closed", &json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["type"]),
        (403, &json!("permission_error"))
    );
    assert_eq!(answer.header("x-litellm-total-attempts"), "0");
    assert!(
        answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("blocked")
    );
    assert_eq!(
        proxy
            .chat("closed", &json!({"fallbacks": ["good"]}))
            .await
            .content(),
        "hello from good"
    );
    assert!(!proxy.get("/v1/models").await.text.contains("closed"));
    assert_eq!(bad.count(), 0);
}

/// R56 BETTER: `num_retries_per_request` caps the attempts of all groups together.
#[tokio::test(start_paused = true)]
async fn attempts_are_capped_over_all_groups() {
    let more = "litellm_settings: {num_retries: 5, num_retries_per_request: 2, fallbacks: [{bad: [good]}]}";
    let (proxy, bad, good) = start(more, broken()).await;
    assert_eq!(proxy.chat("bad", &json!({})).await.status, 500);
    assert_eq!((bad.count(), good.count()), (3, 0));
}

/// R73: deployments at one address share its limits, however the address is written.
#[tokio::test(start_paused = true)]
async fn a_wait_holds_for_all_deployments_of_an_address() {
    let up = upstream(
        "a",
        [
            Step::error(StatusCode::TOO_MANY_REQUESTS).retry_after(Duration::from_secs(3)),
            Step::hello(),
        ],
    )
    .await;
    let yaml = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/ONE, api_key: first-key}}
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/TWO, api_key: second-key}}";
    let proxy = Proxy::start(
        yaml,
        &[("ONE", up.url()), ("TWO", format!("{}/", up.url()))],
    )
    .await;
    let started = Instant::now();
    assert_eq!(proxy.chat("m", &json!({})).await.content(), "hello from a");
    assert!(
        started.elapsed() >= Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    assert_ne!(
        up.hits()[0].header("authorization"),
        up.hits()[1].header("authorization")
    );
}

/// R72 BETTER: who asks for a long wait is left alone, also as the only one there is.
#[tokio::test(start_paused = true)]
async fn a_long_retry_after_is_kept_by_not_asking_again() {
    for code in [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ] {
        let limited = Step::error(code).retry_after(Duration::from_secs(3600));
        let (proxy, bad, _good) = start("", [limited, Step::hello()]).await;
        let answer = proxy.chat("bad", &json!({})).await;
        assert_eq!((answer.status, bad.count()), (code, 1));
        assert_eq!(answer.headers["retry-after"], "3600");
    }
}

/// R72, R73: a fallback that no one serves is no reason not to wait.
#[tokio::test(start_paused = true)]
async fn an_unknown_fallback_does_not_cut_retries_short() {
    let limited = Step::error(StatusCode::TOO_MANY_REQUESTS).retry_after(Duration::from_secs(2));
    let (proxy, bad, _good) = start("", [limited, Step::hello()]).await;
    let answer = proxy.chat("bad", &json!({"fallbacks": ["typo"]})).await;
    assert_eq!(
        (answer.content().as_str(), bad.count()),
        ("hello from bad", 2)
    );
}

/// R82, 5.2 BETTER: what leads to another group can be narrowed, and refusals let in.
#[tokio::test(start_paused = true)]
async fn an_operator_chooses_which_failures_fall_back() {
    let table = "litellm_settings: {num_retries: 0, fallbacks: [{bad: [good]}]}";
    let wrong = [Step::error(StatusCode::BAD_REQUEST)];
    let (proxy, _bad, _good) = start(table, wrong.clone()).await;
    assert_eq!(
        proxy.chat("bad", &json!({})).await.content(),
        "hello from good"
    );
    let (proxy, bad, _good) = start(
        &format!("{table}\nrouter_settings: {{fallback_on: [server, timeout]}}"),
        wrong,
    )
    .await;
    assert_eq!(proxy.chat("bad", &json!({})).await.status, 400);
    bad.set_script(broken());
    assert_eq!(
        proxy.chat("bad", &json!({})).await.content(),
        "hello from good"
    );

    let refused = [Step::error(ApiError::content_policy())];
    let (proxy, _bad, _good) = start(table, refused.clone()).await;
    assert_eq!(proxy.chat("bad", &json!({})).await.status, 400);
    let allow = format!("{table}\nrouter_settings: {{allow_generic_fallback_on_refusal: true}}");
    let (proxy, _bad, _good) = start(&allow, refused).await;
    assert_eq!(
        proxy.chat("bad", &json!({})).await.content(),
        "hello from good"
    );
}

/// R165, R170: an answer that was held back goes to the chain for refusals if there is one, else to the client.
#[tokio::test(start_paused = true)]
async fn an_answer_that_was_held_back_has_its_own_fallback() {
    let held_back = || {
        [Step::answer(
            Answer::text("I").finish_reason("content_filter"),
        )]
    };
    let table = "litellm_settings: {content_policy_fallbacks: [{bad: [good]}]}";
    let (proxy, bad, good) = start(table, held_back()).await;
    let answer = proxy.chat("bad", &json!({})).await;
    assert_eq!(answer.content(), "hello from good");
    assert_eq!(answer.header("x-litellm-fallback-reason"), "content_policy");
    assert_eq!(bad.count(), 1);

    good.set_script(broken());
    let answer = proxy.chat("bad", &json!({"num_retries": 0})).await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("held back"), "{}", answer.text);

    let (proxy, _bad, good) = start("", held_back()).await;
    let answer = proxy.chat("bad", &json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), answer.content().as_str()),
        (200, "I")
    );
    assert_eq!(
        answer.json()["choices"][0]["finish_reason"],
        "content_filter"
    );
    assert_eq!(good.count(), 0);
}

/// R94-R96: which limit holds for plain answers and for streams.
#[tokio::test(start_paused = true)]
async fn limits_come_from_the_nearest_setting() {
    let silent = || [Step::hang()];
    for (params, settings, plain, stream) in [
        ("", "litellm_settings: {request_timeout: 4}", 4, 4),
        (
            ", timeout: 3",
            "litellm_settings: {request_timeout: 4}",
            3,
            4,
        ),
        (
            ", timeout: 3, stream_timeout: 2",
            "litellm_settings: {request_timeout: 4}",
            3,
            2,
        ),
        (
            "",
            "router_settings: {timeout: 9, stream_timeout: 5}\nlitellm_settings: {request_timeout: 4}",
            4,
            5,
        ),
        ("", "router_settings: {timeout: 9}", 9, 9),
        (
            ", request_timeout: 6",
            "router_settings: {timeout: 9}",
            6,
            6,
        ),
    ] {
        let up = upstream("a", silent()).await;
        let yaml = format!(
            "model_list: [{{model_name: m, litellm_params: {{model: openai/x, api_base: os.environ/A, num_retries: 0{params}}}}}]\n{settings}"
        );
        let proxy = Proxy::start(&yaml, &[("A", up.url())]).await;
        for (asked, limit) in [(false, plain), (true, stream)] {
            let started = Instant::now();
            let answer = proxy.chat("m", &json!({"stream": asked})).await;
            assert_eq!(
                (answer.status.as_u16(), started.elapsed().as_secs()),
                (408, limit),
                "{params} {settings} {asked}"
            );
        }
    }
}

/// D15: in OpenAI's words an unknown model is a 404.
#[tokio::test]
async fn errors_can_be_named_as_openai_does() {
    let (proxy, _bad, _good) =
        start("general_settings: {compat_error_types: openai}", broken()).await;
    let answer = proxy.chat("nobody", &json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["code"]),
        (404, &json!("model_not_found"))
    );
}
