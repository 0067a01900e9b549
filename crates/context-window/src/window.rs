use std::sync::Arc;

use http::Extensions;
use ziggurat_core::{LlmRequest, TokenCount, overrides::Parameters};

use crate::{CountTokens, Family, Prompt, error::DoesNotFit, family::Scale};

/// Counting never stops below this: up to here it costs less than a millisecond in English, refusals name the true number, and one
/// count does for all small windows.
const WORTHWHILE: u64 = 8192;

/// How long the prompts of a model may be, and how their tokens are counted. Cloning counts references.
#[derive(Clone, Debug)]
pub struct Window {
    model: Arc<str>,
    max_input_tokens: Option<u64>,
    shared: bool,
    counter: Arc<dyn CountTokens>,
    scale: Scale,
}

// === impl Window ===

impl Window {
    /// Describes the window of `model`; its name tells the [`Family`], and stands in refusals.
    ///
    /// `None`, and zero, say that the window is not known: every prompt passes.
    #[must_use]
    pub fn new(model: impl Into<Arc<str>>, max_input_tokens: Option<u64>) -> Self {
        let model = model.into();
        let family = Family::of(&model);
        Self {
            model,
            max_input_tokens: max_input_tokens.filter(|&tokens| tokens > 0),
            shared: false,
            counter: family.counter(),
            scale: family.scale(),
        }
    }

    /// Says whether prompt and answer share the window, so that the length that a request allows for its answer
    /// (`max_completion_tokens`, `max_tokens`) counts too. Default: no.
    #[must_use]
    pub fn shared(mut self, shared: bool) -> Self {
        self.shared = shared;
        self
    }

    /// Sets the family, where the name does not tell it.
    #[must_use]
    pub fn family(mut self, family: Family) -> Self {
        self.counter = family.counter();
        self.scale = family.scale();
        self
    }

    /// Counts in another way, without factor and margin.
    #[must_use]
    pub fn counter(mut self, counter: Arc<dyn CountTokens>) -> Self {
        self.counter = counter;
        self.scale = Scale::ONE;
        self
    }

    /// Returns the longest prompt, if it is known.
    #[must_use]
    pub fn max_input_tokens(&self) -> Option<u64> {
        self.max_input_tokens
    }

    /// Returns the model's name.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Counts all tokens of a prompt, as far as this model's can be counted, with these parameters in place of members of
    /// the body. `None` if there is no prompt, or one that cannot be read.
    ///
    /// It takes some 20 ms per MiB of text: not for an async thread if the prompt is long.
    #[must_use]
    pub fn count(&self, request: &LlmRequest, parameters: Option<&Parameters>) -> Option<u64> {
        let prompt = Prompt::new(request, parameters);
        let count = self.counter.count(&prompt, u64::MAX)?;
        Some(self.scale.tokens(count.tokens()))
    }

    pub(crate) fn counted_by(&self) -> &Arc<dyn CountTokens> {
        &self.counter
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// The highest count that is not surely too long.
    pub(crate) fn budget(&self, output: u64) -> Option<u64> {
        let room = self.max_input_tokens?.saturating_sub(output);
        Some(self.scale.budget(room))
    }

    /// Says whether the prompt fits. Counts only if bounds and earlier counts do not say.
    pub(crate) fn check(&self, extensions: &Extensions) -> Result<(), DoesNotFit> {
        let Some(prompt) = self.max_input_tokens.and_then(|_| Prompt::of(extensions)) else {
            return Ok(());
        };
        let output = self.output(&prompt);
        let Some(budget) = self.budget(output) else {
            return Ok(());
        };
        let known = prompt.counts().get(self.counter.name(), prompt.key());
        let known = match known {
            Some(known) if is_decided(known, budget) => Some(known),
            _ if fits(&*self.counter, &prompt, budget) => return Ok(()),
            known => count(&*self.counter, &prompt, known, budget),
        };
        self.verdict(known, budget, output)
    }

    /// Says whether what is known already shows that the prompt does not fit.
    fn is_exceeded(&self, prompt: &Prompt<'_>) -> bool {
        let known = prompt.counts().get(self.counter.name(), prompt.key());
        let budget = self.budget(self.output(prompt));
        let surely = |(known, budget): (TokenCount, u64)| known.least() > budget;
        known.zip(budget).is_some_and(surely)
    }

    fn output(&self, prompt: &Prompt<'_>) -> u64 {
        match self.shared {
            true => prompt.output().unwrap_or_default(),
            false => 0,
        }
    }

    fn verdict(
        &self,
        known: Option<TokenCount>,
        budget: u64,
        output: u64,
    ) -> Result<(), DoesNotFit> {
        let known = known.filter(|known| known.least() > budget);
        let Some((known, window)) = known.zip(self.max_input_tokens) else {
            return Ok(());
        };
        let needed = self.scale.tokens(known.tokens()).saturating_add(output);
        Err(DoesNotFit::new(needed, window, known.is_counted()))
    }
}

/// Says whether a request does not fit a window, by what was counted for it so far.
///
/// `true` only if the window is known and a count was made in its way that is surely above it: never because a window
/// is small, or unknown, or nobody has counted. Nothing is counted here. A fallback asks it about a target, with the
/// target's own parameters in the extensions.
#[must_use]
pub fn exceeds(window: &Window, extensions: &Extensions) -> bool {
    Prompt::of(extensions).is_some_and(|prompt| window.is_exceeded(&prompt))
}

/// Says whether a cheap look shows that the prompt fits. What takes a search is kept with the request.
pub(crate) fn fits(counter: &dyn CountTokens, prompt: &Prompt<'_>, budget: u64) -> bool {
    const SEARCHED: u64 = 1024;
    let Some(most) = counter.most(prompt, budget) else {
        return false;
    };
    if prompt.bytes() > SEARCHED {
        let bound = TokenCount::at_most(most);
        prompt.counts().add(counter.name(), prompt.key(), bound);
    }
    true
}

fn is_decided(known: TokenCount, budget: u64) -> bool {
    known.is_counted() || known.least() > budget || known.most().is_some_and(|most| most <= budget)
}

/// Counts, and keeps the count with the request. Returns all that is known then.
pub(crate) fn count(
    counter: &dyn CountTokens,
    prompt: &Prompt<'_>,
    known: Option<TokenCount>,
    budget: u64,
) -> Option<TokenCount> {
    // A count that stopped earlier is not repeated for a little more: each goes four times as far as the last.
    let further = known.map_or(0, |known| known.least().saturating_mul(4));
    let limit = budget.max(WORTHWHILE).max(further);
    let count = counter.count(prompt, limit)?;
    Some(prompt.counts().add(counter.name(), prompt.key(), count))
}
