use http::Response;
use http_body_util::BodyExt;
use hyper::body::Body;
use serde_json::Value;

/// What a caller sees of a stream.
#[derive(Debug, PartialEq)]
pub(crate) enum View {
    /// It was all said: so the stream says.
    Whole { text: String },
    /// An error says that there is more: in place of the stream, or after what there is of it.
    Marked { text: String, code: String },
}

/// Reads a response to its end.
pub(crate) async fn read<B: Body>(response: Response<B>) -> Result<View, String> {
    let (head, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| "the body broke off")?;
    let body = String::from_utf8(body.to_bytes().into()).map_err(|_| "it is no text")?;
    if head.status == 200 {
        return read_stream(&body);
    }
    let document: Value = serde_json::from_str(&body).map_err(|_| "the error is no JSON")?;
    marked(String::new(), &document["error"])
}

fn marked(text: String, error: &Value) -> Result<View, String> {
    match (error["code"].as_str(), error["message"].as_str()) {
        (Some(code), Some(message)) if !message.is_empty() => Ok(View::Marked {
            text,
            code: code.to_owned(),
        }),
        _ => Err(format!("an error that says nothing: {error}")),
    }
}

fn read_stream(body: &str) -> Result<View, String> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
    let mut events: Vec<&str> = data.collect();
    if events.pop() != Some("[DONE]") {
        return Err(format!("it does not end with [DONE]: {body}"));
    }
    let (mut text, mut finished, mut error) = (String::new(), false, None);
    for event in events {
        if error.is_some() {
            return Err(format!("more comes after an error: {event}"));
        }
        let event: Value = serde_json::from_str(event).map_err(|_| format!("no JSON: {event}"))?;
        if !event["error"].is_null() {
            error = Some(event["error"].clone());
            continue;
        }
        for choice in event["choices"].as_array().into_iter().flatten() {
            if choice["index"].as_u64().unwrap_or(0) == 0 {
                text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
                finished |= !choice["finish_reason"].is_null();
            }
        }
    }
    match error {
        Some(error) => marked(text, &error),
        None if finished => Ok(View::Whole { text }),
        None => Err(format!("it does not say how it ended: {body}")),
    }
}
