//! All layers together, in their usual order, over the leaf.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower_layer::Layer;
use tower_service::Service;
use ziggurat_balance::{Balance, Endpoint, Shuffle};
use ziggurat_cooldown::{Breaker, CooldownLayer, Group, Rules};
use ziggurat_core::{
    ModelGroup, Observer, Open, Vitals,
    fallbacks::Table,
    observe::{AttemptEnd, RequestEnd},
};
use ziggurat_edge::{EnvelopeLayer, RespondLayer};
use ziggurat_fallback::FallbackLayer;
use ziggurat_observe::ObserveLayer;
use ziggurat_region::RegionFilterLayer;
use ziggurat_retry::RetryLayer;
use ziggurat_router::Router;
use ziggurat_stream_timeout::StreamTimeoutLayer;
use ziggurat_timeout::TimeoutLayer;

use super::Row;
use crate::{
    leaf::Leaf,
    round::{calls, clones, frames, request},
};

const LIMIT: Duration = Duration::from_secs(600);

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("stack, 1 deployment", || {
            calls(stack(1, &Leaf::new()), request)
        }),
        Row::new("stack, 1 deployment, pending once", || {
            calls(stack(1, &Leaf::new().pending()), request)
        })
        .over("leaf, pending once"),
        Row::new("stack, 100 deployments", || {
            calls(stack(100, &Leaf::new()), request)
        }),
        Row::new("stack, 1000 deployments", || {
            calls(stack(1000, &Leaf::new()), request)
        }),
        Row::new("stack, 2 deployments, one retry", || {
            calls(stack(2, &Leaf::new().failing_first()), request)
        }),
        Row::new("stack, one frame", || {
            frames(stack(1, &Leaf::new().streaming()), request())
        })
        .over("leaf, one frame"),
        Row::new("stack, 1 deployment, observed", || {
            calls(observed(), request)
        }),
        Row::new("stack of 1, clone and drop", || {
            clones(stack(1, &Leaf::new()))
        })
        .over(""),
        Row::new("stack of 1000, clone and drop", || {
            clones(stack(1000, &Leaf::new()))
        })
        .over(""),
    ]
}

/// Counts what a metric would.
#[derive(Default)]
struct Counted {
    attempts: AtomicU64,
    requests: AtomicU64,
    tokens: AtomicU64,
    micros: AtomicU64,
}

impl Observer for Counted {
    fn attempt_ended(&self, end: &AttemptEnd<'_>) {
        self.attempts.fetch_add(1, Relaxed);
        let tokens = end.call.output_tokens.unwrap_or_default();
        self.tokens.fetch_add(tokens, Relaxed);
    }

    fn request_ended(&self, end: &RequestEnd<'_>) {
        self.requests
            .fetch_add(end.tried.attempts() as u64, Relaxed);
        let micros = end.call.elapsed.subsec_micros();
        self.micros.fetch_add(u64::from(micros), Relaxed);
    }
}

fn observed()
-> impl Service<Request<Full<Bytes>>, Response = Response<impl http_body::Body + use<> + 'static>>
+ Clone
+ use<>
+ 'static {
    let counted = Arc::new(Counted::default());
    let attempts = ObserveLayer::attempts(Arc::clone(&counted));
    built(1, &Leaf::new(), &attempts, &ObserveLayer::requests(counted))
}

/// Where nobody observes.
fn stack(
    deployments: usize,
    leaf: &Leaf,
) -> impl Service<Request<Full<Bytes>>, Response = Response<impl http_body::Body + use<> + 'static>>
+ Clone
+ use<>
+ 'static {
    let none = ObserveLayer::none();
    built(deployments, leaf, &none, &none)
}

/// One group of deployments, which has a fallback chain to another.
fn built(
    deployments: usize,
    leaf: &Leaf,
    attempts: &ObserveLayer,
    requests: &ObserveLayer,
) -> impl Service<Request<Full<Bytes>>, Response = Response<impl http_body::Body + use<> + 'static>>
+ Clone
+ use<>
+ 'static {
    let vitals: Vec<_> = (0..deployments).map(|_| Arc::new(Vitals::new())).collect();
    let group = Group::new(vitals.iter().cloned(), 1.0);
    let endpoint = |(i, vitals): (usize, Arc<Vitals>)| {
        let timed = TimeoutLayer::new(LIMIT).layer(Open::new(leaf.clone()));
        let timed = StreamTimeoutLayer::new(LIMIT).layer(timed);
        let breaker = Breaker::new(Arc::clone(&vitals), Rules::new());
        let watched = CooldownLayer::new(breaker)
            .group(group.clone())
            .layer(timed);
        let service = RegionFilterLayer::new(["eu-west-1"]).layer(attempts.layer(watched));
        Endpoint::new(format!("deployment-{i}"), service)
            .vitals(vitals)
            .origin(format!("https://upstream-{i}"))
    };
    let endpoints = vitals.into_iter().enumerate().map(endpoint);
    let balance = Balance::with_policy(endpoints, Shuffle::seeded(7));
    let router = Router::new([(
        ModelGroup::from("zephyr"),
        RetryLayer::new(2).layer(balance),
    )]);
    let fallback = FallbackLayer::new(Table::from_iter([("zephyr", ["gpt-4o"])])).layer(router);
    let envelope = EnvelopeLayer::new()
        .accept_overrides(true)
        .require_prompt(true)
        .layer(fallback);
    RespondLayer::new().layer(requests.layer(envelope))
}
