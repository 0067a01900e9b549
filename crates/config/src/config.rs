//! Reading a whole file.

use std::{
    fmt, fs,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use serde_yaml::Value;
use ziggurat_models::{Provider, Table};

use crate::{
    Alias, ConfigErrors, Deployment, Fallbacks, Finding, GeneralSettings, LeftOut, Settings,
    Severity,
    deployment::{Deployments, EnvDefaults},
    document::Document,
    environment::{Environment, Lookup},
    keys,
    location::Path,
    places::Places,
    scalar,
    section::Section,
    settings::{ALLOWED_REGION, Named},
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
    environment: Environment,
    /// What relative paths of the file start from.
    directory: PathBuf,
    pub(crate) places: Places,
}

/// Reads configurations.
///
/// ```
/// use ziggurat_config::Loader;
/// use ziggurat_models::{Provider, Table};
///
/// let loader = Loader::new(|name| std::env::var(name).ok()).env_defaults(|provider, key| {
///     match (provider, key) {
///         (Provider::OpenAi, "api_key") => &["OPENAI_API_KEY"],
///         _ => &[],
///     }
/// });
/// let config = loader.from_str("model_list: [{model_name: a, litellm_params: {model: gpt-4o}}]", "a.yaml")?;
/// assert_eq!(config.deployments[0].model, "gpt-4o");
/// # Ok::<(), ziggurat_config::ConfigErrors>(())
/// ```
#[derive(Clone)]
pub struct Loader {
    process: Lookup,
    env_defaults: Arc<EnvDefaults>,
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
    pub fn from_path(path: impl AsRef<std::path::Path>) -> Result<Self, ConfigErrors> {
        Loader::default().from_path(path)
    }

    /// Returns an environment variable: of the file's `environment_variables`, else of the
    /// process. One that is set to nothing counts as not set.
    #[must_use]
    pub fn env(&self, name: &str) -> Option<String> {
        self.environment.get(name)
    }

    /// Returns the path of a file that a setting names: a relative one starts from the directory
    /// of the configuration file, or from the working directory if the configuration was not read
    /// from a file.
    #[must_use]
    pub fn resolve_path(&self, written: impl AsRef<FilePath>) -> PathBuf {
        self.directory.join(written)
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
        Finding {
            severity,
            message: message.into(),
            location: Some(self.places.locate_key(&path)),
            path: path.to_string(),
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
    fn check_targets(&mut self) {
        let is_deployment = |name: &str| {
            let mut deployments = self.deployments.iter();
            deployments.any(|d| d.model_name == name || d.id == name || d.litellm_model == name)
        };
        let is_alias = |name: &str| self.aliases.iter().any(|alias| alias.name == name);
        let groups = &self.settings.balance.routing_groups;
        let is_group = |name: &str| groups.iter().any(|group| group.name == name);
        let is_known = |name: &str| is_deployment(name) || is_alias(name) || is_group(name);
        let mut unknown = self.fallbacks.unknown_targets(is_known);
        let dangling = self
            .aliases
            .iter()
            .filter(|alias| !is_deployment(&alias.group));
        unknown.extend(dangling.map(|alias| alias.dangling()));
        let named = self.settings.named.iter();
        let nowhere = named.filter(|named| !is_known(&named.group));
        unknown.extend(nowhere.map(Named::unknown));
        unknown.retain(|finding| !self.findings.contains(finding));
        self.findings.append(&mut unknown);
    }
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
        }],
        location: deployment.location.clone(),
    }
}

fn no_deployment(places: &Places) -> Finding {
    let list = Path::default().key("model_list");
    Finding {
        severity: Severity::Error,
        message: "no deployment can be used".to_owned(),
        path: list.to_string(),
        location: Some(places.locate_key(&list)),
    }
}

// === impl Loader ===

impl Loader {
    /// Returns a reader that takes environment variables from `env`.
    pub fn new(env: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            process: Arc::new(env),
            env_defaults: Arc::new(|_, _| &[]),
        }
    }

    /// Names the environment variables that a provider's client falls back on if `api_key` or
    /// `api_base` is not set. A deployment that refers to a variable that is not set runs if one
    /// of these is, and is left out otherwise.
    #[must_use]
    pub fn env_defaults(
        mut self,
        names: impl Fn(Provider, &str) -> &'static [&'static str] + Send + Sync + 'static,
    ) -> Self {
        self.env_defaults = Arc::new(names);
        self
    }

    /// Reads a configuration from text; `file` names it in locations.
    ///
    /// # Errors
    /// As [`Config::from_str`].
    pub fn from_str(&self, text: &str, file: &str) -> Result<Config, ConfigErrors> {
        self.read_text(text, file, PathBuf::new())
    }

    fn read_text(
        &self,
        text: &str,
        file: &str,
        directory: PathBuf,
    ) -> Result<Config, ConfigErrors> {
        let process = Arc::clone(&self.process);
        let document = Document::parse(text, file, process).map_err(|errors| ConfigErrors {
            errors,
            left_out: Vec::new(),
            findings: Vec::new(),
        })?;
        self.read(&document, directory)
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// As [`Config::from_str`], and if the file cannot be read.
    pub fn from_path(&self, path: impl AsRef<std::path::Path>) -> Result<Config, ConfigErrors> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|error| ConfigErrors {
            errors: vec![Finding {
                severity: Severity::Error,
                message: format!("cannot be read: {error}"),
                path: path.display().to_string(),
                location: None,
            }],
            left_out: Vec::new(),
            findings: Vec::new(),
        })?;
        let directory = path.parent().map(FilePath::to_owned).unwrap_or_default();
        self.read_text(&text, &path.display().to_string(), directory)
    }

    fn read(&self, document: &Document, directory: PathBuf) -> Result<Config, ConfigErrors> {
        let mut file = Section::open(document, Path::default(), Some(&document.root));
        file.check_keys(&keys::FILE);
        check_lists(&mut file);
        let mut router = file.section("router_settings");
        let mut litellm = file.section("litellm_settings");
        let mut general = file.section("general_settings");
        let settings = Settings::read(&mut router, &mut litellm, &mut general);
        let mut config = Config {
            models: models(&mut router, &settings, &directory),
            settings,
            general: GeneralSettings::read(&mut general),
            aliases: Alias::read_all(&mut router),
            fallbacks: Fallbacks::read(&mut router, &mut litellm),
            deployments: Vec::new(),
            left_out: Vec::new(),
            findings: Vec::new(),
            environment: document.environment.clone(),
            directory,
            places: document.places.clone(),
        };
        warn_unset(&mut file);
        let sections = [file, router, litellm, general].into_iter();
        let found = sections.flat_map(|section| section.findings);
        let (mut errors, findings): (Vec<_>, _) =
            found.partition(|finding| finding.severity == Severity::Error);
        let list = Deployments::read(document, &*self.env_defaults);
        config.deployments = list.usable;
        config.left_out = list.left_out;
        config.findings = findings;
        config.findings.extend(list.findings);
        config.check_targets();
        if config.deployments.is_empty() {
            errors.push(no_deployment(&config.places));
        }
        if errors.is_empty() {
            return Ok(config);
        }
        Err(ConfigErrors {
            errors,
            left_out: config.left_out,
            findings: config.findings,
        })
    }
}

/// The environment of the process.
impl Default for Loader {
    fn default() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").finish_non_exhaustive()
    }
}

/// Reads the file of model facts, if one is named.
fn models(router: &mut Section<'_>, settings: &Settings, directory: &FilePath) -> Table {
    let table = Table::embedded();
    let Some(written) = &settings.model_facts else {
        return table;
    };
    let text = fs::read_to_string(directory.join(written));
    let read = text.map_err(|error| format!("`{written}` cannot be read: {error}"));
    let read = read.and_then(|text| {
        let table = table.clone().with_json(&text);
        table.map_err(|error| format!("`{written}`: {error}"))
    });
    read.unwrap_or_else(|message| {
        router.error(&router.path.key("model_facts"), message);
        table
    })
}

/// Sections that are read value by value elsewhere.
fn check_lists(file: &mut Section<'_>) {
    let wrong = |value: &&Value| !value.is_sequence() && !value.is_null();
    if let Some(value) = file.get("model_list").filter(wrong) {
        let path = file.path.key("model_list");
        file.error(&path, scalar::expected("a list of deployments", value));
    }
    let mut variables = file.section("environment_variables");
    for (name, value) in variables.entries() {
        if value.is_sequence() || value.is_mapping() {
            let path = variables.path.key(&name);
            variables.error(&path, scalar::expected("text", value));
        }
    }
    file.findings.append(&mut variables.findings);
}

/// Deployments report their own variables; so do settings that matter for safety.
fn warn_unset(file: &mut Section<'_>) {
    let list = file.path.key("model_list");
    let settings = [
        ("general_settings", "master_key"),
        ("router_settings", ALLOWED_REGION),
        ("litellm_settings", ALLOWED_REGION),
    ];
    let settings = settings.map(|(section, key)| (file.path.key(section), key));
    for unset in &file.document.unset {
        let reports_itself = |(section, key): &(Path, &str)| unset.is_at(section, key);
        if !unset.path.starts_with(&list) && !settings.iter().any(reports_itself) {
            file.warn(&unset.path, unset.message());
        }
    }
}
