//! Hugging Face's router.

use std::time::Duration;

use serde_json::{Value, json};
use ziggurat_core::FailureKind;
use ziggurat_mock::{Running, Step};
use ziggurat_openai::{Builder, Face, OpenAi};

use crate::{answer, call, leaf, twenty_at_once, upstream};

fn known_as(providers: &Value) -> Step {
    answer(
        200,
        &json!({"id": "org/m", "inferenceProviderMapping": providers}),
    )
}

fn routed(model: &str, router: &Running, hub: &Running) -> Builder {
    let (router, hub) = (router.url(), hub.url());
    OpenAi::builder(Face::HuggingFace, model)
        .api_key("hf_the-key")
        .environment(move |name| match name {
            "HF_ROUTER_BASE" => Some(router.clone()),
            "HF_ENDPOINT" => Some(hub.clone()),
            _ => None,
        })
}

#[tokio::test]
async fn twenty_calls_at_once_look_the_name_up_once() {
    let names = json!({"together": {"providerId": "Org/M-Turbo", "status": "live"}});
    let hub = upstream([known_as(&names).delay(Duration::from_millis(50))]).await;
    let router = upstream([Step::hello()]).await;
    let leaf = leaf(routed("together/org/m", &router, &hub));
    twenty_at_once(&leaf).await;
    call(&leaf).await.unwrap();
    assert_eq!((hub.count(), router.count()), (1, 21));
    for hit in router.hits() {
        assert_eq!(hit.path(), "/together/v1/chat/completions");
        assert_eq!(
            hit.json().unwrap(),
            json!({"model": "Org/M-Turbo", "messages": []})
        );
        assert_eq!(hit.header("authorization"), Some("Bearer hf_the-key"));
    }
    // The key is for the router.
    assert_eq!(hub.hits()[0].header("authorization"), None);
}

#[tokio::test]
async fn providers_have_paths_of_their_own() {
    let cases = [
        (
            "hf-inference",
            "/hf-inference/models/org/m/v1/chat/completions",
        ),
        ("novita", "/novita/v3/openai/chat/completions"),
        (
            "fireworks-ai",
            "/fireworks-ai/inference/v1/chat/completions",
        ),
        ("cerebras", "/cerebras/v1/chat/completions"),
    ];
    for (provider, path) in cases {
        // The hub has written them as a list, too.
        let names = json!([{"provider": "other", "providerId": "o"}, {"provider": provider, "providerId": "x"}]);
        let (hub, router) = (
            upstream([known_as(&names)]).await,
            upstream([Step::hello()]).await,
        );
        call(&leaf(routed(&format!("{provider}/org/m"), &router, &hub)))
            .await
            .unwrap();
        let hit = &router.hits()[0];
        assert_eq!(
            (hit.path(), &hit.json().unwrap()["model"]),
            (path, &json!("x"))
        );
    }
}

#[tokio::test]
async fn a_model_that_nobody_knows_is_not_found() {
    let cases = [
        (
            known_as(&json!({"other": {"providerId": "x"}})),
            FailureKind::NotFound,
        ),
        (
            answer(404, &json!({"error": "Repository not found"})),
            FailureKind::NotFound,
        ),
        (answer(200, &json!([])), FailureKind::NotFound),
        (answer(500, &json!({})), FailureKind::Server),
        (Step::reset(), FailureKind::Disconnected),
    ];
    let router = upstream([Step::hello()]).await;
    for (step, kind) in cases {
        let hub = upstream([step]).await;
        let failure = call(&leaf(routed("together/org/m", &router, &hub)))
            .await
            .unwrap_err();
        assert_eq!(failure.kind(), kind, "{failure:?}");
    }
    assert_eq!(router.count(), 0);
}

#[tokio::test]
async fn without_a_provider_the_router_chooses_and_an_address_comes_first() {
    let (hub, router) = (
        upstream([known_as(&json!({}))]).await,
        upstream([Step::hello()]).await,
    );
    call(&leaf(routed("org/m", &router, &hub))).await.unwrap();
    call(&leaf(
        routed("together/org/m", &router, &hub).api_base(router.url()),
    ))
    .await
    .unwrap();
    assert_eq!(hub.count(), 0);
    for (hit, model) in router.hits().iter().zip(["org/m", "together/org/m"]) {
        assert_eq!(hit.path(), "/v1/chat/completions");
        assert_eq!(hit.json().unwrap()["model"], model);
    }
}

#[test]
fn the_router_is_the_default() {
    let dialect = OpenAi::builder(Face::HuggingFace, "org/m").build().unwrap();
    assert_eq!(dialect.api_base(), "https://router.huggingface.co");
}
