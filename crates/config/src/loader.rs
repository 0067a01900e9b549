//! Reading a whole file.

use std::{
    fmt, fs,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use serde_yaml::Value;
use ziggurat_models::{Provider, Table};

use crate::{
    Alias, Config, ConfigErrors, Fallbacks, Finding, GeneralSettings, Settings, Severity,
    config::no_deployment,
    deployment::{Deployments, EnvDefaults},
    document::Document,
    environment::Lookup,
    keys,
    location::Path,
    places::at,
    scalar,
    section::Section,
    settings::ALLOWED_REGION,
    text,
};

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
    lenient: bool,
}

/// A configuration as far as it could be read, and why it cannot be used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// What was read. `None` if the text is not one YAML mapping; there may be no deployment in it.
    pub config: Option<Config>,
    /// Why the file cannot be used; empty if it can.
    pub errors: Vec<Finding>,
}

// === impl Loader ===

impl Loader {
    /// Returns a reader that takes environment variables from `env`.
    pub fn new(env: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            process: Arc::new(env),
            env_defaults: Arc::new(|_, _| &[]),
            lenient: false,
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

    /// Takes no offence at environment variables that are not set, as they need not be where a file is only checked:
    /// what refers to one is left open, and a warning says so.
    #[must_use]
    pub fn without_environment(mut self) -> Self {
        self.lenient = true;
        self
    }

    /// Reads a configuration from text; `file` names it in locations.
    ///
    /// # Errors
    /// As [`Config::from_str`].
    pub fn from_str(&self, text: &str, file: &str) -> Result<Config, ConfigErrors> {
        self.inspect_str(text, file).usable()
    }

    /// Reads a configuration file.
    ///
    /// # Errors
    /// As [`Config::from_str`], and if the file cannot be read.
    pub fn from_path(&self, path: impl AsRef<FilePath>) -> Result<Config, ConfigErrors> {
        self.inspect(path).usable()
    }

    /// Reads a configuration from text, as far as it can be read; `file` names it in locations.
    #[must_use]
    pub fn inspect_str(&self, text: &str, file: &str) -> Inspection {
        self.read_text(text, file, PathBuf::new())
    }

    /// Reads a configuration file, as far as it can be read.
    #[must_use]
    pub fn inspect(&self, path: impl AsRef<FilePath>) -> Inspection {
        let path = path.as_ref();
        let file = path.display().to_string();
        match text::read(path) {
            Ok(text) => {
                let directory = path.parent().map(FilePath::to_owned).unwrap_or_default();
                self.read_text(&text, &file, directory)
            }
            Err(no_text) => {
                let location = no_text.at.map(|mark| at(&Arc::from(&*file), mark));
                Inspection::unreadable(vec![Finding {
                    severity: Severity::Error,
                    message: no_text.message,
                    path: location.as_ref().map_or(file, |_| String::new()),
                    location,
                    rule: None,
                }])
            }
        }
    }

    fn read_text(&self, text: &str, file: &str, directory: PathBuf) -> Inspection {
        let process = Arc::clone(&self.process);
        match Document::parse(text, file, &directory, process, self.lenient) {
            Ok(document) => self.read(&document, directory),
            Err(errors) => Inspection::unreadable(errors),
        }
    }

    pub(crate) fn read(&self, document: &Document, directory: PathBuf) -> Inspection {
        let mut file = Section::open(document, Path::default(), Some(&document.root));
        file.findings.extend(document.findings.iter().cloned());
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
        Inspection {
            config: Some(config),
            errors,
        }
    }
}

// === impl Inspection ===

impl Inspection {
    fn unreadable(errors: Vec<Finding>) -> Self {
        Self {
            config: None,
            errors,
        }
    }

    fn usable(self) -> Result<Config, ConfigErrors> {
        match self.config {
            Some(config) if self.errors.is_empty() => Ok(config),
            config => {
                let (left_out, findings) = match config {
                    Some(config) => (config.left_out, config.findings),
                    None => (Vec::new(), Vec::new()),
                };
                Err(ConfigErrors {
                    errors: self.errors,
                    left_out,
                    findings,
                })
            }
        }
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
