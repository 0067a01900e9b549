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
    ModelGroup,
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
    /// Which groups answer with content held back, unless they fail, and which are passed over.
    filtered: [bool; GROUPS.len()],
    skipped: [bool; GROUPS.len()],
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
    let some = |share| prop::array::uniform(proptest::bool::weighted(share));
    let flags = (some(0.3), some(0.15));
    (tables, own, limits, vec(failure, GROUPS.len()), flags).prop_map(
        |(tables, own, (allow, refused_kind, max), failures, (filtered, skipped))| Case {
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
            filtered,
            skipped,
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
    /// Fails at these positions, however it would fare otherwise.
    fails_at: Vec<(usize, FailureKind)>,
}

impl Walk<'_> {
    fn ask(case: &Case, fails_at: Vec<(usize, FailureKind)>) -> (Vec<Stop>, bool) {
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
        let fails = self.fails_at.iter().find(|(position, _)| *position == at);
        let failure = match fails {
            Some((_, kind)) => Some(*kind),
            None => self.case.failures[stop.0].or_else(|| self.rescued(stop, at)),
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
            let skipped = self.case.skipped[next.0];
            if skipped || self.asked.contains(&next) || next == (stop.0, false) {
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

    /// Content that was held back is a refusal if something more would be asked after one.
    fn rescued(&self, stop: Stop, at: usize) -> Option<FailureKind> {
        let mut fails_at = self.fails_at.clone();
        fails_at.push((at, ContentPolicy));
        let leads_on = || Walk::ask(self.case, fails_at).0.len() > at + 1;
        (self.case.filtered[stop.0] && leads_on()).then_some(ContentPolicy)
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
    let skipped = case.skipped;
    if skipped.contains(&true) {
        layer = layer.skip(move |group, extensions| {
            assert!(extensions.get::<ModelGroup>().is_some());
            let group = GROUPS.iter().position(|name| *name == group.as_str());
            skipped[group.unwrap()]
        });
    }
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
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(4_000)))]

    #[test]
    fn a_walk_follows_the_rules(case in cases()) {
        let failures = GROUPS.iter().zip(&case.failures);
        let filtered = GROUPS.into_iter().zip(case.filtered).filter(|(_, filtered)| *filtered);
        let world = World::failing(failures.filter_map(|(group, kind)| Some((*group, (*kind)?))))
            .filtering(filtered.map(|(group, _)| group));
        let call = layer(&case).layer(world.clone()).oneshot(own(&case));
        let answer = assert_ready!(task::spawn(call).poll());

        let (asked, answered) = Walk::ask(&case, vec![]);
        let seen: Vec<Stop> = world.seen().iter().map(stop).collect();
        prop_assert_eq!(&seen, &asked);

        // What must hold whatever the tables.
        prop_assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "no target twice");
        prop_assert!(seen.len() - 1 <= case.max as usize);
        let (last, before) = seen.split_last().unwrap();
        let fails = |stop: &Stop| case.failures[stop.0].is_some();
        prop_assert!(before.iter().all(|stop| fails(stop) || case.filtered[stop.0]));
        prop_assert_eq!(answered, !fails(last));
        let expected = if answered { last.0 } else { 0 };
        match answer {
            Ok(answer) => {
                prop_assert_eq!(answer.body().get_ref().unwrap(), GROUPS[expected]);
                prop_assert_eq!(answer.status().is_success(), answered);
            }
            // What the first group held back is an error once it was taken for one.
            Err(failure) => {
                prop_assert_eq!(failure.kind(), ContentPolicy);
                prop_assert!(!answered && case.filtered[0] && !fails(&seen[0]));
            }
        }

        // More is ahead if a failure of that kind would have led to it.
        for kind in [Server, ContextWindow, ContentPolicy, BadRequest] {
            for (at, ahead) in world.ahead_after(kind).into_iter().enumerate() {
                let leads_on = Walk::ask(&case, vec![(at, kind)]).0.len() > at + 1;
                prop_assert_eq!(ahead, leads_on, "{:?} at {}", kind, at);
            }
        }
    }
}
