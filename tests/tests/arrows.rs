//! The arrows between our crates: who may depend on whom.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// What each crate may depend on among our own. Development dependencies may point anywhere.
const ARROWS: &[(&str, &[&str])] = &[
    ("ziggurat-core", &[]),
    ("ziggurat-balance", &["ziggurat-core"]),
    ("ziggurat-cooldown", &["ziggurat-core"]),
    ("ziggurat-context-window", &["ziggurat-core"]),
    ("ziggurat-edge", &["ziggurat-core"]),
    ("ziggurat-fallback", &["ziggurat-core"]),
    ("ziggurat-observe", &["ziggurat-core"]),
    ("ziggurat-region", &["ziggurat-core"]),
    ("ziggurat-retry", &["ziggurat-core"]),
    ("ziggurat-router", &["ziggurat-core"]),
    ("ziggurat-stream-timeout", &["ziggurat-core"]),
    ("ziggurat-timeout", &["ziggurat-core"]),
    ("ziggurat-provider", &["ziggurat-core"]),
    ("ziggurat-models", &[]),
    (
        "ziggurat-openai",
        &["ziggurat-core", "ziggurat-models", "ziggurat-provider"],
    ),
    ("ziggurat-watsonx", &["ziggurat-core", "ziggurat-provider"]),
    (
        "ziggurat-anthropic",
        &["ziggurat-core", "ziggurat-models", "ziggurat-provider"],
    ),
    ("ziggurat-bedrock", &["ziggurat-core", "ziggurat-provider"]),
    ("ziggurat-vertex", &["ziggurat-core", "ziggurat-provider"]),
    ("ziggurat-config", &["ziggurat-core", "ziggurat-models"]),
    ("ziggurat-mock", &[]),
    (
        "ziggurat-testing",
        &["ziggurat-core", "ziggurat-mock", "ziggurat-provider"],
    ),
    (
        "ziggurat",
        &[
            "ziggurat-anthropic",
            "ziggurat-balance",
            "ziggurat-bedrock",
            "ziggurat-config",
            "ziggurat-context-window",
            "ziggurat-cooldown",
            "ziggurat-core",
            "ziggurat-edge",
            "ziggurat-fallback",
            "ziggurat-models",
            "ziggurat-observe",
            "ziggurat-openai",
            "ziggurat-provider",
            "ziggurat-region",
            "ziggurat-retry",
            "ziggurat-router",
            "ziggurat-stream-timeout",
            "ziggurat-timeout",
            "ziggurat-vertex",
            "ziggurat-watsonx",
        ],
    ),
    ("ziggurat-server", &["ziggurat"]),
    (
        "ziggurat-proxy",
        &["ziggurat", "ziggurat-mock", "ziggurat-server"],
    ),
    ("ziggurat-examples", &["ziggurat"]),
    ("ziggurat-fuzz", &["ziggurat"]),
    ("ziggurat-tests", &[]),
    ("ziggurat-benches", &[]),
    ("ziggurat-messages", &[]),
    ("ziggurat-load", &[]),
    ("ziggurat-sim", &[]),
    (
        "ziggurat-wall",
        &["ziggurat", "ziggurat-server", "ziggurat-testing"],
    ),
];

fn packages() -> Vec<Package> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let mut command = MetadataCommand::new();
    let metadata = command.manifest_path(manifest).no_deps().exec().unwrap();
    metadata.packages
}

fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let packages = packages();
    let ours: BTreeSet<_> = packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let arrows = |package: &Package| {
        let normal = package
            .dependencies
            .iter()
            .filter(|d| d.kind != DependencyKind::Development);
        normal
            .map(|d| d.name.clone())
            .filter(|name| ours.contains(name))
            .collect()
    };
    packages
        .iter()
        .map(|package| (package.name.to_string(), arrows(package)))
        .collect()
}

#[test]
fn crates_depend_on_nothing_but_what_the_architecture_allows() {
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    for (from, to) in arrows() {
        let allowed = allowed
            .get(from.as_str())
            .unwrap_or_else(|| panic!("`{from}` has no line here"));
        for to in to {
            assert!(
                allowed.contains(&to.as_str()),
                "`{from}` must not depend on `{to}`"
            );
        }
    }
}

#[test]
fn every_line_stands_for_a_crate() {
    let known = arrows();
    for (from, to) in ARROWS {
        assert!(known.contains_key(*from), "there is no crate `{from}`");
        to.iter()
            .for_each(|to| assert!(known.contains_key(*to), "there is no crate `{to}`"));
    }
}

/// What only one crate may know, so that it can be replaced there.
#[test]
fn yaml_is_known_to_config_alone() {
    let packages = packages();
    let users = packages
        .iter()
        .filter(|p| p.dependencies.iter().any(|d| d.name == "serde_yaml"));
    assert_eq!(
        users.map(|p| p.name.to_string()).collect::<Vec<_>>(),
        ["ziggurat-config"]
    );
}
