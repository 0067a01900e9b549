//! Targets that are passed over, and the deadline.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{World, general, request};
use http::{Extensions, Response};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::{Layer, Service};
use tower_test::mock;
use ziggurat_core::{
    Deadline, FailureKind, ModelGroup, Tried,
    fallbacks::{Table, Target},
    overrides::Parameters,
};
use ziggurat_fallback::FallbackLayer;

/// Stands for what is known about a request.
#[derive(Clone, Copy)]
struct Tokens(usize);

fn by_window() -> FallbackLayer {
    general(&[("a", &["small", "large"]), ("large", &["small", "other"])]).skip(
        |group, extensions| {
            let tokens = extensions.get::<Tokens>();
            group.as_str() == "small" && tokens.is_some_and(|tokens| tokens.0 > 100)
        },
    )
}

#[tokio::test]
async fn what_is_skipped_is_no_hop() {
    let world = World::down(["a", "large"]);
    let tried = Tried::new();
    let mut sent = request("a");
    sent.extensions_mut().insert(tried.clone());
    sent.extensions_mut().insert(Tokens(101));
    let layer = by_window().max_fallbacks(2);
    world.ask(&layer, sent).await.unwrap();
    assert_eq!(world.asked(), ["a", "large", "other"]);
    assert_eq!(tried.hops(), 2);

    let world = World::down(["a"]);
    world.ask(&by_window(), request("a")).await.unwrap();
    assert_eq!(world.asked(), ["a", "small"]);
}

#[tokio::test]
async fn what_is_skipped_is_not_ahead_and_no_one_asks_before_a_failure() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let layer = general(&[("a", &["b"])]).skip(move |_, extensions| {
        counted.fetch_add(1, Ordering::Relaxed);
        extensions.get::<Tokens>().is_some()
    });
    let world = World::default();
    world.ask(&layer, request("a")).await.unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(world.ahead(), [true]);
    assert_eq!(asked.load(Ordering::Relaxed), 1);

    let mut sent = request("a");
    sent.extensions_mut().insert(Tokens(1));
    let world = World::default();
    world.ask(&layer, sent).await.unwrap();
    assert_eq!(world.ahead(), [false]);
}

/// The prompt that a target would get: its own, else the request's.
fn is_long(group: &ModelGroup, extensions: &Extensions) -> bool {
    let Parameters(members) = extensions.get().cloned().unwrap_or_default();
    let messages = members.iter().find(|(name, _)| &**name == "messages");
    group.as_str() != "a" && messages.is_some_and(|(_, value)| value == "long")
}

/// A request whose prompt is `own`, with chains from `a` to each target.
async fn asked_with_prompts(own: &'static str, targets: &[Target]) -> (Vec<String>, Vec<bool>) {
    let chain = targets.to_vec();
    let layer = FallbackLayer::new(Table::from_iter([("a", chain)])).skip(is_long);
    let mut sent = request("a");
    let members = [(Arc::from("messages"), own.into())];
    sent.extensions_mut().insert(Parameters(members.into()));
    let world = World::down(["a", "b", "c"]);
    world.ask(&layer, sent).await.unwrap();
    (world.asked(), world.ahead())
}

#[tokio::test]
async fn a_target_with_a_prompt_of_its_own_is_judged_by_that() {
    let plain = |group: &str| Target::new(group);
    let with = |group: &str, prompt: &'static str| plain(group).with_parameter("messages", prompt);
    for (own, targets, asked, ahead) in [
        ("long", vec![plain("b")], vec!["a"], vec![false]),
        (
            "long",
            vec![with("b", "short")],
            vec!["a", "b"],
            vec![true, false],
        ),
        ("short", vec![with("b", "long")], vec!["a"], vec![false]),
        // What one target brings says nothing of the next.
        (
            "long",
            vec![with("b", "short"), plain("c")],
            vec!["a", "b"],
            vec![true, false],
        ),
        (
            "long",
            vec![plain("b").with_parameter("temperature", "1")],
            vec!["a"],
            vec![false],
        ),
    ] {
        let expected = (asked.iter().map(ToString::to_string).collect(), ahead);
        assert_eq!(
            asked_with_prompts(own, &targets).await,
            expected,
            "{own} {targets:?}"
        );
    }
}

#[tokio::test]
async fn a_group_is_not_asked_again_under_another_name() {
    let names = [("alias", "a"), ("other", "a"), ("away", "b")];
    let names: HashMap<_, _> = names
        .map(|(alias, group)| (alias.into(), group.into()))
        .into();
    let aliases = |layer: FallbackLayer| layer.aliases(names.clone());
    for (came_as, chain) in [
        ("a", ["alias", "b"]),
        ("alias", ["a", "b"]),
        ("alias", ["other", "b"]),
    ] {
        let layer = aliases(general(&[("*", &chain)]));
        let world = World::down([came_as]);
        world.ask(&layer, request(came_as)).await.unwrap();
        assert_eq!(world.asked(), [came_as, "b"]);
    }
    let layer = aliases(general(&[("a", &["b", "away", "c"])]));
    let world = World::down(["a", "b"]);
    world.ask(&layer, request("a")).await.unwrap();
    assert_eq!(world.asked(), ["a", "b", "c"]);
    // With parameters of its own it is another target.
    let chain = [Target::new("alias").with_parameter("n", "1")];
    let layer = aliases(FallbackLayer::new(Table::from_iter([("a", chain)])));
    let world = World::down(["a"]);
    world.ask(&layer, request("a")).await.unwrap();
    assert_eq!(world.asked(), ["a", "alias"]);
}

#[tokio::test(start_paused = true)]
async fn r108_no_hop_is_made_after_the_deadline() {
    let layer = general(&[("a", &["b"])]);
    let sent = || {
        let mut sent = request("a");
        let deadline = Deadline::start(Duration::from_secs(5)).unwrap();
        sent.extensions_mut().insert(deadline);
        sent
    };
    let world = World::down(["a"]);
    world.ask(&layer, sent()).await.unwrap();
    assert_eq!(world.asked(), ["a", "b"], "there is time");

    let late = sent();
    tokio::time::advance(Duration::from_secs(5)).await;
    let world = World::down(["a"]);
    let answer = world.ask(&layer, late).await.unwrap();
    assert_eq!(world.asked(), ["a"]);
    assert_eq!((answer.status().as_u16(), &**answer.body()), (500, "a"));
}

#[tokio::test(start_paused = true)]
async fn r108_time_that_passes_before_the_service_is_ready_counts() {
    let (service, mut handle) = mock::pair::<common::Req, Response<&'static str>>();
    handle.allow(1);
    let mut fallback = general(&[("a", &["b"])]).layer(service);
    assert_ready_ok!(task::spawn(()).enter(|cx, _| fallback.poll_ready(cx)));
    let mut sent = request("a");
    let deadline = Deadline::start(Duration::from_secs(5)).unwrap();
    sent.extensions_mut().insert(deadline);
    let mut call = task::spawn(fallback.call(sent));
    let first = handle.poll_request();
    let (got, answer) = assert_ready!(first).unwrap();
    assert_eq!(got.extensions().get(), Some(&ModelGroup::from("a")));
    let status = FailureKind::Server.status();
    answer.send_response(Response::builder().status(status).body("first").unwrap());
    assert_pending!(call.poll());

    tokio::time::advance(Duration::from_secs(5)).await;
    handle.allow(1);
    let response = assert_ready_ok!(call.poll());
    assert_eq!(response.body().get_ref(), Some(&"first"));
    let next = handle.poll_request();
    assert_pending!(next);
}
