//! `allowed_fails`, and the allowances of single classes.

use ziggurat_cooldown::{CooldownLayer, FailureClass};
use ziggurat_core::{Failure, FailureKind, vitals::Phase};

use crate::support::{Answer, Deployment, fail, ok, rules, seconds, status};

#[tokio::test(start_paused = true)]
async fn r121_allowed_fails_means_more_than() {
    for allowed in [0, 1, 3, 10] {
        let deployment = Deployment::new(rules().allowed_fails(allowed));
        for _ in 0..allowed {
            deployment.call(status(500)).await;
            deployment.call(ok()).await;
        }
        assert_eq!(deployment.phase(), Phase::Closed, "{allowed} are allowed");
        deployment.call(status(500)).await;
        assert_eq!(deployment.rests(), 5.0, "one more than {allowed}");
    }
}

#[tokio::test(start_paused = true)]
async fn d8_it_takes_the_place_of_share_and_number_only() {
    let deployment = Deployment::new(rules().allowed_fails(2000).all_failed(10));
    deployment.calls(1000, status(500)).await;
    assert_eq!(deployment.phase(), Phase::Closed);
    for code in [401, 402, 404, 429] {
        let deployment = Deployment::new(rules().allowed_fails(2000));
        deployment.call(status(code)).await;
        assert_eq!(deployment.rests(), 5.0, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn r121b_better_the_window_is_a_minute_and_not_the_cooldown_time() {
    let deployment = Deployment::new(rules().allowed_fails(1));
    deployment.call(status(500)).await;
    tokio::time::advance(seconds(50)).await;
    deployment.call(status(500)).await;
    assert_eq!(deployment.rests(), 5.0);

    let deployment = Deployment::new(rules().allowed_fails(1));
    deployment.call(status(500)).await;
    tokio::time::advance(seconds(60)).await;
    deployment.call(status(500)).await;
    assert_eq!(deployment.phase(), Phase::Closed);

    let window = rules().allowed_fails(1).allowed_fails_window(seconds(12));
    let deployment = Deployment::new(window.window(seconds(3600)));
    deployment.call(status(500)).await;
    tokio::time::advance(seconds(12)).await;
    deployment.call(status(500)).await;
    assert_eq!(deployment.phase(), Phase::Closed);
    deployment.call(status(500)).await;
    assert_eq!(deployment.rests(), 5.0);
}

/// One failure of each class, in more than one form.
fn classes() -> Vec<(FailureClass, Vec<Answer>)> {
    use FailureClass as Class;
    use FailureKind as Kind;
    vec![
        (
            Class::BadRequest,
            vec![status(400), status(413), status(422)],
        ),
        (Class::Authentication, vec![status(401)]),
        (
            Class::Timeout,
            vec![status(408), status(504), fail(Kind::Timeout)],
        ),
        (
            Class::RateLimit,
            vec![status(429), fail(Kind::QuotaExceeded)],
        ),
        (Class::ContentPolicy, vec![fail(Kind::ContentPolicy)]),
        (
            Class::InternalServer,
            vec![status(500), status(529), fail(Kind::Other)],
        ),
        (
            Class::ServiceUnavailable,
            vec![status(503), fail(Kind::Connect)],
        ),
        (
            Class::BadGateway,
            vec![
                status(502),
                fail(Kind::Disconnected),
                fail(Kind::InvalidResponse),
            ],
        ),
        (Class::NotFound, vec![status(404)]),
    ]
}

#[tokio::test(start_paused = true)]
async fn r122_r124_each_class_has_its_own_allowance() {
    for (class, answers) in classes() {
        for answer in answers {
            let rules = rules().allowed_fails(0).allowed_fails_for(class, 7);
            let deployment = Deployment::new(rules);
            deployment.calls(7, answer.clone()).await;
            assert_eq!(deployment.phase(), Phase::Closed, "{class:?}");
            deployment.call(answer).await;
            assert_eq!(deployment.rests(), 5.0, "{class:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn r122_each_class_has_its_own_count() {
    let mut rules = rules();
    for (class, _) in classes() {
        rules = rules.allowed_fails_for(class, 1);
    }
    let deployment = Deployment::new(rules);
    for (_, answers) in classes() {
        deployment.call(answers[0].clone()).await;
    }
    assert_eq!(deployment.phase(), Phase::Closed);
    assert_eq!(deployment.breaker.failures(), 0);
    deployment.call(status(404)).await;
    assert_eq!(deployment.rests(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn r124_an_unlisted_class_follows_the_other_rules() {
    let rules = rules().allowed_fails_for(FailureClass::Timeout, 1000);
    let deployment = Deployment::new(rules.clone().allowed_fails(2));
    deployment.calls(9, status(408)).await;
    deployment.calls(2, status(500)).await;
    assert_eq!(deployment.phase(), Phase::Closed);
    deployment.call(status(500)).await;
    assert_eq!(deployment.rests(), 5.0);
    // D8: the immediate ones too.
    let deployment = Deployment::new(rules);
    deployment.call(status(401)).await;
    assert_eq!(deployment.rests(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn classes_without_a_name_stay_what_they_are() {
    let mut rules = rules();
    for (class, _) in classes() {
        rules = rules.allowed_fails_for(class, 1000);
    }
    let deployment = Deployment::new(rules.clone());
    for kind in [
        FailureKind::ContextWindow,
        FailureKind::PermissionDenied,
        FailureKind::Conflict,
        FailureKind::Region,
    ] {
        deployment.calls(2, fail(kind)).await;
    }
    assert_eq!(deployment.phase(), Phase::Closed);
    deployment.call(status(402)).await;
    assert_eq!(deployment.rests(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn a_server_failure_is_classed_by_its_own_status() {
    let rules = rules().allowed_fails_for(FailureClass::BadGateway, 0);
    let deployment = Deployment::new(rules);
    let failure = Failure::from(FailureKind::Server);
    deployment.call(Err(failure.clone())).await;
    assert_eq!(deployment.phase(), Phase::Closed);
    deployment
        .call(Err(failure.with_status(http::StatusCode::BAD_GATEWAY)))
        .await;
    assert_eq!(deployment.rests(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn r129_failures_that_were_seen_elsewhere_count_like_those_of_calls() {
    let failure = |kind| Failure::new(kind);
    let rules = || rules().allowed_fails_for(FailureClass::RateLimit, 2);
    let deployment = Deployment::new(rules());
    let layer = CooldownLayer::new(deployment.breaker.clone());
    layer.record_failure(&failure(FailureKind::RateLimited));
    deployment.call(status(429)).await;
    assert_eq!(deployment.phase(), Phase::Closed);
    layer.record_failure(&failure(FailureKind::RateLimited));
    assert_eq!(deployment.rests(), 5.0);

    let deployment = Deployment::new(rules());
    let layer = CooldownLayer::new(deployment.breaker.clone());
    layer.record_failure(&failure(FailureKind::BadRequest));
    assert_eq!(deployment.phase(), Phase::Closed, "it says nothing");
    layer.record_failure(&failure(FailureKind::Authentication));
    assert_eq!(deployment.rests(), 5.0, "no call would succeed");

    // It is never the trial, and leaves that to a call.
    deployment.expire().await;
    layer.record_failure(&failure(FailureKind::Server));
    assert_eq!(deployment.phase(), Phase::Waiting);

    let deployment = Deployment::new(rules());
    let alone = CooldownLayer::new(deployment.breaker.clone()).protected(true);
    alone.record_failure(&failure(FailureKind::Authentication));
    assert_eq!(deployment.phase(), Phase::Closed, "there is no one else");
}
