//! Frames, as Bedrock sends them.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use serde_json::{Value, json};

pub(crate) fn message(
    kind: (&'static str, &'static str),
    name: &'static str,
    payload: &str,
) -> Vec<u8> {
    let text = |text: &'static str| HeaderValue::String(text.into());
    let message = Message::new(payload.to_owned())
        .add_header(Header::new(":message-type", text(kind.0)))
        .add_header(Header::new(kind.1, text(name)));
    let mut out = Vec::new();
    write_message_to(&message, &mut out).unwrap();
    out
}

pub(crate) fn event(name: &'static str, payload: &Value) -> Vec<u8> {
    message(("event", ":event-type"), name, &payload.to_string())
}

pub(crate) fn exception(name: &'static str, text: &str) -> Vec<u8> {
    let payload = json!({ "message": text }).to_string();
    message(("exception", ":exception-type"), name, &payload)
}
