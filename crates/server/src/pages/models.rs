//! The list of models, as OpenAI's clients read it.

use bytes::Bytes;
use serde::Serialize;
use ziggurat::{
    config::Config,
    core::{Failure, FailureKind},
    gateway::Summary,
};

use super::{
    info::{self, Group},
    text,
};

/// The list, and each entry of it.
#[derive(Debug)]
pub(super) struct Models {
    list: Bytes,
    entries: Vec<(String, Bytes)>,
}

#[derive(Serialize)]
struct List<'a> {
    data: Vec<Entry<'a>>,
    object: &'static str,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    object: &'static str,
    /// The LiteLLM proxy's own constant: models of a configuration have no date.
    created: u64,
    owned_by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
}

impl Models {
    /// Prints the names that clients may use and that are listed.
    pub(super) fn print(config: &Config) -> Self {
        let summary = Summary::of(config);
        let entries = || summary.models().map(|name| entry(config, name));
        let printed = entries().map(|entry| (entry.id.to_owned(), text(&entry)));
        Self {
            list: text(&List {
                data: entries().collect(),
                object: "list",
            }),
            entries: printed.collect(),
        }
    }

    pub(super) fn list(&self) -> Bytes {
        self.list.clone()
    }

    /// Returns the entry of a listed name.
    pub(super) fn one(&self, name: &str) -> Result<Bytes, Failure> {
        let entry = self.entries.iter().find(|(id, _)| id == name);
        entry.map(|(_, text)| text.clone()).ok_or_else(|| {
            Failure::new(FailureKind::NotFound)
                .with_param("model")
                .with_message(format!("no model is named `{name}`"))
        })
    }
}

fn entry<'a>(config: &Config, id: &'a str) -> Entry<'a> {
    let group = Group::of(config, &info::members(config, id));
    Entry {
        id,
        object: "model",
        created: 1_677_610_602,
        owned_by: "openai",
        mode: group.mode,
        max_input_tokens: group.max_input_tokens,
        max_output_tokens: group.max_output_tokens,
    }
}
