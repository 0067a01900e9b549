use http::Response;
use http_body_util::BodyExt;
use hyper::body::Body;
use serde_json::Value;

use crate::recording::Surface;

/// What a caller sees of a stream.
#[derive(Debug, PartialEq)]
pub(crate) enum View {
    /// It was all said: so the stream says.
    Whole { text: String },
    /// An error says that there is more: in place of the stream, or after what there is of it.
    Marked { text: String, error: Value },
}

/// Reads a response to its end.
pub(crate) async fn read<B: Body>(response: Response<B>, surface: Surface) -> Result<View, String> {
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| "the body broke off")?;
    let body = String::from_utf8(body.to_bytes().into()).map_err(|_| "it is no text")?;
    if head.status != 200 {
        let document: Value = serde_json::from_str(&body).map_err(|_| "the error is no JSON")?;
        return marked(String::new(), &document["error"]);
    }
    let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
    let (mut events, mut done) = (Vec::new(), false);
    for data in data {
        if done {
            return Err(format!("more comes after [DONE]: {data}"));
        }
        done = data == "[DONE]";
        if !done {
            let event = serde_json::from_str(data).map_err(|_| format!("no JSON: {data}"))?;
            events.push(event);
        }
    }
    match surface {
        Surface::Chat if !done => Err(format!("it does not end with [DONE]: {body}")),
        Surface::Chat => read_chat(&events),
        Surface::Messages => read_messages(&events),
    }
}

fn marked(text: String, error: &Value) -> Result<View, String> {
    match error["message"].as_str() {
        Some(message) if !message.is_empty() => Ok(View::Marked {
            text,
            error: error.clone(),
        }),
        _ => Err(format!("an error that says nothing: {error}")),
    }
}

fn read_chat(events: &[Value]) -> Result<View, String> {
    let (mut text, mut finished) = (String::new(), false);
    for (number, event) in events.iter().enumerate() {
        if !event["error"].is_null() {
            return match number + 1 == events.len() {
                true => marked(text, &event["error"]),
                false => Err("more comes after an error".to_owned()),
            };
        }
        for choice in event["choices"].as_array().into_iter().flatten() {
            if choice["index"].as_u64().unwrap_or(0) == 0 {
                text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
                finished |= !choice["finish_reason"].is_null();
            }
        }
    }
    match finished {
        true => Ok(View::Whole { text }),
        false => Err(format!("it does not say how it ended: {events:?}")),
    }
}

fn read_messages(events: &[Value]) -> Result<View, String> {
    let mut text = String::new();
    // What was recorded is one message of one block: nothing begins or ends twice.
    for once in [
        "message_start",
        "content_block_start",
        "content_block_stop",
        "message_delta",
    ] {
        let count = events.iter().filter(|event| event["type"] == once).count();
        if count > 1 {
            return Err(format!("{once} comes {count} times"));
        }
    }
    for (number, event) in events.iter().enumerate() {
        let kind = event["type"].as_str().unwrap_or_default();
        if matches!(kind, "error" | "message_stop") && number + 1 < events.len() {
            return Err(format!("more comes after {kind}"));
        }
        match kind {
            "error" => return marked(text, &event["error"]),
            "message_stop" => return Ok(View::Whole { text }),
            "content_block_delta" if event["delta"]["type"] == "text_delta" => {
                text.push_str(event["delta"]["text"].as_str().unwrap_or_default());
            }
            _ => {}
        }
    }
    Err(format!("it does not say how it ended: {events:?}"))
}
