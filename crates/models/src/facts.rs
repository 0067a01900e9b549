//! The table of model facts: embedded text, searched in place.

use std::cmp::Ordering;

use crate::Provider;

/// Sorted by name; the head of `generate.py` describes the format.
const TABLE: &str = include_str!("../data/models.tsv");

/// What is known about one model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelFacts {
    /// The name in the table, with a provider prefix where the table has one.
    pub name: &'static str,
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
    capabilities: u64,
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
        let (capabilities, _) = sections();
        capabilities
            .split('\t')
            .position(|name| name == capability)
            .is_some_and(|bit| self.capabilities & (1 << bit) != 0)
    }

    fn parse(line: &'static str) -> Option<Self> {
        let mut cells = line.split('\t');
        Some(Self {
            name: cells.next()?,
            provider: Provider::from_table(cells.next()?)?,
            mode: Mode::from_table(cells.next()?)?,
            max_input_tokens: cells.next()?.parse().ok(),
            max_output_tokens: cells.next()?.parse().ok(),
            input_cost_per_token: cells.next()?.parse().ok(),
            output_cost_per_token: cells.next()?.parse().ok(),
            capabilities: u64::from_str_radix(cells.next()?, 16).ok()?,
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

    fn from_table(name: &str) -> Option<Self> {
        [Self::Chat, Self::Completion, Self::Embedding]
            .into_iter()
            .find(|mode| mode.as_str() == name)
    }
}

/// Splits the table into its capability names and its models.
fn sections() -> (&'static str, &'static str) {
    TABLE.split_once('\n').unwrap_or((TABLE, ""))
}

/// Bisects the bytes of the table; each step looks at the one line around the middle.
fn find(name: &str) -> Option<ModelFacts> {
    let (_, mut rows) = sections();
    while !rows.is_empty() {
        let middle = rows.len() / 2;
        let start = rows.as_bytes()[..middle]
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |newline| newline + 1);
        let (line, after) = rows[start..]
            .split_once('\n')
            .unwrap_or((&rows[start..], ""));
        let (key, _) = line.split_once('\t')?;
        match key.cmp(name) {
            Ordering::Equal => return ModelFacts::parse(line),
            Ordering::Less => rows = after,
            Ordering::Greater => rows = &rows[..start],
        }
    }
    None
}
