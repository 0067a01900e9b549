//! A policy of one's own: the cheapest deployment first, at prices that change while requests come.
//!
//! `cargo run --bin custom_pick`.
//!
//! A policy sees who is left, after filters and after what this request has tried. All else (attempts, readiness, the
//! ledger) stays with `Balance`.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{ServiceExt, service_fn};
use ziggurat::{core::BoxError, prelude::*};

/// Picks the cheapest. Prices may change at any time; clones share them, and nothing is locked.
#[derive(Clone, Debug, Default)]
struct Cheapest {
    /// Cents per million tokens, by name.
    prices: Arc<HashMap<&'static str, AtomicU64>>,
}

impl Cheapest {
    fn new<const N: usize>(prices: [(&'static str, u64); N]) -> Self {
        let prices = prices.map(|(name, price)| (name, AtomicU64::new(price)));
        Self {
            prices: Arc::new(prices.into()),
        }
    }

    fn price(&self, name: &str) -> u64 {
        let price = self.prices.get(name);
        price.map_or(u64::MAX, |price| price.load(Ordering::Relaxed))
    }

    /// Changes a price, for all clones.
    fn set(&self, name: &str, price: u64) {
        if let Some(known) = self.prices.get(name) {
            known.store(price, Ordering::Relaxed);
        }
    }
}

impl Pick for Cheapest {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        let price = |&place: &usize| self.price(candidates[place].id().as_str());
        (0..candidates.len()).min_by_key(price).unwrap_or(0)
    }
}

type Deployment = BoxService<Full<Bytes>>;

fn deployment(name: &'static str) -> Endpoint<Deployment> {
    let answer = move |_: Request<Full<Bytes>>| async move {
        Ok::<_, Failure>(Response::new(Full::<Bytes>::from(name)))
    };
    Endpoint::new(name, BoxService::new(Open::new(service_fn(answer))))
}

fn group(policy: Cheapest) -> Retry<Balance<Deployment, Cheapest>> {
    let deployments = ["frankfurt", "oslo", "zurich"].map(deployment);
    RetryLayer::new(1).layer(Balance::with_policy(deployments, policy))
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let policy = Cheapest::new([("frankfurt", 90), ("oslo", 40), ("zurich", 70)]);
    let group = group(policy.clone());
    for oslo in [40, 80, 95] {
        policy.set("oslo", oslo);
        let response = group.clone().oneshot(Request::default()).await?;
        let who = response.extensions().get::<DeploymentId>();
        println!(
            "oslo costs {oslo}: {}",
            who.map_or("?", DeploymentId::as_str)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICES: [(&str, u64); 3] = [("frankfurt", 90), ("oslo", 40), ("zurich", 70)];

    type Group = Retry<Balance<Deployment, Cheapest>>;

    async fn ask(group: &Group, request: Request<Full<Bytes>>) -> DeploymentId {
        let response = group.clone().oneshot(request).await.unwrap();
        response.extensions().get::<DeploymentId>().unwrap().clone()
    }

    #[tokio::test]
    async fn the_cheapest_is_asked_and_prices_may_change() {
        let policy = Cheapest::new(PRICES);
        let group = group(policy.clone());
        assert_eq!(ask(&group, Request::default()).await.as_str(), "oslo");
        policy.set("oslo", 80);
        assert_eq!(ask(&group, Request::default()).await.as_str(), "zurich");
    }

    #[tokio::test]
    async fn what_was_tried_is_no_candidate() {
        let group = group(Cheapest::new(PRICES));
        let mut request = Request::new(Full::default());
        request.extensions_mut().insert(Tried::new());
        for next in ["oslo", "zurich", "frankfurt"] {
            assert_eq!(ask(&group, request.clone()).await.as_str(), next);
        }
    }
}
