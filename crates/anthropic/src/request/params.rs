//! The parameters of a request.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use ziggurat_core::{Failure, JsonBody};
use ziggurat_provider::params::{Permits, asks_for_nothing, is_reserved, refusal};

use super::{
    messages::instructions,
    parts::invalid,
    thinking::{Effort, Thinking},
    wire::Block,
};
use crate::template::Model;

/// What OpenAI's models take and Anthropic's do not.
const UNSUPPORTED: &[&str] = &[
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "modalities",
    "n",
    "prediction",
    "presence_penalty",
    "seed",
    "store",
    "top_logprobs",
    "verbosity",
    "web_search_options",
];

/// Hints to OpenAI's own cache: no answer depends on them.
const HINTS: &[&str] = &["prompt_cache_key", "prompt_cache_retention"];

/// The service tier that Anthropic has and OpenAI has not.
const OWN_TIER: &str = "\"standard_only\"";

/// Given if neither the request nor the facts of the model have a limit; as LiteLLM has it.
const MAX_TOKENS: u64 = 4096;

/// What a request says beside its messages.
pub(super) struct Params<'a> {
    pub(super) messages: Option<&'a [u8]>,
    pub(super) tools: Option<&'a [u8]>,
    pub(super) tool_choice: Option<&'a [u8]>,
    pub(super) parallel: Option<bool>,
    pub(super) format: Option<Format<'a>>,
    pub(super) usage: bool,
    /// The client's limit.
    pub(super) max_tokens: Option<Value>,
    pub(super) stop: Option<Vec<String>>,
    pub(super) user: Option<String>,
    pub(super) made: Vec<(&'static str, Value)>,
    pub(super) others: Vec<(Cow<'a, str>, &'a RawValue)>,
    pub(super) effort: Option<Effort>,
    pub(super) thinking: Option<Thinking>,
}

/// A schema that the answer has to fit.
#[derive(Deserialize)]
pub(super) struct Format<'a> {
    #[serde(borrow)]
    pub(super) schema: &'a RawValue,
    #[serde(borrow)]
    pub(super) description: Option<&'a RawValue>,
}

/// Says whether a parameter is one of OpenAI's that Anthropic does not take.
pub(crate) fn is_openai(name: &str) -> bool {
    UNSUPPORTED.contains(&name)
}

impl<'a> Params<'a> {
    /// Reads the members of a body.
    pub(super) fn read(
        body: &'a JsonBody,
        permits: &Permits<'_>,
        model: &Model,
    ) -> Result<Self, Failure> {
        let get = |name: &str| body.get(name).filter(|value| *value != b"null");
        let limit = ["max_completion_tokens", "max_tokens"]
            .into_iter()
            .find_map(|name| Some((name, get(name)?)));
        let mut this = Self {
            messages: get("messages"),
            tools: get("tools"),
            tool_choice: get("tool_choice"),
            parallel: get("parallel_tool_calls").map(parallel).transpose()?,
            format: get("response_format").map(format).transpose()?.flatten(),
            usage: get("stream_options")
                .map(asks_for_usage)
                .transpose()?
                .unwrap_or_default(),
            max_tokens: limit.map(|(name, value)| number(name, value)).transpose()?,
            stop: stop(get("stop"), get("stop_sequences"), permits.drop())?,
            user: user(body)?,
            made: Vec::new(),
            others: Vec::new(),
            effort: get("reasoning_effort")
                .map(Effort::read)
                .transpose()?
                .flatten(),
            thinking: get("thinking").map(Thinking::read).transpose()?,
        };
        let mut refused = this.sort(body, permits)?;
        if !model.reasons && !permits.allow("reasoning_effort") && this.effort.take().is_some() {
            refused.push("reasoning_effort".into());
        }
        if !refused.is_empty() && !permits.drop() {
            return Err(unsupported(&refused, model));
        }
        Ok(this)
    }

    /// Whether the request has a member in Anthropic's own words.
    pub(super) fn has_own(&self, name: &str) -> bool {
        self.others.iter().any(|(own, _)| own == name)
    }

    /// Puts the instructions in Anthropic's own words before those of the messages. Where these have none, the former
    /// pass as they came.
    pub(super) fn system(&mut self, messages: Vec<Block<'a>>) -> Result<Vec<Block<'a>>, Failure> {
        let own = self.others.iter().position(|(name, _)| name == "system");
        let Some(own) = own.filter(|_| !messages.is_empty()) else {
            return Ok(messages);
        };
        let (name, own) = self.others.remove(own);
        let mut system = instructions(own, &name)?;
        system.extend(messages);
        Ok(system)
    }

    /// The limit that is sent: the client's, else one above the thoughts, else the model's longest answer.
    pub(super) fn limit_sent(&self, model: &Model) -> Value {
        let default = || {
            let limit = self.limit_of_thoughts().or(model.max_output);
            limit.unwrap_or(MAX_TOKENS).into()
        };
        self.max_tokens.clone().unwrap_or_else(default)
    }

    /// Tells what has no other name from what Anthropic does not take; returns the latter.
    fn sort(
        &mut self,
        body: &'a JsonBody,
        permits: &Permits<'_>,
    ) -> Result<Vec<Cow<'a, str>>, Failure> {
        let mut refused = Vec::new();
        for (name, value) in body.members() {
            let is_known = is_translated(&name) || is_reserved(&name) || HINTS.contains(&&*name);
            if value == b"null" || is_known {
                continue;
            }
            let is_unsupported = UNSUPPORTED.contains(&&*name)
                || (name == "service_tier" && value != OWN_TIER.as_bytes());
            if is_unsupported && !permits.allow(&name) {
                if !asks_for_nothing(&name, value) {
                    refused.push(name);
                }
                continue;
            }
            if matches!(&*name, "temperature" | "top_p") {
                number(&name, value)?;
            }
            let value =
                serde_json::from_slice(value).map_err(|_| invalid(&name, "is not valid JSON"))?;
            self.others.push((name, value));
        }
        Ok(refused)
    }
}

/// Whether a member has another name or shape at Anthropic.
fn is_translated(name: &str) -> bool {
    matches!(
        name,
        "max_completion_tokens"
            | "max_tokens"
            | "messages"
            | "metadata"
            | "model"
            | "parallel_tool_calls"
            | "reasoning_effort"
            | "response_format"
            | "safety_identifier"
            | "stop"
            | "stop_sequences"
            | "stream"
            | "stream_options"
            | "tool_choice"
            | "tools"
            | "user"
    )
}

fn unsupported(names: &[Cow<'_, str>], model: &Model) -> Failure {
    let message = format!(
        "anthropic does not support parameters: {names:?}, for model={}; set drop_params to leave them out",
        model.name
    );
    let first = names.first().map_or("", |name| name);
    refusal(first, message)
}

fn number(name: &str, value: &[u8]) -> Result<Value, Failure> {
    let number: Result<Value, _> = serde_json::from_slice(value);
    let number = number.ok().filter(Value::is_number);
    number.ok_or_else(|| invalid(name, "is no number"))
}

fn parallel(value: &[u8]) -> Result<bool, Failure> {
    let fault = |_| invalid("parallel_tool_calls", "is neither true nor false");
    serde_json::from_slice(value).map_err(fault)
}

/// Reads the sequences that end an answer, OpenAI's and Anthropic's own; those that are only space are refused by
/// Anthropic. `None` if there are none.
fn stop(
    openai: Option<&[u8]>,
    own: Option<&[u8]>,
    drop: bool,
) -> Result<Option<Vec<String>>, Failure> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stop {
        One(String),
        Many(Vec<String>),
    }
    let mut sequences = match openai.map(serde_json::from_slice) {
        None => Vec::new(),
        Some(Ok(Stop::One(one))) => vec![one],
        Some(Ok(Stop::Many(many))) => many,
        Some(Err(_)) => return Err(invalid("stop", "is neither a text nor a list of texts")),
    };
    let own = own.map(serde_json::from_slice::<Vec<String>>).transpose();
    let own = own.map_err(|_| invalid("stop_sequences", "is no list of texts"))?;
    for sequence in own.into_iter().flatten() {
        if !sequences.contains(&sequence) {
            sequences.push(sequence);
        }
    }
    if drop {
        sequences.retain(|sequence| !sequence.trim().is_empty());
    }
    Ok(Some(sequences).filter(|sequences| !sequences.is_empty()))
}

/// Reads the schema of a `response_format`; `None` if it has none, for JSON alone needs no word.
fn format(format: &[u8]) -> Result<Option<Format<'_>>, Failure> {
    #[derive(Deserialize)]
    struct Response<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
        #[serde(borrow)]
        json_schema: Option<&'a RawValue>,
    }
    let fault = || invalid("response_format", "is not one that is known");
    let response: Response<'_> = serde_json::from_slice(format).map_err(|_| fault())?;
    match (&*response.kind, response.json_schema) {
        ("text" | "json_object", _) => Ok(None),
        ("json_schema", Some(schema)) => {
            let format: Format<'_> = serde_json::from_str(schema.get()).map_err(|_| fault())?;
            Ok(Some(format))
        }
        _ => Err(fault()),
    }
}

fn asks_for_usage(options: &[u8]) -> Result<bool, Failure> {
    #[derive(Deserialize)]
    struct Options {
        include_usage: Option<bool>,
    }
    let options: Result<Options, _> = serde_json::from_slice(options);
    let options = options.map_err(|_| invalid("stream_options", "is not what it should be"))?;
    Ok(options.include_usage == Some(true))
}

/// The id of the end user: Anthropic's own word, else OpenAI's. One that may be a person's address is not passed on.
fn user(body: &JsonBody) -> Result<Option<String>, Failure> {
    #[derive(Deserialize)]
    struct Metadata {
        user_id: Option<String>,
    }
    let metadata = body.get("metadata");
    let metadata = metadata.and_then(|it| serde_json::from_slice::<Metadata>(it).ok());
    let text = |name| {
        let text = body.get(name).map(serde_json::from_slice::<Option<String>>);
        let text = text.transpose().map_err(|_| invalid(name, "is no text"))?;
        Ok::<_, Failure>(text.flatten())
    };
    let (user, safety) = (text("user")?, text("safety_identifier")?);
    let own = metadata.and_then(|metadata| metadata.user_id);
    let user = own.or(user).or(safety);
    Ok(user.filter(|user| !user.is_empty() && !is_personal(user)))
}

/// Whether a text looks like an e-mail address or a phone number.
fn is_personal(text: &str) -> bool {
    let is_mail = text.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !text.contains(char::is_whitespace)
    });
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_phone = (7..=15).contains(&digits)
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || b"+-. ()".contains(&b));
    is_mail || is_phone
}
