//! Balance over services that are all ready, and limits of concurrency.

use std::{
    collections::hash_map::DefaultHasher, convert::Infallible, hash::BuildHasherDefault,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{
    Service, ServiceBuilder,
    balance::p2c,
    discover::ServiceList,
    limit::ConcurrencyLimit,
    load::{self, CompleteOnResponse, Constant, PendingRequests},
    util::rng::HasherRng,
};
use ziggurat_balance::{Balance, Endpoint, LeastBusy, PeakEwma, Shuffle};
use ziggurat_core::{DeploymentId, Open};

use super::Row;
use crate::{
    leaf::{Chunks, Leaf},
    round::{Round, calls, request},
};

pub(super) fn rows() -> Vec<Row> {
    const FLAT: &str = "tower p2c, constant load";
    const LOADED: &str = "tower p2c, pending requests";
    const FLAT_NAMED: &str = "tower p2c, constant load, naming";
    const PEAK_NAMED: &str = "tower p2c, peak EWMA, naming";
    const LOADED_NAMED: &str = "tower p2c, pending requests, naming";
    vec![
        Row::new("balance, shuffle, 1", || shuffle(1)).beside(FLAT, || flat(1)),
        Row::new("balance, shuffle, 10", || shuffle(10)).beside(FLAT, || flat(10)),
        Row::new("balance, shuffle, 100", || shuffle(100)).beside(FLAT, || flat(100)),
        Row::new("balance, least-busy, 1", || least_busy(1)).beside(LOADED, || loaded(1)),
        Row::new("balance, least-busy, 10", || least_busy(10)).beside(LOADED, || loaded(10)),
        Row::new("balance, least-busy, 100", || least_busy(100)).beside(LOADED, || loaded(100)),
        Row::new("balance, shuffle, 1, same duty", || shuffle(1))
            .beside(FLAT_NAMED, || flat_named(1)),
        Row::new("balance, shuffle, 10, same duty", || shuffle(10))
            .beside(FLAT_NAMED, || flat_named(10)),
        Row::new("balance, shuffle, 100, same duty", || shuffle(100))
            .beside(FLAT_NAMED, || flat_named(100)),
        Row::new("balance, least-busy, 1, same duty", || least_busy(1))
            .beside(LOADED_NAMED, || loaded_named(1)),
        Row::new("balance, least-busy, 10, same duty", || least_busy(10))
            .beside(LOADED_NAMED, || loaded_named(10)),
        Row::new("balance, least-busy, 100, same duty", || least_busy(100))
            .beside(LOADED_NAMED, || loaded_named(100)),
        Row::new("balance, peak EWMA of two, 10, same duty", || peak(10))
            .beside(PEAK_NAMED, || peak_named(10)),
        Row::new("balance, peak EWMA of two, 100, same duty", || peak(100))
            .beside(PEAK_NAMED, || peak_named(100)),
        Row::new("balance, shuffle, 1, max parallel", guarded)
            .beside("tower p2c over ConcurrencyLimit", peer_guarded),
        Row::new("concurrency limit", || {
            calls(ConcurrencyLimit::new(Leaf::new(), 100), request)
        })
        .of_peer(),
    ]
}

fn endpoint(i: usize) -> Endpoint<Open<Leaf>> {
    Endpoint::new(format!("deployment-{i}"), Open::new(Leaf::new()))
}

fn shuffle(count: usize) -> Round {
    let balance = Balance::with_policy((0..count).map(endpoint), Shuffle::seeded(7));
    calls(balance, request)
}

fn least_busy(count: usize) -> Round {
    let balance = Balance::with_policy((0..count).map(endpoint), LeastBusy::seeded(7));
    calls(balance, request)
}

fn peak(count: usize) -> Round {
    let balance = Balance::with_policy((0..count).map(endpoint), PeakEwma::seeded(7));
    calls(balance, request)
}

/// The same as without the limit, but for a place to take and to give back.
fn guarded() -> Round {
    let endpoint = endpoint(0).max_parallel_requests(100);
    calls(
        Balance::with_policy([endpoint], Shuffle::seeded(7)),
        request,
    )
}

fn peer_guarded() -> Round {
    let service = Constant::new(ConcurrencyLimit::new(Leaf::new(), 100), 1_u32);
    let services = ServiceList::new::<Request<Full<Bytes>>>([service]);
    calls(p2c::Balance::from_rng(services, rng()), request)
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

fn flat_named(count: usize) -> Round {
    let services: Vec<_> = (0..count).map(|i| Constant::new(named(i), 1_u32)).collect();
    calls(
        p2c::Balance::from_rng(ServiceList::new::<Request<Full<Bytes>>>(services), rng()),
        request,
    )
}

fn loaded_named(count: usize) -> Round {
    let services: Vec<_> = (0..count)
        .map(|i| PendingRequests::new(named(i), CompleteOnResponse::default()))
        .collect();
    calls(
        p2c::Balance::from_rng(ServiceList::new::<Request<Full<Bytes>>>(services), rng()),
        request,
    )
}

fn peak_named(count: usize) -> Round {
    let services: Vec<_> = (0..count)
        .map(|i| {
            let (first, decay) = (Duration::from_millis(30), 10e9);
            load::PeakEwma::new(named(i), first, decay, CompleteOnResponse::default())
        })
        .collect();
    calls(
        p2c::Balance::from_rng(ServiceList::new::<Request<Full<Bytes>>>(services), rng()),
        request,
    )
}

/// A leaf that is told its name, and its caller, too: by the means of tower and http.
fn named(
    i: usize,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<Chunks>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Chunks>, Infallible>>,
> {
    let id = DeploymentId::from(format!("deployment-{i}"));
    let other = id.clone();
    ServiceBuilder::new()
        .map_request(move |mut request: Request<Full<Bytes>>| {
            request.extensions_mut().insert(id.clone());
            request
        })
        .map_response(move |mut response: Response<Chunks>| {
            response.extensions_mut().insert(other.clone());
            response
        })
        .service(Leaf::new())
}

/// The default generator, from a fixed seed.
fn rng() -> HasherRng<BuildHasherDefault<DefaultHasher>> {
    HasherRng::with_hasher(BuildHasherDefault::default())
}
