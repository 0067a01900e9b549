//! Parameters: which go where, and which go nowhere.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Number, Value, json};
use ziggurat_core::{Failure, json::Document};
use ziggurat_provider::params::{is_reserved, refusal};

use super::{Object, decode, wire::Inference};
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

/// Where the tokens of thinking are told.
const THINKING_TOKENS: &str = "/usage/output_tokens_details";

/// What a request says beside its messages.
#[derive(Default)]
pub(super) struct Params<'a> {
    pub(super) inference: Inference,
    pub(super) additional: Object,
    pub(super) response_paths: Option<Value>,
    pub(super) native: Object,
    pub(super) include_usage: bool,
    pub(super) tools: Option<&'a str>,
    pub(super) tool_choice: Option<Value>,
    pub(super) parallel_tool_calls: Option<bool>,
    pub(super) response_format: Option<&'a str>,
    /// Whether what Bedrock does not take is left out.
    pub(super) drop: bool,
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
        let mut params = Self {
            drop: template.drop_params,
            ..Self::default()
        };
        let allowed: Vec<String> = match document.get("allowed_openai_params") {
            Some(names) => decode("allowed_openai_params", names.as_bytes())?,
            None => Vec::new(),
        };
        let is_allowed = |name: &str| {
            allowed.iter().any(|allowed| allowed == name)
                || template.allowed.iter().any(|allowed| &**allowed == name)
        };
        let mut unsupported: Vec<Cow<'_, str>> = Vec::new();
        for (name, value) in document.members() {
            if value.is_null() || is_reserved(&name) || HINTS.contains(&&*name) {
                continue;
            }
            let text = value.text();
            if UNSUPPORTED.contains(&&*name) && !is_allowed(&name) {
                if asks_for_something(&name, text) {
                    unsupported.push(name);
                }
                continue;
            }
            if !params.set(&name, text, &template.model)? {
                unsupported.push(name);
            }
        }
        if let Some(first) = unsupported.first()
            && !params.drop
        {
            let message = format!(
                "Bedrock does not support {} for {}; set drop_params to leave it out",
                unsupported.join(", "),
                template.model.id,
            );
            return Err(refusal(first, message));
        }
        Ok(params)
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
            "max_tokens" | "max_completion_tokens" => {
                self.inference.max_tokens = Some(number(name, value)?);
            }
            "temperature" => self.inference.temperature = Some(number(name, value)?),
            "top_p" => self.inference.top_p = Some(number(name, value)?),
            "stop" => {
                self.inference.stop_sequences = match decode(name, value)? {
                    Stop::One(stop) => vec![stop],
                    Stop::Many(stops) => stops,
                };
            }
            "tools" => self.tools = Some(text),
            "tool_choice" => {
                let choice: Value = decode(name, value)?;
                if choice == "none" && !self.drop {
                    return Ok(false);
                }
                self.tool_choice = Some(choice);
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
        let effort: String = decode("reasoning_effort", text.as_bytes())?;
        if effort == "none" {
            return Ok(true);
        }
        if model.is_gpt_oss() {
            self.additional
                .insert("reasoning_effort".into(), effort.into());
            return Ok(true);
        }
        if !model.thinks() {
            return Ok(false);
        }
        // The steps that LiteLLM takes.
        let budget = match &*effort {
            "minimal" | "low" => 1024,
            "medium" => 2048,
            "high" => 4096,
            "xhigh" => 8192,
            "max" => 16384,
            _ => {
                return Err(refusal(
                    "reasoning_effort",
                    "reasoning_effort is not a known one",
                ));
            }
        };
        if self.additional.contains_key("thinking") {
            return Ok(true);
        }
        if model.adapts() {
            let effort = if effort == "minimal" { "low" } else { &*effort };
            self.additional
                .insert("thinking".into(), json!({ "type": "adaptive" }));
            self.additional
                .insert("output_config".into(), json!({ "effort": effort }));
        } else {
            let thinking = json!({ "type": "enabled", "budget_tokens": budget });
            self.additional.insert("thinking".into(), thinking);
        }
        Ok(true)
    }

    /// Whether the model is to think.
    pub(super) fn is_thinking(&self) -> bool {
        let thinking = self.additional.get("thinking");
        thinking.is_some_and(|thinking| thinking["type"] != "disabled")
    }

    /// Fits what depends on thinking: there must be room for more than it, and its tokens are asked for.
    pub(super) fn think(&mut self, model: &Model) {
        if !self.is_thinking() || !model.is_claude() {
            return;
        }
        let budget = self.additional["thinking"]["budget_tokens"].as_u64();
        if let Some(budget) = budget
            && self.inference.max_tokens.is_none()
        {
            self.inference.max_tokens = Some(budget.saturating_add(4096).into());
        }
        if model.route == Route::Converse && self.response_paths.is_none() {
            self.response_paths = Some(json!([THINKING_TOKENS]));
        }
    }
}

/// Whether a parameter that is not taken would change anything.
fn asks_for_something(name: &str, text: &str) -> bool {
    match text {
        "false" | "0" | "0.0" | "[]" | "{}" | "\"auto\"" | "\"default\"" | "[\"text\"]" => false,
        "1" => name != "n",
        _ => true,
    }
}

fn number(name: &str, value: &[u8]) -> Result<Number, Failure> {
    decode(name, value)
}
