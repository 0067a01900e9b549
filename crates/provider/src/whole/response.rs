//! Events of a response of OpenAI's.

use std::borrow::Cow;

use bytes::Bytes;
use ziggurat_core::{
    Failure, JsonBody,
    json::{Document, Value},
};

use super::{event, given, invalid, member, object};

/// The events so far: each bears its number.
struct Events {
    out: Vec<u8>,
    number: u64,
}

pub(super) fn events(response: &Document) -> Result<Bytes, Failure> {
    let output = response.get("output").and_then(Value::elements);
    let output = output.ok_or_else(|| invalid("the upstream's answer has no output"))?;
    let status = given(response.get("status")).and_then(Value::as_str);
    let last = match status.as_deref() {
        None | Some("completed") => "response.completed",
        Some("incomplete") => "response.incomplete",
        Some(_) => return Err(invalid("the upstream's answer is not complete")),
    };
    let mut events = Events {
        out: Vec::with_capacity(4 * response.raw().len()),
        number: 0,
    };
    let begun = begun(response);
    events.write("response.created", &begun);
    events.write("response.in_progress", &begun);
    for (index, item) in output.enumerate() {
        events
            .item(index, item)
            .ok_or_else(|| invalid("the upstream's answer has an unreadable item"))?;
    }
    let whole = std::str::from_utf8(response.raw()).unwrap_or_default();
    events.write(last, &format!(r#""response":{whole}"#));
    Ok(events.out.into())
}

/// The response as it was when it began.
fn begun(response: &Document) -> String {
    let mut begun = JsonBody::new(response.clone());
    begun.set("status", &b"\"in_progress\""[..]);
    begun.set("output", &b"[]"[..]);
    begun.set("usage", &b"null"[..]);
    begun.set("incomplete_details", &b"null"[..]);
    format!(r#""response":{}"#, print(&begun))
}

fn print(body: &JsonBody) -> String {
    String::from_utf8_lossy(&body.to_bytes()).into_owned()
}

impl Events {
    fn write(&mut self, kind: &str, rest: &str) {
        let rest = format!(r#""sequence_number":{},{rest}"#, self.number);
        self.number += 1;
        event(kind, &rest, &mut self.out);
    }

    /// Writes an item: its empty form, what fills it, and the whole.
    fn item(&mut self, index: usize, item: Value<'_>) -> Option<()> {
        let kind = item.get("type")?.as_str()?;
        let mut empty = object(item)?;
        empty.set("status", &b"\"in_progress\""[..]);
        let (name, nothing) = match &*kind {
            "message" => ("content", "[]"),
            "reasoning" => ("summary", "[]"),
            "function_call" => ("arguments", "\"\""),
            "custom_tool_call" => ("input", "\"\""),
            _ => ("", ""),
        };
        if !name.is_empty() {
            empty.set(name, nothing);
        }
        let at = format!(r#""output_index":{index}"#);
        let rest = format!(r#"{at},"item":{}"#, print(&empty));
        self.write("response.output_item.added", &rest);
        let place = format!(r#""item_id":{},{at}"#, member(item, "id", "\"\""));
        match &*kind {
            "message" => self.parts(&place, item)?,
            "reasoning" => self.summary(&place, item)?,
            "function_call" => {
                let kind = "response.function_call_arguments";
                self.piece(kind, &place, "arguments", member(item, "arguments", "\"\""));
            }
            "custom_tool_call" => {
                let kind = "response.custom_tool_call_input";
                self.piece(kind, &place, "input", member(item, "input", "\"\""));
            }
            _ => {}
        }
        let rest = format!(r#"{at},"item":{}"#, item.text());
        self.write("response.output_item.done", &rest);
        Some(())
    }

    /// Writes a text in one piece, and that it is done.
    fn piece(&mut self, kind: &str, place: &str, name: &str, text: &str) {
        if text != "\"\"" {
            let rest = format!(r#"{place},"delta":{text}"#);
            self.write(&format!("{kind}.delta"), &rest);
        }
        let rest = format!(r#"{place},"{name}":{text}"#);
        self.write(&format!("{kind}.done"), &rest);
    }

    /// Writes the parts of a message.
    fn parts(&mut self, place: &str, item: Value<'_>) -> Option<()> {
        let parts = given(item.get("content"))?.elements()?;
        for (index, part) in parts.enumerate() {
            let place = format!(r#"{place},"content_index":{index}"#);
            let (kind, name) = match part.get("type")?.as_str()? {
                Cow::Borrowed("output_text") => ("response.output_text", "text"),
                Cow::Borrowed("refusal") => ("response.refusal", "refusal"),
                _ => ("", ""),
            };
            let mut empty = object(part)?;
            if !name.is_empty() {
                empty.set(name, &b"\"\""[..]);
            }
            if part.get("annotations").is_some() {
                empty.set("annotations", &b"[]"[..]);
            }
            self.added("response.content_part", &place, &empty);
            if !name.is_empty() {
                self.annotations(&place, part);
                self.piece(kind, &place, name, member(part, name, "\"\""));
            }
            let rest = format!(r#"{place},"part":{}"#, part.text());
            self.write("response.content_part.done", &rest);
        }
        Some(())
    }

    fn annotations(&mut self, place: &str, part: Value<'_>) {
        let annotations = part.get("annotations").and_then(Value::elements);
        for (index, annotation) in annotations.into_iter().flatten().enumerate() {
            let annotation = annotation.text();
            let rest = format!(r#"{place},"annotation_index":{index},"annotation":{annotation}"#);
            self.write("response.output_text.annotation.added", &rest);
        }
    }

    /// Writes what is told of thoughts.
    fn summary(&mut self, place: &str, item: Value<'_>) -> Option<()> {
        let parts = given(item.get("summary")).and_then(Value::elements);
        for (index, part) in parts.into_iter().flatten().enumerate() {
            let place = format!(r#"{place},"summary_index":{index}"#);
            let mut empty = object(part)?;
            empty.set("text", &b"\"\""[..]);
            self.added("response.reasoning_summary_part", &place, &empty);
            let said = member(part, "text", "\"\"");
            self.piece("response.reasoning_summary_text", &place, "text", said);
            let rest = format!(r#"{place},"part":{}"#, part.text());
            self.write("response.reasoning_summary_part.done", &rest);
        }
        Some(())
    }

    fn added(&mut self, kind: &str, place: &str, empty: &JsonBody) {
        let rest = format!(r#"{place},"part":{}"#, print(empty));
        self.write(&format!("{kind}.added"), &rest);
    }
}
