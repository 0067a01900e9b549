//! Which failures count, and which begin a cooldown.

use ziggurat_core::{Failure, FailureKind, vitals::Phase};

use crate::support::{Deployment, body, fail, limited, ok, rules, seconds, status};

#[tokio::test(start_paused = true)]
async fn r113_r114_r117_some_are_immediate() {
    for code in [401, 402, 404, 429] {
        let deployment = Deployment::new(rules());
        deployment.calls(100, ok()).await;
        deployment.call(status(code)).await;
        assert_eq!(deployment.rests(), 5.0, "{code}");
        assert_eq!(
            deployment.call(ok()).await,
            Some(FailureKind::CoolingDown),
            "{code}"
        );
        assert_eq!(deployment.inner.calls(), 101);
    }
    let deployment = Deployment::new(rules());
    deployment.call(fail(FailureKind::QuotaExceeded)).await;
    assert_eq!(deployment.rests(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn r109_what_the_request_is_at_fault_for_counts_nothing() {
    let deployment = Deployment::new(rules().allowed_fails(0));
    for code in [400, 403, 409, 413, 422, 499] {
        deployment.calls(20, status(code)).await;
    }
    for kind in [
        FailureKind::ContextWindow,
        FailureKind::ContentPolicy,
        FailureKind::Region,
        FailureKind::CoolingDown,
        FailureKind::NoCandidate,
        FailureKind::UnknownModel,
    ] {
        deployment.calls(20, fail(kind)).await;
    }
    assert_eq!(deployment.phase(), Phase::Closed);
    assert_eq!(
        (deployment.breaker.calls(), deployment.breaker.failures()),
        (0, 0)
    );
    assert_eq!(deployment.cooling().last_failure(), None);
}

#[tokio::test(start_paused = true)]
async fn r109_these_count() {
    let answers = [
        status(408),
        status(500),
        status(501),
        status(502),
        status(503),
        status(504),
        status(529),
        fail(FailureKind::Timeout),
        fail(FailureKind::Connect),
        fail(FailureKind::Disconnected),
        fail(FailureKind::InvalidResponse),
        fail(FailureKind::Other),
    ];
    for answer in answers {
        let deployment = Deployment::new(rules());
        deployment.calls(4, answer.clone()).await;
        assert_eq!(
            deployment.phase(),
            Phase::Closed,
            "r118: one alone is bad luck"
        );
        assert_eq!(deployment.breaker.failures(), 4);
        deployment.call(answer).await;
        assert_eq!(deployment.rests(), 5.0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_in_the_extensions_beats_the_status() {
    let deployment = Deployment::new(rules());
    let mut answer = status(400);
    let extensions = answer.as_mut().unwrap().extensions_mut();
    extensions.insert(Failure::new(FailureKind::RateLimited).with_retry_after(seconds(20)));
    deployment.call(answer).await;
    assert_eq!(deployment.rests(), 20.0);
}

#[tokio::test(start_paused = true)]
async fn r116_more_than_half_of_at_least_five() {
    let deployment = Deployment::new(rules());
    deployment.calls(5, ok()).await;
    deployment.calls(5, status(500)).await;
    assert_eq!(
        deployment.phase(),
        Phase::Closed,
        "half is not more than half"
    );
    deployment.call(status(500)).await;
    assert_eq!(deployment.rests(), 5.0);

    let deployment = Deployment::new(rules().failure_share(0.25, 8));
    deployment.calls(6, ok()).await;
    deployment.call(status(500)).await;
    deployment.call(status(500)).await;
    assert_eq!(deployment.phase(), Phase::Closed, "2 of 8");
    deployment.call(status(500)).await;
    assert_eq!(deployment.rests(), 5.0, "3 of 9");
}

#[tokio::test(start_paused = true)]
async fn the_window_slides() {
    let deployment = Deployment::new(rules());
    deployment.calls(4, status(500)).await;
    tokio::time::advance(seconds(55)).await;
    assert_eq!(
        deployment.breaker.failures(),
        4,
        "eleven twelfths of a minute"
    );
    tokio::time::advance(seconds(5)).await;
    assert_eq!(deployment.breaker.failures(), 0, "a minute");
    deployment.call(status(500)).await;
    assert_eq!(deployment.phase(), Phase::Closed);

    let deployment = Deployment::new(rules().window(seconds(120)));
    deployment.calls(4, status(500)).await;
    tokio::time::advance(seconds(110)).await;
    deployment.call(status(500)).await;
    assert_eq!(deployment.rests(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn r115_a_thousand_and_no_success() {
    // A share that cannot be exceeded leaves this rule alone.
    let rules = || rules().failure_share(1.0, 1);
    let deployment = Deployment::new(rules());
    deployment.calls(999, status(500)).await;
    assert_eq!(deployment.phase(), Phase::Closed);
    deployment.call(status(500)).await;
    assert_eq!(deployment.rests(), 5.0);

    let deployment = Deployment::new(rules().all_failed(3));
    deployment.call(ok()).await;
    deployment.calls(9, status(500)).await;
    assert_eq!(deployment.phase(), Phase::Closed, "one was a success");

    let deployment = Deployment::new(rules().all_failed(0));
    deployment.calls(2000, status(500)).await;
    assert_eq!(deployment.phase(), Phase::Closed, "off");
}

#[tokio::test(start_paused = true)]
async fn numbers_out_of_range_switch_rules_off() {
    for rules in [
        rules().failure_share(f64::NAN, 1).all_failed(0),
        rules().failure_share(7.0, 1).all_failed(0),
        rules().window(seconds(0)),
    ] {
        let deployment = Deployment::new(rules);
        deployment.calls(50, status(500)).await;
        assert_eq!(deployment.phase(), Phase::Closed);
        deployment.call(status(429)).await;
        assert_eq!(deployment.rests(), 5.0, "the others hold");
    }
    let deployment = Deployment::new(rules().failure_share(-1.0, 0));
    deployment.call(status(500)).await;
    assert_eq!(deployment.rests(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn r112_every_attempt_counts() {
    // Two attempts of one request on two deployments: both rest.
    let (a, b) = (Deployment::new(rules()), Deployment::new(rules()));
    a.call(status(429)).await;
    b.call(status(429)).await;
    assert_eq!((a.rests(), b.rests()), (5.0, 5.0));
    // And each on the same one.
    let deployment = Deployment::new(rules().allowed_fails(1));
    deployment.calls(2, status(500)).await;
    assert_eq!(deployment.rests(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn r110_with_a_time_of_zero_there_is_none() {
    let deployment = Deployment::new(rules().cooldown_time(seconds(0)).max_time(seconds(60)));
    for code in [401, 402, 404, 429, 500] {
        deployment.calls(20, status(code)).await;
    }
    deployment.call(limited("30")).await;
    assert_eq!(deployment.phase(), Phase::Closed);
    assert_eq!(deployment.breaker.calls(), 0);
    // Not even if someone else asks for one.
    deployment.cooling().cool_for(seconds(60));
    assert_eq!(deployment.admit(), Ok(()));
    assert_eq!(deployment.call(ok()).await, None);
}

#[tokio::test(start_paused = true)]
async fn r117_better_the_only_deployment_is_never_taken_away() {
    let policy = rules().allowed_fails_for(ziggurat_cooldown::FailureClass::RateLimit, 0);
    for rules in [rules(), policy] {
        let deployment = Deployment::with(rules, |layer| layer.protected(true));
        for code in [401, 402, 404, 429, 500] {
            let kind = deployment.call(status(code)).await;
            assert_eq!(kind, FailureKind::from_status(code.try_into().unwrap()));
        }
        deployment.calls(2000, status(500)).await;
        assert_eq!(deployment.phase(), Phase::Closed);
        assert_eq!(deployment.admit(), Ok(()));
        // One that another group has sent away serves this one all the same.
        deployment.cooling().cool_for(seconds(60));
        assert_eq!(deployment.admit(), Ok(()));
        assert_eq!(deployment.call(ok()).await, None);
        assert_eq!(deployment.phase(), Phase::Cooling(seconds(60)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_is_a_failure_of_its_kind() {
    let deployment = Deployment::new(rules());
    let broken = || {
        ziggurat_testing::ScriptedBody::new()
            .data("a")
            .error("reset")
    };
    deployment.calls(4, body(broken())).await;
    assert_eq!(deployment.breaker.failures(), 4);
    assert_eq!(deployment.cooling().last_status(), None);
    deployment.call(body(broken())).await;
    assert_eq!(deployment.rests(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn other_rules_go_on_with_what_was_counted() {
    let (first, share) = (rules().allowed_fails(2), rules().failure_share(0.5, 2));
    let before = Deployment::new(first.clone());
    before.call(status(500)).await;
    before.call(status(500)).await;
    let after = before.breaker.with_rules(first.allowed_fails(5));
    assert_eq!((after.calls(), after.failures()), (2, 2));
    // Calls that end on the old one count for the new one.
    let stricter = after.with_rules(rules().allowed_fails(2));
    before.call(ok()).await;
    assert_eq!((stricter.calls(), stricter.failures()), (3, 2));
    // The third failure begins a cooldown, whoever sees it.
    before.call(status(500)).await;
    assert_eq!(before.rests(), 5.0);
    // Another window holds something else.
    let longer = rules().allowed_fails(2).allowed_fails_window(seconds(90));
    assert_eq!(stricter.with_rules(longer).calls(), 0);
    assert_eq!(
        stricter.with_rules(share).vitals().cooling().phase(),
        before.phase()
    );
}
