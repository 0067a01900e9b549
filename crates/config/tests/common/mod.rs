//! What all tests of this crate need.
#![allow(dead_code, reason = "not every test uses every helper")]

use ziggurat_config::{Config, ConfigErrors, Deployment, Finding, Severity};

/// One deployment that is always usable.
pub(crate) const ONE: &str = "model_list: [{model_name: a, litellm_params: {model: gpt-4o}}]\n";

/// Reads a text with an environment of its own.
pub(crate) fn load(
    text: &str,
    env: &[(&'static str, &'static str)],
) -> Result<Config, ConfigErrors> {
    let env = env.to_vec();
    Config::from_str(text, "c.yaml", move |name| {
        let mut env = env.iter();
        env.find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

/// Reads a text without an environment; it must be usable.
pub(crate) fn config(text: &str) -> Config {
    load(text, &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Reads a text that must not be usable.
pub(crate) fn errors(text: &str) -> Vec<String> {
    let errors = load(text, &[]).expect_err("not usable").errors;
    errors.iter().map(ToString::to_string).collect()
}

/// Reads the usable deployment followed by settings.
pub(crate) fn with_settings(settings: &str) -> Config {
    config(&format!("{ONE}{settings}"))
}

/// Reads one deployment of group `a` with these `litellm_params`, in flow style.
pub(crate) fn deployment(params: &str) -> Deployment {
    let text = format!("model_list: [{{model_name: a, litellm_params: {{{params}}}}}]");
    config(&text).deployments.remove(0)
}

/// Why a deployment with these `litellm_params` is left out.
pub(crate) fn refusal(params: &str) -> String {
    let entry = format!("- model_name: a\n  litellm_params: {{{params}}}\n");
    let text = format!("model_list:\n{entry}- {{model_name: b, litellm_params: {{model: o1}}}}");
    let config = config(&text);
    assert_eq!(config.deployments.len(), 1);
    config.left_out[0].reason()
}

/// All findings but those that a value of the router wins over another one.
pub(crate) fn but_overruled(config: &Config) -> Vec<&Finding> {
    let findings = config.findings.iter();
    findings
        .filter(|finding| !finding.message.ends_with(" wins"))
        .collect()
}

/// The findings of one severity, as they are shown.
pub(crate) fn shown(findings: &[Finding], severity: Severity) -> Vec<String> {
    let findings = findings
        .iter()
        .filter(|finding| finding.severity == severity);
    findings.map(ToString::to_string).collect()
}
