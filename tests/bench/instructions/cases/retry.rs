//! Retry, with a first attempt that succeeds and with one that fails.

use std::{future, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::ServiceBuilder;
use tower_layer::Layer;
use ziggurat_core::{Attempt, Failure, FailureKind, Outcome, Tried};
use ziggurat_retry::RetryLayer;

use super::Row;
use crate::{
    leaf::Leaf,
    round::{Round, calls, request},
};

pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("retry, success", || ours(Leaf::new()))
            .beside("tower Retry", || peer(Leaf::new())),
        Row::new("retry, one retry", || ours(Leaf::new().failing_first()))
            .beside("tower Retry", || peer(Leaf::new().failing_first())),
        Row::new("retry, success, same duty", || ours(Leaf::new()))
            .beside("tower Retry with a ledger", || recorded(Leaf::new())),
        Row::new("retry, one retry, same duty", || {
            ours(Leaf::new().failing_first())
        })
        .beside("tower Retry with a ledger", || {
            recorded(Leaf::new().failing_first())
        }),
    ]
}

fn ours(leaf: Leaf) -> Round {
    let layer = RetryLayer::new(2).backoff(Duration::ZERO, Duration::ZERO);
    calls(layer.layer(leaf), request)
}

fn peer(leaf: Leaf) -> Round {
    calls(tower::retry::Retry::new(Attempts(2), leaf), request)
}

/// The same record of attempts as ours, where anyone below finds it: in the request before the first attempt.
fn recorded(leaf: Leaf) -> Round {
    let retry = tower::retry::Retry::new(Recorded(Attempts(2)), leaf);
    let service = ServiceBuilder::new()
        .map_request(|mut request: Request<Full<Bytes>>| {
            request.extensions_mut().insert(Tried::new());
            request
        })
        .service(retry);
    calls(service, request)
}

/// Writes down how each attempt ended, and reads what wait it asked for.
#[derive(Clone, Copy)]
struct Recorded(Attempts);

impl<R, E> tower::retry::Policy<Request<Full<Bytes>>, Response<R>, E> for Recorded {
    type Future = future::Ready<()>;

    fn retry(
        &mut self,
        request: &mut Request<Full<Bytes>>,
        result: &mut Result<Response<R>, E>,
    ) -> Option<Self::Future> {
        if let (Some(tried), Ok(response)) = (request.extensions().get::<Tried>(), &*result) {
            let number = tried.begin(Attempt::start());
            let (status, headers) = (response.status(), response.headers());
            let failure = status
                .is_server_error()
                .then(|| Failure::from_head(FailureKind::Server, status, headers));
            let outcome = match failure {
                Some(failure) => Outcome::Failed {
                    kind: failure.kind(),
                    retry_after: failure.retry_after(),
                },
                None => Outcome::Answered(status),
            };
            tried.end(number, outcome);
        }
        self.0.retry(request, result)
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}

/// Tries again on a server error, at once. It keeps no record, and knows neither budget nor deadline.
#[derive(Clone, Copy)]
struct Attempts(u32);

impl<R, E> tower::retry::Policy<Request<Full<Bytes>>, Response<R>, E> for Attempts {
    type Future = future::Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Full<Bytes>>,
        result: &mut Result<Response<R>, E>,
    ) -> Option<Self::Future> {
        let failed = match result {
            Ok(response) => response.status().is_server_error(),
            Err(_) => true,
        };
        if !failed || self.0 == 0 {
            return None;
        }
        self.0 -= 1;
        Some(future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}
