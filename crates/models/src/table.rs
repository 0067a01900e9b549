//! The table of facts with a file of one's own over it.

use std::{collections::BTreeMap, error::Error, fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    Mode, ModelFacts, Provider,
    facts::{find, look_up},
};

/// Facts about models: the embedded table, a file of one's own, or the second over the first.
///
/// Entries are looked up when they are asked for; the embedded ones cost nothing until then. Cloning counts a
/// reference.
///
/// ```
/// use ziggurat_models::{Provider, Table};
///
/// let table = Table::embedded().with_json(
///     r#"{
///         "openai/my-model": {"provider": "openai", "mode": "chat", "max_input_tokens": 32768},
///         "gpt-4": {"max_input_tokens": 6000}
///     }"#,
/// )?;
/// let mine = table.facts(Some(Provider::OpenAi), "my-model").unwrap();
/// assert_eq!(mine.max_input_tokens, Some(32_768));
/// let gpt4 = table.facts(None, "gpt-4").unwrap();
/// assert_eq!((gpt4.max_input_tokens, gpt4.max_output_tokens), (Some(6000), Some(4096)));
/// # Ok::<(), ziggurat_models::TableError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    embedded: bool,
    own: Arc<BTreeMap<String, ModelFacts>>,
}

/// A file of model facts cannot be used, and why: the line, and the entry if it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableError {
    line: usize,
    entry: Option<String>,
    reason: String,
}

/// How long the prompts of a deployment may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InputWindow {
    /// The longest prompt, in tokens.
    pub max_input_tokens: u64,
    /// Whether prompt and answer share these tokens: see [`ModelFacts::shares_window`].
    pub shared: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider: Option<String>,
    mode: Option<String>,
    max_input_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    input_cost_per_token: Option<f64>,
    output_cost_per_token: Option<f64>,
    supports: Option<Vec<String>>,
}

// === impl Table ===

impl Table {
    /// Takes the embedded table.
    #[must_use]
    pub fn embedded() -> Self {
        Self {
            embedded: true,
            own: Arc::default(),
        }
    }

    /// Takes an empty table, for a file in place of the embedded one.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            embedded: false,
            own: Arc::default(),
        }
    }

    /// Lays a file over the table: an object of entries by name, each with the members `provider`, `mode`,
    /// `max_input_tokens`, `max_output_tokens`, `input_cost_per_token`, `output_cost_per_token` and `supports`.
    ///
    /// What an entry leaves out, or has as `null`, stays as it was; a new one needs `provider` and `mode`.
    ///
    /// # Errors
    ///
    /// What is wrong, in which line and entry: not JSON, a name twice, an unknown member, provider or mode, a value of
    /// another type, a negative price.
    pub fn with_json(mut self, text: &str) -> Result<Self, TableError> {
        let Entries(entries) = serde_json::from_str(text).map_err(|error| TableError {
            line: error.line(),
            entry: None,
            reason: reason(&error),
        })?;
        let mut own = (*self.own).clone();
        for (name, raw) in entries {
            // The entry is a part of the text: where it begins says in which line.
            let before = raw.get().as_ptr() as usize - text.as_ptr() as usize;
            let start = text[..before].bytes().filter(|&b| b == b'\n').count() + 1;
            let known = own.get(&name).cloned();
            let known = known.or_else(|| find(&name).filter(|_| self.embedded));
            let facts = read(&name, raw.get(), known).map_err(|(line, reason)| TableError {
                line: start + line.saturating_sub(1),
                entry: Some(name.clone()),
                reason,
            })?;
            own.insert(name, facts);
        }
        self.own = Arc::new(own);
        Ok(self)
    }

    /// Looks a model up, in the way of the function [`facts`](crate::facts()).
    #[must_use]
    pub fn facts(&self, provider: Option<Provider>, name: &str) -> Option<ModelFacts> {
        look_up(|name| self.find(name), provider, name)
    }

    /// Returns the window of a deployment: `configured` (its own `max_input_tokens`) if it is set; else that of
    /// `base_model`, whatever the provider; else that of the model under the provider's name. `None`: not known.
    ///
    /// `model` is the name without the provider's prefix. What another provider serves under that name says nothing,
    /// as windows differ; only providers that serve the same models stand for each other, such as Azure and OpenAI.
    /// Zero counts as not set. A configured window is for the prompt alone.
    #[must_use]
    pub fn input_window(
        &self,
        provider: Provider,
        model: &str,
        base_model: Option<&str>,
        configured: Option<u64>,
    ) -> Option<InputWindow> {
        if let Some(max_input_tokens) = configured.filter(|&tokens| tokens > 0) {
            return Some(InputWindow {
                max_input_tokens,
                shared: false,
            });
        }
        let base = base_model.and_then(|name| self.facts(Some(provider), name)?.input_window());
        base.or_else(|| {
            let facts = self.facts(Some(provider), model)?;
            let same = house(facts.provider) == house(provider);
            same.then(|| facts.input_window())?
        })
    }

    fn find(&self, name: &str) -> Option<ModelFacts> {
        let own = self.own.get(name).cloned();
        own.or_else(|| find(name).filter(|_| self.embedded))
    }
}

impl Default for Table {
    fn default() -> Self {
        Self::embedded()
    }
}

/// One name for providers that serve the same models.
fn house(provider: Provider) -> Provider {
    match provider {
        Provider::Azure | Provider::TextCompletionOpenAi => Provider::OpenAi,
        Provider::AnthropicText => Provider::Anthropic,
        Provider::Gemini => Provider::VertexAi,
        Provider::WatsonxText => Provider::Watsonx,
        provider => provider,
    }
}

/// Reads an entry over what is known; an error tells the line within the entry.
fn read(name: &str, raw: &str, known: Option<ModelFacts>) -> Result<ModelFacts, (usize, String)> {
    let entry: Entry = serde_json::from_str(raw).map_err(|e| (e.line(), reason(&e)))?;
    let wrong = |reason: String| (1, reason);
    let provider = entry.provider.map(|it| {
        Provider::from_table(&it).ok_or_else(|| wrong(format!("unknown provider `{it}`")))
    });
    let mode = entry
        .mode
        .map(|it| Mode::from_table(&it).ok_or_else(|| wrong(format!("unknown mode `{it}`"))));
    let (provider, mode) = (provider.transpose()?, mode.transpose()?);
    let mut facts = match (known, provider, mode) {
        (Some(known), ..) => known,
        (None, Some(provider), Some(mode)) => ModelFacts::new(name.to_owned(), provider, mode),
        (None, None, _) => return Err(wrong("`provider` is missing".into())),
        (None, _, None) => return Err(wrong("`mode` is missing".into())),
    };
    let prices = [entry.input_cost_per_token, entry.output_cost_per_token];
    if prices
        .iter()
        .flatten()
        .any(|price| !(0.0..f64::MAX).contains(price))
    {
        return Err(wrong("a price is a number that is not negative".into()));
    }
    facts.provider = provider.unwrap_or(facts.provider);
    facts.mode = mode.unwrap_or(facts.mode);
    facts.max_input_tokens = entry.max_input_tokens.or(facts.max_input_tokens);
    facts.max_output_tokens = entry.max_output_tokens.or(facts.max_output_tokens);
    facts.input_cost_per_token = entry.input_cost_per_token.or(facts.input_cost_per_token);
    facts.output_cost_per_token = entry.output_cost_per_token.or(facts.output_cost_per_token);
    if let Some(supports) = entry.supports {
        facts.set_capabilities(supports);
    }
    Ok(facts)
}

/// The words of an error without the position, which is told apart.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The entries in order; no name twice.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReadEntries)
    }
}

struct ReadEntries;

impl<'de> Visitor<'de> for ReadEntries {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of entries by model name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
        let mut names = std::collections::BTreeSet::new();
        let mut entries = Vec::new();
        while let Some((name, raw)) = map.next_entry::<String, &RawValue>()? {
            if !names.insert(name.clone()) {
                return Err(de::Error::custom(format!(
                    "the entry `{name}` is there twice"
                )));
            }
            entries.push((name, raw));
        }
        Ok(Entries(entries))
    }
}

// === impl TableError ===

impl TableError {
    /// Returns the line, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the name of the entry, if it is about one.
    #[must_use]
    pub fn entry(&self) -> Option<&str> {
        self.entry.as_deref()
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, reason, .. } = self;
        match &self.entry {
            Some(entry) => write!(f, "line {line}, entry `{entry}`: {reason}"),
            None => write!(f, "line {line}: {reason}"),
        }
    }
}

impl Error for TableError {}
