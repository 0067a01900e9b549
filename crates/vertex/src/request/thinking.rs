//! How much a model thinks before it answers.

use serde::{Deserialize, Serialize};
use ziggurat_core::Failure;
use ziggurat_provider::params::refusal;

use crate::model::{Generation, Model, Size};

/// Google's `thinkingConfig`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Thinking {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
    include_thoughts: bool,
}

/// Reads `reasoning_effort`: a word, or an object that has it as `effort`.
pub(super) fn of_effort(model: Model, value: &[u8]) -> Result<Thinking, Failure> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Effort {
        Word(String),
        Object { effort: String },
    }
    let effort = match serde_json::from_slice(value) {
        Ok(Effort::Word(effort) | Effort::Object { effort }) => effort,
        Err(_) => return Err(unknown()),
    };
    let is_on = !matches!(&*effort, "none" | "disable");
    if model.generation == Generation::Three {
        let level = level(&effort, model.size).ok_or_else(unknown)?;
        return Ok(Thinking {
            thinking_budget: None,
            thinking_level: Some(level),
            include_thoughts: is_on,
        });
    }
    Ok(Thinking {
        thinking_budget: Some(budget(&effort, model.size).ok_or_else(unknown)?),
        thinking_level: None,
        include_thoughts: is_on,
    })
}

/// Reads `thinking`, as Anthropic's clients write it.
pub(super) fn of_budget(value: &[u8]) -> Result<Thinking, Failure> {
    #[derive(Deserialize)]
    struct Asked {
        #[serde(rename = "type")]
        kind: Option<String>,
        budget_tokens: Option<u64>,
    }
    let asked: Asked = serde_json::from_slice(value)
        .map_err(|_| refusal("thinking", "thinking must be an object with a type"))?;
    let is_on = asked.kind.as_deref() != Some("disabled") && asked.budget_tokens != Some(0);
    Ok(Thinking {
        thinking_budget: if is_on { asked.budget_tokens } else { Some(0) },
        thinking_level: None,
        include_thoughts: is_on,
    })
}

/// Tokens for a word, as LiteLLM has them; the least is what the model at least takes.
fn budget(effort: &str, size: Size) -> Option<u64> {
    Some(match effort {
        "none" | "disable" => 0,
        "minimal" => match size {
            Size::Pro => 128,
            Size::Flash => 1,
            Size::FlashLite => 512,
        },
        "low" => 1024,
        "medium" => 2048,
        "high" => 4096,
        "xhigh" => 8192,
        "max" => 16384,
        _ => return None,
    })
}

/// The level nearest to a word: Pro models have `low` and `high` alone.
fn level(effort: &str, size: Size) -> Option<&'static str> {
    let is_pro = size == Size::Pro;
    Some(match effort {
        "none" | "disable" | "minimal" if is_pro => "low",
        "none" | "disable" | "minimal" => "minimal",
        "low" => "low",
        "medium" if is_pro => "high",
        "medium" => "medium",
        "high" | "xhigh" | "max" => "high",
        _ => return None,
    })
}

fn unknown() -> Failure {
    let message = "reasoning_effort must be none, minimal, low, medium, high, xhigh or max";
    refusal("reasoning_effort", message)
}
