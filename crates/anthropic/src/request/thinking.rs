//! Whether the model thinks before it answers, and for how long.

use serde::Deserialize;
use serde_json::{Value, json};
use ziggurat_core::Failure;
use ziggurat_provider::params::Permits;

use super::{params::Params, parts::invalid};
use crate::template::Model;

/// The least budget that Anthropic takes.
const LEAST: u64 = 1024;
/// Room for an answer beside the thoughts, where the limit is ours.
const BESIDE_THOUGHTS: u64 = 4096;
/// The least `top_p` that goes with thoughts, says Anthropic's page on extended thinking.
const LEAST_TOP_P: f64 = 0.95;

/// OpenAI's measure of effort.
pub(super) struct Effort {
    word: String,
    budget: u64,
}

/// What is said of thoughts in Anthropic's own words.
#[derive(Default, Deserialize)]
pub(super) struct Thinking {
    #[serde(rename = "type", default)]
    kind: String,
    budget_tokens: Option<u64>,
}

impl Effort {
    /// Reads an effort, with the budgets of LiteLLM; `None` if it is none.
    pub(super) fn read(json: &[u8]) -> Result<Option<Self>, Failure> {
        let effort: Value = serde_json::from_slice(json).unwrap_or_default();
        let effort = effort.get("effort").unwrap_or(&effort);
        let word = effort.as_str().unwrap_or_default();
        let budget = match word {
            "none" | "disable" => return Ok(None),
            "minimal" | "low" => 1024,
            "medium" => 2048,
            "high" => 4096,
            "xhigh" => 8192,
            "max" => 16384,
            _ => return Err(invalid("reasoning_effort", "is not one that is known")),
        };
        let word = word.to_owned();
        Ok(Some(Self { word, budget }))
    }
}

impl Params<'_> {
    /// Makes a budget for thoughts, or for the newest models a wish, of OpenAI's effort. What is said in Anthropic's own
    /// words stands. An effort is a wish too: where there is no room for the least budget, or thoughts are not possible
    /// (`may_think`), the model answers at once.
    ///
    /// # Errors
    ///
    /// A parameter that does not go with thoughts.
    pub(super) fn think(
        &mut self,
        model: &Model,
        permits: &Permits<'_>,
        may_think: bool,
    ) -> Result<(), Failure> {
        let Some(effort) = self.effort.take().filter(|_| self.thinking.is_none()) else {
            return Ok(());
        };
        if model.adapts && !self.others.iter().any(|(name, _)| name == "output_config") {
            let word = match &*effort.word {
                "minimal" => "low",
                word => word,
            };
            self.made.push(("output_config", json!({"effort": word})));
        }
        let budget = match model.adapts {
            true => None,
            false => match fit(effort.budget, self.limit()) {
                None => return Ok(()),
                budget => budget,
            },
        };
        if !may_think {
            return Ok(());
        }
        self.leave_sampling(permits)?;
        let (kind, thinking) = match budget {
            None => ("adaptive", json!({"type": "adaptive"})),
            Some(budget) => (
                "enabled",
                json!({"type": "enabled", "budget_tokens": budget}),
            ),
        };
        self.made.push(("thinking", thinking));
        self.thinking = Some(Thinking {
            kind: kind.to_owned(),
            budget_tokens: budget,
        });
        Ok(())
    }

    /// Whether the model thinks before it answers.
    pub(super) fn thinks(&self) -> bool {
        let thinking = self.thinking.as_ref();
        thinking.is_some_and(|thinking| thinking.kind != "disabled")
    }

    /// The limit if the request has none: above the budget for thoughts.
    pub(super) fn limit_of_thoughts(&self) -> Option<u64> {
        let thinking = self.thinking.as_ref().filter(|it| it.kind == "enabled");
        let budget = thinking?.budget_tokens?;
        Some(budget.saturating_add(BESIDE_THOUGHTS))
    }

    /// The client's limit.
    fn limit(&self) -> Option<u64> {
        let limit = self.max_tokens.as_ref()?.as_f64()?;
        Some(limit as u64)
    }

    /// Leaves out what does not go with thoughts, or refuses it.
    fn leave_sampling(&mut self, permits: &Permits<'_>) -> Result<(), Failure> {
        let clashes = |name: &str, value: &str| {
            let number = serde_json::from_str::<f64>(value);
            let clashes = match name {
                "temperature" => number.is_ok_and(|number| number != 1.0),
                "top_p" => number.is_ok_and(|number| number < LEAST_TOP_P),
                "top_k" => true,
                _ => false,
            };
            clashes && !permits.allow(name)
        };
        let mut others = self.others.iter();
        if !permits.drop()
            && let Some((name, _)) = others.find(|(name, value)| clashes(name, value.get()))
        {
            let what =
                "is not taken by Anthropic with reasoning_effort; set drop_params to leave it out";
            return Err(invalid(name, what));
        }
        self.others
            .retain(|(name, value)| !clashes(name, value.get()));
        Ok(())
    }
}

/// Fits a budget below a limit, and leaves half of that for the answer as far as the least budget permits. `None` if there
/// is no room.
fn fit(budget: u64, limit: Option<u64>) -> Option<u64> {
    match limit {
        None => Some(budget),
        Some(limit) if budget < limit => Some(budget),
        Some(limit) if limit > LEAST => Some(LEAST.max(limit / 2)),
        Some(_) => None,
    }
}
