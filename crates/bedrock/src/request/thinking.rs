//! Whether Claude thinks before it answers, and for how long.

use serde_json::json;
use ziggurat_core::Failure;
use ziggurat_provider::thinking;

use super::{fields::Params, invalid};
use crate::model::{Model, Route};

/// Where the tokens of thinking are told.
const THINKING_TOKENS: &str = "/usage/output_tokens_details";

/// OpenAI's measure of effort.
pub(super) struct Effort {
    word: String,
    budget: u64,
}

impl Effort {
    /// Reads the word for it.
    pub(super) fn read(word: String) -> Result<Self, Failure> {
        let fault = || invalid("reasoning_effort", "is not one that is known");
        let budget = thinking::budget(&word).ok_or_else(fault)?;
        Ok(Self { word, budget })
    }
}

impl Params<'_> {
    /// Makes thoughts of an effort, and fits what depends on them. An effort is a wish: where there is no room for the least
    /// budget, or thoughts are not possible (`may_think`), the model answers at once. What is said in Anthropic's own words
    /// stands.
    ///
    /// # Errors
    ///
    /// A parameter that does not go with thoughts.
    pub(super) fn think(&mut self, model: &Model, may_think: bool) -> Result<(), Failure> {
        let is_said = self.additional.contains_key("thinking");
        if let Some(effort) = self.effort.take().filter(|_| !is_said) {
            self.make_thoughts(&effort, model, may_think)?;
        }
        if !self.is_thinking() || !model.is_claude() {
            return Ok(());
        }
        let budget = self.additional["thinking"]["budget_tokens"].as_u64();
        if let Some(budget) = budget
            && self.inference.max_tokens.is_none()
        {
            self.inference.max_tokens = Some(thinking::limit(budget).into());
        }
        if model.route == Route::Converse && self.response_paths.is_none() {
            self.response_paths = Some(json!([THINKING_TOKENS]));
        }
        Ok(())
    }

    /// Whether the model is to think.
    pub(super) fn is_thinking(&self) -> bool {
        let thinking = self.additional.get("thinking");
        thinking.is_some_and(|thinking| thinking["type"] != "disabled")
    }

    fn make_thoughts(
        &mut self,
        effort: &Effort,
        model: &Model,
        may_think: bool,
    ) -> Result<(), Failure> {
        if model.adapts() {
            let word = json!({ "effort": thinking::word(&effort.word) });
            self.additional.entry("output_config").or_insert(word);
        }
        if !may_think {
            return Ok(());
        }
        let limit = self.inference.max_tokens.as_ref();
        let limit = limit.and_then(serde_json::Number::as_f64);
        let thoughts = match model.adapts() {
            true => json!({ "type": "adaptive" }),
            false => match thinking::fit(effort.budget, limit.map(|limit| limit as u64)) {
                Some(budget) => json!({ "type": "enabled", "budget_tokens": budget }),
                None => return Ok(()),
            },
        };
        self.leave_sampling()?;
        self.additional.insert("thinking".into(), thoughts);
        Ok(())
    }

    /// Leaves out what does not go with thoughts, or refuses it.
    fn leave_sampling(&mut self) -> Result<(), Failure> {
        let (temperature, top_p) = (&self.inference.temperature, &self.inference.top_p);
        let number = |number: &serde_json::Number| number.as_f64();
        let given = [
            ("temperature", temperature.as_ref().and_then(number)),
            ("top_p", top_p.as_ref().and_then(number)),
            (
                "top_k",
                self.additional.get("top_k").and_then(|it| it.as_f64()),
            ),
        ];
        let clashing = given.into_iter().filter_map(|(name, value)| {
            (thinking::clashes(name, value?) && !self.allows(name)).then_some(name)
        });
        let clashing: Vec<_> = clashing.collect();
        if !self.drop
            && let Some(name) = clashing.first()
        {
            let what =
                "is not taken by Claude with reasoning_effort; set drop_params to leave it out";
            return Err(invalid(name, what));
        }
        for name in clashing {
            match name {
                "temperature" => self.inference.temperature = None,
                "top_p" => self.inference.top_p = None,
                other => drop(self.additional.remove(other)),
            }
        }
        Ok(())
    }
}
