//! One line per request.

use std::fmt::{self, Write};

use http::HeaderValue;
use ziggurat::core::{
    Attempt, DeploymentId, Metadata, ModelGroup, Observer,
    observe::{Asked, RequestEnd},
};

/// Names of models, paths and ids of calls are no longer; what is longer is cut, as a client may send anything.
const LONGEST: usize = 128;

/// Logs each request that has ended, as `info` with the target `ziggurat::request`: what was asked, who answered after how
/// many attempts, and how long it took. Neither prompts nor answers nor keys are in it; of the metadata only what is listed.
#[derive(Clone, Debug, Default)]
pub struct RequestLog {
    keys: Vec<String>,
}

/// JSON without anything in it that a terminal or a reader of lines would obey.
struct OnOneLine<'a>(&'a str);

/// The metadata that may be logged: names, and values as JSON.
struct Noted<'a>(&'a [String], Option<&'a Metadata>);

impl RequestLog {
    /// Logs these members of a request's metadata, too, if they are no longer than 128 bytes of JSON: ids are shorter, texts
    /// are not for logs. The default is none.
    #[must_use]
    pub fn metadata(mut self, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.keys = keys.into_iter().map(Into::into).collect();
        self
    }
}

impl Observer for RequestLog {
    fn request_ended(&self, end: &RequestEnd<'_>) {
        if !tracing::enabled!(target: "ziggurat::request", tracing::Level::INFO) {
            return;
        }
        let call = end.call;
        let (attempts, group, last) = end.tried.read(|attempts| {
            let last = attempts.last();
            let group = last.and_then(|attempt: &Attempt| attempt.group.clone());
            let id = last.and_then(|attempt| attempt.deployment.clone());
            let sent = attempts.iter().filter(|attempt| !attempt.unsent);
            (sent.count(), group, id)
        });
        let millis = |time: std::time::Duration| time.as_millis() as u64;
        let metadata = end.asked.and_then(|asked| asked.metadata.as_ref());
        let noted = (!self.keys.is_empty()).then(|| Noted(&self.keys, metadata));
        tracing::info!(
            target: "ziggurat::request",
            status = call.status.map(|status| status.as_u16()),
            outcome = call.outcome.as_str(),
            model = end.asked.map(model),
            model_group = group.as_ref().map(ModelGroup::as_str),
            deployment = end.deployment.or(last.as_ref()).map(DeploymentId::as_str),
            attempts,
            fallbacks = end.tried.hops(),
            recovered = end.tried.recovery().map(|recovery| recovery.count),
            duration_ms = millis(call.elapsed),
            first_chunk_ms = call.first_chunk.map(millis),
            input_tokens = call.input_tokens,
            output_tokens = call.output_tokens,
            stream = call.stream,
            operation = end.asked.map(|asked| asked.operation.as_str()),
            metadata = noted.map(tracing::field::debug),
            call_id = end.id.and_then(named),
            "request"
        );
    }
}

/// The model as the client named it, within bounds.
fn model(asked: &Asked) -> &str {
    within_bounds(asked.model.as_str())
}

/// The id of a call, which may be the client's, within bounds.
pub(crate) fn named(id: &HeaderValue) -> Option<&str> {
    id.to_str().ok().map(within_bounds)
}

/// Cuts what a client has sent to the length that may be logged.
pub(crate) fn within_bounds(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

impl fmt::Debug for Noted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(keys, metadata) = self;
        let mut map = f.debug_map();
        for key in *keys {
            let value = metadata.and_then(|metadata| metadata.get(key));
            if let Some(value) = value.filter(|value| value.len() <= LONGEST) {
                map.entry(key, &OnOneLine(value));
            }
        }
        map.finish()
    }
}

impl fmt::Debug for OnOneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                // Between values; within texts they are escaped already.
                '\n' | '\r' | '\t' => {}
                '"' | '\\' | '\'' => f.write_char(c)?,
                // As it would stand in a debugged text.
                other => write!(f, "{}", other.escape_debug())?,
            }
        }
        Ok(())
    }
}
