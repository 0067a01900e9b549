//! Fallbacks that a request brings, and those of the configuration beside retries, limits and cooldowns.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tokio::time::{Instant, sleep};
use ziggurat_testing::mock::{ApiError, Step};

use super::{Recipe, members, sdk};

fn down() -> Step {
    Step::error(StatusCode::INTERNAL_SERVER_ERROR)
}

#[tokio::test(start_paused = true)]
async fn a_request_brings_its_fallbacks() {
    let recipe = Recipe::start("client_side_fallbacks.yaml", ["zephyr", "gpt"]).await;
    recipe.script(0, down());
    let wish = json!({"fallbacks": ["gpt-3.5-turbo"]});
    let mut answers = Vec::from(recipe.both(0).await);
    answers.push(
        recipe
            .post(&sdk::openai("zephyr-beta", "write a short poem", &wish))
            .await,
    );
    answers.push(recipe.post(&sdk::langchain("zephyr-beta", &wish)).await);
    // The table by group, with two retries.
    answers.extend(recipe.both(1).await);
    for answer in &answers {
        assert_eq!(answer.content(), "hello from gpt");
        assert_eq!(answer.header("x-litellm-model-group"), "gpt-3.5-turbo");
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
        assert_eq!(answer.header("x-litellm-fallback-reason"), "error");
    }
    assert_eq!(recipe.upstreams[1].count(), 6);
    let hit = &recipe.upstreams[1].hits()[0];
    assert_eq!(hit.header("authorization"), Some("Bearer OPENAI_API_KEY"));
    // Nothing of the wishes goes upstream.
    assert_eq!(
        members(&recipe.upstreams[1]),
        ["messages", "model", "stream"]
    );
}

#[tokio::test(start_paused = true)]
async fn without_fallbacks_the_caller_hears_of_the_failure() {
    let recipe = Recipe::start("client_side_fallbacks.yaml", ["zephyr", "gpt"]).await;
    recipe.script(0, down());
    let body = sdk::openai("zephyr-beta", "write a short poem", &json!({}));
    let answer = recipe.post(&body).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(recipe.counts(), [3, 0]);
    // A prompt that is too long has a table of its own in the second call, which is used without a retry.
    recipe.script(0, Step::error(ApiError::context_window()));
    for answer in recipe.both(1).await {
        assert_eq!(answer.content(), "hello from gpt");
        assert_eq!(answer.header("x-litellm-fallback-reason"), "context_window");
    }
    assert_eq!(recipe.counts(), [5, 2]);
}

const NAMES: [&str; 5] = ["z1", "z2", "z3", "gpt", "mini"];

async fn all_zephyrs(step: Step) -> Recipe {
    let recipe = Recipe::start("fallbacks.yaml", NAMES).await;
    for number in 0..3 {
        recipe.script(number, step.clone());
    }
    recipe
}

#[tokio::test(start_paused = true)]
async fn one_of_the_zephyrs_is_enough() {
    let recipe = all_zephyrs(down()).await;
    recipe.script(1, Step::hello());
    for answer in recipe.both(0).await {
        assert_eq!(answer.content(), "hello from z2");
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "0");
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_down_is_answered_for_then_left_alone() {
    let recipe = all_zephyrs(down()).await;
    let start = Instant::now();
    for answer in recipe.both(0).await {
        assert_eq!(answer.content(), "hello from gpt");
        assert_eq!(answer.header("x-litellm-total-attempts"), "5");
        assert_eq!(answer.header("x-litellm-fallback-reason"), "error");
    }
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "nothing is waited for"
    );
    // The fourth failure of each within a minute; then no call is made for them.
    for _ in 0..4 {
        recipe.call(0).await;
    }
    assert_eq!(recipe.counts(), [4, 4, 4, 6, 0]);
    let answer = recipe.call(0).await;
    assert_eq!(answer.header("x-litellm-total-attempts"), "1");
    let resting = recipe.call(1).await.json();
    let resting = resting["data"].as_array().unwrap();
    assert_eq!(resting.len(), 3);
    for one in resting {
        assert_eq!(
            (&one["state"], &one["cause"]),
            (&json!("cooling"), &json!("server"))
        );
        assert!(one["seconds_remaining"].as_f64().unwrap() <= 30.0);
    }
    // After the rest a single call decides.
    for number in 0..3 {
        recipe.script(number, Step::hello());
    }
    sleep(Duration::from_secs(31)).await;
    assert!(recipe.call(0).await.content().starts_with("hello from z"));
}

/// A table of the request takes the place of the configured one, an empty one too.
#[tokio::test(start_paused = true)]
async fn a_request_can_do_without_the_fallbacks() {
    let recipe = all_zephyrs(down()).await;
    let body = sdk::openai("zephyr-beta", "hi", &json!({"fallbacks": []}));
    let answer = recipe.post(&body).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(recipe.counts()[3..], [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_its_ten_seconds() {
    let recipe = all_zephyrs(Step::hang()).await;
    let start = Instant::now();
    assert_eq!(recipe.call(0).await.content(), "hello from gpt");
    // Who has timed out is not asked again while another group can answer.
    assert_eq!(recipe.counts(), [1, 1, 1, 1, 0]);
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_is_too_long_goes_to_the_larger_window() {
    let recipe = all_zephyrs(Step::error(ApiError::context_window())).await;
    for answer in recipe.both(0).await {
        assert_eq!(answer.content(), "hello from mini");
        assert_eq!(answer.header("x-litellm-fallback-reason"), "context_window");
        assert_eq!(answer.header("x-litellm-total-attempts"), "2");
    }
    assert_eq!(recipe.upstreams[3].count(), 0);
}
