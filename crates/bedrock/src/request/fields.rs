//! Parameters: which go where, and which go nowhere.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use ziggurat_core::{Failure, json::Document};
use ziggurat_provider::params::{ToolChoice, asks_for_nothing, is_reserved, refusal};

use super::{Object, decode, invalid, thinking::Effort, wire::Inference};
use crate::{
    dialect::Template,
    model::{Model, Route},
};

/// OpenAI's parameters that Bedrock has nothing for.
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
    "service_tier",
    "store",
    "top_logprobs",
    "verbosity",
    "web_search_options",
];

/// Hints about who asks: no answer depends on them.
const HINTS: &[&str] = &[
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
];

/// Members of Converse itself.
const NATIVE: &[&str] = &[
    "guardrailConfig",
    "outputConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
    "serviceTier",
];

/// Members of Converse for what it has no words for.
const ADDITIONAL: &[&str] = &[
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
];

/// Whether a parameter is in Converse's own words, which InvokeModel does not have.
pub(crate) fn is_of_converse(name: &str) -> bool {
    NATIVE.contains(&name) || ADDITIONAL.contains(&name)
}

/// What a request says beside its messages.
#[derive(Default)]
pub(super) struct Params<'a> {
    pub(super) inference: Inference,
    pub(super) additional: Object,
    pub(super) response_paths: Option<Value>,
    pub(super) native: Object,
    pub(super) include_usage: bool,
    pub(super) tools: Option<&'a str>,
    pub(super) tool_choice: Option<ToolChoice>,
    pub(super) parallel_tool_calls: Option<bool>,
    pub(super) response_format: Option<&'a str>,
    pub(super) effort: Option<Effort>,
    /// Whether what Bedrock does not take is left out.
    pub(super) drop: bool,
    /// What is sent whatever is known of the model.
    allowed: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Stop {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

impl<'a> Params<'a> {
    pub(super) fn read(template: &Template, document: &'a Document) -> Result<Self, Failure> {
        let mut allowed: Vec<String> = match document.get("allowed_openai_params") {
            Some(names) => decode("allowed_openai_params", names.as_bytes())?,
            None => Vec::new(),
        };
        allowed.extend(template.allowed.iter().map(|name| name.to_string()));
        let mut params = Self {
            drop: template.drop_params,
            allowed,
            ..Self::default()
        };
        let mut unsupported = Vec::new();
        for (name, value) in document.members() {
            if value.is_null() || is_reserved(&name) || HINTS.contains(&&*name) {
                continue;
            }
            let text = value.text();
            if UNSUPPORTED.contains(&&*name) && !params.allows(&name) {
                if !asks_for_nothing(&name, text.as_bytes()) {
                    unsupported.push(name);
                }
                continue;
            }
            if !params.set(&name, text, &template.model)? {
                unsupported.push(name);
            }
        }
        if !unsupported.is_empty() && !params.drop {
            return Err(self::unsupported(&unsupported, &template.model));
        }
        Ok(params)
    }

    /// Whether a parameter is sent whatever is known of the model.
    pub(super) fn allows(&self, name: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == name)
    }

    /// Takes a parameter; says whether it can be taken.
    fn set(&mut self, name: &str, text: &'a str, model: &Model) -> Result<bool, Failure> {
        let value = text.as_bytes();
        match name {
            "messages" | "stream" => {}
            "stream_options" => {
                let options: StreamOptions = decode(name, value)?;
                self.include_usage = options.include_usage == Some(true);
            }
            "max_completion_tokens" => self.inference.max_tokens = Some(decode(name, value)?),
            "max_tokens" => {
                let limit = decode(name, value)?;
                self.inference.max_tokens.get_or_insert(limit);
            }
            "temperature" => self.inference.temperature = Some(decode(name, value)?),
            "top_p" => self.inference.top_p = Some(decode(name, value)?),
            "stop" => {
                self.inference.stop_sequences = match decode(name, value)? {
                    Stop::One(stop) => vec![stop],
                    Stop::Many(stops) => stops,
                };
            }
            "tools" => self.tools = Some(text),
            "tool_choice" => {
                let choice = match value {
                    // Converse's own word.
                    b"\"any\"" => Some(ToolChoice::Required),
                    value => ToolChoice::read(value),
                };
                let fault = || invalid(name, "is not one that Bedrock has");
                self.tool_choice = Some(choice.ok_or_else(fault)?);
            }
            "parallel_tool_calls" => self.parallel_tool_calls = Some(decode(name, value)?),
            "response_format" => self.response_format = Some(text),
            "reasoning_effort" => return self.effort(text, model),
            "additionalModelRequestFields" => {
                let fields: Object = decode(name, value)?;
                self.additional.extend(fields);
            }
            "additionalModelResponseFieldPaths" => self.response_paths = Some(decode(name, value)?),
            "inferenceConfig" | "toolConfig" | "system" | "modelId" => {
                let message = format!("{name} is made of OpenAI's parameters; use those");
                return Err(refusal(name, message));
            }
            _ => {
                let of_converse = model.route == Route::Converse && NATIVE.contains(&name);
                let target = match of_converse {
                    true => &mut self.native,
                    false => &mut self.additional,
                };
                target.insert(name.to_owned(), decode(name, value)?);
            }
        }
        Ok(true)
    }

    /// Takes OpenAI's measure of effort, in the words of the model's maker.
    fn effort(&mut self, text: &str, model: &Model) -> Result<bool, Failure> {
        const NAME: &str = "reasoning_effort";
        let effort: Value = decode(NAME, text.as_bytes())?;
        let effort = effort.get("effort").unwrap_or(&effort).as_str();
        let effort = effort.ok_or_else(|| invalid(NAME, "is not one that is known"))?;
        if matches!(effort, "none" | "disable") {
            return Ok(true);
        }
        if model.is_gpt_oss() {
            self.additional.insert(NAME.into(), effort.into());
            return Ok(true);
        }
        if !model.thinks() && !self.allows(NAME) {
            return Ok(false);
        }
        self.effort = Some(Effort::read(effort.to_owned())?);
        Ok(true)
    }
}

/// The refusal of parameters that are not taken.
pub(super) fn unsupported(names: &[Cow<'_, str>], model: &Model) -> Failure {
    let (first, all) = (names.first().map_or("", |name| name), names.join(", "));
    let message = format!(
        "Bedrock does not support {all} for {}; set drop_params to leave it out",
        model.id,
    );
    refusal(first, message)
}
