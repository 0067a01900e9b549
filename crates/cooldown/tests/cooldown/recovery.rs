//! The way back: one trial, then all at once or slowly.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
    time::Duration,
};

use http::Response;
use http_body_util::BodyExt;
use tokio_test::{assert_pending, task};
use tower::{Layer, Service as _};
use ziggurat_cooldown::CooldownLayer;
use ziggurat_core::{Admit, Failure, FailureKind, Rejection, overrides, vitals::Phase};
use ziggurat_testing::{ScriptedBody, StrictProbe};

use crate::support::{Deployment, Inner, body, fail, ok, request, rules, seconds, status, with};

#[tokio::test(start_paused = true)]
async fn r133_one_call_is_the_trial_and_its_success_ends_it() {
    let deployment = Deployment::new(rules());
    deployment.expire().await;
    let frames = ScriptedBody::new().data("a").pending().data("b");
    let mut trial = deployment.head(body(frames), request()).await.unwrap();
    assert_eq!(deployment.phase(), Phase::Trial);
    assert_eq!(deployment.call(ok()).await, Some(FailureKind::CoolingDown));
    trial.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(deployment.phase(), Phase::Trial, "until its body ends");
    trial.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(deployment.phase(), Phase::Closed);
    assert_eq!(deployment.call(ok()).await, None);
    assert_eq!(deployment.inner.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_two_at_once_one_is_the_trial() {
    let deployment = Deployment::new(rules());
    deployment.expire().await;
    assert_eq!(deployment.admit(), Ok(()));
    assert_eq!(deployment.admit(), Ok(()), "advice reserves nothing");
    let (mut a, mut b) = (deployment.service.clone(), deployment.service.clone());
    let (first, second) = (a.call(request()), b.call(request()));
    assert_eq!(deployment.inner.calls(), 1);
    assert_eq!(second.await.unwrap_err().kind(), FailureKind::CoolingDown);
    first.await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(deployment.phase(), Phase::Closed);
}

#[tokio::test(start_paused = true)]
async fn r133_a_trial_that_fails_begins_another_cooldown() {
    let failures = [
        status(500),
        status(429),
        status(401),
        fail(FailureKind::Connect),
        body(ScriptedBody::new().data("a").error("reset")),
    ];
    for failure in failures {
        let deployment = Deployment::new(rules().allowed_fails(1000));
        deployment.expire().await;
        deployment.call(failure).await;
        assert_eq!(deployment.rests(), 5.0);
        assert_eq!(deployment.breaker.snapshot().strikes, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_says_nothing_leaves_it_to_the_next_call() {
    let asked = || Err(Failure::new(FailureKind::Timeout).with_limit(seconds(3)));
    for (answer, request) in [
        (status(400), request()),
        (status(403), request()),
        (fail(FailureKind::ContextWindow), request()),
        (fail(FailureKind::Region), request()),
        (asked(), with(overrides::Timeout(seconds(3)))),
    ] {
        let deployment = Deployment::new(rules());
        deployment.expire().await;
        deployment.send(answer, request).await;
        assert_eq!(deployment.phase(), Phase::Waiting);
        assert_eq!(deployment.call(ok()).await, None);
        assert_eq!(deployment.phase(), Phase::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn an_allowance_for_requests_at_fault_does_not_make_a_trial_fail() {
    let class = ziggurat_cooldown::FailureClass::BadRequest;
    let deployment = Deployment::new(rules().allowed_fails_for(class, 1));
    deployment.expire().await;
    deployment.call(status(400)).await;
    assert_eq!(deployment.phase(), Phase::Waiting);
    deployment.call(status(400)).await;
    assert_eq!(deployment.rests(), 5.0, "one too many");
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_is_dropped_is_free_again() {
    let deployment = Deployment::new(rules());
    deployment.expire().await;
    let waiting = || assert_eq!(deployment.phase(), Phase::Waiting);
    let mut service = deployment.service.clone();
    // Called and never polled.
    let call = service.call(request());
    assert_eq!(deployment.phase(), Phase::Trial);
    drop(call);
    waiting();
    // Waiting for the head.
    let layer = CooldownLayer::new(deployment.breaker.clone());
    let mut hanging = layer.layer(Inner::new().ok(Response::default()).never());
    let mut call = task::spawn(hanging.call(request()));
    assert_pending!(call.poll());
    assert_eq!(deployment.phase(), Phase::Trial);
    drop(call);
    waiting();
    // The head has come, then part of the body.
    for read in 0..2 {
        let frames = ScriptedBody::new().data("a").data("b").hang();
        let mut trial = deployment.head(body(frames), request()).await.unwrap();
        for _ in 0..read {
            trial.body_mut().frame().await.unwrap().unwrap();
        }
        assert_eq!(deployment.phase(), Phase::Trial);
        drop(trial);
        waiting();
    }
    assert_eq!(deployment.breaker.calls(), 0);
    assert_eq!(deployment.call(ok()).await, None);
    assert_eq!(deployment.phase(), Phase::Closed);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_begins_with_a_clean_record() {
    let deployment = Deployment::new(rules().allowed_fails(3));
    deployment.calls(4, status(500)).await;
    deployment.expire().await;
    deployment.call(ok()).await;
    assert_eq!(
        (deployment.breaker.calls(), deployment.breaker.failures()),
        (1, 0)
    );
    deployment.calls(3, status(500)).await;
    assert_eq!(deployment.phase(), Phase::Closed);
    deployment.call(status(500)).await;
    assert_eq!(deployment.rests(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn a_straggler_may_fail_while_the_trial_runs() {
    let deployment = Deployment::new(rules());
    let broken = ScriptedBody::new().data("a").error("reset");
    let straggler = deployment.head(body(broken), request()).await.unwrap();
    deployment.call(status(429)).await;
    deployment.expire().await;
    let frames = ScriptedBody::new().data("a").data("b");
    let trial = deployment.head(body(frames), request()).await.unwrap();
    // Counted, but alone it is no reason.
    straggler.into_body().collect().await.unwrap_err();
    assert_eq!(deployment.phase(), Phase::Trial);
    trial.into_body().collect().await.unwrap();
    assert_eq!(deployment.phase(), Phase::Closed);
}

/// Returns how many of 1000 requests are admitted, one in each millisecond.
async fn admitted(deployment: &Deployment) -> usize {
    let mut admitted = 0;
    for _ in 0..1000 {
        let answer = deployment.admit();
        assert_eq!(deployment.admit(), answer, "asking changes nothing");
        admitted += usize::from(answer.is_ok());
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    admitted
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_admits_more_and_more() {
    let deployment = Deployment::new(rules().slow_start(seconds(100)));
    assert_eq!(admitted(&deployment).await, 1000);
    deployment.expire().await;
    assert_eq!(admitted(&deployment).await, 1000, "any may be the trial");
    deployment.call(ok()).await;
    for (after, expected) in [(0, 100), (4, 100), (19, 255), (24, 505), (24, 755)] {
        tokio::time::advance(seconds(after)).await;
        let admitted = admitted(&deployment).await;
        assert!(admitted.abs_diff(expected) < 50, "{admitted} of {expected}");
    }
    tokio::time::advance(seconds(25)).await;
    assert_eq!(admitted(&deployment).await, 1000);
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_can_be_foretold_and_refuses_no_call() {
    let mut draws = Vec::new();
    for _ in 0..2 {
        let deployment = Deployment::new(rules().slow_start(seconds(100)));
        deployment.expire().await;
        deployment.call(ok()).await;
        tokio::time::advance(seconds(50)).await;
        // Each call draws anew, also within one moment.
        for _ in 0..50 {
            draws.push(deployment.admit());
            assert_eq!(deployment.call(ok()).await, None);
        }
    }
    assert_eq!(draws[..50], draws[50..]);
    let refused = draws.into_iter().find_map(Result::err).unwrap();
    assert_eq!(refused.kind(), FailureKind::CoolingDown);
    assert_eq!(refused.retry_after(), Some(seconds(1)));
    assert!(refused.yields());
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_does_not_hide_what_is_refused_below() {
    let deployment = Deployment::new(rules().slow_start(seconds(100)));
    deployment.expire().await;
    deployment.call(ok()).await;
    while deployment.admit().is_ok() {
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    let hard = Rejection::new(FailureKind::Region);
    let probe = StrictProbe::<http::Request<()>, (), ()>::new(|_| Ok(()));
    let layer = CooldownLayer::new(deployment.breaker.clone());
    let service = layer.layer(probe.rejecting(hard.clone()));
    assert_eq!(service.admit(&request()), Err(hard));
    deployment.cooling().cool_for(seconds(5));
    assert!(!deployment.admit().unwrap_err().yields());
}

#[tokio::test(start_paused = true)]
async fn r132_the_state_can_be_listed() {
    let deployment = Deployment::new(rules());
    deployment.call(status(429)).await;
    let seen = deployment.breaker.snapshot();
    assert_eq!(seen.phase, Phase::Cooling(seconds(5)));
    assert_eq!(seen.cause, Some(FailureKind::RateLimited));
    assert_eq!(seen.last_status.unwrap(), 429);
    assert_eq!(seen.last_failure, Some(tokio::time::Instant::now()));
}

/// Real threads and the real clock.
#[test]
fn of_many_threads_one_makes_the_trial() {
    let deployment = Deployment::new(rules());
    let running = AtomicUsize::new(0);
    let made = AtomicUsize::new(0);
    deployment.cooling().cool_for(Duration::from_nanos(1));
    while deployment.phase() != Phase::Waiting {
        std::hint::spin_loop();
    }
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let mut service = deployment.service.clone();
            let (running, made) = (&running, &made);
            scope.spawn(move || {
                for _ in 0..2000 {
                    let call = task::spawn(service.call(request())).poll();
                    let Poll::Ready(Ok(response)) = call else {
                        continue;
                    };
                    assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                    made.fetch_add(1, Ordering::SeqCst);
                    running.fetch_sub(1, Ordering::SeqCst);
                    // Dropped before its end, so that the next is a trial again.
                    drop(response);
                }
            });
        }
    });
    assert!(made.into_inner() > 0);
    assert_eq!(deployment.phase(), Phase::Waiting);
}
