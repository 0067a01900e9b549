//! A whole file, read.

use std::{
    collections::HashSet,
    path::{Path as FilePath, PathBuf},
};

use ziggurat_models::Table;

use crate::{
    Alias, ConfigErrors, Deployment, Fallbacks, Finding, GeneralSettings, LeftOut, Loader,
    Settings, Severity, environment::Environment, location::Path, names::Names, places::Places,
    settings::Named,
};

/// A configuration that can be used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The deployments, in the order of the file. Never empty.
    pub deployments: Vec<Deployment>,
    /// Entries that cannot serve, with the reasons.
    pub left_out: Vec<LeftOut>,
    /// `router_settings` and `litellm_settings`.
    pub settings: Settings,
    /// `general_settings`.
    pub general: GeneralSettings,
    /// `model_group_alias`.
    pub aliases: Vec<Alias>,
    /// The fallback tables.
    pub fallbacks: Fallbacks,
    /// Warnings, and settings that have no effect yet.
    pub findings: Vec<Finding>,
    /// What is known about models: what is built in, and what `router_settings.model_facts` adds.
    pub models: Table,
    pub(crate) environment: Environment,
    /// What relative paths of the file start from.
    pub(crate) directory: PathBuf,
    pub(crate) places: Places,
}

// === impl Config ===

impl Config {
    /// Reads a configuration from text; `file` names it in locations, `env` is the environment.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything wrong, if the text is not readable, a setting has a wrong
    /// type or range, or no deployment is left.
    pub fn from_str(
        text: &str,
        file: &str,
        env: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, ConfigErrors> {
        Loader::new(env).from_str(text, file)
    }

    /// Reads a configuration file with the environment of the process.
    ///
    /// # Errors
    /// As [`Config::from_str`], and if the file cannot be read.
    pub fn from_path(path: impl AsRef<FilePath>) -> Result<Self, ConfigErrors> {
        Loader::default().from_path(path)
    }

    /// Returns an environment variable: of the file's `environment_variables`, else of the
    /// process. One that is set to nothing counts as not set.
    #[must_use]
    pub fn env(&self, name: &str) -> Option<String> {
        self.environment.get(name)
    }

    /// Returns the same look at the environment, for those who keep it. It holds nothing else of the configuration.
    pub fn environment(
        &self,
    ) -> impl Fn(&str) -> Option<String> + Clone + Send + Sync + use<> + 'static {
        let environment = self.environment.clone();
        move |name| environment.get(name)
    }

    /// Returns the path of a file that a setting names: a relative one starts from the directory
    /// of the configuration file, or from the working directory if the configuration was not read
    /// from a file.
    #[must_use]
    pub fn resolve_path(&self, written: impl AsRef<FilePath>) -> PathBuf {
        self.directory.join(written)
    }

    /// Returns the names of the files that were read: that of the configuration, then those that it includes.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.places.files()
    }

    /// Returns a remark about a deployment that stands where a setting of its `litellm_params` does, or where the
    /// nearest mapping around it does.
    #[must_use]
    pub fn remark(
        &self,
        severity: Severity,
        deployment: &Deployment,
        setting: &str,
        message: impl Into<String>,
    ) -> Finding {
        let path = deployment.at.key("litellm_params").key(setting);
        self.remark_at(severity, &path, message.into())
    }

    /// Returns a remark about a setting of a section; of those sections, the first that has it.
    #[must_use]
    pub fn remark_on(
        &self,
        severity: Severity,
        sections: &[&str],
        setting: &str,
        message: impl Into<String>,
    ) -> Finding {
        let paths = sections
            .iter()
            .map(|name| Path::default().key(name).key(setting));
        let path = paths.clone().find(|path| self.places.has(path));
        let path = path.or_else(|| paths.clone().next()).unwrap_or_default();
        self.remark_at(severity, &path, message.into())
    }

    fn remark_at(&self, severity: Severity, path: &Path, message: String) -> Finding {
        Finding {
            severity,
            message,
            location: Some(self.places.locate_key(path)),
            path: path.to_string(),
            rule: None,
        }
    }

    /// Moves the deployments that `usable` refuses to [`Config::left_out`], with its reason.
    ///
    /// # Errors
    /// [`ConfigErrors`] if no deployment is left.
    pub fn retain(
        &mut self,
        mut usable: impl FnMut(&Deployment) -> Result<(), String>,
    ) -> Result<(), ConfigErrors> {
        let left_out = &mut self.left_out;
        self.deployments
            .retain(|deployment| match usable(deployment) {
                Ok(()) => true,
                Err(reason) => {
                    left_out.push(refused(deployment, reason));
                    false
                }
            });
        self.check_targets();
        if self.deployments.is_empty() {
            return Err(ConfigErrors {
                errors: vec![no_deployment(&self.places)],
                left_out: self.left_out.clone(),
                findings: self.findings.clone(),
            });
        }
        Ok(())
    }

    /// Warns about fallbacks and aliases that lead nowhere; what was said is not said again.
    pub(crate) fn check_targets(&mut self) {
        let names = Names::of(self);
        let mut unknown = self.fallbacks.unknown_targets(|name| names.is_known(name));
        let dangling = self.aliases.iter();
        let dangling = dangling.filter(|alias| !names.is_deployment(&alias.group));
        unknown.extend(dangling.map(Alias::dangling));
        let named = self.settings.named.iter();
        let nowhere = named.filter(|named| !names.is_known(&named.group));
        unknown.extend(nowhere.map(Named::unknown));
        let said: HashSet<_> = self.findings.iter().map(words).collect();
        unknown.retain(|finding| !said.contains(&words(finding)));
        self.findings.append(&mut unknown);
    }
}

/// What a finding says of which setting.
fn words(finding: &Finding) -> (&str, &str) {
    (&finding.path, &finding.message)
}

fn refused(deployment: &Deployment, reason: String) -> LeftOut {
    LeftOut {
        model_name: deployment.model_name.clone(),
        id: Some(deployment.id.clone()),
        problems: vec![Finding {
            severity: Severity::Error,
            message: reason,
            path: deployment.path.clone(),
            location: deployment.location.clone(),
            rule: None,
        }],
        location: deployment.location.clone(),
    }
}

pub(crate) fn no_deployment(places: &Places) -> Finding {
    let list = Path::default().key("model_list");
    Finding {
        severity: Severity::Error,
        message: "no deployment can be used".to_owned(),
        path: list.to_string(),
        location: Some(places.locate_key(&list)),
        rule: None,
    }
}
