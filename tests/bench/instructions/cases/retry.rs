//! Retry, with a first attempt that succeeds and with one that fails.

use std::{future, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower_layer::Layer;
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
    ]
}

fn ours(leaf: Leaf) -> Round {
    let layer = RetryLayer::new(2).backoff(Duration::ZERO, Duration::ZERO);
    calls(layer.layer(leaf), request)
}

fn peer(leaf: Leaf) -> Round {
    calls(tower::retry::Retry::new(Attempts(2), leaf), request)
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
