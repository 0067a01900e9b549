//! Random groups and failures against a plain model of what may happen.

use std::time::Duration;

use http::Request;
use proptest::prelude::*;
use tokio::time::Instant;
use ziggurat_core::{
    Attempt, Outcome, Tried,
    overrides::{FallbackAhead, MaxRetries},
};
use ziggurat_retry::RetryLayer;

use crate::support::{Group, Member, Reply, code, fail, member, status};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const ORIGINS: [&str; 2] = ["x", "y"];
const INITIAL: Duration = Duration::from_millis(300);
const MAX: Duration = Duration::from_secs(2);
/// Of tokio's timers.
const RESOLUTION: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
struct Case {
    members: Vec<Member>,
    replies: Vec<Vec<Reply>>,
    retries: u32,
    cap: usize,
    wanted: Option<u32>,
    beside_fallback: bool,
    seed: u64,
}

fn reply() -> impl Strategy<Value = Reply> {
    let after = (0_u32..3000).prop_map(|ms| f64::from(ms) / 1000.0);
    let failure = prop_oneof![
        4 => Just(status(500)),
        2 => Just(status(408)),
        2 => Just(status(429)),
        3 => (0_u32..5).prop_map(|s| status(429).retry_after(s)),
        1 => Just(status(503).retry_after(90)),
        1 => Just(status(401)),
        1 => Just(fail(ziggurat_core::FailureKind::Disconnected)),
        1 => Just(status(400)),
        1 => Just(status(200)),
    ];
    (failure, after).prop_map(|(reply, after)| reply.after(after))
}

fn case() -> impl Strategy<Value = Case> {
    let members = (
        1..=4_usize,
        prop::array::uniform4(prop::option::of(0..2_usize)),
    );
    (
        members,
        prop::collection::vec(prop::collection::vec(reply(), 10), 4),
        (0..6_u32, 1..8_usize, prop::option::weighted(0.3, 0..4_u32)),
        any::<bool>(),
        any::<u64>(),
    )
        .prop_map(
            |((count, origins), replies, (retries, cap, wanted), beside_fallback, seed)| {
                let member = |(name, origin): (&'static str, Option<usize>)| match origin {
                    Some(origin) => member(name).origin(ORIGINS[origin]),
                    None => member(name),
                };
                let members = NAMES.into_iter().zip(origins).take(count).map(member);
                Case {
                    members: members.collect(),
                    replies,
                    retries,
                    cap,
                    wanted,
                    beside_fallback,
                    seed,
                }
            },
        )
}

fn end(attempt: &Attempt) -> Instant {
    attempt.started + attempt.elapsed.unwrap()
}

async fn run(case: Case) -> Result<(), TestCaseError> {
    let place = |name| NAMES.iter().position(|other| *other == name).unwrap();
    let replies = case.replies;
    let group = Group::new(case.members, move |name, visit| {
        replies[place(name)][visit].clone()
    });
    let tried = Tried::new();
    let mut request = Request::new(());
    request.extensions_mut().insert(tried.clone());
    if let Some(wanted) = case.wanted {
        request.extensions_mut().insert(MaxRetries(wanted));
    }
    if case.beside_fallback {
        request.extensions_mut().insert(FallbackAhead);
    }
    let layer = RetryLayer::new(case.retries)
        .backoff(INITIAL, MAX)
        .max_attempts_per_request(case.cap)
        .seed(case.seed);
    let result = group.ask(&layer, request).await;
    let now = Instant::now();
    let attempts = tried.read(<[Attempt]>::to_vec);
    let last = attempts.last().unwrap();

    // Neither count is exceeded, and a success is the end.
    let allowed = 1 + case.wanted.unwrap_or(case.retries) as usize;
    prop_assert!(attempts.len() <= allowed.min(case.cap));
    let earlier = &attempts[..attempts.len() - 1];
    let failed = |attempt: &Attempt| matches!(attempt.outcome, Some(Outcome::Failed { .. }));
    prop_assert!(earlier.iter().all(failed));
    prop_assert_eq!(failed(last), code(&result) != 200);
    // Nothing is waited for after the last attempt.
    prop_assert!(now - end(last) <= RESOLUTION);

    let mut backoffs = 0;
    for (n, pair) in attempts.windows(2).enumerate() {
        let [before, attempt] = pair else {
            unreachable!()
        };
        let before_it = &attempts[..=n];
        let wait = attempt.started - end(before);
        let same = |other: &&Attempt| other.deployment == attempt.deployment;
        let related = |other: &&Attempt| {
            same(other) || (attempt.origin.is_some() && other.origin == attempt.origin)
        };
        let asked = before_it
            .iter()
            .filter(related)
            .filter_map(Attempt::not_before)
            .max();
        let rest = asked.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(end(before))
        });
        // No one is asked before the time that it, or one of its origin, asked for.
        prop_assert!(wait >= rest, "{:?} of {:?}", wait, rest);
        if case.beside_fallback {
            prop_assert_eq!(wait, Duration::ZERO);
        } else if !rest.is_zero() {
            prop_assert!(wait <= rest + (rest / 10).min(INITIAL) + RESOLUTION);
        } else if before_it.iter().any(|other| same(&other)) {
            let ceiling = (INITIAL * 2_u32.pow(backoffs)).min(MAX);
            prop_assert!(wait <= ceiling + RESOLUTION, "{:?} of {:?}", wait, ceiling);
            backoffs += 1;
        } else {
            prop_assert_eq!(wait, Duration::ZERO);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn r56_r70_r72_r73_d6_hold_for_any_group(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(case))?;
    }
}
