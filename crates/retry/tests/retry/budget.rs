//! A budget that all retries share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tower::{
    Layer, ServiceExt,
    retry::budget::{Budget, TpsBudget},
};
use ziggurat_retry::RetryLayer;

use crate::support::{Group, exact, member, one_second, request, seconds, status};

/// A budget that counts.
#[derive(Debug, Default)]
pub(crate) struct Purse {
    pub(crate) left: AtomicUsize,
    pub(crate) deposits: AtomicUsize,
    pub(crate) withdrawals: AtomicUsize,
}

impl Purse {
    pub(crate) fn with(left: usize) -> Arc<Self> {
        let purse = Self::default();
        purse.left.store(left, Ordering::Relaxed);
        Arc::new(purse)
    }

    fn counts(&self) -> (usize, usize) {
        let deposits = self.deposits.load(Ordering::Relaxed);
        (deposits, self.withdrawals.load(Ordering::Relaxed))
    }
}

impl Budget for Purse {
    fn deposit(&self) {
        self.deposits.fetch_add(1, Ordering::Relaxed);
    }

    fn withdraw(&self) -> bool {
        let paid = |left: usize| left.checked_sub(1);
        let is_paid = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid)
            .is_ok();
        self.withdrawals
            .fetch_add(usize::from(is_paid), Ordering::Relaxed);
        is_paid
    }
}

async fn fail(layer: &RetryLayer) -> usize {
    let group = Group::nameless(|_| status(500));
    let _ = group.ask(layer, request()).await;
    group.visits().len()
}

#[tokio::test(start_paused = true)]
async fn every_further_attempt_is_paid_for_waited_for_or_not() {
    let purse = Purse::with(9);
    let layer = one_second(3).budget(purse.clone());
    let group = Group::new([member("a"), member("b")], |_, _| status(500));
    let _ = group.ask(&layer, request()).await;
    assert_eq!(group.times(), [0, 0, 1000, 2000]);
    assert_eq!(purse.counts(), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn an_empty_budget_ends_it_with_the_failure() {
    let layer = exact(5).budget(Purse::with(2));
    assert_eq!(fail(&layer).await, 3);
    assert_eq!(fail(&layer).await, 1);
}

#[tokio::test(start_paused = true)]
async fn only_a_first_attempt_that_succeeds_pays_in() {
    let purse = Purse::with(9);
    let layer = exact(2).budget(purse.clone());
    for (fails, counts) in [
        (0, (1, 0)),
        (1, (1, 1)),
        (2, (1, 3)),
        (9, (1, 5)),
        (0, (2, 5)),
    ] {
        let group = Group::nameless(move |visit| status(if visit < fails { 500 } else { 200 }));
        let _ = group.ask(&layer, request()).await;
        assert_eq!(purse.counts(), counts, "after {fails} failures");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_retried_costs_nothing() {
    let purse = Purse::with(9);
    let layer = exact(2).budget(purse.clone());
    let group = Group::nameless(|_| status(400));
    let _ = group.ask(&layer, request()).await;
    assert_eq!(purse.counts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn towers_budget_is_shared_by_clones_and_layers() {
    // One retry for ten calls, none for free; what is paid in counts for ten seconds.
    let budget = || Arc::new(TpsBudget::new(Duration::from_secs(10), 0, 0.1));
    let shared = budget();
    let (a, b) = (exact(3).budget(shared.clone()), exact(3).budget(shared));
    assert_eq!(fail(&a).await, 1);
    let ok = Group::nameless(|_| status(200));
    let service = a.layer(ok.clone());
    for _ in 0..20 {
        service.clone().oneshot(request()).await.unwrap();
    }
    assert_eq!((fail(&b).await, fail(&a).await), (3, 1));

    for _ in 0..20 {
        service.clone().oneshot(request()).await.unwrap();
    }
    tokio::time::advance(seconds(30.0)).await;
    assert_eq!(fail(&a).await, 1);
}
