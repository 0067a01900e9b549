//! Requests in Anthropic's own form: they pass, and so do their answers.

mod exchange;
mod stream;
mod unsigned;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Uri};
use serde_json::Value;
use ziggurat_core::{Failure, JsonBody, Meter, Operation, json};
use ziggurat_provider::{Call, Outgoing, params};

use self::exchange::Native;
use crate::{ConfigError, dialect, template::Template};

/// What the deployment's own parameters are called here; `None` for those that only OpenAI's format has.
const NAMES: [(&str, Option<&str>); 10] = [
    ("max_completion_tokens", Some("max_tokens")),
    ("stop", Some("stop_sequences")),
    ("parallel_tool_calls", None),
    ("reasoning_effort", None),
    ("response_format", None),
    ("safety_identifier", None),
    ("stream_options", None),
    ("tool_choice", None),
    ("tools", None),
    ("user", None),
];

/// What requests in this form need beside the rest of the template.
pub(crate) struct Own {
    /// Where tokens are counted.
    count: Uri,
    defaults: Vec<(Box<str>, Bytes)>,
}

// === impl Own ===

impl Own {
    /// Makes it of the URL of messages, and of the deployment's parameters.
    pub(crate) fn new(
        messages: &Uri,
        defaults: &[(Box<str>, Bytes)],
        is_openai: impl Fn(&str) -> bool,
    ) -> Result<Self, ConfigError> {
        let (path, query) = (messages.path(), messages.query());
        let mut below = format!("{path}/count_tokens");
        if let Some(query) = query {
            below.push('?');
            below.push_str(query);
        }
        let fault = || ConfigError::new("api_base", "not a URL");
        let mut parts = messages.clone().into_parts();
        parts.path_and_query = Some(below.parse().map_err(|_| fault())?);
        let known = defaults.iter().filter(|(name, _)| !is_openai(name));
        Ok(Self {
            count: Uri::from_parts(parts).map_err(|_| fault())?,
            defaults: known.filter_map(named).collect(),
        })
    }
}

/// Gives a parameter Anthropic's name.
fn named((name, value): &(Box<str>, Bytes)) -> Option<(Box<str>, Bytes)> {
    let known = NAMES.iter().find(|(openai, _)| **openai == **name);
    let Some((_, own)) = known else {
        return Some((name.clone(), value.clone()));
    };
    let own = (*own)?;
    // One sequence alone is no list yet.
    let value = match serde_json::from_slice(value) {
        Ok(Value::String(_)) if own == "stop_sequences" => [b"[", &value[..], b"]"].concat().into(),
        _ => value.clone(),
    };
    Some((own.into(), value))
}

/// Makes the request for the upstream: the client's own, with the model's name.
pub(crate) fn prepare(template: &Arc<Template>, call: Call<'_>) -> Result<Outgoing, Failure> {
    let operation = call.operation();
    let (uri, mut body) = match operation {
        // Parameters of an answer are not taken there.
        Operation::CountTokens => (&template.own.count, counted(call)),
        _ => (&template.uri, params::body(call, &template.own.defaults)),
    };
    unsigned::cut(&mut body);
    body.set("model", json::string(&template.model.name));
    let mut request = Request::new(body.print());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    *request.headers_mut() = dialect::headers(template, call, &[]);
    let native = Native::new(
        template.clone(),
        operation,
        call.public_model().map(json::string),
        operation == Operation::Messages && call.stream(),
        call.extensions().get::<Meter>().cloned(),
    );
    Ok(Outgoing {
        request,
        exchange: Box::new(native),
    })
}

/// The body of a count, with what a fallback says of the prompt.
fn counted(call: Call<'_>) -> JsonBody {
    const PROMPT: [&str; 5] = ["messages", "system", "thinking", "tool_choice", "tools"];
    let mut body = call.body().clone();
    for (name, value) in call.parameters() {
        if PROMPT.contains(&name) {
            body.set(name.to_owned(), value.clone());
        }
    }
    body
}
