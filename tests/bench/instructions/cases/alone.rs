//! Layers that no one else has: each alone over the leaf.

use std::{hint::black_box, sync::Arc};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower_layer::Layer;
use ziggurat_cooldown::{Breaker, CooldownLayer, Rules};
use ziggurat_core::{
    AllowedRegions, ModelGroup, Vitals,
    fallbacks::Table,
    json::{Document, JsonBody},
};
use ziggurat_edge::{EnvelopeLayer, RespondLayer};
use ziggurat_fallback::FallbackLayer;
use ziggurat_region::RegionFilterLayer;
use ziggurat_router::Router;

use super::Row;
use crate::{
    leaf::Leaf,
    round::{Round, calls, drain, frames, request, sized},
};

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("cooldown", || calls(cooldown().layer(Leaf::new()), request)),
        Row::new("cooldown, one frame", || {
            frames(cooldown().layer(Leaf::new().streaming()), request())
        })
        .over("leaf, one frame"),
        Row::new("region, nothing asked", || {
            calls(region().layer(Leaf::new()), request)
        }),
        Row::new("region, eu asked", || {
            calls(region().layer(Leaf::new()), in_europe)
        })
        .over("leaf, region asked"),
        Row::new("leaf, region asked", || calls(Leaf::new(), in_europe)).base(),
        Row::new("router, 1 group", || router(1)).over("leaf, group named"),
        Row::new("router, 1000 groups", || router(1000)).over("leaf, group named"),
        Row::new("leaf, group named", || calls(Leaf::new(), named)).base(),
        Row::new("fallback, no chain", || fallback([], Leaf::new())).over("leaf, group named"),
        Row::new("fallback, chain not needed", || {
            fallback([("group-0", ["group-1"])], Leaf::new())
        })
        .over("leaf, group named"),
        Row::new("fallback, one hop", || {
            fallback([("group-0", ["group-1"])], Leaf::new().failing_first())
        })
        .over("leaf, group named"),
        Row::new("envelope, 1 KB", || {
            calls(envelope().layer(Leaf::new()), request)
        }),
        Row::new("envelope, 32 KB", || enveloped(32)),
        Row::new("envelope, 200 KB", || enveloped(200)),
        Row::new("splice, 1 KB", || splice(1)).over(""),
        Row::new("splice, 200 KB", || splice(200)).over(""),
        Row::new("respond", || {
            calls(RespondLayer::new().layer(Leaf::new()), request)
        }),
    ]
}

fn cooldown() -> CooldownLayer {
    CooldownLayer::new(Breaker::new(Arc::new(Vitals::new()), Rules::new()))
}

fn region() -> RegionFilterLayer {
    RegionFilterLayer::new(["eu-west-1"])
}

fn envelope() -> EnvelopeLayer {
    EnvelopeLayer::new()
        .accept_overrides(true)
        .require_prompt(true)
}

fn enveloped(kib: usize) -> Round {
    let body = large(kib * 1024);
    calls(envelope().layer(Leaf::new()), move || sized(body.clone()))
}

/// Another model is put into a body that is parsed already, which is then read to its end.
fn splice(kib: usize) -> Round {
    let document = Document::parse(large(kib * 1024)).expect("it is an object");
    Box::new(move || {
        let mut body = JsonBody::new(document.clone());
        body.set("model", Bytes::from_static(br#""gpt-4o""#));
        drain(black_box(&body).print());
    })
}

fn in_europe() -> Request<Full<Bytes>> {
    let mut request = request();
    request.extensions_mut().insert(AllowedRegions::new(["eu"]));
    request
}

/// The name is made once, as that of a router is.
fn named() -> Request<Full<Bytes>> {
    thread_local!(static NAME: ModelGroup = ModelGroup::from("group-0"));
    let mut request = request();
    request
        .extensions_mut()
        .insert(NAME.with(ModelGroup::clone));
    request
}

fn router(groups: usize) -> Round {
    let groups = (0..groups).map(|i| (format!("group-{i}"), Leaf::new()));
    calls(Router::new(groups), named)
}

fn fallback<const N: usize>(chains: [(&str, [&str; 1]); N], leaf: Leaf) -> Round {
    let layer = FallbackLayer::new(Table::from_iter(chains));
    calls(layer.layer(leaf), named)
}

/// A chat request with one long message.
pub(super) fn large(len: usize) -> Bytes {
    let text = "the quick brown fox jumps over the lazy dog\\n".repeat(len / 45);
    format!(r#"{{"model":"zephyr","messages":[{{"role":"user","content":"{text}"}}]}}"#).into()
}
