//! The configurations that people start from, as they stand in LiteLLM's documentation.

mod common;

use std::time::Duration;

use common::load;
use ziggurat_config::Config;
use ziggurat_models::Provider;

const ENV: &[(&str, &str)] = &[
    ("AZURE_API_BASE", "https://azure.example"),
    ("AZURE_API_KEY", "azure-key"),
    ("OPENAI_API_KEY", "openai-key"),
    ("ANTHROPIC_API_KEY", "anthropic-key"),
];

fn models(config: &Config) -> Vec<(&str, Provider, &str)> {
    let deployments = config.deployments.iter();
    deployments
        .map(|d| (d.model_name.as_str(), d.provider, d.model.as_str()))
        .collect()
}

fn chain<'a>(table: &'a ziggurat_config::FallbackTable, group: &str) -> Vec<&'a str> {
    let entry = table.iter().find(|(key, _)| key == group);
    let (_, chain) = entry.expect("an entry of the group");
    chain.iter().map(|target| target.model.as_str()).collect()
}

#[test]
fn load_balancing() {
    let config = load(include_str!("configs/load_balancing.yaml"), &[]).unwrap();
    let weights = config.deployments.iter().map(|d| d.rpm).collect::<Vec<_>>();
    assert_eq!(weights, [Some(6.0), Some(1440.0)]);
    assert_eq!(
        models(&config),
        [
            ("gpt-3.5-turbo", Provider::Azure, "gpt-turbo-small-ca"),
            ("gpt-3.5-turbo", Provider::Azure, "gpt-turbo-large"),
        ]
    );
    // The placeholder of the first deployment is no address.
    assert_eq!(config.left_out.len(), 1);
    assert_eq!(
        config.left_out[0].to_string(),
        "deployment `gpt-3.5-turbo` is left out: c.yaml:5:17: \
         model_list[0].litellm_params.api_base: expected an http:// or https:// address"
    );
    assert_eq!(config.findings, []);
}

#[test]
fn fallbacks() {
    let config = load(include_str!("configs/fallbacks.yaml"), &[]).unwrap();
    let zephyr = (
        "zephyr-beta",
        Provider::HuggingFace,
        "HuggingFaceH4/zephyr-7b-beta",
    );
    assert_eq!(models(&config)[..3], [zephyr; 3]);
    assert_eq!(models(&config)[4].1, Provider::OpenAi);
    assert_eq!(config.settings.num_retries, 3);
    assert_eq!(config.settings.request_timeout, Duration::from_secs(10));
    assert_eq!(config.settings.cooldown.allowed_fails, Some(3));
    assert_eq!(
        chain(&config.fallbacks.general, "zephyr-beta"),
        ["gpt-3.5-turbo"]
    );
    let window = &config.fallbacks.context_window;
    assert_eq!(chain(window, "zephyr-beta"), ["gpt-3.5-turbo-16k"]);
    assert_eq!(chain(window, "gpt-3.5-turbo"), ["gpt-3.5-turbo-16k"]);
    assert_eq!(config.findings, []);
    let ids = config.deployments.iter().map(|d| &d.id);
    assert_eq!(ids.collect::<std::collections::HashSet<_>>().len(), 5);
}

#[test]
fn context_window_in_one_group() {
    let config = load(include_str!("configs/context_window_same_group.yaml"), ENV).unwrap();
    assert!(config.settings.enable_pre_call_checks);
    let azure = &config.deployments[0];
    assert_eq!(
        azure.base_model.as_deref(),
        Some("azure/gpt-4-1106-preview")
    );
    assert_eq!(azure.api_base.as_deref(), Some("https://azure.example"));
    assert_eq!(azure.api_key.as_ref().unwrap().expose(), "azure-key");
    assert_eq!(azure.api_version.as_deref(), Some("2023-07-01-preview"));
    assert_eq!(config.findings, []);
}

#[test]
fn context_window_between_groups() {
    let config = load(include_str!("configs/context_window_groups.yaml"), ENV).unwrap();
    let window = &config.fallbacks.context_window;
    assert_eq!(
        chain(window, "gpt-3.5-turbo-small"),
        ["gpt-3.5-turbo-large", "claude-opus"]
    );
    assert_eq!(models(&config)[2].1, Provider::Anthropic);
    assert_eq!(
        config.deployments[0].base_model.as_deref(),
        Some("azure/gpt-4-1106-preview")
    );
    assert!(config.settings.enable_pre_call_checks);
    assert_eq!((config.left_out.len(), config.findings), (0, Vec::new()));
}

#[test]
fn content_policy() {
    let config = load(include_str!("configs/content_policy.yaml"), ENV).unwrap();
    let policy = &config.fallbacks.content_policy;
    assert_eq!(chain(policy, "gpt-3.5-turbo-small"), ["claude-opus"]);
    assert_eq!(config.findings, []);
}

#[test]
fn region() {
    let config = load(include_str!("configs/region.yaml"), ENV).unwrap();
    assert_eq!(config.deployments[0].region_name, ["eu"]);
    let gemini = &config.deployments[2];
    assert_eq!(
        (gemini.provider, gemini.model.as_str()),
        (Provider::VertexAi, "gemini-pro-1.5")
    );
    assert_eq!(
        gemini.provider_params.text("vertex_location"),
        Some("us-east1")
    );
    assert_eq!(gemini.defaults.len(), 0);
    assert!(config.settings.enable_pre_call_checks);
    assert_eq!(config.findings, []);
}

#[test]
fn timeouts() {
    let config = load(include_str!("configs/timeouts.yaml"), &[]).unwrap();
    for deployment in &config.deployments {
        assert_eq!(
            config.settings.timeout_for(deployment),
            Duration::from_millis(100)
        );
        assert_eq!(
            config.settings.stream_timeout_for(deployment),
            Duration::from_millis(10)
        );
        assert_eq!(config.settings.num_retries_for(deployment), 5); // R15
    }
    assert_eq!(config.deployments[1].api_key, None); // `api_key:` with nothing behind it
    assert_eq!(config.findings, []);
}
