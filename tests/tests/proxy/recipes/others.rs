//! Content that one provider refuses, and requests that must stay in a region.

use http::StatusCode;
use serde_json::json;
use ziggurat_testing::mock::{Answer, ApiError, Step};

use super::{Recipe, members, sdk};
use crate::vertex::{generated, respond};

#[tokio::test(start_paused = true)]
async fn refused_content_goes_to_another_provider() {
    let filtered = Answer::deltas([""; 0]).finish_reason("content_filter");
    for step in [
        Step::error(ApiError::content_policy()),
        Step::answer(filtered),
    ] {
        let recipe = Recipe::start("content_policy.yaml", ["azure", "claude"]).await;
        recipe.script(0, step);
        for answer in recipe.both(0).await {
            assert_eq!(answer.content(), "hello from claude");
            assert_eq!(answer.header("x-litellm-model-group"), "claude-opus");
            assert_eq!(answer.header("x-litellm-fallback-reason"), "content_policy");
            assert_eq!(answer.header("x-litellm-total-attempts"), "2");
        }
        assert_eq!(recipe.counts(), [2, 2]);
        assert_eq!(recipe.upstreams[1].hits()[0].path(), "/v1/messages");
    }
    // Other failures do not lead there.
    let recipe = Recipe::start("content_policy.yaml", ["azure", "claude"]).await;
    recipe.script(0, Step::error(StatusCode::SERVICE_UNAVAILABLE));
    for answer in recipe.both(0).await {
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(recipe.counts(), [6, 0]);
}

const REGION: &str = "region.yaml";
const NAMES: [&str; 3] = ["azure", "openai", "gemini"];

#[tokio::test(start_paused = true)]
async fn what_is_bound_to_the_eu_stays_there() {
    let recipe = Recipe::start(REGION, NAMES).await;
    for _ in 0..10 {
        for answer in recipe.both(0).await {
            assert_eq!(answer.content(), "hello from azure");
        }
        let mut asked = recipe.proxy.chat_request("gpt-3.5-turbo", &json!({}));
        let name = "x-litellm-allowed-model-region";
        asked.headers_mut().insert(name, "eu".parse().unwrap());
        assert_eq!(recipe.proxy.call(asked).await.content(), "hello from azure");
    }
    assert_eq!(recipe.counts(), [30, 0, 0]);
    assert_eq!(members(&recipe.upstreams[0]), ["messages", "model"]);
    // The page's own call names no region; the raw answer says who gave it.
    let body = sdk::openai("gpt-3.5-turbo", "Who was Alexander?", &json!({}));
    for _ in 0..60 {
        let answer = recipe.post(&body).await;
        let place = usize::from(answer.content() == "hello from openai");
        let base = recipe.upstreams[place].url();
        assert!(answer.header("x-litellm-model-api-base").starts_with(&base));
    }
    // Either is missed in 60 once in 10^18 runs.
    assert!(recipe.counts()[0] > 30 && recipe.counts()[1] > 0);
    // If the only one there fails, no one elsewhere is asked.
    recipe.script(0, Step::error(StatusCode::BAD_GATEWAY));
    let before = recipe.counts()[1];
    assert_eq!(recipe.call(0).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(recipe.counts()[1], before);
}

#[tokio::test(start_paused = true)]
async fn a_location_tells_the_region() {
    let recipe = Recipe::start(REGION, NAMES).await;
    recipe.script(
        2,
        respond(200, &generated("hello from gemini", Some("STOP"))),
    );
    for answer in recipe.both(1).await {
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
        assert_eq!(answer.json()["error"]["type"], "permission_error");
    }
    assert_eq!(recipe.counts(), [0, 0, 0]);
    for more in [json!({}), json!({"allowed_model_region": "us"})] {
        let body = sdk::openai("gemini-pro", "Who was Alexander?", &more);
        assert_eq!(recipe.post(&body).await.content(), "hello from gemini");
    }
}
