//! Tools, from Anthropic's words into OpenAI's.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use ziggurat_core::Failure;
use ziggurat_provider::params::refusal;

use super::request::parsed;

#[derive(Deserialize)]
struct Own<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    description: Option<&'a RawValue>,
    #[serde(borrow)]
    input_schema: Option<&'a RawValue>,
    strict: Option<bool>,
    #[serde(borrow)]
    cache_control: Option<&'a RawValue>,
}

/// A tool that the model may call.
#[derive(Serialize)]
pub(super) struct Tool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// Which tools the model shall call.
pub(super) struct Choice {
    pub(super) openai: Value,
    pub(super) one_at_a_time: bool,
}

/// Reads the tools; `None` if there are none.
pub(super) fn read(tools: &[u8], own_words: bool) -> Result<Option<Vec<Tool<'_>>>, Failure> {
    let tools: Vec<Own<'_>> = parsed("tools", tools)?;
    let tools = tools.into_iter().enumerate().map(|(at, own)| {
        let (None | Some("custom"), Some(name)) = (own.kind.as_deref(), own.name) else {
            let message = format!("`tools.{at}` is no custom tool; only Anthropic has others");
            return Err(refusal("tools", message));
        };
        Ok(Tool {
            kind: "function",
            function: Function {
                name,
                description: own.description,
                parameters: own.input_schema,
                strict: own.strict,
            },
            cache_control: own.cache_control.filter(|_| own_words),
        })
    });
    let tools: Vec<_> = tools.collect::<Result<_, _>>()?;
    Ok((!tools.is_empty()).then_some(tools))
}

pub(super) fn choice(choice: &[u8]) -> Result<Choice, Failure> {
    #[derive(Deserialize)]
    struct Own {
        #[serde(rename = "type")]
        kind: String,
        name: Option<String>,
        #[serde(default)]
        disable_parallel_tool_use: bool,
    }
    let choice: Own = parsed("tool_choice", choice)?;
    let openai = match (&*choice.kind, choice.name) {
        ("auto", _) => json!("auto"),
        ("any", _) => json!("required"),
        ("none", _) => json!("none"),
        ("tool", Some(name)) => json!({"type": "function", "function": {"name": name}}),
        _ => {
            return Err(refusal(
                "tool_choice",
                "`tool_choice` is not one that is known",
            ));
        }
    };
    Ok(Choice {
        openai,
        one_at_a_time: choice.disable_parallel_tool_use,
    })
}
