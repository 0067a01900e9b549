use std::time::Duration;

use http::{Extensions, Request, Response, header::CONTENT_TYPE};
use tokio::time::Instant;
use ziggurat_core::{self as core, LlmRequest, overrides};

/// What is configured; zero is nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) limit: Duration,
    pub(crate) stream: Duration,
}

/// When a limit that began with the call passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    pub(crate) after: Duration,
    /// It is that of the whole request, not of one attempt.
    pub(crate) whole: bool,
}

/// The limits of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    streams: bool,
    /// Until the head has come, and until the end of a plain body.
    pub(crate) head: Option<Deadline>,
    /// Until the end of a stream: only what the request itself asks for.
    stream: Option<Deadline>,
}

// === impl Limits ===

impl Limits {
    pub(crate) const fn new(limit: Duration) -> Self {
        Self {
            limit,
            stream: Duration::ZERO,
        }
    }

    /// Starts the limits of a call: what the request asks for, else what is configured.
    pub(crate) fn start<B>(self, request: &Request<B>) -> Deadlines {
        let extensions = request.extensions();
        let streams = extensions.get().is_some_and(LlmRequest::stream);
        let total = extensions
            .get()
            .and_then(|&overrides::Timeout(limit)| some(limit));
        let limit = if streams {
            to_stream_head(extensions, total).or(some(self.stream))
        } else {
            total
        };
        let limit = limit.or(some(self.limit));
        let now = Instant::now();
        let deadline = |after| {
            Some(Deadline {
                at: now.checked_add(after)?,
                after,
                whole: false,
            })
        };
        Deadlines {
            streams,
            head: limit.and_then(deadline),
            stream: total.and_then(deadline),
        }
    }
}

/// Returns the deadlines of a whole request, and puts the nearest there if it is nearer than the one that may be there
/// already.
///
/// It is the smaller of `limit` and what the request asks for: a caller may not lengthen what an operator has set. The time
/// that a client waits for the head of the response counts until then, and for all of a plain one, which comes with its head.
pub(crate) fn start_total<B>(limit: Duration, request: &mut Request<B>) -> Deadlines {
    let by_request = |limit| core::Deadline::start(limit).map(core::Deadline::with_by_request);
    let extensions = request.extensions_mut();
    let asked = extensions
        .get()
        .map(|&overrides::TotalTimeout(limit)| limit);
    let waits = extensions
        .get()
        .map(|&overrides::ClientTimeout(limit)| limit);
    let there = extensions.get::<core::Deadline>().copied();
    let ours = match (some(limit), asked.and_then(some)) {
        (Some(limit), Some(asked)) if limit <= asked => core::Deadline::start(limit),
        (_, Some(asked)) => by_request(asked),
        (limit, None) => limit.and_then(core::Deadline::start),
    };
    let total = nearer(there, ours);
    let head = nearer(total, waits.and_then(by_request));
    if let Some(head) = head.filter(|_| head != there) {
        extensions.insert(head);
    }
    let whole = |deadline: core::Deadline| Deadline {
        at: deadline.at(),
        after: deadline.limit(),
        whole: true,
    };
    Deadlines {
        streams: false,
        head: head.map(whole),
        stream: total.map(whole),
    }
}

/// Returns the nearer of two deadlines, the first if they are the same.
fn nearer(one: Option<core::Deadline>, two: Option<core::Deadline>) -> Option<core::Deadline> {
    match (one, two) {
        (Some(one), Some(two)) if two.at() < one.at() => Some(two),
        (one, two) => one.or(two),
    }
}

/// The smaller of the two limits that a request can set.
fn to_stream_head(extensions: &Extensions, total: Option<Duration>) -> Option<Duration> {
    let stream = extensions
        .get()
        .and_then(|&overrides::StreamTimeout(limit)| some(limit));
    match (stream, total) {
        (Some(stream), Some(total)) => Some(stream.min(total)),
        (stream, total) => stream.or(total),
    }
}

fn some(limit: Duration) -> Option<Duration> {
    (!limit.is_zero()).then_some(limit)
}

// === impl Deadlines ===

impl Deadlines {
    /// Returns the deadline for the body of this response.
    pub(crate) fn body<R>(self, response: &Response<R>) -> Option<Deadline> {
        // Looking for the content type is spared where it makes no difference.
        if self.head == self.stream
            || self.streams && is_good(response)
            || is_event_stream(response)
        {
            self.stream
        } else {
            self.head
        }
    }
}

/// Whatever was asked for, an error is told in a plain body.
fn is_good<R>(response: &Response<R>) -> bool {
    let status = response.status();
    !status.is_client_error() && !status.is_server_error()
}

fn is_event_stream<R>(response: &Response<R>) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|value| {
        let essence = value.as_bytes().split(|&byte| byte == b';').next();
        essence.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(b"text/event-stream"))
    })
}
