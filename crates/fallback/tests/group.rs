//! Streams that break where other deployments of their group stand by.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use common::{
    Req, general,
    streams::{Seen, broken, role, says, stream, streaming, whole},
};
use http::{Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_balance::{Balance, Endpoint};
use ziggurat_core::{
    Failure, FailureKind, FallbackReason, LlmRequest, Open, Tried,
    json::Document,
    overrides::{Fallbacks, MaxRetries, Parameters},
};
use ziggurat_fallback::{FallbackLayer, StreamRecovery};
use ziggurat_router::Router;
use ziggurat_testing::ScriptedBody;

/// What a deployment says: as a stream that breaks or is whole, or with a status that is none.
#[derive(Clone)]
enum Says {
    Breaks(String),
    Whole(String),
    Fails(StatusCode),
}

use Says::{Breaks, Fails, Whole};

const SERVER_ERROR: Says = Fails(StatusCode::INTERNAL_SERVER_ERROR);

/// The deployments of two groups, in the order in which they are asked. Their answers to who sends a beginning come second.
type World = HashMap<&'static str, (Says, Says)>;

const GROUPS: [(&str, &[&str]); 2] = [("a", &["a1", "a2", "a3"]), ("b", &["b1"])];

fn world(answers: impl IntoIterator<Item = (&'static str, Says)>) -> World {
    let twice = |(name, says): (_, Says)| (name, (says.clone(), says));
    answers.into_iter().map(twice).collect()
}

fn respond(says: Says) -> Response<ScriptedBody> {
    let response = Response::builder().header(CONTENT_TYPE, "text/event-stream");
    match says {
        Breaks(text) => response.body(broken(text)),
        Whole(text) => response.body(whole(text)),
        Fails(status) => response.status(status).body(whole("no")),
    }
    .unwrap()
}

/// Asks group `a`. Deployments that are not in the world are not there.
async fn play(layer: &FallbackLayer, request: Req, world: World) -> Seen {
    let world = Arc::new(world);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let endpoint = |number: usize, name: &'static str| {
        let (world, asked) = (Arc::clone(&world), Arc::clone(&asked));
        let service = service_fn(move |request: Req| {
            let extensions = request.extensions();
            let is_begun = extensions.get::<Parameters>().is_some();
            let retries = extensions.get::<MaxRetries>().map(|retries| retries.0);
            let note = format!("{name}{}", if is_begun { " on" } else { "" });
            let mut asked = asked.lock().unwrap();
            // Each one that is asked for a stream of its group is asked once.
            let goes_on = !asked.is_empty() && name.starts_with('a');
            assert_eq!(retries, goes_on.then_some(0), "{note}");
            asked.push(note);
            let (otherwise, begun) = world[name].clone();
            let response = respond(if is_begun { begun } else { otherwise });
            let response =
                response.map(|body| body.map_err(|_| Failure::new(FailureKind::Disconnected)));
            async move { Ok::<_, Infallible>(response) }
        });
        Endpoint::new(name, Open::new(service)).order(number as f64)
    };
    let groups = GROUPS.map(|(group, names)| {
        let names = names.iter().filter(|name| world.contains_key(**name));
        let endpoints = names
            .enumerate()
            .map(|(number, name)| endpoint(number, name));
        (group, Balance::new(endpoints.collect::<Vec<_>>()))
    });
    let service = layer.layer(Router::new(groups));
    let mut body = service.oneshot(request).await.unwrap().into_body();
    let (mut bytes, mut end) = (Vec::new(), Ok(()));
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend(frame.into_data().unwrap()),
            Err(failure) => end = Err(failure),
        }
    }
    let bytes = String::from_utf8(bytes).unwrap();
    let asked = asked.lock().unwrap().clone();
    Seen { bytes, end, asked }
}

fn begins() -> Says {
    Breaks(role("one") + &says("one", "a tower"))
}

fn ends() -> Says {
    Whole(stream("two", &["a", " tower of brick"]))
}

fn alone() -> FallbackLayer {
    general(&[]).stream_recovery(StreamRecovery::Restart)
}

fn chained() -> FallbackLayer {
    general(&[("a", &["b"])]).stream_recovery(StreamRecovery::Restart)
}

#[track_caller]
fn assert_whole(seen: &Seen, asked: &[&str]) {
    seen.end.as_ref().unwrap();
    assert_eq!(seen.text("content"), "a tower of brick");
    assert_eq!(seen.asked, asked);
}

#[tokio::test]
async fn another_deployment_goes_on_without_any_chain() {
    let request = streaming();
    let tried = request.extensions().get::<Tried>().unwrap().clone();
    let world = world([("a1", begins()), ("a2", ends())]);
    assert_whole(&play(&alone(), request, world).await, &["a1", "a2"]);
    assert_eq!(tried.reason(), Some(FallbackReason::StreamRecovery));
    let recovery = tried.recovery().unwrap();
    assert_eq!((tried.hops(), recovery.count), (1, 1));
    assert_eq!(recovery.deployment.unwrap().as_str(), "a2");
}

#[tokio::test]
async fn those_of_the_group_come_before_the_chain_each_once() {
    let answers = [
        ("a1", begins()),
        ("a2", SERVER_ERROR),
        ("a3", begins()),
        ("b1", ends()),
    ];
    let seen = play(&chained(), streaming(), world(answers.clone())).await;
    assert_whole(&seen, &["a1", "a2", "a3", "b1"]);
    let seen = play(&alone(), streaming(), world(answers)).await;
    assert_eq!(seen.failed(), FailureKind::Disconnected);
    assert_eq!(seen.asked, ["a1", "a2", "a3"]);
}

#[tokio::test]
async fn who_refuses_the_request_speaks_for_the_group() {
    let refuses = Fails(StatusCode::BAD_REQUEST);
    let world = world([
        ("a1", begins()),
        ("a2", refuses),
        ("a3", ends()),
        ("b1", ends()),
    ]);
    let seen = play(&chained(), streaming(), world).await;
    assert_whole(&seen, &["a1", "a2", "b1"]);
}

#[tokio::test]
async fn who_takes_no_prefill_is_asked_for_the_whole() {
    let asking = || {
        let mut request = streaming();
        let body = r#"{"messages":[{"role":"user","content":"build"}]}"#;
        let document = Document::parse(Bytes::from_static(body.as_bytes())).unwrap();
        let extensions = request.extensions_mut();
        extensions.insert(LlmRequest::new("a", true, document));
        request
    };
    let mut world = world([("a1", begins())]);
    let rest = Whole(stream("two", &[" of brick"]));
    let layer = general(&[])
        .stream_recovery(StreamRecovery::Continue)
        .prefill(|_| true);
    world.insert("a2", (ends(), rest));
    let seen = play(&layer, asking(), world.clone()).await;
    assert_whole(&seen, &["a1", "a2 on"]);
    world.insert("a2", (ends(), Fails(StatusCode::BAD_REQUEST)));
    let seen = play(&layer, asking(), world).await;
    assert_whole(&seen, &["a1", "a2 on", "a2"]);
}

#[tokio::test]
async fn nobody_is_asked_if_that_is_not_wanted_or_nobody_is_there() {
    let both = || world([("a1", begins()), ("a2", ends())]);
    let mut disabled = streaming();
    let mut wish = Fallbacks::default();
    wish.disabled = true;
    disabled.extensions_mut().insert(wish);
    let off = alone().stream_recovery(StreamRecovery::Off);
    let follows = alone().fallback_on(|kind| kind != FailureKind::Disconnected);
    for (layer, request, world) in [
        (off, streaming(), both()),
        (alone(), disabled, both()),
        (alone().max_fallbacks(0), streaming(), both()),
        (follows, streaming(), both()),
        (alone(), streaming(), world([("a1", begins())])),
    ] {
        let seen = play(&layer, request, world).await;
        assert_eq!(seen.failed(), FailureKind::Disconnected);
        assert_eq!(seen.asked, ["a1"]);
    }
}
