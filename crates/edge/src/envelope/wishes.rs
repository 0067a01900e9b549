//! Reads what a request wants: its model, and its wishes about retries, limits and fallbacks.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use ziggurat_core::{
    AllowedRegions, Failure, FailureKind, JsonBody, Metadata, Operation, Tags,
    json::{Document, Value},
    overrides,
};

use crate::respond::CALL_ID;

use super::{
    fields::{Fate, MOCK, fate, of_provider},
    lists::{self, Tagged},
    targets,
    values::{count, flag, invalid, not_a_count, refusal, seconds, text, to_seconds, wrong_type},
};

const TIMEOUT: HeaderName = HeaderName::from_static("x-litellm-timeout");
const STREAM_TIMEOUT: HeaderName = HeaderName::from_static("x-litellm-stream-timeout");
const TOTAL_TIMEOUT: HeaderName = HeaderName::from_static("x-litellm-total-timeout");
const NUM_RETRIES: HeaderName = HeaderName::from_static("x-litellm-num-retries");
/// How often the OpenAI SDKs have asked again already.
const RETRY_COUNT: HeaderName = HeaderName::from_static("x-stainless-retry-count");
/// How long the OpenAI SDK for Python waits for the head of a response, in seconds: `timeout`, or the `read` of an
/// `httpx.Timeout`. Without a limit it sends none.
const READ_TIMEOUT: HeaderName = HeaderName::from_static("x-stainless-read-timeout");

/// The part of a client's wait that is kept for the way back, so that an answer finds it still there: a tenth, and no more
/// than a round trip between continents takes.
const LONGEST_WAY: Duration = Duration::from_millis(250);

/// The shortest and the longest time between two signs of life, as for those that are configured.
const SIGNS_OF_LIFE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// Caps on what a request may ask for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    pub(super) retries: u32,
    pub(super) timeout: Duration,
}

/// What a request wants.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) timeout: Option<Duration>,
    pub(super) stream_timeout: Option<Duration>,
    pub(super) stream_idle: Option<Duration>,
    pub(super) stream_total: Option<Duration>,
    pub(super) total: Option<Duration>,
    pub(super) keep_alive: Option<Duration>,
    pub(super) retries: Option<u32>,
    pub(super) client_retries: Option<u32>,
    pub(super) client_timeout: Option<Duration>,
    pub(super) fallbacks: Option<overrides::Fallbacks>,
    pub(super) fallback_errors: bool,
    pub(super) fastest: bool,
    pub(super) mock_failure: Option<FailureKind>,
    pub(super) mock_timeout: bool,
    tagged: Tagged,
    metadata: Option<Document>,
    litellm_metadata: Option<Document>,
    /// Names of members that were cut without effect.
    pub(super) ignored: Vec<&'static str>,
}

/// The parts of a request that matter for routing.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) model: Cow<'a, str>,
    /// The models, if it names several.
    pub(super) models: Option<Vec<String>>,
    pub(super) stream: bool,
    pub(super) wishes: Wishes,
    /// Where it may be served.
    pub(super) regions: Option<AllowedRegions>,
    pub(super) body: JsonBody,
}

/// Reads a body and the headers beside it. A model that the path names goes before the body's. Wishes are taken if `caps` says how far; they are cut from the body anyway.
/// Restrictions are always taken.
pub(super) fn read<'a>(
    document: &'a Document,
    headers: &HeaderMap,
    caps: Option<Caps>,
    operation: Operation,
    named: Option<Cow<'a, str>>,
    required: Option<&'static str>,
    mocks: bool,
) -> Result<Reading<'a>, Failure> {
    // A name that occurs twice could mean one thing here and another at the upstream.
    let counts = |name: &str| {
        Some(name) == required
            || matches!(name, "model" | "stream")
            || fate(name.as_bytes()) != Fate::Forward
    };
    if let Some(name) = document.duplicate(counts) {
        return Err(invalid(&name, format!("`{name}` is given more than once")));
    }
    let (model, models) = match named {
        Some(model) => (model, None),
        None => model(document, operation)?,
    };
    if let Some(name) = required.filter(|name| document.get(name).is_none_or(Value::is_null)) {
        return Err(invalid(name, format!("`{name}` is missing")));
    }
    let stream = flag(document, "stream")?;
    let mut body = JsonBody::new(document.clone());
    let mut wishes = Wishes::default();
    let asks = headers.keys().any(is_ours);
    let mut regions = match asks {
        true => lists::regions_header(headers)?,
        false => None,
    };
    for (name, value) in document.members_in_bytes() {
        let fate = fate(&name);
        if fate == Fate::Forward {
            continue;
        }
        let name = String::from_utf8_lossy(&name);
        match fate {
            Fate::Restrict => {
                let member = lists::regions(value)?;
                // Each narrows the other.
                regions = match (regions, member) {
                    (Some(header), Some(member)) => Some(header.and(&member)),
                    (header, member) => header.or(member),
                };
            }
            Fate::Note => wishes.note(&name, value, caps.is_some())?,
            Fate::Refuse(_) | Fate::Mock if value.is_null() => {}
            Fate::Mock if mocks => wishes.mock(document, &name)?,
            Fate::Mock => return Err(refusal(&name, &name, MOCK)),
            Fate::Refuse(reason) => return Err(refusal(&name, &name, reason)),
            Fate::Read if let Some(caps) = caps => {
                wishes.read_member(document, &name, value, caps)?
            }
            Fate::Read | Fate::Ignore if !value.is_null() => wishes.ignore(&name),
            Fate::Read | Fate::Ignore | Fate::Cut | Fate::Forward => {}
        }
        body.remove(name.into_owned());
    }
    if let Some(caps) = caps {
        if asks {
            wishes.read_headers(headers)?;
        }
        wishes.cap(caps);
    }
    Ok(Reading {
        model,
        models,
        stream,
        wishes,
        regions,
        body,
    })
}

/// Says whether a header may be one of those that are read here. Many requests have none, and one look at all names costs
/// less than a search for each. The id of the call is on nearly all, and no wish.
fn is_ours(name: &HeaderName) -> bool {
    let text = name.as_str();
    text.starts_with("x-stainless-") || text.starts_with("x-litellm-") && *name != CALL_ID
}

impl Wishes {
    fn read_member(
        &mut self,
        document: &Document,
        name: &str,
        value: Value<'_>,
        caps: Caps,
    ) -> Result<(), Failure> {
        let read = || targets::parse(document.raw(), name, value).map(|parsed| parsed.capped(caps));
        match name {
            // `timeout` counts before its synonym, whatever the order.
            "timeout" => self.timeout = seconds(name, value)?.or(self.timeout),
            "request_timeout" => self.timeout = self.timeout.or(seconds(name, value)?),
            "stream_timeout" => self.stream_timeout = seconds(name, value)?,
            "stream_idle_timeout" => self.stream_idle = seconds(name, value)?,
            "stream_total_timeout" => self.stream_total = seconds(name, value)?,
            "total_timeout" => self.total = seconds(name, value)?,
            "keepalive_seconds" => self.keep_alive = seconds(name, value)?,
            "num_retries" => self.retries = count(name, value)?,
            "disable_fallbacks" => self.fallbacks().disabled = flag(document, name)?,
            "include_fallback_errors" => self.fallback_errors = flag(document, name)?,
            "fastest_response" => self.fastest = flag(document, name)?,
            _ if value.is_null() => {}
            "tags" => self.tagged.read_member(value)?,
            "fallbacks" => {
                let parsed = read()?;
                let fallbacks = self.fallbacks();
                (fallbacks.chain, fallbacks.general) = (parsed.chain, parsed.table);
            }
            "context_window_fallbacks" => {
                let table = read()?.into_table();
                self.fallbacks().context_window = Some(table);
            }
            "content_policy_fallbacks" => {
                let table = read()?.into_table();
                self.fallbacks().content_policy = Some(table);
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes that a member has no effect.
    fn ignore(&mut self, name: &str) {
        let known = known(name).filter(|known| !self.ignored.contains(known));
        self.ignored.extend(known);
    }

    /// Reads a flag by which a test brings a failure. Of several the most general counts, as in LiteLLM.
    fn mock(&mut self, document: &Document, name: &str) -> Result<(), Failure> {
        let is_set = flag(document, name)?;
        let kind = match name {
            "mock_testing_fallbacks" => FailureKind::Server,
            "mock_testing_context_fallbacks" => FailureKind::ContextWindow,
            "mock_testing_content_policy_fallbacks" => FailureKind::ContentPolicy,
            _ => {
                self.mock_timeout = is_set;
                return Ok(());
            }
        };
        let rank = |kind| match kind {
            FailureKind::Server => 0,
            FailureKind::ContextWindow => 1,
            _ => 2,
        };
        if is_set
            && self
                .mock_failure
                .is_none_or(|other| rank(kind) < rank(other))
        {
            self.mock_failure = Some(kind);
        }
        Ok(())
    }

    /// Keeps metadata, and takes the tags in it if wishes are taken. What is no object says nothing.
    fn note(&mut self, name: &str, value: Value<'_>, takes_wishes: bool) -> Result<(), Failure> {
        // A copy: who observes a stream to its end must not keep the whole body for this.
        let raw = Bytes::copy_from_slice(value.as_bytes());
        let Ok(metadata) = Document::parse(raw) else {
            return Ok(());
        };
        if name != "metadata" {
            self.litellm_metadata = Some(metadata);
            return Ok(());
        }
        if takes_wishes {
            self.tagged.read_metadata(&metadata)?;
        }
        self.metadata = Some(metadata);
        Ok(())
    }

    /// Headers count before members of the body, but for tags.
    fn read_headers(&mut self, headers: &HeaderMap) -> Result<(), Failure> {
        for (header, name, wish) in [
            (TIMEOUT, "timeout", &mut self.timeout),
            (STREAM_TIMEOUT, "stream_timeout", &mut self.stream_timeout),
            (TOTAL_TIMEOUT, "total_timeout", &mut self.total),
        ] {
            if let Some(text) = text(headers, &header)? {
                *wish = to_seconds(name, text.trim().parse().ok())?.or(*wish);
            }
        }
        self.tagged.read_header(headers)?;
        if let Some(text) = text(headers, &NUM_RETRIES)? {
            let retries = text
                .trim()
                .parse()
                .map_err(|_| not_a_count("num_retries"))?;
            self.retries = Some(retries);
        }
        // Written by SDKs, not by people: one that cannot be read is no reason to refuse.
        self.client_retries = text(headers, &RETRY_COUNT)
            .ok()
            .flatten()
            .and_then(|text| text.trim().parse().ok());
        self.client_timeout = text(headers, &READ_TIMEOUT)
            .ok()
            .flatten()
            .and_then(|text| text.trim().parse().ok())
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map(|wait| wait - (wait / 10).min(LONGEST_WAY))
            .filter(|wait| !wait.is_zero());
        Ok(())
    }

    fn cap(&mut self, caps: Caps) {
        let limit = |wish: &mut Option<Duration>| *wish = wish.map(|wish| wish.min(caps.timeout));
        limit(&mut self.timeout);
        limit(&mut self.stream_timeout);
        limit(&mut self.stream_idle);
        limit(&mut self.stream_total);
        limit(&mut self.total);
        let (least, most) = SIGNS_OF_LIFE;
        self.keep_alive = self.keep_alive.map(|wish| wish.clamp(least, most));
        self.retries = self.retries.map(|wish| wish.min(caps.retries));
    }

    /// Returns what the caller notes for its own books.
    pub(super) fn metadata(&mut self) -> Option<Metadata> {
        let parts = [self.metadata.take(), self.litellm_metadata.take()];
        let metadata = Metadata::new(parts.into_iter().flatten());
        (!metadata.is_empty()).then_some(metadata)
    }

    /// Returns the tags that count.
    pub(super) fn tags(&mut self) -> Option<Tags> {
        std::mem::take(&mut self.tagged).into_tags()
    }

    fn fallbacks(&mut self) -> &mut overrides::Fallbacks {
        self.fallbacks.get_or_insert_default()
    }
}

/// Reads the model, or several: a list, or on the chat endpoint a text with commas.
fn model(
    document: &Document,
    operation: Operation,
) -> Result<(Cow<'_, str>, Option<Vec<String>>), Failure> {
    let Some(value) = document.get("model").filter(|value| !value.is_null()) else {
        return Err(invalid("model", "`model` is missing"));
    };
    let one = value.as_str();
    let names: Vec<String> = match one {
        Some(model) if operation == Operation::Chat && model.contains(',') => {
            let names = model.split(',').map(str::trim);
            names.map(str::to_owned).collect()
        }
        Some(model) => {
            let is_blank = operation == Operation::Chat && model.trim().is_empty();
            return match is_blank || model.is_empty() {
                true => Err(invalid("model", "`model` is empty")),
                false => Ok((model, None)),
            };
        }
        None => value
            .decode()
            .map_err(|_| wrong_type("model", "a string or a list of strings", value))?,
    };
    if names.is_empty() || names.iter().any(String::is_empty) {
        let message = match names.len() {
            0 | 1 => "`model` is empty",
            _ => "`model` has an empty name",
        };
        return Err(invalid("model", message));
    }
    if names.len() > 1 && operation != Operation::Chat {
        return Err(invalid("model", "several models are for chat only"));
    }
    let model = value.as_str().unwrap_or_else(|| names.join(",").into());
    Ok((model, (names.len() > 1).then_some(names)))
}

/// The name of a member that may be named in a response: one of ours, never text of the caller.
fn known(name: &str) -> Option<&'static str> {
    const NAMES: [&str; 33] = [
        "api_key",
        "api_version",
        "cache",
        "caching",
        "client_id",
        "client_secret",
        "content_policy_fallbacks",
        "context_window_fallbacks",
        "cooldown_time",
        "disable_fallbacks",
        "drop_params",
        "enable_tag_filtering",
        "fallbacks",
        "fastest_response",
        "include_fallback_errors",
        "keepalive_seconds",
        "max_fallbacks",
        "max_retries",
        "model_group_retry_policy",
        "num_retries",
        "organization",
        "priority",
        "request_timeout",
        "retry_policy",
        "routing_strategy",
        "stream_idle_timeout",
        "stream_timeout",
        "stream_total_timeout",
        "tags",
        "tenant_id",
        "timeout",
        "total_timeout",
        "ttl",
    ];
    let named = NAMES.into_iter().find(|known| *known == name);
    named.or_else(|| of_provider(name.as_bytes()))
}
