//! Fallback tables of a configuration, in the words of the fallback layer.

use ziggurat_config::{Config, FallbackTable, FallbackTarget};
use ziggurat_core::{
    fallbacks::{Table, Target},
    json::Document,
};
use ziggurat_edge::envelope;
use ziggurat_models::resolve;

/// The tables, by kind of failure.
pub(super) struct Tables {
    pub(super) general: Table,
    pub(super) context_window: Table,
    pub(super) content_policy: Table,
}

pub(super) fn tables(config: &Config) -> Tables {
    Tables {
        general: table(config, &config.fallbacks.general),
        context_window: table(config, &config.fallbacks.context_window),
        content_policy: table(config, &config.fallbacks.content_policy),
    }
}

/// Chains under their own keys; then, where no chain stands, under the aliases of those keys, and under the bare name of
/// a key that names the provider which the bare name would lead to as well.
fn table(config: &Config, entries: &FallbackTable) -> Table {
    let own = entries.iter().map(|(key, chain)| (key.clone(), chain));
    let aliases = config.aliases.iter().flat_map(|alias| {
        let of_target = entries.iter().filter(|(key, _)| *key == alias.group);
        of_target.map(|(_, chain)| (alias.name.clone(), chain))
    });
    let bare = entries.iter().filter_map(|(key, chain)| {
        let (provider, name) = key.split_once('/')?;
        let (inferred, _) = resolve(name, None, None).ok()?;
        (inferred.as_str() == provider).then(|| (name.to_owned(), chain))
    });
    own.chain(aliases)
        .chain(bare)
        .map(|(key, chain)| (key, chain.iter().map(target).collect::<Vec<_>>()))
        .collect()
}

fn target(target: &FallbackTarget) -> Target {
    if target.parameters.is_empty() {
        return Target::new(target.model.as_str());
    }
    // The same reading as for requests, so that both mean the same.
    let mut members = target.parameters.clone();
    members.insert("model".to_owned(), target.model.clone().into());
    let text = serde_json::to_vec(&members).expect("JSON values serialise");
    let object = Document::parse(text.into()).expect("serialised JSON is an object");
    envelope::target(&object, "fallbacks").unwrap_or_else(|_| Target::new(target.model.as_str()))
}
