//! The wait that a response asks for.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, header::RETRY_AFTER};

/// OpenAI's and Azure's finer header, in milliseconds.
pub const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// Longest wait that is read as one: a year. More is taken for nonsense and ignored.
const SENSIBLE: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Returns the wait that the headers ask for: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date.
///
/// Negative, unreadable and absurd values (over a year) count as absent; a date in the past is a wait of zero.
#[must_use]
pub fn from_headers(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &http::HeaderValue| value.to_str().ok())
            .map(str::trim)
    };
    text(&RETRY_AFTER_MS)
        .and_then(|ms| number(ms, 1_000.0))
        .or_else(|| text(&RETRY_AFTER).and_then(|value| parse(value, SystemTime::now())))
}

/// Reads a `Retry-After` value: seconds (fractions allowed) or an HTTP date, which is compared with `now`.
#[must_use]
pub fn parse(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    number(value, 1.0).or_else(|| {
        let date = httpdate::parse_http_date(value).ok()?;
        let wait = date.duration_since(now).unwrap_or_default();
        (wait <= SENSIBLE).then_some(wait)
    })
}

fn number(text: &str, per_second: f64) -> Option<Duration> {
    // Only digits and a point: `inf`, `nan`, `1e9` and signs are not header values.
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return None;
    }
    let wait = Duration::try_from_secs_f64(text.parse::<f64>().ok()? / per_second).ok()?;
    (wait <= SENSIBLE).then_some(wait)
}
