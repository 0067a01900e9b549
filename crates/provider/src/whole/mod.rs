//! Makes the events of a stream of an answer that came whole: some servers do not stream everything, and clients that asked
//! for a stream find nothing in a document.

mod chunks;
mod message;
mod response;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use ziggurat_core::{
    Failure, FailureKind, JsonBody, Operation,
    json::{Document, Printed, Value},
};

use crate::Call;

/// A stream that a client asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    operation: Operation,
    /// With the chunk that tells the usage.
    usage: bool,
}

impl Asked {
    /// Reads what a call asks for; `None` if that is no stream.
    pub(crate) fn of(call: Call<'_>) -> Option<Self> {
        let operation = call.operation();
        let is_streamed = !matches!(operation, Operation::Embeddings | Operation::CountTokens);
        (is_streamed && call.stream()).then(|| Self {
            operation,
            usage: asks_for_usage(call),
        })
    }

    /// Makes the events of an answer in the client's format.
    ///
    /// # Errors
    ///
    /// [`InvalidResponse`](FailureKind::InvalidResponse): it is none.
    pub(crate) fn events(self, answer: Printed) -> Result<Bytes, Failure> {
        let answer = Document::parse(answer.into_bytes());
        let answer = answer.map_err(|_| invalid("the upstream's answer is not a JSON object"))?;
        match self.operation {
            Operation::Messages => message::events(&answer),
            Operation::Responses => response::events(&answer),
            _ => chunks::events(&answer, self.operation == Operation::Chat, self.usage),
        }
    }
}

fn asks_for_usage(call: Call<'_>) -> bool {
    #[derive(Deserialize)]
    struct Options {
        include_usage: Option<bool>,
    }
    let in_place = call
        .parameters()
        .find(|(name, _)| *name == "stream_options")
        .map(|(_, value)| &value[..]);
    let options = in_place.or_else(|| call.body().get("stream_options"));
    let options = options.and_then(|options| serde_json::from_slice::<Options>(options).ok());
    options.is_some_and(|options| options.include_usage == Some(true))
}

fn invalid(message: &str) -> Failure {
    Failure::new(FailureKind::InvalidResponse)
        .with_message(message)
        .with_status(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Returns an object for edits; `None` if the value is none.
fn object(value: Value<'_>) -> Option<JsonBody> {
    let document = Document::parse(Bytes::copy_from_slice(value.as_bytes())).ok()?;
    Some(JsonBody::new(document))
}

/// A value that is there and not `null`.
fn given<'a>(value: Option<Value<'a>>) -> Option<Value<'a>> {
    value.filter(|value| !value.is_null())
}

/// A string that says something.
fn text(value: Option<Value<'_>>) -> Option<&str> {
    let value = value.map(Value::text);
    value.filter(|value| value.starts_with('"') && *value != "\"\"")
}

/// A member's text as JSON, or what stands in for it.
fn member<'a>(of: Value<'a>, name: &str, without: &'static str) -> &'a str {
    given(of.get(name)).map_or(without, Value::text)
}

/// Writes JSON as one line: line breaks between its tokens are but spaces.
fn line(json: &[u8], out: &mut Vec<u8>) {
    let spaced = |&byte: &u8| match byte {
        b'\n' | b'\r' => b' ',
        byte => byte,
    };
    out.extend(json.iter().map(spaced));
}

/// Writes an event that is named by its type; `rest` are the other members.
fn event(kind: &str, rest: &str, out: &mut Vec<u8>) {
    for part in ["event: ", kind, "\ndata: {\"type\":\"", kind, "\""] {
        out.extend_from_slice(part.as_bytes());
    }
    if !rest.is_empty() {
        out.push(b',');
        line(rest.as_bytes(), out);
    }
    out.extend_from_slice(b"}\n\n");
}
