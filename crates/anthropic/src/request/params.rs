//! The parameters of a request.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use ziggurat_core::{Failure, JsonBody};
use ziggurat_provider::params::{Permits, is_reserved, refusal};

use super::parts::invalid;
use crate::template::Model;

/// What OpenAI's models take and Anthropic's do not, each with the values that ask for nothing.
const UNSUPPORTED: &[(&str, &[&str])] = &[
    ("audio", &[]),
    ("frequency_penalty", &["0", "0.0"]),
    ("function_call", &[]),
    ("functions", &["[]"]),
    ("logit_bias", &["{}"]),
    ("logprobs", &["false"]),
    ("modalities", &["[\"text\"]"]),
    ("n", &["1"]),
    ("prediction", &[]),
    ("presence_penalty", &["0", "0.0"]),
    ("prompt_cache_key", &[]),
    ("prompt_cache_retention", &[]),
    ("seed", &[]),
    ("store", &["false"]),
    ("top_logprobs", &[]),
    ("verbosity", &[]),
    ("web_search_options", &[]),
];

/// Given if neither the request nor the facts of the model have a limit; as LiteLLM has it.
const MAX_TOKENS: u64 = 4096;
/// Room for an answer beside the thoughts.
const BESIDE_THOUGHTS: u64 = 4096;

/// What a request says beside its messages.
pub(super) struct Params<'a> {
    pub(super) messages: Option<&'a [u8]>,
    pub(super) tools: Option<&'a [u8]>,
    pub(super) tool_choice: Option<&'a [u8]>,
    pub(super) parallel: Option<bool>,
    pub(super) format: Option<Format<'a>>,
    pub(super) usage: bool,
    pub(super) max_tokens: Value,
    pub(super) stop: Option<Vec<String>>,
    pub(super) user: Option<String>,
    pub(super) made: Vec<(&'static str, Value)>,
    pub(super) others: Vec<(Cow<'a, str>, &'a RawValue)>,
    thinking: Option<Thinking>,
}

/// A schema that the answer has to fit.
#[derive(Deserialize)]
pub(super) struct Format<'a> {
    #[serde(borrow)]
    pub(super) schema: &'a RawValue,
    #[serde(borrow)]
    pub(super) description: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Thinking {
    #[serde(rename = "type", default)]
    kind: String,
    budget_tokens: Option<u64>,
}

impl<'a> Params<'a> {
    /// Reads the members of a body.
    pub(super) fn read(
        body: &'a JsonBody,
        permits: &Permits<'_>,
        model: &Model,
    ) -> Result<Self, Failure> {
        let get = |name: &str| body.get(name).filter(|value| *value != b"null");
        let mut this = Self {
            messages: get("messages"),
            tools: get("tools"),
            tool_choice: get("tool_choice"),
            parallel: get("parallel_tool_calls").map(|value| value == b"true"),
            format: get("response_format").map(format).transpose()?.flatten(),
            usage: get("stream_options").is_some_and(asks_for_usage),
            max_tokens: Value::Null,
            stop: get("stop")
                .map(|stop| self::stop(stop, permits.drop()))
                .transpose()?,
            user: user(body),
            made: Vec::new(),
            others: Vec::new(),
            thinking: get("thinking").and_then(|it| serde_json::from_slice(it).ok()),
        };
        let mut refused = this.sort(body, permits)?;
        if let Some(effort) = get("reasoning_effort") {
            if asks_for_nothing(effort) {
                // Any model can do without.
            } else if model.reasons || permits.allow("reasoning_effort") {
                this.effort(effort, model)?;
            } else {
                refused.push("reasoning_effort".into());
            }
        }
        if !refused.is_empty() && !permits.drop() {
            return Err(unsupported(&refused, model));
        }
        this.max_tokens = match get("max_completion_tokens").or_else(|| get("max_tokens")) {
            Some(limit) => number(limit)?,
            None => this.default_limit(model).into(),
        };
        Ok(this)
    }

    /// Whether the model thinks before it answers.
    pub(super) fn thinks(&self) -> bool {
        let thinking = self.thinking.as_ref();
        thinking.is_some_and(|thinking| thinking.kind != "disabled")
    }

    /// Tells what has no other name from what Anthropic does not take; returns the latter.
    fn sort(
        &mut self,
        body: &'a JsonBody,
        permits: &Permits<'_>,
    ) -> Result<Vec<Cow<'a, str>>, Failure> {
        let mut refused = Vec::new();
        for (name, value) in body.members() {
            if value == b"null" || is_translated(&name) || is_reserved(&name) {
                continue;
            }
            let unsupported = UNSUPPORTED.iter().find(|(known, _)| *known == name);
            let tier = name == "service_tier" && !is_own_tier(value);
            if (unsupported.is_some() || tier) && !permits.allow(&name) {
                let nothing = unsupported.map_or(&[][..], |(_, nothing)| nothing);
                let asks = !nothing.iter().any(|it| it.as_bytes() == value);
                if asks && value != b"\"auto\"" {
                    refused.push(name);
                }
                continue;
            }
            let value =
                serde_json::from_slice(value).map_err(|_| invalid(&name, "is not valid JSON"))?;
            self.others.push((name, value));
        }
        Ok(refused)
    }

    /// Makes a budget for thoughts, or for the newest models a wish, of OpenAI's effort. What is said in Anthropic's own
    /// words stands.
    fn effort(&mut self, effort: &[u8], model: &Model) -> Result<(), Failure> {
        let effort: Value = serde_json::from_slice(effort).unwrap_or_default();
        let effort = effort.get("effort").unwrap_or(&effort);
        let fault = || invalid("reasoning_effort", "is not one that is known");
        let effort = effort.as_str().ok_or_else(fault)?;
        let budget = match effort {
            "minimal" | "low" => 1024,
            "medium" => 2048,
            "high" => 4096,
            "xhigh" => 8192,
            "max" => 16384,
            _ => return Err(fault()),
        };
        if self.thinking.is_some() {
            return Ok(());
        }
        if model.adapts {
            let effort = if effort == "minimal" { "low" } else { effort };
            self.made.push(("thinking", json!({"type": "adaptive"})));
            if !self.others.iter().any(|(name, _)| name == "output_config") {
                self.made.push(("output_config", json!({"effort": effort})));
            }
            self.thinking = Some(Thinking {
                kind: "adaptive".to_owned(),
                budget_tokens: None,
            });
        } else {
            self.made.push((
                "thinking",
                json!({"type": "enabled", "budget_tokens": budget}),
            ));
            self.thinking = Some(Thinking {
                kind: "enabled".to_owned(),
                budget_tokens: Some(budget),
            });
        }
        Ok(())
    }

    fn default_limit(&self, model: &Model) -> u64 {
        let budget = self.thinking.as_ref().filter(|it| it.kind == "enabled");
        match budget.and_then(|thinking| thinking.budget_tokens) {
            Some(budget) => budget.saturating_add(BESIDE_THOUGHTS),
            None => model.max_output.unwrap_or(MAX_TOKENS),
        }
    }
}

fn asks_for_nothing(effort: &[u8]) -> bool {
    matches!(effort, b"\"none\"" | b"\"disable\"")
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
            | "stream"
            | "stream_options"
            | "tool_choice"
            | "tools"
            | "user"
    )
}

/// Whether a service tier is one of Anthropic's, not of OpenAI's.
fn is_own_tier(value: &[u8]) -> bool {
    matches!(value, b"\"auto\"" | b"\"standard_only\"")
}

fn unsupported(names: &[Cow<'_, str>], model: &Model) -> Failure {
    let message = format!(
        "anthropic does not support parameters: {names:?}, for model={}; set drop_params to leave them out",
        model.name
    );
    let first = names.first().map_or("", |name| name);
    refusal(first, message)
}

fn number(limit: &[u8]) -> Result<Value, Failure> {
    let limit: Result<Value, _> = serde_json::from_slice(limit);
    let limit = limit.ok().filter(Value::is_number);
    limit.ok_or_else(|| invalid("max_tokens", "is no number"))
}

/// Reads the sequences that end an answer; those that are only space are refused by Anthropic.
fn stop(stop: &[u8], drop: bool) -> Result<Vec<String>, Failure> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stop {
        One(String),
        Many(Vec<String>),
    }
    let mut sequences = match serde_json::from_slice(stop) {
        Ok(Stop::One(one)) => vec![one],
        Ok(Stop::Many(many)) => many,
        Err(_) => return Err(invalid("stop", "is neither a text nor a list of texts")),
    };
    if drop {
        sequences.retain(|sequence| !sequence.trim().is_empty());
    }
    Ok(sequences)
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

fn asks_for_usage(options: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Options {
        include_usage: Option<bool>,
    }
    let options: Result<Options, _> = serde_json::from_slice(options);
    options.is_ok_and(|options| options.include_usage == Some(true))
}

/// The id of the end user: Anthropic's own word, else OpenAI's. One that may be a person's address is not passed on.
fn user(body: &JsonBody) -> Option<String> {
    #[derive(Deserialize)]
    struct Metadata {
        user_id: Option<String>,
    }
    let metadata = body.get("metadata");
    let metadata = metadata.and_then(|it| serde_json::from_slice::<Metadata>(it).ok());
    let text = |name| serde_json::from_slice::<String>(body.get(name)?).ok();
    let user = metadata.and_then(|metadata| metadata.user_id);
    let user = user
        .or_else(|| text("user"))
        .or_else(|| text("safety_identifier"))?;
    (!user.is_empty() && !is_personal(&user)).then_some(user)
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
