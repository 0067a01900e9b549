//! Random tables, requests and outcomes, against a recursive description of the rules.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{Req, World, wishing};
use proptest::{collection::vec, option, prelude::*};
use tokio_test::{assert_ready, task};
use tower::{Layer, ServiceExt};
use ziggurat_core::{
    FailureKind::{self, BadRequest, ContentPolicy, ContextWindow, Server},
    fallbacks::{Table, Target},
    overrides::Parameters,
};
use ziggurat_fallback::FallbackLayer;

const GROUPS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
/// Stands for `*` where a table has a group.
const ANY: usize = GROUPS.len();

/// A group, and whether with parameters.
type Stop = (usize, bool);
type Chains = BTreeMap<usize, Vec<Stop>>;

#[derive(Clone, Debug)]
struct Case {
    general: Chains,
    context_window: Option<Chains>,
    content_policy: Option<Chains>,
    own_list: Option<Vec<Stop>>,
    own_general: Option<Chains>,
    own_content_policy: Option<Chains>,
    allow: bool,
    refused_kind: Option<FailureKind>,
    max: u32,
    /// How each group fails, if it does.
    failures: Vec<Option<FailureKind>>,
}

fn cases() -> impl Strategy<Value = Case> {
    let stop = || (0..GROUPS.len(), proptest::bool::weighted(0.2));
    let chains = move || proptest::collection::btree_map(0..=ANY, vec(stop(), 0..5), 0..5);
    let failure = prop_oneof![
        1 => Just(None),
        4 => Just(Some(Server)),
        2 => Just(Some(ContextWindow)),
        2 => Just(Some(ContentPolicy)),
        1 => Just(Some(BadRequest)),
    ];
    let tables = (chains(), option::of(chains()), option::of(chains()));
    let own = (
        option::weighted(0.2, vec(stop(), 0..7)),
        option::weighted(0.2, chains()),
        option::weighted(0.2, chains()),
    );
    let limits = (
        any::<bool>(),
        option::weighted(0.2, Just(BadRequest)),
        0..8_u32,
    );
    (tables, own, limits, vec(failure, GROUPS.len())).prop_map(
        |(tables, own, (allow, refused_kind, max), failures)| Case {
            general: tables.0,
            context_window: tables.1,
            content_policy: tables.2,
            own_list: own.0,
            own_general: own.1,
            own_content_policy: own.2,
            allow,
            refused_kind,
            max,
            failures,
        },
    )
}

// === The rules, recursively ===

enum End {
    Answered,
    /// No hop or no kind to follow is left: nothing more is asked anywhere.
    Over,
    /// This chain has nothing more. Says whether content was refused on the way.
    Spent {
        refused: bool,
    },
}

struct Walk<'a> {
    case: &'a Case,
    asked: Vec<Stop>,
    /// Fails at this position, however it would fare otherwise.
    fails_at: Option<usize>,
}

impl Walk<'_> {
    fn ask(case: &Case, fails_at: Option<usize>) -> (Vec<Stop>, bool) {
        let mut walk = Walk {
            case,
            asked: vec![],
            fails_at,
        };
        let end = walk.visit((0, false), true);
        (walk.asked, matches!(end, End::Answered))
    }

    fn visit(&mut self, stop: Stop, is_first: bool) -> End {
        let at = self.asked.len();
        self.asked.push(stop);
        let failure = match self.fails_at {
            Some(fails_at) if fails_at == at => Some(Server),
            _ => self.case.failures[stop.0],
        };
        let Some(kind) = failure else {
            return End::Answered;
        };
        if self.case.refused_kind == Some(kind) || self.hops() >= self.case.max {
            return End::Over;
        }
        if self.case.own_list.is_some() && !is_first {
            return End::Spent { refused: false }; // the list goes on where it was
        }
        let mut refused = kind == ContentPolicy;
        let outlasts = refused || self.lenient();
        for next in self.chain(stop.0, kind) {
            if self.asked.contains(&next) || next == (stop.0, false) {
                continue;
            }
            match self.visit(next, false) {
                End::Spent { refused: further } => refused |= further,
                end => return end,
            }
            if refused && !outlasts {
                break;
            }
        }
        End::Spent { refused }
    }

    fn hops(&self) -> u32 {
        u32::try_from(self.asked.len()).unwrap() - 1
    }

    fn chain(&self, group: usize, kind: FailureKind) -> Vec<Stop> {
        let case = self.case;
        let find = |chains: &Chains| chains.get(&group).or_else(|| chains.get(&ANY)).cloned();
        if let Some(list) = &case.own_list {
            return list.clone();
        }
        let general = || find(case.own_general.as_ref().unwrap_or(&case.general));
        let special = |chains: Option<&Chains>| chains.and_then(find);
        match kind {
            ContextWindow => special(case.context_window.as_ref()).or_else(general),
            ContentPolicy => match self.content_policy() {
                None if case.allow => general(),
                table => special(table),
            },
            _ => general(),
        }
        .unwrap_or_default()
    }

    fn content_policy(&self) -> Option<&Chains> {
        let own = self.case.own_content_policy.as_ref();
        own.or(self.case.content_policy.as_ref())
    }

    fn lenient(&self) -> bool {
        self.case.own_list.is_some() || (self.case.allow && self.content_policy().is_none())
    }
}

// === The real thing ===

fn target((group, special): Stop) -> Target {
    let target = Target::new(GROUPS[group]);
    if special {
        target.with_parameter("n", "1")
    } else {
        target
    }
}

fn table(chains: &Chains) -> Table {
    let name = |group: usize| GROUPS.get(group).copied().unwrap_or(Table::ANY);
    let chains = chains.iter();
    chains
        .map(|(group, chain)| (name(*group), chain.iter().copied().map(target)))
        .collect()
}

fn layer(case: &Case) -> FallbackLayer {
    let refused_kind = case.refused_kind;
    let mut layer = FallbackLayer::new(table(&case.general))
        .max_fallbacks(case.max)
        .allow_generic_fallback_on_refusal(case.allow)
        .fallback_on(move |kind| Some(kind) != refused_kind);
    if let Some(chains) = &case.context_window {
        layer = layer.context_window(table(chains));
    }
    if let Some(chains) = &case.content_policy {
        layer = layer.content_policy(table(chains));
    }
    layer
}

fn own(case: &Case) -> Req {
    wishing(GROUPS[0], |wishes| {
        let list = case.own_list.as_ref();
        wishes.chain = list.map(|list| list.iter().copied().map(target).collect());
        wishes.general = case.own_general.as_ref().map(table);
        wishes.content_policy = case.own_content_policy.as_ref().map(table);
    })
}

fn stop(request: &Req) -> Stop {
    let group = common::group_of(request);
    let group = GROUPS.iter().position(|name| *name == group).unwrap();
    (group, request.extensions().get::<Parameters>().is_some())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_walk_follows_the_rules(case in cases()) {
        let failures = GROUPS.iter().zip(&case.failures);
        let world = World::failing(failures.filter_map(|(group, kind)| Some((*group, (*kind)?))));
        let call = layer(&case).layer(world.clone()).oneshot(own(&case));
        let answer = assert_ready!(task::spawn(call).poll()).unwrap();

        let (asked, answered) = Walk::ask(&case, None);
        let seen: Vec<Stop> = world.seen().iter().map(stop).collect();
        prop_assert_eq!(&seen, &asked);

        // What must hold whatever the tables.
        prop_assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "no target twice");
        prop_assert!(seen.len() - 1 <= case.max as usize);
        let (last, before) = seen.split_last().unwrap();
        prop_assert!(before.iter().all(|stop| case.failures[stop.0].is_some()));
        prop_assert_eq!(answered, case.failures[last.0].is_none());
        let expected = if answered { last.0 } else { 0 };
        prop_assert_eq!(answer.body(), GROUPS[expected]);
        prop_assert_eq!(answer.status().is_success(), answered);

        // More is ahead if an ordinary failure would have led to it.
        for (at, ahead) in world.ahead().into_iter().enumerate() {
            let leads_on = Walk::ask(&case, Some(at)).0.len() > at + 1;
            prop_assert_eq!(ahead, leads_on, "at {}", at);
        }
    }
}
