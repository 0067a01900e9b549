//! Prompts that are too long for some.

use http::StatusCode;
use ziggurat_testing::mock::{ApiError, Step};

use super::{Recipe, sdk};
use crate::curl;

#[tokio::test(start_paused = true)]
async fn within_a_group_a_long_prompt_goes_where_it_fits() {
    let recipe = Recipe::start("context_window_same_group.yaml", ["azure", "openai"]).await;
    for _ in 0..10 {
        let mut answers = Vec::from(recipe.both(1).await);
        answers.push(recipe.post(&sdk::openai_long("gpt-3.5-turbo")).await);
        for answer in answers {
            assert_eq!(answer.content(), "hello from azure");
            assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "0");
        }
    }
    assert_eq!(recipe.counts(), [30, 0]);
    for _ in 0..30 {
        recipe.both(0).await;
    }
    // Either is missed in 60 once in 10^18 runs.
    assert!(recipe.counts()[0] > 30 && recipe.counts()[1] > 0);
    // If the one that it fits fails, it is not sent to the other.
    recipe.script(0, Step::error(StatusCode::BAD_GATEWAY));
    let before = recipe.counts()[1];
    let answer = recipe.call(1).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(answer.header("x-litellm-total-attempts"), "3");
    assert_eq!(recipe.counts()[1], before);
}

const GROUPS: &str = "context_window_groups.yaml";

#[tokio::test(start_paused = true)]
async fn across_groups_it_goes_to_the_first_that_holds_it() {
    let recipe = Recipe::start(GROUPS, ["small", "large", "claude"]).await;
    for answer in recipe.both(0).await {
        assert_eq!(answer.content(), "hello from small");
        assert_eq!(answer.header("x-litellm-fallback-reason"), "");
    }
    for (lines, name, counts) in [(1500, "large", [2, 2, 0]), (3000, "claude", [2, 2, 2])] {
        let calls = curl::told_with(&super::read(GROUPS), lines);
        for call in [calls[1].clone(), calls[1].streamed()] {
            let answer = call.call(&recipe.proxy).await;
            assert_eq!(answer.content(), format!("hello from {name}"));
            assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
            assert_eq!(answer.header("x-litellm-fallback-reason"), "context_window");
        }
        assert_eq!(recipe.counts(), counts);
    }
    let hit = &recipe.upstreams[2].hits()[0];
    assert_eq!(hit.header("x-api-key"), Some("ANTHROPIC_API_KEY"));
    // If that fails as well, the caller hears of the group that they asked for.
    recipe.script(2, Step::error(StatusCode::BAD_GATEWAY));
    let answer = recipe.call(1).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    assert!(
        answer.text.contains("Max Input Tokens=8192"),
        "{}",
        answer.text
    );
    assert_eq!(recipe.counts(), [2, 2, 5]);
}

/// LiteLLM's page gives the small group a window of 128,000, so its own call fits, and asks for a name that is not in
/// its configuration.
#[tokio::test(start_paused = true)]
async fn as_the_page_has_it() {
    let recipe = Recipe::start_with(GROUPS, ["small", "large", "claude"], |config| {
        config.deployments[0].base_model = Some("azure/gpt-4-1106-preview".to_owned());
    })
    .await;
    let answer = recipe.post(&sdk::openai_long("gpt-3.5-turbo-small")).await;
    assert_eq!(answer.content(), "hello from small");
    let answer = recipe.post(&sdk::openai_long("gpt-3.5-turbo")).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let message = answer.json()["error"]["message"].to_string();
    assert!(message.contains("gpt-3.5-turbo"), "{message}");
    // What a provider says itself leads to the chain as well.
    for number in [0, 1] {
        recipe.script(number, Step::error(ApiError::context_window()));
    }
    for answer in recipe.both(1).await {
        assert_eq!(answer.content(), "hello from claude");
    }
}
