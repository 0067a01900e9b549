//! What a file means, where that may not be what was meant.

mod chains;
mod differences;
mod limits;

pub(crate) use differences::of_setting;

use crate::{Config, Deployment, Finding, Severity, location::Path};

impl Config {
    /// Returns what is to be said about settings that are right each for itself: those that contradict one another,
    /// lead nowhere or in circles, or mean something else than in LiteLLM.
    #[must_use]
    pub fn meaning(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        chains::check(self, &mut findings);
        limits::check(self, &mut findings);
        differences::check(self, &mut findings);
        findings
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

    /// The deployments that a name stands for: of a group, of an alias, or a single one by its id.
    fn deployments_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Deployment> {
        let has = |field: fn(&Deployment) -> &str, name: &str| {
            self.deployments.iter().any(|one| field(one) == name)
        };
        let alias = self.aliases.iter().find(|alias| alias.name == name);
        let (field, name): (fn(&Deployment) -> &str, &str) = if has(|one| &one.model_name, name) {
            (|one| &one.model_name, name)
        } else if let Some(alias) = alias {
            (|one| &one.model_name, &alias.group)
        } else if has(|one| &one.id, name) {
            (|one| &one.id, name)
        } else {
            (|one| &one.litellm_model, name)
        };
        let deployments = self.deployments.iter();
        deployments.filter(move |one| field(one) == name && !one.blocked)
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
