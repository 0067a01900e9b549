//! Which beta features a request may ask for: Bedrock refuses requests that name others.

use http::HeaderMap;
use serde_json::Value;
use ziggurat_core::Failure;
use ziggurat_provider::params::refusal;

use super::BETA;
use crate::model::{ClaudeVersion, Model};

/// The names that Bedrock is known to take, and the first and the last version of Claude that each was made for. Later ones
/// have the feature without its name, and some refuse the name.
const KNOWN: &[(&str, ClaudeVersion, ClaudeVersion)] = &[
    ("compact-2026-01-12", (4, 6), LATEST),
    ("computer-use-2024-10-22", (3, 5), (3, 5)),
    ("computer-use-2025-01-24", (3, 7), (4, 5)),
    ("computer-use-2025-11-24", (4, 5), LATEST),
    ("context-1m-2025-08-07", (4, 0), (4, 6)),
    ("context-management-2025-06-27", (4, 0), (4, 6)),
    ("dev-full-thinking-2025-05-14", (4, 0), (4, 5)),
    ("effort-2025-11-24", (4, 5), (4, 5)),
    ("interleaved-thinking-2025-05-14", (4, 0), LATEST),
    ("output-128k-2025-02-19", (3, 7), (3, 7)),
    ("token-efficient-tools-2025-02-19", (3, 7), (3, 7)),
    ("tool-examples-2025-10-29", (4, 5), (4, 6)),
    ("tool-search-tool-2025-10-19", (4, 5), (4, 6)),
];

const LATEST: ClaudeVersion = (u32::MAX, 0);

/// Says whether a model takes a name that is meant for Anthropic's own API. Its clients send many, whatever the model.
pub(super) fn is_known(beta: &str, model: &Model) -> bool {
    let version = model.claude_version();
    version.is_some_and(|version| {
        let takes = |(name, first, last): &(&str, _, _)| {
            *name == beta && (*first..=*last).contains(&version)
        };
        KNOWN.iter().any(takes)
    })
}

/// The beta features that a request names, each once.
#[derive(Default)]
pub(super) struct Betas(Vec<String>);

impl Betas {
    /// Takes over those of a body, which are meant for Bedrock.
    ///
    /// # Errors
    ///
    /// They are no list of names.
    pub(super) fn asked(&mut self, list: Option<&[u8]>) -> Result<(), Failure> {
        let list = list.map(serde_json::from_slice::<Option<Vec<String>>>);
        let list = list
            .transpose()
            .map_err(|_| refusal("anthropic_beta", "anthropic_beta is not a list of names"))?;
        list.flatten()
            .into_iter()
            .flatten()
            .for_each(|beta| self.add(&beta));
        Ok(())
    }

    /// Takes over those of headers that pass.
    pub(super) fn named(&mut self, headers: &HeaderMap, passes: impl Fn(&str) -> bool) {
        let lines = headers.get_all(BETA).iter();
        let lines = lines.filter_map(|line| line.to_str().ok());
        lines
            .flat_map(|line| line.split(','))
            .map(str::trim)
            .filter(|beta| !beta.is_empty() && passes(beta))
            .for_each(|beta| self.add(beta));
    }

    fn add(&mut self, beta: &str) {
        if !self.0.iter().any(|known| known == beta) {
            self.0.push(beta.to_owned());
        }
    }

    /// As JSON; `None` if there are none.
    pub(super) fn print(self) -> Option<String> {
        (!self.0.is_empty()).then(|| Value::from(self.0).to_string())
    }
}
