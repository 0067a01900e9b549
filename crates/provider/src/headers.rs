//! Which headers pass: a few of the client's go upstream, the upstream's go to the client under names of their own.

use std::sync::LazyLock;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONTENT_TYPE, RETRY_AFTER},
};

/// Headers of clients that go upstream unless an operator lists more.
pub(crate) const FORWARDED: [HeaderName; 5] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("anthropic-version"),
];

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
        #[allow(unused_mut, unused_assignments)]
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
        "request-id" as REQUEST_ID,
        "x-request-id" as REQUEST_ID,
    }
    rules! { map:
        "access-control-allow-origin", "access-control-expose-headers", "age", "alt-svc", "apim-request-id",
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

/// Names the upstream's headers for the client, under the content type of what the client gets.
pub(crate) fn for_client(upstream: HeaderMap, content_type: Option<HeaderValue>) -> HeaderMap {
    let known = &*KNOWN;
    let mut headers = HeaderMap::with_capacity(upstream.len() + 8);
    let mut last = None;
    for (name, value) in upstream {
        // Further values of one header come without its name.
        if let Some(name) = name {
            last = match known.get(&name) {
                Some(rule) => rule.clone(),
                None => prefixed(&name).map(|prefixed| Rule {
                    prefixed,
                    plain: None,
                }),
            };
        }
        let Some(rule) = &last else { continue };
        if let Some(plain) = &rule.plain {
            headers.append(plain, value.clone());
        }
        headers.append(&rule.prefixed, value);
    }
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers
}

/// Adds what only failures keep of an upstream's headers: its content type and the wait that it asks for.
pub(crate) fn of_failure(upstream: &HeaderMap) -> [(HeaderName, Option<HeaderValue>); 2] {
    [CONTENT_TYPE, RETRY_AFTER].map(|name| {
        let value = upstream.get(&name).cloned();
        (name, value)
    })
}

fn prefixed(name: &HeaderName) -> Option<HeaderName> {
    const PREFIX: &str = "llm_provider-";
    HeaderName::try_from([PREFIX, name.as_str()].concat()).ok()
}
