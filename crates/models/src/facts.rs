//! The table of model facts: embedded text, parsed where it is looked at.

use std::{
    borrow::Cow,
    sync::{Arc, LazyLock},
};

use crate::{Provider, table::InputWindow};

/// Sorted by name; the head of `generate.py` describes the format.
const TABLE: &str = include_str!("../data/models.tsv");

/// What is known about one model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelFacts {
    /// The name in the table, with a provider prefix where the table has one.
    pub name: Cow<'static, str>,
    /// Who serves the model under this name.
    pub provider: Provider,
    /// What the model does.
    pub mode: Mode,
    /// Longest prompt, in tokens.
    pub max_input_tokens: Option<u64>,
    /// Longest answer, in tokens.
    pub max_output_tokens: Option<u64>,
    /// Price of one prompt token, in USD.
    pub input_cost_per_token: Option<f64>,
    /// Price of one token of the answer, in USD.
    pub output_cost_per_token: Option<f64>,
    /// Those of the embedded table, a bit each.
    capabilities: u64,
    /// Others.
    further: Arc<[Box<str>]>,
}

/// What a model does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Answers a conversation.
    Chat,
    /// Continues a text.
    Completion,
    /// Turns text into vectors.
    Embedding,
}

/// Looks a model up; without a hit nothing is parsed.
///
/// An entry of `provider` wins: first `name` itself, then `<provider>/<name>`. Without one, and
/// without a `provider`, whoever is listed under `name` answers: deployments of any provider are
/// often named after the model that they run.
///
/// ```
/// use ziggurat_models::{Provider, facts};
///
/// let openai = facts(None, "gpt-3.5-turbo").unwrap();
/// assert_eq!(openai.max_input_tokens, Some(16_385));
/// let azure = facts(Some(Provider::Azure), "gpt-4-0613").unwrap();
/// assert_eq!(azure.name, "azure/gpt-4-0613");
/// assert!(azure.supports("function_calling"));
/// ```
#[must_use]
pub fn facts(provider: Option<Provider>, name: &str) -> Option<ModelFacts> {
    look_up(find, provider, name)
}

/// Looks a model up by names.
pub(crate) fn look_up(
    find: impl Fn(&str) -> Option<ModelFacts>,
    provider: Option<Provider>,
    name: &str,
) -> Option<ModelFacts> {
    let listed = find(name);
    let Some(provider) = provider else {
        return listed;
    };
    match listed {
        Some(facts) if facts.provider == provider => Some(facts),
        listed => find(&format!("{provider}/{name}")).or(listed),
    }
}

// === impl ModelFacts ===

impl ModelFacts {
    /// Returns whether the model has a capability, named as in LiteLLM's `supports_…` flags but
    /// without that prefix: `vision`, `function_calling`, `system_messages`, `response_schema`.
    #[must_use]
    pub fn supports(&self, capability: &str) -> bool {
        let known = bit(capability).is_some_and(|bit| self.capabilities & bit != 0);
        known || self.further.iter().any(|name| **name == *capability)
    }

    /// Says whether prompt and answer share the window, so that a long answer leaves less for the prompt.
    ///
    /// The table does not say it outright. Two things do: a window for the answer as long as the one for the prompt,
    /// which cannot be a second one; and the series of OpenAI of which the listed window is the length of the whole
    /// context (gpt-3.5, gpt-4 in all variants, davinci-002, babbage-002), which refuse a prompt that leaves no room
    /// for `max_tokens`. Of the others (gpt-5 has 272,000 beside its 128,000; Anthropic's and Google's answers just
    /// end) it is not assumed.
    #[must_use]
    pub fn shares_window(&self) -> bool {
        let openai = [
            Provider::OpenAi,
            Provider::Azure,
            Provider::TextCompletionOpenAi,
        ];
        let series = ["gpt-3.5", "gpt-35", "gpt-4", "davinci-002", "babbage-002"];
        let name = self.name.rsplit('/').next().unwrap_or_default();
        let name = name.strip_prefix("ft:").unwrap_or(name);
        let whole = openai.contains(&self.provider) && series.iter().any(|it| name.starts_with(it));
        self.max_input_tokens.is_some()
            && (whole || self.max_input_tokens == self.max_output_tokens)
    }

    pub(crate) fn input_window(&self) -> Option<InputWindow> {
        Some(InputWindow {
            max_input_tokens: self.max_input_tokens.filter(|&tokens| tokens > 0)?,
            shared: self.shares_window(),
        })
    }

    pub(crate) fn new(name: String, provider: Provider, mode: Mode) -> Self {
        Self {
            name: Cow::Owned(name),
            provider,
            mode,
            max_input_tokens: None,
            max_output_tokens: None,
            input_cost_per_token: None,
            output_cost_per_token: None,
            capabilities: 0,
            further: Arc::default(),
        }
    }

    pub(crate) fn set_capabilities(&mut self, names: Vec<String>) {
        let (known, further): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| bit(name).is_some());
        self.capabilities = known
            .iter()
            .filter_map(|name| bit(name))
            .fold(0, |set, bit| set | bit);
        self.further = further.into_iter().map(Into::into).collect();
    }

    fn parse(line: &'static str) -> Option<Self> {
        let mut cells = line.split('\t');
        Some(Self {
            name: Cow::Borrowed(cells.next()?),
            provider: Provider::from_table(cells.next()?)?,
            mode: Mode::from_table(cells.next()?)?,
            max_input_tokens: cells.next()?.parse().ok(),
            max_output_tokens: cells.next()?.parse().ok(),
            input_cost_per_token: cells.next()?.parse().ok(),
            output_cost_per_token: cells.next()?.parse().ok(),
            capabilities: u64::from_str_radix(cells.next()?, 16).ok()?,
            further: Arc::default(),
        })
    }
}

// === impl Mode ===

impl Mode {
    /// Returns LiteLLM's name of the mode.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completion => "completion",
            Self::Embedding => "embedding",
        }
    }

    pub(crate) fn from_table(name: &str) -> Option<Self> {
        [Self::Chat, Self::Completion, Self::Embedding]
            .into_iter()
            .find(|mode| mode.as_str() == name)
    }
}

/// The table, taken apart where its lines and their names end.
struct Rows {
    capabilities: Box<[&'static str]>,
    /// Names, and the whole lines. Sorted.
    models: Box<[(&'static str, &'static str)]>,
}

/// Made at the first look: a configuration with many deployments takes many.
static ROWS: LazyLock<Rows> = LazyLock::new(|| {
    let (capabilities, models) = TABLE.split_once('\n').unwrap_or((TABLE, ""));
    let named = |line: &'static str| Some((line.split_once('\t')?.0, line));
    Rows {
        capabilities: capabilities.split('\t').collect(),
        models: models.lines().filter_map(named).collect(),
    }
});

/// The bit that stands for a capability.
fn bit(capability: &str) -> Option<u64> {
    let mut names = ROWS.capabilities.iter();
    let place = names.position(|name| *name == capability)?;
    Some(1 << place)
}

/// Looks a name up in the table.
pub(crate) fn find(name: &str) -> Option<ModelFacts> {
    let models = &ROWS.models;
    let place = models.binary_search_by(|(key, _)| (*key).cmp(name)).ok()?;
    ModelFacts::parse(models[place].1)
}
