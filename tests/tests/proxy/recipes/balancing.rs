//! Several deployments of one model.

use http::StatusCode;
use serde_json::json;
use ziggurat_testing::mock::Step;

use super::{Recipe, members, sdk};

const FILE: &str = "load_balancing.yaml";
const NAMES: [&str; 3] = ["mine", "canada", "france"];

#[tokio::test(start_paused = true)]
async fn requests_are_shared() {
    let recipe = Recipe::start(FILE, NAMES).await;
    let bodies = [
        sdk::openai("gpt-3.5-turbo", "write a short poem", &json!({})),
        sdk::langchain("gpt-3.5-turbo", &json!({})),
    ];
    for _ in 0..25 {
        let [plain, streamed] = recipe.both(0).await;
        let mut answers = vec![plain, streamed];
        for body in &bodies {
            answers.push(recipe.post(body).await);
        }
        for answer in answers {
            let name = answer.content().replace("hello from ", "");
            let place = NAMES.iter().position(|known| *known == name).unwrap();
            let base = recipe.upstreams[place].url();
            assert_eq!(answer.header("x-litellm-model-api-base"), base);
            assert_eq!(answer.header("x-litellm-model-id").len(), 64);
        }
    }
    // Expected are 99.2 of 100; fewer than 85 come once in 10^15 runs.
    let [mine, canada, france] = recipe.counts()[..] else {
        panic!("three deployments")
    };
    assert_eq!(mine + canada + france, 100);
    assert!(france >= 85, "{france}");
    let hit = &recipe.upstreams[2].hits()[0];
    let path = "/openai/deployments/gpt-turbo-large/chat/completions";
    assert_eq!(hit.path(), path);
    assert_eq!(hit.header("api-key"), Some("AZURE_FRANCE_KEY"));
}

#[tokio::test(start_paused = true)]
async fn who_fails_is_stood_in_for() {
    for stream in [false, true] {
        let recipe = Recipe::start(FILE, NAMES).await;
        recipe.script(2, Step::error(StatusCode::SERVICE_UNAVAILABLE));
        recipe.script(1, Step::reset());
        // As many as `rpm` gives it in a minute.
        for _ in 0..6 {
            let call = &recipe.calls[0];
            let answer = match stream {
                true => call.streamed().call(&recipe.proxy).await,
                false => call.call(&recipe.proxy).await,
            };
            assert_eq!(answer.content(), "hello from mine");
        }
        // Each failing one was left for another at once, and rests as soon as five calls of it have failed.
        assert_eq!(recipe.counts()[0], 6);
        assert!(recipe.counts()[2] <= 5, "{:?}", recipe.counts());
        let sent = match stream {
            true => vec!["messages", "model", "stream"],
            false => vec!["messages", "model"],
        };
        assert_eq!(members(&recipe.upstreams[0]), sent);
    }
}
