//! What is to be said about a configuration that only those know who build it.

use ziggurat_config::{Config, Deployment, Finding, Severity};

use super::leaf::{self, Built};

/// A server of one's own may want no key. That it gets none is worth a word, as the key may be forgotten.
pub(super) fn keyless(config: &Config, deployment: &Deployment, built: &Built) -> Option<Finding> {
    let names = leaf::env_defaults(deployment.provider, "api_key").join(" or ");
    let message = format!("is called without a key: neither `api_key` nor {names} is set");
    built
        .keyless
        .then(|| config.remark(Severity::Note, deployment, "api_base", message))
}

/// What is to be said about deployments that can be called.
pub(super) fn of(config: &Config) -> Vec<Finding> {
    config.meaning()
}
