//! The choice against a simple model, for arbitrary groups and histories.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use proptest::prelude::*;
use support::{Leaf, Readiness, failed, name, request};
use tokio_test::task::spawn;
use tower::ServiceExt;
use ziggurat_balance::{Balance, Candidate, Endpoint, Pick, Pool, Shuffle};
use ziggurat_core::{FailureKind, Rejection};

#[derive(Clone, Debug)]
struct Member {
    weight: Option<u8>,
    origin: Option<u8>,
    admits: bool,
    readiness: Readiness,
}

/// A failed attempt: the member, and the seconds it asked to wait. One second passes after each.
type Visit = (usize, Option<u8>);

/// Best first, as in the crate's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Untried,
    Limited,
    /// The rest of its wait, and the number of the last attempt.
    Tried(usize, usize),
}

fn rank(members: &[Member], history: &[Visit], index: usize) -> Rank {
    let now = history.len();
    let waits = history.iter().enumerate().filter(|(_, (at, _))| {
        let origin = members[*at].origin;
        *at == index || origin.is_some() && origin == members[index].origin
    });
    let ends = waits.filter_map(|(start, (_, wait))| Some(start + usize::from((*wait)?)));
    let rest = ends.max().unwrap_or_default().saturating_sub(now);
    if let Some(last) = history.iter().rposition(|(at, _)| *at == index) {
        Rank::Tried(rest, last)
    } else if rest > 0 {
        Rank::Limited
    } else {
        Rank::Untried
    }
}

/// Shuffles, and writes down what it was offered.
#[derive(Clone, Debug)]
struct Watched {
    shuffle: Shuffle,
    guesses: bool,
    offered: Arc<Mutex<Vec<Vec<usize>>>>,
}

impl Pick for Watched {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        let offered = candidates.iter().map(Candidate::index).collect();
        self.offered.lock().unwrap().push(offered);
        self.shuffle.pick(candidates)
    }

    fn guess(&self, all: &Pool) -> Option<usize> {
        self.shuffle.guess(all).filter(|_| self.guesses)
    }
}

fn member() -> impl Strategy<Value = Member> {
    let readiness = prop_oneof![
        5 => Just(Readiness::Ready),
        3 => Just(Readiness::Pending),
        1 => Just(Readiness::Broken),
    ];
    let weight = prop::option::of(0..3_u8);
    (
        weight,
        prop::option::of(0..3_u8),
        prop::bool::weighted(0.8),
        readiness,
    )
        .prop_map(|(weight, origin, admits, readiness)| Member {
            weight,
            origin,
            admits,
            readiness,
        })
}

fn group() -> impl Strategy<Value = (Vec<Member>, Vec<Visit>)> {
    // Beyond 16 members the list of candidates is kept elsewhere.
    let size = prop_oneof![4 => 1..6_usize, 1 => 14..40_usize];
    size.prop_flat_map(|size| {
        let visit = (0..size, prop::option::of(0..6_u8));
        (
            prop::collection::vec(member(), size),
            prop::collection::vec(visit, 0..6),
        )
    })
}

fn endpoint((index, member): (usize, &Member)) -> Endpoint<Leaf> {
    let mut leaf = Leaf::new().with(member.readiness);
    if !member.admits {
        leaf = leaf.rejecting(Rejection::new(FailureKind::Region));
    }
    let mut endpoint = Endpoint::new(index.to_string(), leaf);
    if let Some(weight) = member.weight {
        endpoint = endpoint.weight(f64::from(weight));
    }
    if let Some(origin) = member.origin {
        endpoint = endpoint.origin(origin.to_string());
    }
    endpoint
}

async fn check(members: Vec<Member>, history: Vec<Visit>, seed: u64, guesses: bool) {
    let (tried, request) = request();
    for (at, wait) in &history {
        let origin = members[*at].origin.map(|origin| origin.to_string());
        let wait = wait.map(|wait| Duration::from_secs(wait.into()));
        failed(&tried, &at.to_string(), origin.as_deref(), wait);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let policy = Watched {
        shuffle: Shuffle::seeded(seed),
        guesses,
        offered: Arc::default(),
    };
    let balance = Balance::with_policy(members.iter().enumerate().map(endpoint), policy.clone());
    let mut call = spawn(balance.oneshot(request));
    let polled = call.poll();

    let rank = |index: usize| rank(&members, &history, index);
    let all = |wanted: &dyn Fn(&Member) -> bool| -> Vec<usize> {
        let admitted = members.iter().enumerate().filter(|(_, m)| m.admits);
        admitted
            .filter(|(_, m)| wanted(m))
            .map(|(n, _)| n)
            .collect()
    };
    for offered in policy.offered.lock().unwrap().iter() {
        assert!(offered.len() > 1 && offered.is_sorted());
        assert!(offered.iter().all(|n| members[*n].admits));
        assert!(offered.iter().all(|n| rank(*n) == rank(offered[0])));
    }
    let ready = all(&|m| m.readiness == Readiness::Ready);
    let pending = all(&|m| m.readiness == Readiness::Pending);
    let Some(best) = ready.iter().map(|n| rank(*n)).min() else {
        match polled {
            std::task::Poll::Pending => assert!(!pending.is_empty()),
            std::task::Poll::Ready(result) => {
                assert!(pending.is_empty());
                let refused = all(&|_| true).is_empty();
                let kind = if refused {
                    FailureKind::Region
                } else {
                    FailureKind::Other
                };
                assert_eq!(result.unwrap_err().kind(), kind);
            }
        }
        return;
    };
    let std::task::Poll::Ready(Ok(response)) = polled else {
        panic!("{polled:?} though {ready:?} are ready");
    };
    let chosen: usize = name(&response).parse().unwrap();
    assert!(ready.contains(&chosen));
    assert_eq!(rank(chosen), best);

    if all(&|m| m.readiness == Readiness::Broken).is_empty() {
        let others = all(&|_| true).into_iter().filter(|n| *n != chosen);
        let (untried, others): (Vec<_>, Vec<_>) = others.partition(|n| rank(*n) <= Rank::Limited);
        let home = members[chosen].origin;
        let (here, elsewhere): (Vec<_>, Vec<_>) = untried
            .iter()
            .partition(|n| home.is_some() && members[**n].origin == home);
        let free = elsewhere.iter().filter(|n| rank(**n) == Rank::Untried);
        let mut others: Vec<_> = others
            .into_iter()
            .filter_map(|n| history.iter().rposition(|(at, _)| *at == n))
            .collect();
        others.sort_unstable();
        tried.read(|attempts| {
            let attempt = attempts.last().unwrap();
            assert_eq!(attempt.left_untried(), !untried.is_empty());
            assert_eq!(attempt.untried_here, !here.is_empty());
            assert_eq!(attempt.untried_elsewhere, free.clone().next().is_some());
            let rests = attempt.resting_until.is_some();
            assert_eq!(rests, free.count() < elsewhere.len());
            assert_eq!(attempt.tried_others, others);
        });
    }
}

proptest! {
    #[test]
    fn the_choice_is_one_of_the_best((members, history) in group(), seed: u64, guesses: bool) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(check(members, history, seed, guesses));
    }
}
