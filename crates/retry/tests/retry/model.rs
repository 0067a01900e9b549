//! Random groups and failures against a plain model of what may happen.

use std::{sync::atomic::Ordering, time::Duration};

use proptest::prelude::*;
use tokio::time::Instant;
use ziggurat_core::{
    Attempt, Deadline, Failure, FailureKind, FallbackReason, Outcome, Tried, overrides::MaxRetries,
};
use ziggurat_retry::{RetryLayer, RetryPolicy};

use crate::{
    budget::Purse,
    support::{Group, Member, Reply, ahead, code, fail, member, status, with},
};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const ORIGINS: [&str; 2] = ["x", "y"];
const INITIAL: Duration = Duration::from_millis(300);
const MAX: Duration = Duration::from_secs(2);
/// The default.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// Of tokio's timers.
const RESOLUTION: Duration = Duration::from_millis(1);

#[derive(Clone, Debug)]
struct Case {
    members: Vec<Member>,
    replies: Vec<Vec<Reply>>,
    retries: u32,
    cap: usize,
    wanted: Option<u32>,
    limits: Limits,
    /// Whether another group would be asked next; the second hop reaches the same deployments.
    hops: Vec<bool>,
    seed: u64,
}

/// Everything beside the plain counts.
#[derive(Clone, Debug)]
struct Limits {
    policy: RetryPolicy,
    exhaust: bool,
    purse: Option<usize>,
    deadline: Option<Duration>,
}

fn limits() -> impl Strategy<Value = Limits> {
    let number = || prop::option::weighted(0.2, 0..4_u32);
    let policy = [number(), number(), number(), number(), number(), number()].prop_map(
        |[
            bad_request,
            authentication,
            timeout,
            rate_limit,
            server,
            default,
        ]| {
            let mut policy = RetryPolicy::new();
            policy.bad_request = bad_request;
            policy.authentication = authentication;
            policy.timeout = timeout;
            policy.rate_limit = rate_limit;
            policy.internal_server = server;
            policy.service_unavailable = server;
            policy.default = default;
            policy
        },
    );
    let deadline = prop::option::weighted(0.3, (1..20_000_u64).prop_map(Duration::from_millis));
    let purse = prop::option::weighted(0.3, 0..8_usize);
    (policy, any::<bool>(), purse, deadline).prop_map(|(policy, exhaust, purse, deadline)| Limits {
        policy,
        exhaust,
        purse,
        deadline,
    })
}

fn reply() -> impl Strategy<Value = Reply> {
    let after = (0_u32..3000).prop_map(|ms| f64::from(ms) / 1000.0);
    let failure = prop_oneof![
        4 => Just(status(500)),
        2 => Just(status(408)),
        2 => Just(status(429)),
        3 => (0_u32..5).prop_map(|s| status(429).retry_after(s)),
        1 => prop_oneof![Just(61), Just(90)].prop_map(|s| status(503).retry_after(s)),
        1 => Just(status(401)),
        1 => Just(fail(FailureKind::Disconnected)),
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
        prop::collection::vec(prop::collection::vec(reply(), 20), 4),
        (
            0..6_u32,
            1..8_usize,
            prop::option::weighted(0.3, 0..4_u32),
            limits(),
        ),
        prop_oneof![Just(vec![false]), Just(vec![true, false])],
        any::<u64>(),
    )
        .prop_map(
            |((count, origins), replies, (retries, cap, wanted, limits), hops, seed)| {
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
                    limits,
                    hops,
                    seed,
                }
            },
        )
}

fn end(attempt: &Attempt) -> Instant {
    attempt.started + attempt.elapsed.unwrap()
}

/// Returns the wait that was asked for, and when it is over.
fn asked(attempt: &Attempt) -> Option<(Duration, Instant)> {
    match attempt.outcome {
        Some(Outcome::Failed { retry_after, .. }) => retry_after.zip(attempt.not_before()),
        _ => None,
    }
}

fn kind(attempt: &Attempt) -> Option<FailureKind> {
    match attempt.outcome {
        Some(Outcome::Failed { kind, .. }) => Some(kind),
        _ => None,
    }
}

async fn run(case: Case) -> Result<(), TestCaseError> {
    let place = |name| NAMES.iter().position(|other| *other == name).unwrap();
    let replies = case.replies;
    let limits = case.limits;
    let size = case.members.len();
    let group = Group::new(case.members, move |name, visit| {
        replies[place(name)][visit].clone()
    });
    let purse = Purse::with(limits.purse.unwrap_or(usize::MAX));
    let layer = RetryLayer::new(case.retries)
        .policy(limits.policy)
        .exhaust_untried(limits.exhaust)
        .budget(purse.clone())
        .backoff(INITIAL, MAX)
        .max_attempts_per_request(case.cap)
        .seed(case.seed);
    let deadline = limits.deadline.and_then(Deadline::start);
    let tried = Tried::new();
    let (mut further, mut deposits) = (0, 0);
    for beside_fallback in case.hops {
        let mut request = with(tried.clone());
        if let Some(wanted) = case.wanted {
            request.extensions_mut().insert(MaxRetries(wanted));
        }
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(deadline);
        }
        if beside_fallback {
            request.extensions_mut().insert(ahead());
        }
        let first = tried.attempts();
        let succeeded = code(&group.ask(&layer, request).await) == 200;
        let now = Instant::now();
        let attempts = tried.read(<[Attempt]>::to_vec);
        let (last, earlier) = attempts[first..].split_last().unwrap();

        // Neither count is exceeded, and a success is the end. What is above the first is on untried ones.
        let of_class = kind(&attempts[first]).and_then(|kind| limits.policy.retries(&kind.into()));
        let retries = match case.wanted {
            Some(0) => 0,
            wanted => of_class.or(wanted).unwrap_or(case.retries) as usize,
        };
        let is_first_visit = |n: usize| {
            !attempts[..n]
                .iter()
                .any(|it| it.deployment == attempts[n].deployment)
        };
        let above = (first + 1 + retries)..attempts.len();
        prop_assert!(above.is_empty() || limits.exhaust);
        prop_assert!(above.into_iter().all(is_first_visit));
        prop_assert!(earlier.is_empty() || attempts.len() <= case.cap);
        // Every further attempt is paid for, and begins in time.
        further += earlier.len();
        prop_assert_eq!(purse.withdrawals.load(Ordering::Relaxed), further);
        deposits += usize::from(succeeded && earlier.is_empty());
        prop_assert_eq!(purse.deposits.load(Ordering::Relaxed), deposits);
        if let Some(deadline) = deadline {
            prop_assert!(
                attempts[first + 1..]
                    .iter()
                    .all(|it| it.started < deadline.at())
            );
        }
        // It does not end without a reason.
        let untried = (0..size).any(|n| {
            !attempts
                .iter()
                .any(|it| it.deployment == Some(NAMES[n].into()))
        });
        let has_room = earlier.len() < retries || limits.exhaust && untried;
        let is_paid = limits.purse.is_none_or(|left| left > further);
        if let Some(kind) = kind(last)
            && has_room
            && is_paid
            && attempts.len() < case.cap
            && deadline.is_none()
            && !beside_fallback
        {
            let of_class = limits.policy.retries(&Failure::new(kind)).unwrap_or(0);
            let is_final = match kind {
                FailureKind::BadRequest => true,
                FailureKind::Authentication => !untried,
                _ => false,
            };
            // An error that is no response is not from upstream, but those here are of kinds that are retried.
            prop_assert!(
                is_final && of_class == 0 || !untried && turn_rests_too_long(&attempts),
                "ended with {:?}",
                kind
            );
        }
        let failed = |attempt: &Attempt| matches!(attempt.outcome, Some(Outcome::Failed { .. }));
        prop_assert!(earlier.iter().all(failed));
        prop_assert_eq!(failed(last), !succeeded);
        // Nothing is waited for after the last attempt.
        prop_assert!(now - end(last) <= RESOLUTION);
        check_waits(&attempts, first, beside_fallback)?;
        if succeeded {
            break;
        }
        tried.hop(FallbackReason::Error, FailureKind::Server.into());
    }
    Ok(())
}

/// Says whether the deployment that rests the shortest has asked for more than is waited for, itself or by its origin.
fn turn_rests_too_long(attempts: &[Attempt]) -> bool {
    let ended = end(attempts.last().unwrap());
    let rests = |of: &Attempt| {
        let related = attempts.iter().filter(|other| {
            other.deployment == of.deployment || of.origin.is_some() && other.origin == of.origin
        });
        let waits = related.filter_map(asked);
        waits
            .filter(|(_, until)| *until > ended)
            .collect::<Vec<_>>()
    };
    let last = |rests: &[(Duration, Instant)]| rests.iter().map(|(_, until)| *until).max();
    let shortest = attempts.iter().map(|it| last(&rests(it))).min().unwrap();
    attempts
        .iter()
        .map(rests)
        .any(|rests| last(&rests) == shortest && rests.iter().any(|(wait, _)| *wait > MAX_WAIT))
}

/// Checks the waits between the attempts of the hop that begins with number `first`.
fn check_waits(
    attempts: &[Attempt],
    first: usize,
    beside_fallback: bool,
) -> Result<(), TestCaseError> {
    let mut backoffs = 0;
    for n in first + 1..attempts.len() {
        let (before_it, attempt) = (&attempts[..n], &attempts[n]);
        let ended = end(&before_it[n - 1]);
        let wait = attempt.started - ended;
        let same = |other: &&Attempt| other.deployment == attempt.deployment;
        let related = |other: &&Attempt| {
            same(other) || (attempt.origin.is_some() && other.origin == attempt.origin)
        };
        let resting = || {
            let waits = before_it.iter().filter(related).filter_map(asked);
            waits.filter(|(_, until)| *until > ended)
        };
        let was_tried = before_it.iter().any(|other| same(&other));
        if beside_fallback {
            prop_assert_eq!(wait, Duration::ZERO);
            let slow = |other: &Attempt| {
                other.failed_with(FailureKind::Timeout)
                    || asked(other).is_some_and(|(wait, _)| !wait.is_zero())
            };
            let slow = before_it.iter().filter(same).any(slow);
            prop_assert!(!was_tried || (!slow && resting().next().is_none()));
            continue;
        }
        // No one is asked before the time that it, or one of its origin, asked for, unless that was too long. Then only one
        // that had not been tried is.
        prop_assert!(!was_tried || resting().all(|(wait, _)| wait <= MAX_WAIT));
        let kept = resting().filter(|(wait, _)| *wait <= MAX_WAIT);
        let rest = kept.map(|(_, until)| until - ended).max();
        let rest = rest.unwrap_or_default();
        prop_assert!(wait >= rest, "{:?} of {:?}", wait, rest);
        let ceiling = (INITIAL * 2_u32.pow(backoffs)).min(MAX);
        if !rest.is_zero() {
            // Its wait may also have ended while another's turn was waited for without one being asked for.
            let longest = (rest + (rest / 10).min(INITIAL)).max(ceiling);
            prop_assert!(wait <= longest + RESOLUTION);
            backoffs += 1;
        } else if was_tried || resting().next().is_some() {
            prop_assert!(wait <= ceiling + RESOLUTION, "{:?} of {:?}", wait, ceiling);
            backoffs += 1;
        } else {
            prop_assert_eq!(wait, Duration::ZERO);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1000), failure_persistence: None, ..ProptestConfig::default() })]

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
