//! Answers whose content was held back.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::{Answer, World, chain, general, request, table, wishing};
use http::StatusCode;
use ziggurat_core::{
    FailureKind::{ContentPolicy, RateLimited, Server},
    FallbackReason, Tried,
};
use ziggurat_fallback::FallbackLayer;

fn layer() -> FallbackLayer {
    general(&[("a", &["g"])]).content_policy(table(&[("a", &["p", "q"])]))
}

#[track_caller]
fn answered(answer: Answer) -> String {
    let answer = answer.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.into_body()
}

#[tokio::test]
async fn r165_what_was_held_back_is_asked_of_the_content_policy_chain() {
    let world = World::default().filtering(["a"]);
    let tried = Tried::new();
    let mut sent = request("a");
    sent.extensions_mut().insert(tried.clone());
    assert_eq!(answered(world.ask(&layer(), sent).await), "p");
    assert_eq!(world.asked(), ["a", "p"]);
    // R170: the reason is told.
    assert_eq!(tried.reason(), Some(FallbackReason::ContentPolicy));
    assert_eq!(tried.failures()[0].kind(), ContentPolicy);
    assert_eq!(tried.failures()[0].deployment(), Some(&"a".into()));
}

#[tokio::test]
async fn r165_without_a_rescue_the_answer_stays_as_it_is() {
    let only_general = || general(&[("*", &["g"])]);
    let followed = |kind| kind != ContentPolicy;
    for layer in [
        only_general(),
        only_general().content_policy(table(&[])),
        only_general().content_policy(table(&[("x", &["p"])])),
        layer().fallback_on(followed),
        layer().max_fallbacks(0),
        layer().max_attempts_per_request(1),
        layer().skip(|_, _| true),
    ] {
        let world = World::default().filtering(["a"]);
        assert_eq!(answered(world.ask(&layer, request("a")).await), "a");
        assert_eq!(world.asked(), ["a"]);
    }
    let world = World::default().filtering(["a"]);
    let own = wishing("a", |wishes| wishes.content_policy = Some(table(&[])));
    assert_eq!(answered(world.ask(&layer(), own).await), "a");
}

#[tokio::test]
async fn r165_the_requests_own_chains_rescue_as_well() {
    let bare = general(&[]);
    let world = World::default().filtering(["a"]);
    let own = wishing("a", |wishes| {
        wishes.content_policy = Some(table(&[("a", &["b"])]));
    });
    assert_eq!(answered(world.ask(&bare, own).await), "b");
    let world = World::default().filtering(["a"]);
    let own = wishing("a", |wishes| wishes.chain = Some(chain(["b"])));
    assert_eq!(answered(world.ask(&bare, own).await), "b");
    let world = World::default().filtering(["a"]);
    let lenient = general(&[("a", &["b"])]).allow_generic_fallback_on_refusal(true);
    assert_eq!(answered(world.ask(&lenient, request("a")).await), "b");
}

#[tokio::test]
async fn r165_if_all_others_fail_the_refusal_is_the_answer() {
    for world in [
        World::failing([("p", Server), ("q", RateLimited)]),
        World::erring([("p", Server), ("q", RateLimited)]),
    ] {
        let world = world.filtering(["a"]);
        let failure = world.ask(&layer(), request("a")).await.unwrap_err();
        assert_eq!(world.asked(), ["a", "p", "q"]);
        assert_eq!(failure.kind(), ContentPolicy);
        assert_eq!(failure.status(), StatusCode::BAD_REQUEST);
        assert_eq!(
            failure.to_string(),
            "the provider held back its answer because of its content"
        );
        assert_eq!(failure.deployment(), Some(&"a".into()));
    }
}

#[tokio::test]
async fn r165_the_last_that_holds_back_its_answer_gives_it() {
    let world = World::default().filtering(["a", "p", "q"]);
    assert_eq!(answered(world.ask(&layer(), request("a")).await), "q");
    assert_eq!(world.asked(), ["a", "p", "q"]);

    // A hop for another reason is judged by its own group.
    let world = World::down(["a"]).filtering(["g"]);
    assert_eq!(answered(world.ask(&layer(), request("a")).await), "g");
    let further = general(&[("a", &["g", "h"])]).content_policy(table(&[("g", &["p"])]));
    let world = World::down(["a"]).filtering(["g"]);
    assert_eq!(answered(world.ask(&further, request("a")).await), "p");
    assert_eq!(world.asked(), ["a", "g", "p"]);
    // If that fails too, the first group's failure is told.
    let world = World::down(["a", "p"]).filtering(["g"]);
    let answer = world.ask(&further, request("a")).await.unwrap();
    assert_eq!((answer.status().as_u16(), &**answer.body()), (500, "a"));
    assert_eq!(world.asked(), ["a", "g", "p"]);
}
