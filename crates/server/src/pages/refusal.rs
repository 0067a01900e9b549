//! What is known of requests that are refused before they reach the gateway.

use std::time::Duration;

use http::{Request, StatusCode};
use ziggurat::core::{
    FailureKind, Observer, Tried,
    observe::{CallEnd, Ended, RequestEnd},
};

use crate::{
    CALL_ID, Metrics,
    request_log::{named, within_bounds},
};

/// Counts a refused request as one for no known model, and logs it by its path: which model it was for was not read.
pub(crate) fn tell<B>(
    req: &Request<B>,
    status: StatusCode,
    kind: FailureKind,
    metrics: Option<&Metrics>,
) {
    if let Some(metrics) = metrics {
        let mut call = CallEnd::new(Ended::Failed(kind), Duration::ZERO);
        call.status = Some(status);
        metrics.request_ended(&RequestEnd::new(&Tried::new(), &call));
    }
    // Never the query: it may hold a key.
    tracing::info!(
        target: "ziggurat::request",
        status = status.as_u16(),
        outcome = kind.as_str(),
        method = %req.method(),
        path = within_bounds(req.uri().path()),
        attempts = 0,
        call_id = req.headers().get(CALL_ID).and_then(named),
        "request"
    );
}
