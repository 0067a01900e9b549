//! In whose form a caller reads errors.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use serde_json::json;
use ziggurat_core::{Failure, Operation};

use crate::path::{self, Endpoint};

use super::{
    anthropic,
    errors::{self, ErrorTypes},
};

/// The id of a call, which Anthropic's errors name.
pub(crate) const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// How errors are written to one caller: in the form of the API that was called.
#[derive(Clone, Debug, Default)]
pub struct ErrorForm {
    types: ErrorTypes,
    api: Api,
    request_id: Option<HeaderValue>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Api {
    #[default]
    OpenAi,
    /// OpenAI's too; only the errors in its streams are others.
    Responses,
    Anthropic,
}

// === impl ErrorForm ===

impl ErrorForm {
    /// Finds out what a request called: by its [`Operation`], or else by its path, known or not. `types` says how errors
    /// in OpenAI's form name themselves.
    #[must_use]
    pub fn of<B>(request: &Request<B>, types: ErrorTypes) -> Self {
        let path = request.uri().path();
        let operation = request.extensions().get::<Operation>().copied();
        let operation = operation.or_else(|| Endpoint::of(path).map(|endpoint| endpoint.operation));
        let api = match operation {
            Some(Operation::Responses) => Api::Responses,
            Some(operation) if operation.is_anthropic() => Api::Anthropic,
            None if path::is_anthropic(path) => Api::Anthropic,
            _ => Api::OpenAi,
        };
        let is_named = api == Api::Anthropic;
        let request_id = is_named.then(|| request.headers().get(&CALL_ID)).flatten();
        Self {
            types,
            api,
            request_id: request_id.cloned(),
        }
    }

    /// Returns the status to answer with.
    #[must_use]
    pub fn status(&self, failure: &Failure) -> StatusCode {
        match self.api {
            Api::OpenAi | Api::Responses => errors::status(failure, self.types),
            Api::Anthropic => anthropic::status(failure),
        }
    }

    /// Writes a failure as a document.
    #[must_use]
    pub fn json(&self, failure: &Failure) -> Bytes {
        match self.api {
            Api::OpenAi | Api::Responses => errors::json(failure, self.types),
            Api::Anthropic => {
                let id = self.request_id.as_ref().and_then(|id| id.to_str().ok());
                anthropic::json(failure, id)
            }
        }
    }

    /// Writes a failure as the end of a stream. `last` is the number of the last event that had one.
    pub(super) fn event(&self, failure: &Failure, last: Option<u64>) -> Bytes {
        // The blank line first ends whatever half event may have gone out before.
        match self.api {
            Api::OpenAi => [b"\n\ndata: ", &*self.json(failure), b"\n\ndata: [DONE]\n\n"].concat(),
            Api::Responses => {
                let error = errors::error_value(failure, self.types);
                let mut event = json!({
                    "type": "error",
                    "code": error["code"],
                    "message": error["message"],
                    "param": error["param"],
                    "sequence_number": last.map_or(0, |last| last.saturating_add(1)),
                });
                // Where nothing has begun, the SDKs know a failure by this member only.
                if last.is_none() {
                    event["error"] = error;
                }
                format!("\n\nevent: error\ndata: {event}\n\n").into()
            }
            Api::Anthropic => [b"\n\nevent: error\ndata: ", &*self.json(failure), b"\n\n"].concat(),
        }
        .into()
    }

    /// Writes what fallbacks went around as an event of a stream; `None` if they went around nothing.
    pub(super) fn metadata_event(&self, failures: &[Failure]) -> Option<Bytes> {
        const CHUNK: &str = r#"data: {"id":"litellm-fallback-metadata","object":"chat.completion.chunk","created":0,"model":"","choices":[]"#;
        const EVENT: &str = "event: litellm_fallback\ndata: {\"type\":\"litellm_fallback\"";
        if failures.is_empty() {
            return None;
        }
        let begin = match self.api {
            Api::OpenAi => CHUNK,
            Api::Responses | Api::Anthropic => EVENT,
        };
        let errors = errors::json_array(failures, self.types);
        Some(format!("{begin},\"litellm_fallback\":{{\"errors\":{errors}}}}}\n\n").into())
    }

    /// Says whether that event may be the first. Where events have names, clients want to be told first what begins.
    pub(super) fn begins_with_metadata(&self) -> bool {
        self.api == Api::OpenAi
    }

    /// A sign of life: Anthropic's own, or a comment, which all clients of event streams pass over.
    pub(super) fn ping(&self) -> Bytes {
        Bytes::from_static(match self.api {
            Api::OpenAi | Api::Responses => b": ping\n\n",
            Api::Anthropic => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
        })
    }

    /// Names the request in a header, as clients of Anthropic's look for it, unless an upstream has named it.
    pub(super) fn identify(&self, headers: &mut HeaderMap) {
        if let Some(id) = &self.request_id {
            headers.entry(REQUEST_ID).or_insert_with(|| id.clone());
        }
    }

    /// Says whether the events of a stream are numbered.
    pub(super) fn numbers_events(&self) -> bool {
        self.api == Api::Responses
    }

    pub(super) const fn types(&self) -> ErrorTypes {
        self.types
    }
}

impl From<ErrorTypes> for ErrorForm {
    /// In OpenAI's form.
    fn from(types: ErrorTypes) -> Self {
        Self {
            types,
            ..Self::default()
        }
    }
}
