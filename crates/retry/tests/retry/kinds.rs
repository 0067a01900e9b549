//! Which failures are retried, and where.

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_core::{BoxError, Failure, FailureKind, GrpcStatus};

use crate::support::{EVERY_KIND, Group, exact, fail, member, request, status};

const SINGLE: [crate::support::Member; 1] = [member("a")];
const SEVERAL: [crate::support::Member; 2] = [member("a"), member("b")];

/// Returns the visits that two retries lead to in a group of one and in a group of two.
async fn visits(reply: crate::support::Reply) -> (Vec<&'static str>, Vec<&'static str>) {
    let replies = reply.clone();
    let single = Group::new(SINGLE, move |_, _| replies.clone());
    let _ = single.ask(&exact(2), request()).await;
    let several = Group::new(SEVERAL, move |_, _| reply.clone());
    let _ = several.ask(&exact(2), request()).await;
    (single.visits(), several.visits())
}

const AGAIN: (&[&str], &[&str]) = (&["a", "a", "a"], &["a", "b", "a"]);
const ELSEWHERE: (&[&str], &[&str]) = (&["a"], &["a", "b"]);
const NEVER: (&[&str], &[&str]) = (&["a"], &["a"]);

#[tokio::test(start_paused = true)]
async fn r62_to_r69_by_kind() {
    for kind in EVERY_KIND {
        let expected = match kind {
            FailureKind::RateLimited
            | FailureKind::Timeout
            | FailureKind::Server
            | FailureKind::Connect
            | FailureKind::Disconnected
            | FailureKind::InvalidResponse
            | FailureKind::Conflict
            | FailureKind::Other => AGAIN,
            FailureKind::Authentication
            | FailureKind::PermissionDenied
            | FailureKind::NotFound
            | FailureKind::QuotaExceeded => ELSEWHERE,
            _ => NEVER,
        };
        let (single, several) = visits(fail(kind)).await;
        assert_eq!((&*single, &*several), expected, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn r62_to_r66_by_status() {
    for (codes, expected) in [
        (
            &[408, 409, 429, 500, 501, 502, 503, 504, 529, 599][..],
            AGAIN,
        ),
        (&[401, 403, 404], ELSEWHERE),
        (&[400, 402, 413, 418, 422, 451], NEVER),
        (&[200, 204, 301, 304], NEVER),
    ] {
        for &code in codes {
            let (single, several) = visits(status(code)).await;
            assert_eq!((&*single, &*several), expected, "{code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_upstream_has_a_word_on_the_same_deployment() {
    let says = |kind, word| fail(Failure::new(kind).with_should_retry(word));
    for (reply, expected) in [
        (says(FailureKind::Server, false), ELSEWHERE),
        (says(FailureKind::RateLimited, false), ELSEWHERE),
        (says(FailureKind::Authentication, false), ELSEWHERE),
        (says(FailureKind::BadRequest, false), NEVER),
        (says(FailureKind::NoCandidate, false), NEVER),
        (says(FailureKind::Server, true), AGAIN),
        (says(FailureKind::QuotaExceeded, true), AGAIN),
        (says(FailureKind::BadRequest, true), AGAIN),
        (says(FailureKind::ContextWindow, true), NEVER),
        (says(FailureKind::ContentPolicy, true), NEVER),
        (says(FailureKind::NoCandidate, true), NEVER),
    ] {
        let (single, several) = visits(reply.clone()).await;
        assert_eq!((&*single, &*several), expected, "{reply:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_failure_decides_not_the_first() {
    let group = Group::new(SEVERAL, |name, _| {
        status(if name == "a" { 500 } else { 400 })
    });
    let _ = group.ask(&exact(5), request()).await;
    assert_eq!(group.visits(), ["a", "b"]);

    let group = Group::new(SEVERAL, |name, _| {
        status(if name == "a" { 500 } else { 401 })
    });
    let _ = group.ask(&exact(5), request()).await;
    assert_eq!(group.visits(), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_leafs_word_beats_the_status() {
    let layer = exact(2);
    let asked = |kind: FailureKind| {
        let (service, mut handle) = tower_test::mock::pair::<Request<()>, Response<()>>();
        let answers = tokio::spawn(async move {
            let mut calls = 0;
            while let Some((_, answer)) = handle.next_request().await {
                calls += 1;
                let mut response = Response::builder().status(429).body(()).unwrap();
                response.extensions_mut().insert(Failure::new(kind));
                answer.send_response(response);
            }
            calls
        });
        (layer.layer(service), answers)
    };
    for (kind, calls) in [
        (FailureKind::RateLimited, 3),
        (FailureKind::QuotaExceeded, 1),
    ] {
        let (service, answers) = asked(kind);
        assert_eq!(service.oneshot(request()).await.unwrap().status(), 429);
        assert_eq!(answers.await.unwrap(), calls, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn d2_failures_are_told_by_the_given_judge() {
    let calls = std::sync::atomic::AtomicU32::new(0);
    let service = service_fn(|_: Request<()>| {
        calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        async {
            Ok::<_, BoxError>(
                Response::builder()
                    .header("grpc-status", "14")
                    .body(())
                    .unwrap(),
            )
        }
    });
    let layer = exact(2).classify(GrpcStatus);
    let response = layer.layer(service).oneshot(request()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(calls.into_inner(), 3);
}
