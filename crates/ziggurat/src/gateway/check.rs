//! A look at a configuration file without serving it.

use std::path::Path;

use ziggurat_config::{Config, Deployment, Finding, Loader, Severity};
use ziggurat_models::Provider;
use ziggurat_provider::HttpClient;

use super::{
    leaf::{self, Unusable},
    meaning, notes,
};

/// All that there is to say about a configuration file.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// Why the file, or a deployment in it, cannot be used.
    pub errors: Vec<Finding>,
    /// The rest, in the order of the file.
    pub findings: Vec<Finding>,
    /// What settings mean here, and which deployments they concern.
    pub notes: Vec<String>,
}

/// Checks a configuration file as a start would, but that no environment variable needs to be set.
#[must_use]
pub fn check(loader: Loader, path: impl AsRef<Path>) -> Report {
    let inspection = loader.without_environment().inspect(path);
    let mut report = Report {
        errors: inspection.errors,
        findings: Vec::new(),
        notes: Vec::new(),
    };
    if let Some(config) = inspection.config {
        report.look_into(config);
    }
    sort(&mut report.errors);
    sort(&mut report.findings);
    report
}

// === impl Report ===

impl Report {
    fn look_into(&mut self, mut config: Config) {
        let client = HttpClient::default();
        let all = config.clone();
        let usable = config.retain(|deployment| {
            let found = look_at(&all, deployment, &client);
            let is_error = |finding: &Finding| finding.severity == Severity::Error;
            let (errors, findings): (Vec<_>, _) = found.into_iter().partition(is_error);
            self.findings.extend(findings);
            match errors.into_iter().next() {
                Some(error) => Err(error.message),
                None => Ok(()),
            }
        });
        if let Err(nothing) = usable
            && self.errors.is_empty()
        {
            self.errors = nothing.errors;
        }
        let left_out = config.left_out.iter();
        self.errors
            .extend(left_out.flat_map(|one| one.problems.iter().cloned()));
        self.findings.extend(meaning::of(&config));
        self.findings.append(&mut config.findings);
        self.notes = notes::of(&config);
    }
}

/// What can be said about one deployment when it is built. Where it refers to variables that are not set, that was said
/// already, and nothing else is known.
fn look_at(config: &Config, deployment: &Deployment, client: &HttpClient) -> Option<Finding> {
    let name = &deployment.model_name;
    let remark = |severity, setting, message| config.remark(severity, deployment, setting, message);
    match leaf::build(config, deployment, client) {
        Err(error @ Unusable::Provider(provider)) if provider != Provider::Other("") => {
            Some(remark(Severity::Error, "model", error.to_string()))
        }
        _ if deployment.refers_to_unset() => None,
        Ok(built) => meaning::keyless(config, deployment, &built),
        Err(Unusable::Missing(text)) => {
            let message = format!("{text}; without, deployment `{name}` is left out at the start");
            Some(remark(Severity::Warning, "model", message))
        }
        Err(error) => Some(remark(Severity::Error, "model", error.to_string())),
    }
}

/// In the order of the file, each once.
fn sort(findings: &mut Vec<Finding>) {
    findings.sort_by_cached_key(|finding| {
        let place = finding.location.as_ref();
        let place = place.map(|place| (place.file.clone(), place.line, place.column));
        (place, finding.path.clone(), finding.message.clone())
    });
    findings.dedup();
}
