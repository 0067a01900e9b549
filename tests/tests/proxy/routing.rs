//! Balancing, retries, fallbacks and limits, as configurations and requests ask for them.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tokio::time::Instant;
use ziggurat_testing::mock::{ApiError, Closed, Running, Script, Step};

use crate::{
    support::{Held, Proxy, upstream},
    zephyrs::{SETTINGS, zephyrs},
};

const AZURE: &str = r#"
model_list:
- model_name: gpt-3.5-turbo
  litellm_params:
    model: azure/small-eu
    api_base: os.environ/EU
    api_key: key-eu
    rpm: 6 # Rate limit for this deployment: in requests per minute (rpm)
- model_name: gpt-3.5-turbo
  litellm_params:
    model: azure/gpt-turbo-small-ca
    api_base: os.environ/CANADA
    api_key: key-canada
    rpm: 6
- model_name: gpt-3.5-turbo
  litellm_params:
    model: azure/gpt-turbo-large
    api_base: os.environ/FRANCE
    api_key: key-france
    rpm: 1440
"#;

#[tokio::test(start_paused = true)]
async fn requests_are_shared_by_weight_and_sent_as_azure_wants_them() {
    let (eu, canada, france) = (
        upstream("eu", Script::default()).await,
        upstream("ca", Script::default()).await,
        upstream("fr", Script::default()).await,
    );
    let base = |up: &Running| format!("{}/", up.url());
    let proxy = Proxy::start(
        AZURE,
        &[
            ("EU", base(&eu)),
            ("CANADA", base(&canada)),
            ("FRANCE", base(&france)),
        ],
    )
    .await;
    for _ in 0..100 {
        let answer = proxy.chat("gpt-3.5-turbo", &json!({})).await;
        assert_eq!(answer.json()["model"], "gpt-3.5-turbo");
        let (name, expected) = match &*answer.content() {
            "hello from eu" => ("azure/small-eu", base(&eu)),
            "hello from ca" => ("azure/gpt-turbo-small-ca", base(&canada)),
            _ => ("azure/gpt-turbo-large", base(&france)),
        };
        assert_eq!(answer.header("x-litellm-model-name"), name);
        assert_eq!(answer.header("x-litellm-model-api-base"), expected);
        assert_eq!(answer.header("x-litellm-model-id").len(), 64);
        assert_eq!(answer.header("x-litellm-call-id").len(), 36);
    }
    // Expected are 99.2 of 100; fewer than 85 come once in 10^15 runs.
    assert!(france.count() >= 85, "{}", france.count());
    assert_eq!(eu.count() + canada.count() + france.count(), 100);
    let hit = &france.hits()[0];
    assert_eq!(
        hit.path(),
        "/openai/deployments/gpt-turbo-large/chat/completions"
    );
    assert_eq!(hit.query(), Some("api-version=2025-02-01-preview"));
    assert_eq!(
        (hit.header("api-key"), hit.header("authorization")),
        (Some("key-france"), None)
    );
    assert_eq!(hit.json().unwrap()["model"], "gpt-turbo-large");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_down_is_retried_then_answered_for() {
    let z = zephyrs(SETTINGS, Step::error(StatusCode::INTERNAL_SERVER_ERROR)).await;
    let (start, held) = (Instant::now(), Held::new());
    let answer = z.proxy.chat("zephyr-beta", &json!({})).await;
    assert_eq!(answer.content(), "hello from gpt");
    assert_eq!(start.elapsed(), Duration::ZERO);
    drop(held);
    // 1 + 3 attempts, each zephyr before any a second time; none waits, since another group can answer.
    assert_eq!(z.tried().iter().sum::<u64>(), 4);
    assert!(z.tried().iter().all(|&count| count >= 1), "{:?}", z.tried());
    assert_eq!(answer.json()["model"], "gpt-3.5-turbo");
    assert_eq!(answer.header("x-litellm-model-group"), "gpt-3.5-turbo");
    assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
    assert_eq!(answer.header("x-litellm-attempted-retries"), "0");
    assert_eq!(answer.header("x-litellm-total-attempts"), "5");
    assert_eq!(answer.header("x-litellm-fallback-reason"), "error");
    assert_eq!(
        z.gpt.hits()[0].header("authorization"),
        Some("Bearer my-openai-key")
    );
    assert_eq!(z.zephyrs[0].hits()[0].path(), "/v1/chat/completions");
}

#[tokio::test(start_paused = true)]
async fn a_request_sets_fallbacks_retries_and_limit_itself() {
    let z = zephyrs("", Step::error(StatusCode::INTERNAL_SERVER_ERROR)).await;
    let wishes = json!({
        "fallbacks": [{"zephyr-beta": ["gpt-3.5-turbo"]}],
        "context_window_fallbacks": [{"zephyr-beta": ["gpt-3.5-turbo"]}],
        "num_retries": 2,
        "timeout": 10,
    });
    let answer = z.proxy.chat("zephyr-beta", &wishes).await;
    assert_eq!(answer.content(), "hello from gpt");
    assert_eq!(z.tried(), [1, 1, 1]);
    for hit in z.zephyrs.iter().flat_map(Running::hits).chain(z.gpt.hits()) {
        let body = hit.json().unwrap();
        let mut names: Vec<_> = body
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["messages", "model"]);
    }
    let listed = z
        .proxy
        .chat(
            "zephyr-beta",
            &json!({"fallbacks": ["gpt-3.5-turbo-16k"], "num_retries": 0}),
        )
        .await;
    assert_eq!(listed.content(), "hello from gpt16k");
    assert_eq!(z.tried().iter().sum::<u64>(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_does_not_fit_goes_to_its_own_fallback() {
    let z = zephyrs(SETTINGS, Step::error(ApiError::context_window())).await;
    let answer = z.proxy.chat("zephyr-beta", &json!({})).await;
    assert_eq!(answer.content(), "hello from gpt16k");
    assert_eq!(z.tried().iter().sum::<u64>(), 1, "not retried");
    assert_eq!(
        (answer.header("x-litellm-fallback-reason"), z.gpt.count()),
        ("context_window", 0)
    );
    assert_eq!(z.gpt16k.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_limit_holds_for_each_attempt() {
    let z = zephyrs(SETTINGS, Step::hang()).await;
    let start = Instant::now();
    let answer = z.proxy.chat("zephyr-beta", &json!({"timeout": 2})).await;
    assert_eq!(answer.content(), "hello from gpt");
    // Three zephyrs time out after two seconds each; none of them is asked again while another group can answer.
    assert_eq!(z.tried(), [1, 1, 1]);
    assert_eq!(start.elapsed().as_secs(), 6);

    let z = zephyrs("", Step::hang()).await;
    let answer = z
        .proxy
        .chat("zephyr-beta", &json!({"timeout": 2, "num_retries": 0}))
        .await;
    let error = &answer.json()["error"];
    assert_eq!(
        (answer.status.as_u16(), &error["code"]),
        (408, &json!("408"))
    );
    assert!(
        error["message"].as_str().unwrap().contains("timeout"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn all_that_failed_is_told_with_the_first_groups_error() {
    let z = zephyrs(
        SETTINGS,
        Step::error(ApiError::new(StatusCode::SERVICE_UNAVAILABLE).message("zephyr is down")),
    )
    .await;
    z.gpt.set_script([Step::error(StatusCode::BAD_GATEWAY)]);
    let answer = z.proxy.chat("zephyr-beta", &json!({})).await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("zephyr is down")
    );
    assert_eq!(
        (
            answer.header("x-litellm-attempted-fallbacks"),
            answer.header("x-should-retry")
        ),
        ("1", "false")
    );
    assert_eq!(answer.header("x-litellm-model-group"), "zephyr-beta");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_an_upstream_asks_for_is_kept() {
    let limited = Step::error(StatusCode::TOO_MANY_REQUESTS).retry_after(Duration::from_secs(3));
    let up = upstream("a", [limited.clone(), Step::hello()]).await;
    let yaml =
        "model_list: [{model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}]";
    let proxy = Proxy::start(yaml, &[("A", up.url())]).await;
    let start = Instant::now();
    let answer = proxy.chat("m", &json!({})).await;
    assert_eq!(
        (
            answer.content().as_str(),
            answer.header("x-litellm-attempted-retries")
        ),
        ("hello from a", "1")
    );
    assert!(
        start.elapsed() >= Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );

    up.set_script([limited]);
    let answer = proxy.chat("m", &json!({"num_retries": 0})).await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.header("retry-after"),
            answer.header("x-should-retry")
        ),
        (429, "3", "true")
    );
}

#[tokio::test(start_paused = true)]
async fn what_upstreams_do_wrong_has_a_status_of_its_own() {
    let up = upstream("a", Script::default()).await;
    let closed = Closed::new().unwrap();
    let yaml = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}
- {model_name: closed, litellm_params: {model: openai/x, api_base: os.environ/CLOSED}}
litellm_settings: {num_retries: 0, request_timeout: 5}";
    let proxy = Proxy::start(yaml, &[("A", up.url()), ("CLOSED", closed.url())]).await;
    for (step, status) in [
        (Step::reset(), 502),
        (Step::garbage(&b"\x00\xff this is not http\r\n\r\n"[..]), 502),
        (Step::garbage(&b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"id\":"[..]), 502),
        (Step::endless_head(Duration::from_millis(300)), 408),
        (Step::hang(), 408),
        (Step::error(StatusCode::UNPROCESSABLE_ENTITY), 422),
    ] {
        up.set_script([step]);
        let answer = proxy.chat("m", &json!({})).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        assert_eq!(answer.json()["error"]["code"], status.to_string());
    }
    let page = http::Response::builder()
        .status(502)
        .header("content-type", "text/html")
        .body("<html><h1>502</h1></html>");
    up.set_script([Step::respond(page.unwrap())]);
    assert_eq!(proxy.chat("m", &json!({})).await.status, 502);
    assert_eq!(proxy.chat("closed", &json!({})).await.status, 503);
}

/// R91: what a fallback went around is told where both the operator and the request ask for it.
#[tokio::test(start_paused = true)]
async fn errors_that_a_fallback_went_around_are_told_on_request() {
    let broken = Step::error(ApiError::new(StatusCode::BAD_GATEWAY).message("zéphyr is down"));
    let ask = json!({"include_fallback_errors": true});
    let z = zephyrs(SETTINGS, broken.clone()).await;
    assert_eq!(
        z.proxy
            .chat("zephyr-beta", &ask)
            .await
            .header("x-litellm-fallback-errors"),
        ""
    );

    let settings =
        format!("{SETTINGS}general_settings: {{expose_fallback_errors_to_caller: true}}");
    let z = zephyrs(&settings, broken).await;
    assert_eq!(
        z.proxy
            .chat("zephyr-beta", &json!({}))
            .await
            .header("x-litellm-fallback-errors"),
        ""
    );
    for stream in [false, true] {
        let answer = z
            .proxy
            .chat(
                "zephyr-beta",
                &json!({"include_fallback_errors": true, "stream": stream}),
            )
            .await;
        let errors: serde_json::Value =
            serde_json::from_str(answer.header("x-litellm-fallback-errors")).unwrap();
        assert_eq!(
            (errors.as_array().unwrap().len(), &errors[0]["code"]),
            (1, &json!("502"))
        );
        assert!(
            errors[0]["message"]
                .as_str()
                .unwrap()
                .ends_with("zéphyr is down")
        );
        assert_eq!(answer.content(), "hello from gpt");
        if stream {
            let first = &answer.events()[0];
            assert_eq!(
                (&first["id"], &first["choices"]),
                (&json!("litellm-fallback-metadata"), &json!([]))
            );
            assert_eq!(first["litellm_fallback"]["errors"], errors);
        }
    }
}

/// What one provider has no words for, another of the group takes; where none does, the caller is told what it is.
#[tokio::test(start_paused = true)]
async fn a_deployment_that_cannot_say_it_is_passed_over() {
    let yaml = "
model_list:
- {model_name: m, litellm_params: {model: anthropic/claude-3-opus-20240229, api_base: os.environ/A, api_key: sk-canary, order: 1}}
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/B, order: 2}}
- {model_name: alone, litellm_params: {model: anthropic/claude-3-opus-20240229, api_base: os.environ/A, api_key: sk-canary}}
litellm_settings: {num_retries: 0}";
    let (claude, other) = (
        upstream("claude", Script::default()).await,
        upstream("other", Script::default()).await,
    );
    let proxy = Proxy::start(yaml, &[("A", claude.url()), ("B", other.url())]).await;
    for stream in [false, true] {
        let body = json!({"logit_bias": {"12": 5}, "stream": stream});
        let answer = proxy.chat("m", &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let answer = proxy.chat("alone", &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.json()["error"]["param"], "logit_bias");
    }
    assert_eq!((claude.count(), other.count()), (0, 2));
}

/// One whose provider has no words for a request asks no one: that is no attempt to anyone who counts.
#[tokio::test]
async fn who_is_passed_over_is_not_counted() {
    let yaml = "
model_list:
- {model_name: both, litellm_params: {model: anthropic/claude-3-opus-20240229, api_base: os.environ/A, api_key: sk-canary, order: 1}, model_info: {id: claude}}
- {model_name: both, litellm_params: {model: openai/x, api_base: os.environ/A, order: 2}}";
    let up = upstream("a", [Step::hello()]).await;
    let proxy = Proxy::start(yaml, &[("A", up.url())]).await;
    let answer = proxy.chat("both", &json!({"messages": "hi"})).await;
    assert_eq!(answer.content(), "hello from a");
    assert_eq!(
        (
            answer.header("x-litellm-attempted-retries"),
            answer.header("x-litellm-total-attempts")
        ),
        ("0", "1")
    );
    let page = proxy.get("/metrics").await.text;
    let counted = |name: &str| {
        let lines = page.lines().filter(|line| line.starts_with(name));
        let counts = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
        counts.sum::<f64>()
    };
    assert_eq!(counted("ziggurat_attempts_total{"), 1.0, "{page}");
    assert_eq!(counted("ziggurat_request_retries_total{"), 0.0, "{page}");
}
