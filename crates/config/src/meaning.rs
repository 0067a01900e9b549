//! What a file means, where that may not be what was meant.

mod chains;
mod differences;
mod idle;
mod limits;

pub(crate) use differences::of_setting;

use crate::{Config, Deployment, Finding, Severity, location::Path, names::Names};

impl Config {
    /// Returns what is to be said about settings that are right each for itself: those that contradict one another,
    /// lead nowhere or in circles, or mean something else than in LiteLLM.
    #[must_use]
    pub fn meaning(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let names = Names::of(self);
        chains::check(self, &names, &mut findings);
        limits::check(self, &names, &mut findings);
        idle::check(self, &mut findings);
        differences::check(self, &names, &mut findings);
        findings
    }

    /// Says whether a deployment's model has an ability, named as LiteLLM's `supports_…` flags but without that: what its
    /// `model_info` says, else what is known of the model; `None` if nothing is.
    #[must_use]
    pub fn supports(&self, deployment: &Deployment, ability: &str) -> Option<bool> {
        let own = deployment.model_info.get(&format!("supports_{ability}"));
        if let Some(own) = own.and_then(serde_json::Value::as_bool) {
            return Some(own);
        }
        let model = deployment.base_model.as_deref();
        let model = model.unwrap_or(&deployment.model);
        let facts = self.models.facts(Some(deployment.provider), model)?;
        Some(facts.supports(ability))
    }

    /// A warning at a key.
    fn warning(&self, path: &Path, message: impl Into<String>) -> Finding {
        Finding {
            severity: Severity::Warning,
            message: message.into(),
            path: path.to_string(),
            location: Some(self.places.locate_key(path)),
            rule: None,
        }
    }

    /// A note at a key, by a rule.
    fn note(&self, path: &Path, rule: &'static str, message: impl Into<String>) -> Finding {
        Finding {
            severity: Severity::Note,
            rule: Some(rule),
            ..self.warning(path, message)
        }
    }
}

/// A section of the file.
fn section(name: &str) -> Path {
    Path::default().key(name)
}

/// A parameter of a deployment.
fn param(deployment: &Deployment, key: &str) -> Path {
    deployment.at.key("litellm_params").key(key)
}
