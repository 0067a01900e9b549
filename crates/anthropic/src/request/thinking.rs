//! Whether the model thinks before it answers, and for how long.

use serde::Deserialize;
use serde_json::{Value, json};
use ziggurat_core::Failure;
use ziggurat_provider::{params::Permits, thinking};

use super::{params::Params, parts::invalid};
use crate::template::Model;

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
    /// Reads an effort; `None` if it is none.
    pub(super) fn read(json: &[u8]) -> Result<Option<Self>, Failure> {
        let effort: Value = serde_json::from_slice(json).unwrap_or_default();
        let effort = effort.get("effort").unwrap_or(&effort);
        let word = effort.as_str().unwrap_or_default();
        if matches!(word, "none" | "disable") {
            return Ok(None);
        }
        let fault = || invalid("reasoning_effort", "is not one that is known");
        let budget = thinking::budget(word).ok_or_else(fault)?;
        let word = word.to_owned();
        Ok(Some(Self { word, budget }))
    }
}

impl Thinking {
    /// Reads what is passed on as it came.
    pub(super) fn read(json: &[u8]) -> Result<Self, Failure> {
        let fault = || invalid("thinking", "is not what Anthropic takes");
        let thinking = Some(json).filter(|json| json.starts_with(b"{"));
        let thinking = thinking.and_then(|json| serde_json::from_slice(json).ok());
        thinking.ok_or_else(fault)
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
        if model.adapts && !self.has_own("output_config") {
            let word = thinking::word(&effort.word);
            self.made.push(("output_config", json!({"effort": word})));
        }
        let budget = match model.adapts {
            true => None,
            false => match thinking::fit(effort.budget, self.limit()) {
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
        let enabled = self.thinking.as_ref().filter(|it| it.kind == "enabled");
        Some(thinking::limit(enabled?.budget_tokens?))
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
            number.is_ok_and(|number| thinking::clashes(name, number)) && !permits.allow(name)
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
