//! A request to, and an answer of, the older text generation.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::{Failure, JsonBody, json::Document};
use ziggurat_provider::params::{self, Permits, refusal};

use crate::{
    chat::{self, raw},
    finish, prompt,
};

/// Parameters of OpenAI that text generation does not take.
const REFUSED: &[&str] = &[
    "audio",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "modalities",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "reasoning_effort",
    "response_format",
    "service_tier",
    "tool_choice",
    "tools",
    "top_logprobs",
    "verbosity",
    "web_search_options",
];

/// What is not a parameter of the model.
const NO_PARAMETER: &[&str] = &[
    "messages",
    "model",
    "model_id",
    "moderations",
    "project_id",
    "space_id",
    "stream",
    "token",
    "zen_api_key",
];

/// OpenAI's names and watsonx's.
const RENAMED: &[(&str, &str)] = &[
    ("frequency_penalty", "repetition_penalty"),
    ("max_tokens", "max_new_tokens"),
    ("seed", "random_seed"),
    ("stop", "stop_sequences"),
];

/// Makes the body for text generation of one for chat.
///
/// # Errors
///
/// [`BadRequest`](ziggurat_core::FailureKind::BadRequest) that names what cannot be said.
pub(crate) fn body(
    chat: &JsonBody,
    permits: &Permits<'_>,
    model: &str,
) -> Result<JsonBody, Failure> {
    let mut chat = chat.clone();
    chat::rename_max_tokens(&mut chat);
    chat::leave_out(&mut chat);
    chat::refuse(&mut chat, REFUSED, permits, model)?;
    let messages = chat.get("messages").unwrap_or(b"[]");
    let input = prompt::render(messages, model)?;
    let mut parameters: BTreeMap<String, &RawValue> = BTreeMap::new();
    let stop = chat.get("stop").and_then(stop_sequences);
    for (name, value) in chat.members() {
        // A `repetition_penalty` of 0 would be an error: it has no effect at 1.
        if NO_PARAMETER.contains(&&*name) || params::asks_for_nothing(&name, value) {
            continue;
        }
        let value = match &stop {
            Some(stop) if name == "stop" => &**stop,
            _ => serde_json::from_slice(value)
                .map_err(|_| refusal(&name, format!("{name}: not JSON")))?,
        };
        let renamed = RENAMED.iter().find(|(openai, _)| *openai == name);
        let name = renamed.map_or(&*name, |(_, watsonx)| watsonx);
        parameters.insert(name.to_owned(), value);
    }
    let moderations = chat.get("moderations").unwrap_or(b"{}");
    let moderations = Bytes::copy_from_slice(moderations);
    let parameters = serde_json::to_vec(&parameters).unwrap_or_else(|_| b"{}".to_vec());
    let empty = Document::parse(Bytes::from_static(b"{}"));
    let mut body = JsonBody::new(empty.map_err(|_| refusal("messages", "not an object"))?);
    body.set("input", ziggurat_core::json::string(&input));
    body.set("moderations", moderations);
    body.set("parameters", parameters);
    Ok(body)
}

/// One stop sequence is a list of one.
fn stop_sequences(stop: &[u8]) -> Option<Box<RawValue>> {
    let stop = std::str::from_utf8(stop).ok()?;
    stop.starts_with('"').then(|| raw(format!("[{stop}]")))?
}

#[derive(Deserialize)]
struct Results<'a> {
    #[serde(borrow)]
    results: Vec<Piece<'a>>,
}

#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow)]
    generated_text: Option<&'a RawValue>,
    generated_token_count: Option<u64>,
    input_token_count: Option<u64>,
    stop_reason: Option<String>,
}

/// An answer, or a piece of one.
pub(crate) struct Generated {
    /// The text, as JSON.
    pub(crate) text: Box<str>,
    pub(crate) finish: Option<&'static str>,
    pub(crate) input: Option<u64>,
    pub(crate) output: Option<u64>,
}

impl Generated {
    /// Reads the first result; `None` if there is none.
    ///
    /// # Errors
    ///
    /// The answer broke off.
    pub(crate) fn of(document: &Document) -> Result<Option<Self>, Failure> {
        let results: Option<Results<'_>> = serde_json::from_slice(document.raw()).ok();
        let Some(first) = results.as_ref().and_then(|results| results.results.first()) else {
            return Ok(None);
        };
        let text = first.generated_text.map_or("\"\"", RawValue::get);
        if !text.starts_with('"') {
            return Ok(None);
        }
        let reason = first.stop_reason.as_deref();
        let reason = reason.filter(|reason| !reason.eq_ignore_ascii_case("not_finished"));
        let finish = reason.map(|reason| finish::openai(&reason.to_ascii_lowercase(), false));
        Ok(Some(Self {
            text: text.into(),
            finish: finish.transpose()?,
            input: first.input_token_count,
            output: first.generated_token_count,
        }))
    }

    /// The choices of a plain answer, as JSON.
    pub(crate) fn choices(&self) -> Bytes {
        let finish = self.finish.unwrap_or("stop");
        let text = &self.text;
        let choices = format!(
            r#"[{{"index":0,"message":{{"role":"assistant","content":{text}}},"finish_reason":"{finish}"}}]"#
        );
        choices.into()
    }

    /// The choices of a chunk, as JSON.
    pub(crate) fn delta(&self, is_first: bool) -> String {
        let role = if is_first {
            r#""role":"assistant","#
        } else {
            ""
        };
        let finish = match self.finish {
            Some(finish) => format!("\"{finish}\""),
            None => "null".to_owned(),
        };
        let text = &self.text;
        format!(r#"[{{"index":0,"delta":{{{role}"content":{text}}},"finish_reason":{finish}}}]"#)
    }
}

/// The usage of an answer, as JSON.
pub(crate) fn usage(input: Option<u64>, output: Option<u64>) -> Option<Bytes> {
    let (input, output) = (input?, output?);
    let total = input.saturating_add(output);
    let usage = format!(
        r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{total}}}"#
    );
    Some(usage.into())
}
