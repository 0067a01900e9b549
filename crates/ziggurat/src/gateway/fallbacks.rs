//! Fallback tables of a configuration, in the words of the fallback layer.

use std::collections::HashMap;

use ziggurat_config::{Config, FallbackTable, FallbackTarget};
use ziggurat_core::{
    ModelGroup,
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
        general: table(&config.fallbacks.general),
        context_window: table(&config.fallbacks.context_window),
        content_policy: table(&config.fallbacks.content_policy),
    }
}

fn table(entries: &FallbackTable) -> Table {
    entries
        .iter()
        .map(|(key, chain)| (key.as_str(), chain.iter().map(target).collect::<Vec<_>>()))
        .collect()
}

/// Other names under which the chain of a group may stand: of an alias its group's, of a bare model name the one with
/// the provider that it leads to.
pub(super) fn synonyms(config: &Config) -> HashMap<ModelGroup, Vec<ModelGroup>> {
    let with_provider = |name: &str| {
        let (provider, bare) = resolve(name, None, None).ok()?;
        (bare == name).then(|| ModelGroup::from(format!("{}/{name}", provider.as_str())))
    };
    let groups = config
        .deployments
        .iter()
        .map(|deployment| (deployment.model_name.as_str(), None));
    let aliases = config
        .aliases
        .iter()
        .map(|alias| (alias.name.as_str(), Some(alias.group.as_str())));
    let names = groups.chain(aliases).map(|(name, group)| {
        let others = [
            with_provider(name),
            group.map(ModelGroup::from),
            group.and_then(with_provider),
        ];
        (
            ModelGroup::from(name),
            others.into_iter().flatten().collect::<Vec<_>>(),
        )
    });
    names.filter(|(_, others)| !others.is_empty()).collect()
}

fn target(target: &FallbackTarget) -> Target {
    if target.parameters.is_empty() {
        return Target::new(target.model.as_str());
    }
    // The same reading as for requests, so that both mean the same. The configuration has checked the limits.
    let mut members = target.parameters.clone();
    members.insert("model".to_owned(), target.model.clone().into());
    let unknown = |name: &String, _: &mut serde_json::Value| envelope::may_stand_in_target(name);
    members.retain(unknown);
    let text = serde_json::to_vec(&members).expect("JSON values serialise");
    let object = Document::parse(text.into()).expect("serialised JSON is an object");
    envelope::target(&object, "fallbacks").unwrap_or_else(|_| Target::new(target.model.as_str()))
}
