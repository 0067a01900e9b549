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

/// Says whether `reasoning_effort` or `thinking` asks for no thoughts.
pub(super) fn is_off(value: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Off {
        Word(String),
        Effort {
            effort: String,
        },
        Thinking {
            #[serde(rename = "type")]
            kind: Option<String>,
            budget_tokens: Option<u64>,
        },
    }
    match serde_json::from_slice(value) {
        Ok(Off::Word(effort) | Off::Effort { effort }) => {
            matches!(&*effort, "none" | "disable")
        }
        Ok(Off::Thinking {
            kind,
            budget_tokens,
        }) => kind.as_deref() == Some("disabled") || budget_tokens == Some(0),
        Err(_) => false,
    }
}

/// As little thinking as a model can do, and none of it shown: Pro models cannot do without. `None` for models that do not
/// think.
pub(super) fn off(model: Model) -> Option<Thinking> {
    let (thinking_budget, thinking_level) = match (model.generation, model.size) {
        (Generation::One | Generation::Two, _) => return None,
        (Generation::TwoAndHalf, Size::Pro) => (budget("minimal", Size::Pro), None),
        (Generation::TwoAndHalf, _) => (Some(0), None),
        (Generation::Three, size) => (None, level("minimal", size)),
    };
    Some(Thinking {
        thinking_budget,
        thinking_level,
        include_thoughts: false,
    })
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
    let (thinking_budget, thinking_level) = match model.generation {
        Generation::Three => (None, level(&effort, model.size)),
        _ => (budget(&effort, model.size), None),
    };
    if thinking_budget.is_none() && thinking_level.is_none() {
        return Err(unknown());
    }
    Ok(Thinking {
        thinking_budget,
        thinking_level,
        include_thoughts: true,
    })
}

/// Reads `thinking`, as Anthropic's clients write it.
pub(super) fn of_budget(value: &[u8]) -> Result<Thinking, Failure> {
    #[derive(Deserialize)]
    struct Asked {
        budget_tokens: Option<u64>,
    }
    let asked: Asked = serde_json::from_slice(value)
        .map_err(|_| refusal("thinking", "thinking must be an object with a type"))?;
    Ok(Thinking {
        thinking_budget: asked.budget_tokens,
        thinking_level: None,
        include_thoughts: true,
    })
}

/// Tokens for a word, as LiteLLM has them; the least is what the model at least takes.
fn budget(effort: &str, size: Size) -> Option<u64> {
    Some(match effort {
        "minimal" => match size {
            Size::Pro | Size::Unknown => 128,
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
    let is_pro = matches!(size, Size::Pro | Size::Unknown);
    Some(match effort {
        "minimal" if is_pro => "low",
        "minimal" => "minimal",
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
