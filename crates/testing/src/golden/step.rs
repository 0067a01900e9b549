//! The recorded answer of an upstream, as a step of a script.

use std::num::NonZeroUsize;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};
use serde_json::Value;
use ziggurat_mock::{Cut, Event, Step};

const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

pub(super) fn of(response: &Value) -> Step {
    let status = response["status"].as_u64().unwrap_or(200) as u16;
    let is_cut = response["abort"] == true;
    let text = |name: &str| response[name].as_str();
    let mut step = if let Some(sse) = text("sse") {
        let event = |event: &str| Event::raw(event.to_owned());
        let mut events: Vec<Event> = sse.split_inclusive("\n\n").map(event).collect();
        let count = events.len();
        if is_cut {
            // One more event than is sent, so that the cut comes before the end.
            events.push(Event::done());
        }
        let step = Step::events(events);
        if is_cut {
            step.cut_after(count, Cut::Close)
        } else {
            step
        }
    } else if let Some(frames) = text("eventstream_base64") {
        let mut frames = base64(frames);
        let count = frames.len();
        if is_cut {
            frames.push(0);
        }
        let step = Step::respond(whole(status, EVENT_STREAM, frames));
        if is_cut {
            step.cut_after(count, Cut::Close)
        } else {
            step
        }
    } else if let Some(text) = text("text") {
        Step::respond(whole(status, "text/plain", text.to_owned()))
    } else {
        Step::respond(whole(
            status,
            "application/json",
            response["body"].to_string(),
        ))
    };
    if let Some(bytes) = response["wire_chunk_bytes"].as_u64() {
        step = step.trickle(NonZeroUsize::new(bytes as usize).expect("pieces of some length"));
    }
    for (name, value) in response["headers"].as_object().into_iter().flatten() {
        let name: HeaderName = name.parse().expect("a header name");
        let value = value.as_str().unwrap_or_default();
        step = step.header(name, HeaderValue::from_str(value).expect("a header value"));
    }
    step
}

fn whole(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    let response = Response::builder()
        .status(status)
        .header("content-type", content_type);
    response.body(body.into()).expect("a status and a type")
}

/// Reads base64 of the standard alphabet.
fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let (mut out, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for six in text.bytes().filter_map(digit) {
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}
