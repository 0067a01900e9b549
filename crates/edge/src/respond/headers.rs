//! What a response says about the way it came to be.

use std::time::Duration;

use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
        RETRY_AFTER, TRAILER, TRANSFER_ENCODING,
    },
};
use tokio::time::Instant;
use ziggurat_core::{Attempt, Failure, ModelGroup, RateLimits, Served, Tried};

use super::errors::{self, ErrorTypes};
use crate::TotalAttempts;

const MODEL_ID: HeaderName = HeaderName::from_static("x-litellm-model-id");
const MODEL_NAME: HeaderName = HeaderName::from_static("x-litellm-model-name");
const API_BASE: HeaderName = HeaderName::from_static("x-litellm-model-api-base");
const MODEL_GROUP: HeaderName = HeaderName::from_static("x-litellm-model-group");
const RETRIES: HeaderName = HeaderName::from_static("x-litellm-attempted-retries");
const FALLBACKS: HeaderName = HeaderName::from_static("x-litellm-attempted-fallbacks");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-litellm-total-attempts");
const REASON: HeaderName = HeaderName::from_static("x-litellm-fallback-reason");
const FALLBACK_ERRORS: HeaderName = HeaderName::from_static("x-litellm-fallback-errors");
const MAX_RETRIES: HeaderName = HeaderName::from_static("x-litellm-max-retries");
const LIMIT_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
const LEFT_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
const LIMIT_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-limit-tokens");
const LEFT_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-tokens");
const VERSION: HeaderName = HeaderName::from_static("x-litellm-version");
const DURATION: HeaderName = HeaderName::from_static("x-litellm-response-duration-ms");
const OVERHEAD: HeaderName = HeaderName::from_static("x-litellm-overhead-duration-ms");
const TIMEOUT: HeaderName = HeaderName::from_static("x-litellm-timeout");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// About as many as are added to a response.
const ADDED: usize = 12;

/// Adds who answered, after how many retries and fallbacks.
pub(super) fn describe<B>(response: &mut Response<B>, tried: &Tried, failed: Option<&Failure>) {
    let served = response.extensions().get::<Served>().cloned();
    let of_all = response.extensions().get::<TotalAttempts>().copied();
    let headers = response.headers_mut();
    // Grows once, not with every few of those that follow.
    headers.reserve(ADDED);
    // A failed request answers with the failure of its first group, a served one with the group that served it.
    let hops = tried.hops();
    let hop = if failed.is_some() { 0 } else { hops };
    let (retries, total, group, id) = tried.read(|attempts| {
        let of_hop = || attempts.iter().filter(|attempt| attempt.hop == hop);
        let last = of_hop().next_back();
        let group = last.and_then(|attempt| attempt.group.clone());
        let id = last.and_then(|attempt: &Attempt| attempt.deployment.clone());
        let sent = |attempt: &&Attempt| !attempt.unsent;
        (
            of_hop().filter(sent).count().saturating_sub(1),
            attempts.iter().filter(sent).count(),
            group,
            id,
        )
    });
    headers.insert(RETRIES, number(retries));
    if retries > 0
        && failed.is_none()
        && let Some(max) = tried.max_retries()
    {
        headers.insert(MAX_RETRIES, number(max as usize));
    }
    headers.insert(FALLBACKS, number(hops as usize));
    let total = of_all.map_or(total, |TotalAttempts(total)| total);
    headers.insert(ATTEMPTS, number(total));
    if let Some(served) = &served {
        headers.insert(MODEL_ID, served.id().clone());
        headers.insert(MODEL_NAME, served.model().clone());
        served
            .api_base()
            .map(|base| headers.insert(API_BASE, base.clone()));
    } else if let Some(id) = failed.and_then(Failure::deployment).or(id.as_ref()) {
        insert(headers, MODEL_ID, id.as_str());
    }
    if let Some(group) = group.as_ref().map(ModelGroup::as_str) {
        insert(headers, MODEL_GROUP, group);
    }
    if let Some(reason) = tried.reason() {
        headers.insert(REASON, HeaderValue::from_static(reason.as_str()));
    }
}

/// Adds who we are, how long it took until the head of the response, waits and failed attempts included, and how much of
/// it was not spent on attempts.
pub(super) fn time(headers: &mut HeaderMap, tried: &Tried, started: Instant) {
    let total = started.elapsed();
    let spent = tried.read(|attempts| {
        let times = attempts.iter();
        let times = times.map(|it| it.elapsed.unwrap_or_else(|| it.started.elapsed()));
        times.sum::<Duration>()
    });
    headers.insert(VERSION, HeaderValue::from_static(env!("CARGO_PKG_VERSION")));
    headers.insert(DURATION, milliseconds(total));
    headers.insert(OVERHEAD, milliseconds(total.saturating_sub(spent)));
}

/// Adds what the limits of the group leave, unless the upstream has told what its own do.
pub(super) fn limits(headers: &mut HeaderMap, limits: RateLimits) {
    let names = [LIMIT_REQUESTS, LEFT_REQUESTS, LIMIT_TOKENS, LEFT_TOKENS];
    if names.iter().any(|name| headers.contains_key(name)) {
        return;
    }
    let [limit_requests, left_requests, limit_tokens, left_tokens] = names;
    for (quota, limit, left) in [
        (limits.requests, limit_requests, left_requests),
        (limits.tokens, limit_tokens, left_tokens),
    ] {
        if let Some(quota) = quota {
            headers.insert(limit, quota.limit.into());
            headers.insert(left, quota.remaining.into());
        }
    }
}

/// Milliseconds with three decimals. Written by hand, as each response has two of them and floats take long to print.
fn milliseconds(time: Duration) -> HeaderValue {
    let mut text = [b'0'; 24];
    let mut left = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let mut at = text.len();
    while at > text.len() - 5 || left > 0 {
        at -= 1;
        if at == text.len() - 4 {
            text[at] = b'.';
            continue;
        }
        text[at] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    HeaderValue::from_bytes(&text[at..]).expect("digits and a point are visible")
}

/// Removes what describes the bytes of a body that gives way to another.
pub(super) fn unframe(headers: &mut HeaderMap) {
    for name in [
        CONTENT_LENGTH,
        CONTENT_ENCODING,
        TRANSFER_ENCODING,
        TRAILER,
        CONTENT_RANGE,
        ETAG,
    ] {
        headers.remove(name);
    }
}

/// Adds the errors that fallbacks went around, if there are any.
pub(super) fn fallback_errors(headers: &mut HeaderMap, failures: &[Failure], types: ErrorTypes) {
    if failures.is_empty() {
        return;
    }
    insert(
        headers,
        FALLBACK_ERRORS,
        &errors::json_array(failures, types),
    );
}

/// Adds what proxies between here and the client should know of a stream.
pub(super) fn stream(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
}

/// Adds what a client should know before it asks again: whether to do so at all, and when.
///
/// Everything that helps was tried here already. Only a known wait on a 429 or 503 is worth another request, unless the
/// retries that a client shares are `spent`.
pub(super) fn failed(headers: &mut HeaderMap, failure: &Failure, spent: bool) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    match failure.retry_after() {
        Some(wait) => headers.insert(RETRY_AFTER, whole_seconds(wait)),
        // What the upstream wrote was no time.
        None => headers.remove(RETRY_AFTER),
    };
    if let Some(limit) = failure.limit() {
        insert(headers, TIMEOUT, &limit.as_secs_f64().to_string());
    }
    let waits = matches!(
        failure.status(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let again = waits && failure.retry_after().is_some() && !spent;
    headers.insert(
        SHOULD_RETRY,
        HeaderValue::from_static(if again { "true" } else { "false" }),
    );
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // A name that no header can carry is left out; it is in the body all the same.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn number(n: usize) -> HeaderValue {
    // Nearly always one of these; they cost no allocation.
    const SMALL: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    SMALL.get(n).map_or_else(
        || HeaderValue::from(n),
        |digit| HeaderValue::from_static(digit),
    )
}

/// Rounds up: a client that comes back a moment early is refused again.
fn whole_seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(
        wait.as_secs()
            .saturating_add(u64::from(wait.subsec_nanos() > 0)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_decimals() {
        let print = |time| milliseconds(time).to_str().unwrap().to_owned();
        let micros = Duration::from_micros;
        assert_eq!(print(Duration::ZERO), "0.000");
        assert_eq!(print(micros(7)), "0.007");
        assert_eq!(print(micros(1_000)), "1.000");
        assert_eq!(print(micros(12_345_678)), "12345.678");
        assert_eq!(print(Duration::MAX), "18446744073709551.615");
    }
}
