//! Limits of deployments, and those that a request sets.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use serde_json::json;
use tokio::time::Instant;
use ziggurat::config::Config;
use ziggurat_testing::mock::{Answer, Cut, Hit, Step};

use super::{Recipe, members, sdk};

const PER_MODEL: &str = "timeouts.yaml";
const NAMES: [&str; 2] = ["europe", "canada"];

/// The limits of LiteLLM's page, which no model on earth would keep.
fn as_the_page_has_them(config: &mut Config) {
    for deployment in &mut config.deployments {
        deployment.timeout = Some(Duration::from_millis(100));
        deployment.stream_timeout = Some(Duration::from_millis(10));
    }
}

/// Where one is slow, the other answers; how long that took.
#[tokio::test(start_paused = true)]
async fn a_slow_deployment_is_left_for_another() {
    for (change, limits) in [
        ((|_| {}) as fn(&mut Config), [30_000, 5_000]),
        (as_the_page_has_them, [100, 10]),
    ] {
        for (call, limit) in limits.into_iter().enumerate() {
            let recipe = Recipe::start_with(PER_MODEL, NAMES, change).await;
            recipe.script(0, Step::hang());
            let mut waited = false;
            while !waited {
                let start = Instant::now();
                assert_eq!(recipe.call(call).await.content(), "hello from canada");
                let took = start.elapsed();
                waited = recipe.counts()[0] > 0;
                let expected = Duration::from_millis(if waited { limit } else { 0 });
                let late = took.checked_sub(expected).expect("no sooner");
                assert!(late < Duration::from_millis(100), "{took:?}");
            }
            assert!(recipe.upstreams[0].hits().iter().all(Hit::client_left));
        }
    }
}

/// `max_retries` is a number of retries here: six attempts, then 408.
#[tokio::test(start_paused = true)]
async fn if_all_are_slow_the_caller_hears_of_it() {
    for (call, limit) in [(0, "30"), (1, "5")] {
        let recipe = Recipe::start(PER_MODEL, NAMES).await;
        for number in [0, 1] {
            recipe.script(number, Step::hang());
        }
        let answer = recipe.call(call).await;
        assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(answer.json()["error"]["code"], "408");
        assert_eq!(answer.header("x-litellm-timeout"), limit);
        assert_eq!(answer.header("x-litellm-total-attempts"), "6");
        assert_eq!(recipe.counts(), [3, 3]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_begun_may_take_longer_but_not_fall_silent() {
    let recipe = Recipe::start(PER_MODEL, NAMES).await;
    let words = || Step::answer(Answer::deltas(["one"; 20]));
    for number in [0, 1] {
        recipe.script(number, words().interval(Duration::from_secs(4)));
    }
    let start = Instant::now();
    assert_eq!(recipe.call(1).await.content(), "one".repeat(20));
    assert!(start.elapsed() > Duration::from_secs(60));
    for number in [0, 1] {
        recipe.script(number, words().cut_after(3, Cut::Hang));
    }
    let start = Instant::now();
    let answer = recipe.call(1).await;
    assert_eq!(start.elapsed().as_secs(), 5);
    let [.., error, done] = &answer.events()[..] else {
        panic!("an end")
    };
    assert_eq!(error["error"]["code"], "408");
    assert_eq!(done, "[DONE]");
}

const PER_REQUEST: &str = "dynamic_timeouts.yaml";

#[tokio::test(start_paused = true)]
async fn a_request_sets_its_own_limit() {
    let recipe = Recipe::start(PER_REQUEST, ["gpt"]).await;
    for answer in recipe.both(0).await {
        assert_eq!(answer.content(), "hello from gpt");
    }
    // `logit_bias` goes on, `timeout` does not.
    assert_eq!(
        members(&recipe.upstreams[0]),
        ["logit_bias", "messages", "model", "stream"]
    );
    let bias = json!({"logit_bias": {"12481": 100}});
    let body = sdk::openai("gpt-3.5-turbo", "what color is red", &bias);
    assert_eq!(recipe.post(&body).await.content(), "hello from gpt");
    recipe.script(0, Step::hang());
    for answer in recipe.both(0).await {
        assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(answer.header("x-litellm-timeout"), "1");
        // One retry, as the file says.
        assert_eq!(answer.header("x-litellm-total-attempts"), "2");
    }
}

/// `timeout=1` of OpenAI's SDK: it tells how long it waits, and is answered before.
#[tokio::test(start_paused = true)]
async fn the_sdk_is_answered_before_it_leaves() {
    let recipe = Recipe::start(PER_REQUEST, ["gpt"]).await;
    let bias = json!({"logit_bias": {"12481": 100}});
    let body = sdk::openai("gpt-3.5-turbo", "what color is red", &bias);
    let ask = || {
        let path = "/chat/completions";
        let mut request = recipe.proxy.request(Method::POST, path, body.to_string());
        let waits = HeaderValue::from_static("1");
        request
            .headers_mut()
            .insert("x-stainless-read-timeout", waits);
        recipe.proxy.call(request)
    };
    assert_eq!(ask().await.content(), "hello from gpt");
    assert_eq!(
        members(&recipe.upstreams[0]),
        ["logit_bias", "messages", "model"]
    );
    recipe.script(0, Step::hang());
    let start = Instant::now();
    assert_eq!(ask().await.status, StatusCode::REQUEST_TIMEOUT);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn headers_set_limits_too() {
    let recipe = Recipe::start(PER_REQUEST, ["gpt"]).await;
    assert_eq!(recipe.call(1).await.content(), "hello from gpt");
    recipe.script(0, Step::hang());
    let answer = recipe.call(1).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(answer.header("x-litellm-timeout"), "1");
    // Five seconds for all of a stream that has begun.
    let words = Answer::deltas(["one"; 20]);
    recipe.script(0, Step::answer(words).interval(Duration::from_millis(900)));
    let start = Instant::now();
    let answer = recipe.call(1).await;
    assert_eq!(start.elapsed().as_secs(), 5);
    let [.., error, done] = &answer.events()[..] else {
        panic!("an end")
    };
    assert_eq!(
        (&error["error"]["code"], done),
        (&json!("408"), &json!("[DONE]"))
    );
}
