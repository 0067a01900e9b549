//! What the layer writes into the ledger of attempts.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_core::{Attempt, Failure, FailureKind, ModelGroup, Outcome, Tried};

use crate::support::{Group, ahead, exact, fail, member, request, seconds, status, with};
use http::{Request, Response};

fn outcomes(tried: &Tried) -> Vec<Option<Outcome>> {
    tried.read(|attempts| {
        attempts
            .iter()
            .map(|attempt| attempt.outcome.clone())
            .collect()
    })
}

fn failed(kind: FailureKind) -> Option<Outcome> {
    Some(Outcome::Failed {
        kind,
        retry_after: None,
    })
}

#[tokio::test(start_paused = true)]
async fn alone_it_writes_every_attempt_itself() {
    let tried = Tried::new();
    let mut request = with(tried.clone());
    request.extensions_mut().insert(ModelGroup::from("zephyr"));
    let group = Group::nameless(|visit| match visit {
        0 => status(429).retry_after(2).after(0.5),
        _ => status(200).after(0.25),
    });
    let _ = group.ask(&exact(2), request).await;
    let attempts = tried.read(<[Attempt]>::to_vec);
    assert_eq!(attempts.len(), 2);
    assert!(attempts.iter().all(|attempt| attempt.deployment.is_none()));
    assert!(
        attempts
            .iter()
            .all(|attempt| attempt.group == Some("zephyr".into()))
    );
    assert_eq!(attempts[0].elapsed, Some(seconds(0.5)));
    assert_eq!(attempts[1].started - attempts[0].started, seconds(2.5));
    assert_eq!(attempts[1].elapsed, Some(seconds(0.25)));
    let limited = Outcome::Failed {
        kind: FailureKind::RateLimited,
        retry_after: Some(seconds(2.0)),
    };
    assert_eq!(attempts[0].outcome, Some(limited));
    assert_eq!(
        attempts[1].outcome,
        Some(Outcome::Answered(200.try_into().unwrap()))
    );
}

#[tokio::test(start_paused = true)]
async fn in_a_stack_it_leaves_the_writing_to_the_balance() {
    let tried = Tried::new();
    let group = Group::new([member("a"), member("b")], |_, _| status(500));
    let _ = group.ask(&exact(1), with(tried.clone())).await;
    let names = tried.read(|attempts| {
        let name = |attempt: &Attempt| attempt.deployment.clone().unwrap();
        attempts.iter().map(name).collect::<Vec<_>>()
    });
    assert_eq!(names, ["a".into(), "b".into()]);
}

#[tokio::test(start_paused = true)]
async fn r69_a_refusal_of_our_own_is_no_attempt() {
    for kind in [FailureKind::NoCandidate, FailureKind::Region] {
        let tried = Tried::new();
        let group = Group::nameless(move |_| fail(kind));
        let _ = group.ask(&exact(1), with(tried.clone())).await;
        assert_eq!(tried.attempts(), 0, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_cut_off_below_is_closed() {
    let members = [member("a")];
    let group = Group::new(members, |_, _| status(200).after(9.0));
    let tried = Tried::new();
    let cut =
        |error: tokio::time::error::Elapsed| Failure::new(FailureKind::Timeout).with_source(error);
    let impatient = service_fn(move |request: Request<()>| {
        let call = timeout(Duration::from_secs(1), group.clone().oneshot(request));
        async move { call.await.map_err(cut)? }
    });
    let mut request = with(tried.clone());
    request.extensions_mut().insert(ahead());
    let retry = exact(3).layer(impatient);
    assert_eq!(
        retry.oneshot(request).await.unwrap_err().kind(),
        FailureKind::Timeout
    );
    // The ledger says that it timed out, so it was not asked again.
    assert_eq!(outcomes(&tried), [failed(FailureKind::Timeout)]);
}

#[tokio::test(start_paused = true)]
async fn the_request_gets_one_ledger_for_all_attempts() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = seen.clone();
    let service = service_fn(move |request: Request<()>| {
        let tried = request.extensions().get::<Tried>().unwrap();
        log.lock().unwrap().push(tried.attempts());
        async {
            sleep(Duration::from_millis(1)).await;
            Ok::<_, std::convert::Infallible>(Response::builder().status(500).body(()).unwrap())
        }
    });
    let _ = exact(2).layer(service).oneshot(request()).await;
    assert_eq!(*seen.lock().unwrap(), [0, 1, 2]);
}
