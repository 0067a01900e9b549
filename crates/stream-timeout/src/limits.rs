use std::time::Duration;

use http::{Extensions, Request, Response, header::CONTENT_TYPE};
use tokio::time::Instant;
use ziggurat_core::{DeploymentId, Failure, LlmRequest, overrides};

use crate::{
    StreamCommit,
    clock::{Clock, Deadline},
};

/// What is configured; zero is nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) first: Duration,
    /// `first` if it was not set.
    pub(crate) idle: Option<Duration>,
    pub(crate) total: Duration,
    pub(crate) commit: StreamCommit,
}

// === impl Limits ===

impl Limits {
    pub(crate) const fn new(first: Duration) -> Self {
        Self {
            first,
            idle: None,
            total: Duration::ZERO,
            commit: StreamCommit::FirstContent,
        }
    }

    /// Starts the limits of a call: what the request asks for, else what is configured.
    pub(crate) fn start<B>(self, request: &Request<B>) -> Clock {
        let extensions = request.extensions();
        let stream = asked(extensions, |&overrides::StreamTimeout(limit)| limit);
        let plain = asked(extensions, |&overrides::Timeout(limit)| limit);
        let gap = asked(extensions, |&overrides::StreamIdleTimeout(limit)| limit);
        let total = asked(extensions, |&overrides::StreamTotalTimeout(limit)| limit);

        let now = Instant::now();
        let deadline = |after| {
            Some(Deadline {
                at: now.checked_add(after)?,
                after,
            })
        };
        Clock::new(
            smaller(stream, plain)
                .or(some(self.first))
                .and_then(deadline),
            // `plain` is no limit of a gap: it was meant for the whole.
            gap.or(stream).or(some(self.idle.unwrap_or(self.first))),
            smaller(total, plain)
                .or(some(self.total))
                .and_then(deadline),
            extensions.get::<DeploymentId>().cloned(),
        )
    }
}

fn asked<T: Send + Sync + 'static>(
    extensions: &Extensions,
    limit: impl Fn(&T) -> Duration,
) -> Option<Duration> {
    extensions.get().map(limit).and_then(some)
}

fn some(limit: Duration) -> Option<Duration> {
    (!limit.is_zero()).then_some(limit)
}

fn smaller(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Whether the request asks for a stream.
pub(crate) fn wants_stream<B>(request: &Request<B>) -> bool {
    request.extensions().get().is_some_and(LlmRequest::stream)
}

/// Whether the response is one of those that the layer acts on.
pub(crate) fn is_stream<R>(wanted: bool, response: &Response<R>) -> bool {
    let streams = wanted || is_event_stream(response.headers());
    streams && response.status().is_success() && response.extensions().get::<Failure>().is_none()
}

pub(crate) fn is_event_stream(headers: &http::HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let essence = value.as_bytes().split(|&byte| byte == b';').next();
        essence.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(b"text/event-stream"))
    })
}
