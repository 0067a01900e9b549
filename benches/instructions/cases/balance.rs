//! Balance over services that are all ready, and limits of concurrency.

use std::{collections::hash_map::DefaultHasher, hash::BuildHasherDefault};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::{
    balance::p2c,
    discover::ServiceList,
    limit::ConcurrencyLimit,
    load::{CompleteOnResponse, Constant, PendingRequests},
    util::rng::HasherRng,
};
use ziggurat_balance::{Balance, Endpoint, Shuffle};
use ziggurat_core::Open;

use super::Row;
use crate::{
    leaf::Leaf,
    round::{Round, calls, request},
};

pub(super) fn rows() -> Vec<Row> {
    const FLAT: &str = "tower p2c, constant load";
    vec![
        Row::new("balance, 1 endpoint", || shuffle(1)).beside(FLAT, || flat(1)),
        Row::new("balance, 10 endpoints", || shuffle(10)).beside(FLAT, || flat(10)),
        Row::new("balance, 100 endpoints", || shuffle(100)).beside(FLAT, || flat(100)),
        // Least-busy and the in-flight guard come to stand beside these.
        Row::new("p2c by load, 1 endpoint", || loaded(1)).of_peer(),
        Row::new("p2c by load, 10 endpoints", || loaded(10)).of_peer(),
        Row::new("p2c by load, 100 endpoints", || loaded(100)).of_peer(),
        Row::new("concurrency limit", || {
            calls(ConcurrencyLimit::new(Leaf::new(), 100), request)
        })
        .of_peer(),
    ]
}

fn shuffle(count: usize) -> Round {
    let endpoint = |i| Endpoint::new(format!("deployment-{i}"), Open::new(Leaf::new()));
    let balance = Balance::with_policy((0..count).map(endpoint), Shuffle::seeded(7));
    calls(balance, request)
}

fn flat(count: usize) -> Round {
    let services: Vec<_> = (0..count)
        .map(|_| Constant::new(Leaf::new(), 1_u32))
        .collect();
    calls(
        p2c::Balance::from_rng(ServiceList::new::<Request<Full<Bytes>>>(services), rng()),
        request,
    )
}

fn loaded(count: usize) -> Round {
    let services: Vec<_> = (0..count)
        .map(|_| PendingRequests::new(Leaf::new(), CompleteOnResponse::default()))
        .collect();
    calls(
        p2c::Balance::from_rng(ServiceList::new::<Request<Full<Bytes>>>(services), rng()),
        request,
    )
}

/// The default generator, from a fixed seed.
fn rng() -> HasherRng<BuildHasherDefault<DefaultHasher>> {
    HasherRng::with_hasher(BuildHasherDefault::default())
}
