//! The ledger, and the tables of fallbacks.

use std::time::Duration;

use http::{Response, StatusCode};
use tokio::time::{Instant, advance};
use ziggurat_core::{
    Attempt, DeploymentId, Failure, FailureKind, FallbackReason, ModelGroup, Outcome, Tried,
    fallbacks::{Table, Target},
};

fn attempt(id: &str) -> Attempt {
    let mut attempt = Attempt::start();
    attempt.deployment = Some(DeploymentId::from(id));
    attempt
}

#[tokio::test(start_paused = true)]
async fn attempts_are_written_by_hop_with_their_times() {
    let tried = Tried::new();
    let first = tried.begin(attempt("a"));
    advance(Duration::from_secs(2)).await;
    let failure = Failure::new(FailureKind::RateLimited).with_retry_after(Duration::from_secs(5));
    let result = Err::<Response<()>, _>(failure);
    tried.end(first, Outcome::of(&result, result.as_ref().err()));
    let second = tried.begin(attempt("b"));
    tried.hop(
        FallbackReason::ContextWindow,
        FailureKind::ContextWindow.into(),
    );
    let third = tried.clone().begin(attempt("c"));
    tried.end(third, Outcome::of(&Ok(Response::new(())), None));

    assert_eq!((tried.attempts(), tried.hops(), tried.retries()), (3, 1, 0));
    assert_eq!(
        tried.reason().map(FallbackReason::as_str),
        Some("context_window")
    );
    assert_eq!(
        (tried.last_on(&"a".into()), tried.last_on(&"z".into())),
        (Some(first), None)
    );
    tried.read(|attempts| {
        assert!(attempts[first].failed_with(FailureKind::RateLimited));
        assert_eq!(attempts[first].elapsed, Some(Duration::from_secs(2)));
        assert_eq!(
            attempts[first].not_before(),
            Some(Instant::now() + Duration::from_secs(5))
        );
        assert_eq!(
            (
                attempts[second].hop,
                &attempts[second].outcome,
                attempts[second].not_before()
            ),
            (0, &None, None)
        );
        assert_eq!(
            (attempts[third].hop, attempts[third].outcome.clone()),
            (1, Some(Outcome::Answered(StatusCode::OK)))
        );
    });
    assert_eq!(
        tried
            .failures()
            .iter()
            .map(Failure::kind)
            .collect::<Vec<_>>(),
        [FailureKind::ContextWindow]
    );
    tried.end(99, Outcome::Answered(StatusCode::OK)); // an unknown number changes nothing
    assert_eq!(tried.attempts(), 3);
}

#[test]
fn a_huge_wait_is_no_panic() {
    let mut attempt = attempt("a");
    attempt.elapsed = Some(Duration::from_secs(1));
    attempt.outcome = Some(Outcome::Failed {
        kind: FailureKind::Server,
        retry_after: Some(Duration::MAX),
    });
    assert_eq!(attempt.not_before(), None);
}

/// R75: the name itself, then without a provider prefix, then the table's chain for any group.
#[test]
fn chains_are_found_by_name_then_without_prefix_then_for_any() {
    let table: Table = [
        ("gpt-4", ["a"]),
        ("azure/gpt-4", ["b"]),
        ("*", ["c"]),
        ("gpt-4", ["late"]),
    ]
    .into_iter()
    .collect();
    let group = |name| table.get(name).unwrap()[0].group.clone();
    assert_eq!(group("gpt-4"), ModelGroup::from("a"));
    assert_eq!(group("azure/gpt-4"), ModelGroup::from("b"));
    assert_eq!(group("openai/gpt-4"), ModelGroup::from("a"));
    assert_eq!(group("other"), ModelGroup::from("c"));
    assert!(table.named("other").is_none());
    let twice: Table = [("*", ["a"]), ("*", ["b"])].into_iter().collect();
    assert_eq!(twice.get("x").unwrap()[0].group, ModelGroup::from("b"));
    assert!(Table::default().get("x").is_none() && Table::default().is_empty());
}

#[test]
fn targets_with_other_parameters_are_other_targets() {
    let plain = Target::new("a");
    let mapped = Target::new("a").with_parameter("n", "1");
    assert_ne!(plain, mapped);
    assert_eq!(mapped, Target::from("a").with_parameter("n", "1"));
}

#[test]
fn values_of_parameters_do_not_show() {
    let target = Target::new("a").with_parameter("messages", "\"secret\"");
    let parameters = ziggurat_core::overrides::Parameters(target.parameters.clone());
    let shown = format!("{target:?} {parameters:?}");
    assert!(
        shown.contains("messages") && !shown.contains("secret"),
        "{shown}"
    );
}

#[test]
fn a_ledger_is_shared_while_there_is_another_clone() {
    let tried = Tried::new();
    assert!(!tried.is_shared());
    let other = tried.clone();
    assert!(tried.is_shared());
    drop(other);
    assert!(!tried.is_shared());
}
