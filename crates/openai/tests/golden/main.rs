//! Recorded calls, played through the leaf against a scripted upstream.
//!
//! Each file below `tests/fixtures` holds a deployment, a client's request, the request that the upstream must get, the
//! upstream's answer and what the client must get for it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod compare;
mod expect;
mod play;

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

/// Where we differ on purpose, and why.
const DELIBERATE: &[(&str, &str)] = &[
    (
        "openai_compatible/usage_missing",
        "an answer without usage stays without: zeros would be a lie (R188)",
    ),
    (
        "openai_compatible/stream_usage_not_supported_upstream",
        "no usage is made up where the upstream sends none (R188)",
    ),
    (
        "huggingface/params_penalties_seed_n",
        "`user` is forwarded on every deployment of the family (D12)",
    ),
    (
        "openai_compatible/slashy_model",
        "`user` is forwarded on every deployment of the family (D12)",
    ),
];

fn fixtures() -> BTreeMap<String, Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut all = BTreeMap::new();
    for provider in ["openai", "openai_compatible", "azure", "huggingface"] {
        for file in std::fs::read_dir(root.join(provider)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            let fixture = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            all.insert(format!("{provider}/{name}"), fixture);
        }
    }
    all
}

#[tokio::test]
async fn recorded_calls_are_answered_as_recorded_or_better() {
    let fixtures = fixtures();
    assert!(fixtures.len() > 160, "{} fixtures found", fixtures.len());
    let mut report = String::new();
    for (key, fixture) in &fixtures {
        let outcome = play::play(key, fixture).await;
        let differences = expect::differences(key, fixture, &outcome);
        let deliberate = DELIBERATE.iter().find(|(name, _)| name == key);
        match (differences.is_empty(), deliberate) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(_)) => report += &format!("{key}: differs no more\n"),
            (false, None) => report += &format!("{key}:\n  {}\n", differences.join("\n  ")),
        }
    }
    assert!(report.is_empty(), "\n{report}");
}
