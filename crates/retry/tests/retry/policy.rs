//! Numbers of retries by class of failure.

use http::StatusCode;
use ziggurat_core::{
    Failure, FailureKind, UpstreamError,
    overrides::{ClientRetries, MaxRetries},
};
use ziggurat_retry::{RetryLayer, RetryPolicy};

use crate::support::{
    EVERY_KIND, Group, Reply, ahead, exact, fail, member, one_second, request, script, status, with,
};

fn policy(set: impl FnOnce(&mut RetryPolicy)) -> RetryPolicy {
    let mut policy = RetryPolicy::new();
    set(&mut policy);
    policy
}

/// A layer that allows one retry, and others by class.
fn layer(set: impl FnOnce(&mut RetryPolicy)) -> RetryLayer {
    exact(1).policy(policy(set))
}

async fn visits(layer: &RetryLayer, request: http::Request<()>, reply: Reply) -> usize {
    let group = Group::nameless(move |_| reply.clone());
    let _ = group.ask(layer, request).await;
    group.visits().len()
}

#[test]
fn r60_every_failure_has_a_class() {
    // Each class has its own number, so that it can be told.
    let all = policy(|it| {
        it.bad_request = Some(1);
        it.authentication = Some(2);
        it.timeout = Some(3);
        it.rate_limit = Some(4);
        it.content_policy = Some(5);
        it.internal_server = Some(6);
        it.service_unavailable = Some(7);
        it.not_found = Some(8);
        it.default = Some(9);
    });
    for kind in EVERY_KIND {
        let expected = match kind {
            FailureKind::BadRequest | FailureKind::PayloadTooLarge => Some(1),
            FailureKind::Authentication => Some(2),
            FailureKind::Timeout => Some(3),
            FailureKind::RateLimited | FailureKind::QuotaExceeded => Some(4),
            FailureKind::ContentPolicy => Some(5),
            FailureKind::Server
            | FailureKind::Connect
            | FailureKind::Disconnected
            | FailureKind::InvalidResponse => Some(6),
            FailureKind::NotFound => Some(8),
            FailureKind::PaymentRequired
            | FailureKind::PermissionDenied
            | FailureKind::Conflict
            | FailureKind::Other => Some(9),
            _ => None,
        };
        assert_eq!(all.retries(&kind.into()), expected, "{kind:?}");
    }
    let unavailable =
        Failure::new(FailureKind::Server).with_status(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(all.retries(&unavailable), Some(7));
}

#[test]
fn r60_the_most_specific_class_with_a_number_decides() {
    let refused = Failure::new(FailureKind::ContentPolicy);
    let odd = Failure::new(FailureKind::BadRequest).with_status(StatusCode::NOT_FOUND);
    let bad = policy(|it| it.bad_request = Some(1));
    assert_eq!(bad.retries(&refused), Some(1));
    assert_eq!(bad.retries(&odd), Some(1));
    assert_eq!(bad.retries(&FailureKind::NotFound.into()), None);
    let not_found = policy(|it| {
        it.bad_request = Some(1);
        it.not_found = Some(2);
    });
    assert_eq!(not_found.retries(&odd), Some(2));
    let default = policy(|it| it.default = Some(3));
    assert_eq!(default.retries(&refused), Some(3));
    assert_eq!(
        RetryPolicy::new().retries(&FailureKind::Server.into()),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn r59_a_class_overrides_every_count_but_a_0_of_the_request() {
    let limited = layer(|it| it.rate_limit = Some(4));
    assert_eq!(visits(&limited, request(), status(429)).await, 5);
    assert_eq!(visits(&limited, request(), status(500)).await, 2);
    assert_eq!(visits(&limited, with(MaxRetries(2)), status(429)).await, 5);
    assert_eq!(visits(&limited, with(MaxRetries(2)), status(500)).await, 3);
    assert_eq!(visits(&limited, with(MaxRetries(0)), status(429)).await, 1);
    // Also where the request by itself leaves no retry.
    let mut once = with(MaxRetries(1));
    once.extensions_mut().insert(ClientRetries(1));
    assert_eq!(visits(&limited, once, status(429)).await, 4);

    let none = layer(|it| it.rate_limit = Some(0));
    assert_eq!(visits(&none, with(MaxRetries(2)), status(429)).await, 1);

    let group = Group::new([member("a").max_retries(3)], |_, _| status(429));
    let _ = group.ask(&limited, request()).await;
    assert_eq!(group.visits().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn r59_a_class_makes_failures_worth_a_retry() {
    let bad = layer(|it| it.bad_request = Some(2));
    assert_eq!(visits(&bad, request(), status(400)).await, 3);
    assert_eq!(visits(&layer(|_| ()), request(), status(400)).await, 1);
    let auth = layer(|it| it.authentication = Some(2));
    assert_eq!(visits(&auth, request(), status(401)).await, 3);
    for code in [402, 403, 409, 413, 422] {
        let default = layer(|it| it.default = Some(2));
        assert_eq!(visits(&default, request(), status(code)).await, 3, "{code}");
    }
    // The upstream's own word does not stand against the operator's.
    let group = Group::nameless(|_| {
        let refused = Failure::new(FailureKind::RateLimited).with_should_retry(false);
        fail(refused.with_upstream(UpstreamError::new("OpenAI", "no")))
    });
    let _ = group
        .ask(&layer(|it| it.rate_limit = Some(2)), request())
        .await;
    assert_eq!(group.visits().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn r61_what_was_refused_here_or_does_not_fit_is_never_retried() {
    let all = layer(|it| {
        it.bad_request = Some(2);
        it.content_policy = Some(2);
        it.authentication = Some(2);
        it.default = Some(2);
    });
    for kind in EVERY_KIND {
        let is_refusal = kind.is_local()
            || matches!(
                kind,
                FailureKind::ContextWindow
                    | FailureKind::ContentPolicy
                    | FailureKind::BadRequest
                    | FailureKind::PayloadTooLarge
                    | FailureKind::PaymentRequired
                    | FailureKind::Authentication
                    | FailureKind::PermissionDenied
                    | FailureKind::NotFound
                    | FailureKind::QuotaExceeded
            );
        let expected = if is_refusal { 1 } else { 3 };
        // An error, not a response: no upstream has said so.
        assert_eq!(
            visits(&all, request(), fail(kind)).await,
            expected,
            "{kind:?}"
        );
    }
    let from_upstream = Failure::new(FailureKind::ContextWindow)
        .with_upstream(UpstreamError::new("OpenAI", "too long"));
    assert_eq!(visits(&all, request(), fail(from_upstream)).await, 1);
}

#[tokio::test(start_paused = true)]
async fn r60_the_first_failure_fixes_the_count() {
    let layer = layer(|it| {
        it.rate_limit = Some(1);
        it.internal_server = Some(5);
    });
    let group = Group::nameless(|visit| status(if visit == 0 { 429 } else { 500 }));
    let _ = group.ask(&layer, request()).await;
    assert_eq!(group.visits().len(), 2);

    // Nor does a 0 of a later one end what the first began, as long as it may be retried at all.
    let layer = exact(0).policy(policy(|it| {
        it.internal_server = Some(3);
        it.rate_limit = Some(0);
        it.bad_request = Some(0);
    }));
    let later = |code| move |visit| status(if visit == 0 { 500 } else { code });
    let group = Group::nameless(later(429));
    let _ = group.ask(&layer, request()).await;
    assert_eq!(group.visits().len(), 4);
    let group = Group::nameless(later(400));
    let _ = group.ask(&layer, request()).await;
    assert_eq!(group.visits().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn d7_retries_of_the_client_are_taken_off_here_too() {
    let layer = layer(|it| it.rate_limit = Some(3));
    assert_eq!(visits(&layer, with(ClientRetries(2)), status(429)).await, 2);
    assert_eq!(visits(&layer, with(ClientRetries(3)), status(429)).await, 1);
}

#[tokio::test(start_paused = true)]
async fn r70_untried_ones_come_first_here_too() {
    let layer = one_second(1).policy(policy(|it| it.bad_request = Some(3)));
    let group = Group::new([member("a"), member("b")], |_, _| status(400));
    let _ = group.ask(&layer, request()).await;
    assert_eq!(group.visits(), ["a", "b", "a", "b"]);
    assert_eq!(group.times(), [0, 0, 1000, 2000]);

    // Beside a fallback there is no wait.
    let group = Group::new(
        [member("a"), member("b")],
        script([
            ("a", 0, status(400)),
            ("b", 0, status(400)),
            ("a", 1, status(200)),
        ]),
    );
    let _ = group.ask(&layer, with(ahead())).await;
    assert_eq!(group.times(), [0, 0, 0]);
}
