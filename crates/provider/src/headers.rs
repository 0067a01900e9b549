//! Which headers pass: a few of the client's go upstream, the upstream's go to the client under names of their own.

use std::sync::LazyLock;

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{
        ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, RETRY_AFTER, TE,
        TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
    uri::Scheme,
};

/// Headers of clients that go upstream unless an operator lists more.
pub(crate) const FORWARDED: [HeaderName; 5] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("anthropic-version"),
];

/// What stands in place of a value with a key in it.
const REDACTED: HeaderValue = HeaderValue::from_static("[redacted]");

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// What the client sees of an upstream's header.
#[derive(Clone)]
struct Rule {
    /// The name under which every header is passed on.
    prefixed: HeaderName,
    /// A second name, for those that clients know.
    plain: Option<HeaderName>,
}

/// What becomes of the headers that upstreams are known to send, so that no name is made per response. `None`: it does
/// not pass.
static KNOWN: LazyLock<HeaderMap<Option<Rule>>> = LazyLock::new(known);

macro_rules! rules {
    ($map:ident: $($name:literal $(as $plain:expr)?,)*) => {$(
        let prefixed = HeaderName::from_static(concat!("llm_provider-", $name));
        #[allow(unused_mut, unused_assignments, reason = "most headers have no `as`")]
        let mut plain = None;
        $(plain = Some($plain);)?
        $map.insert(HeaderName::from_static($name), Some(Rule { prefixed, plain }));
    )*};
}

#[rustfmt::skip]
fn known() -> HeaderMap<Option<Rule>> {
    let mut map = HeaderMap::with_capacity(128);
    // About this connection, or about bytes that are not passed on as they came; and cookies, which are not the client's.
    for name in [
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade", "content-length", "content-encoding", "set-cookie",
    ] {
        map.insert(HeaderName::from_static(name), None);
    }
    rules! { map:
        "x-ratelimit-limit-requests" as HeaderName::from_static("x-ratelimit-limit-requests"),
        "x-ratelimit-limit-tokens" as HeaderName::from_static("x-ratelimit-limit-tokens"),
        "x-ratelimit-remaining-requests" as HeaderName::from_static("x-ratelimit-remaining-requests"),
        "x-ratelimit-remaining-tokens" as HeaderName::from_static("x-ratelimit-remaining-tokens"),
        "anthropic-ratelimit-requests-limit" as HeaderName::from_static("x-ratelimit-limit-requests"),
        "anthropic-ratelimit-requests-remaining" as HeaderName::from_static("x-ratelimit-remaining-requests"),
        "anthropic-ratelimit-tokens-limit" as HeaderName::from_static("x-ratelimit-limit-tokens"),
        "anthropic-ratelimit-tokens-remaining" as HeaderName::from_static("x-ratelimit-remaining-tokens"),
        "request-id" as REQUEST_ID,
        "x-request-id" as REQUEST_ID,
    }
    rules! { map:
        "access-control-allow-origin", "access-control-expose-headers", "age", "alt-svc", "anthropic-organization-id",
        "anthropic-ratelimit-input-tokens-limit", "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset", "anthropic-ratelimit-output-tokens-limit",
        "anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset",
        "anthropic-ratelimit-requests-reset", "anthropic-ratelimit-tokens-reset", "apim-request-id",
        "azureml-model-session", "cache-control", "cf-cache-status", "cf-ray", "cmp-upstream-response-duration",
        "content-type", "date", "etag", "expires", "location", "nel", "openai-model", "openai-organization",
        "openai-processing-ms", "openai-project", "openai-version", "report-to", "retry-after", "retry-after-ms",
        "server", "server-timing", "skip-error-remapping", "strict-transport-security", "vary", "via",
        "www-authenticate", "x-accel-buffering", "x-accel-expires", "x-aml-cluster", "x-amzn-requestid", "x-cache",
        "x-compute-time", "x-compute-type", "x-content-type-options", "x-envoy-upstream-service-time", "x-frame-options",
        "x-generated-tokens", "x-inference-time", "x-ms-client-request-id", "x-ms-deployment-name",
        "x-ms-rai-invoked", "x-ms-region", "x-openai-proxy-wasm", "x-powered-by", "x-prompt-tokens", "x-queue-time",
        "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens", "x-should-retry", "x-time-per-token",
        "x-total-time", "x-validation-time", "x-xss-protection",
    }
    map
}

/// Says whether a header is set by what sends a request, so that nobody else may: the target, the length and encoding of
/// the body, the connection.
#[must_use]
pub fn is_of_transport(name: &HeaderName) -> bool {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
    [
        HOST,
        CONTENT_LENGTH,
        TRANSFER_ENCODING,
        ACCEPT_ENCODING,
        CONNECTION,
        EXPECT,
        TE,
        TRAILER,
        UPGRADE,
        KEEP_ALIVE,
        PROXY_CONNECTION,
    ]
    .contains(name)
}

/// Names the upstream's headers for the client. Values that `is_secret` are redacted where nobody knows what they are.
pub(crate) fn for_client(upstream: HeaderMap, is_secret: impl Fn(&[u8]) -> bool) -> HeaderMap {
    let known = &*KNOWN;
    // Room for those that the layers above add, so that the map need not grow.
    let mut headers = HeaderMap::with_capacity(upstream.len() + 20);
    let (mut last, mut is_known) = (None, true);
    for (name, mut value) in upstream {
        // Further values of one header come without its name.
        if let Some(name) = name {
            let rule = known.get(&name);
            is_known = rule.is_some();
            last = match rule {
                Some(rule) => rule.clone(),
                None => prefixed(&name).map(|prefixed| Rule {
                    prefixed,
                    plain: None,
                }),
            };
        }
        let Some(rule) = &last else { continue };
        if !is_known && is_secret(value.as_bytes()) {
            value = REDACTED;
        }
        if let Some(plain) = &rule.plain {
            headers.append(plain, value.clone());
        }
        headers.append(&rule.prefixed, value);
    }
    headers
}

/// Names the headers of a failure for the client: all are looked at, and the wait that the upstream asks for and the type
/// of its text keep their names.
pub(crate) fn of_failure(mut upstream: HeaderMap, is_secret: impl Fn(&[u8]) -> bool) -> HeaderMap {
    redact(&mut upstream, is_secret);
    let kept = [CONTENT_TYPE, RETRY_AFTER].map(|name| (upstream.get(&name).cloned(), name));
    let mut headers = for_client(upstream, |_| false);
    for (value, name) in kept {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    headers
}

/// Names the host of an upstream that is spoken to by HTTP/1.1 for certain, as that has it in a header: a dialect that does so
/// once spares each request the work.
///
/// `None` for `https`: which version a TLS connection speaks shows when it is made, and HTTP/2 has a field of its own. The
/// client adds what is missing then.
#[must_use]
pub fn host_header(upstream: &Uri) -> Option<HeaderValue> {
    let authority = upstream
        .authority()
        .filter(|_| upstream.scheme() == Some(&Scheme::HTTP))?;
    let host = authority.host();
    let named = match authority.port_u16() {
        None | Some(80) => HeaderValue::from_str(host),
        Some(port) => HeaderValue::from_str(&format!("{host}:{port}")),
    };
    named.ok()
}

/// Redacts all values that are secret.
pub(crate) fn redact(headers: &mut HeaderMap, is_secret: impl Fn(&[u8]) -> bool) {
    for value in headers.values_mut() {
        if is_secret(value.as_bytes()) {
            *value = REDACTED;
        }
    }
}

fn prefixed(name: &HeaderName) -> Option<HeaderName> {
    const PREFIX: &str = "llm_provider-";
    HeaderName::try_from([PREFIX, name.as_str()].concat()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_named_without_what_is_not_theirs() {
        for (address, named) in [
            ("http://upstream.example/v1", "upstream.example"),
            ("http://upstream.example:80", "upstream.example"),
            ("http://upstream.example:443", "upstream.example:443"),
            (
                "http://user:secret@upstream.example:8080",
                "upstream.example:8080",
            ),
            ("http://[::1]:8080/", "[::1]:8080"),
        ] {
            let upstream = address.parse().unwrap();
            assert_eq!(host_header(&upstream).unwrap(), named, "{address}");
        }
        for address in ["https://upstream.example", "/v1"] {
            assert!(host_header(&address.parse().unwrap()).is_none());
        }
    }
}
