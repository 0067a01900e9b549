//! Where the configuration comes from.

use std::path::PathBuf;

use serde_json::{Value, json};
use ziggurat::{
    Gateway,
    config::{Config, ConfigErrors, Loader},
};

use crate::args::Served;

/// The environment variable that names the configuration.
const CONFIG_FILE_PATH: &str = "CONFIG_FILE_PATH";

/// What is served.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    File(PathBuf),
    /// A configuration made from flags, in JSON.
    Flags(String),
    Demo,
}

impl Source {
    /// Finds it: flags win over the environment.
    pub(crate) fn of(served: &Served) -> Self {
        if let Some(model) = &served.model {
            return Self::Flags(one_model(served, model));
        }
        let named = || std::env::var_os(CONFIG_FILE_PATH).filter(|path| !path.is_empty());
        let file = served.config.clone().or_else(|| named().map(PathBuf::from));
        file.map_or(Self::Demo, Self::File)
    }

    /// Reads it; the demo's is read elsewhere.
    pub(crate) fn load(&self, served: &Served) -> Result<Option<Config>, ConfigErrors> {
        let mut config = match self {
            Self::File(file) => loader().from_path(file)?,
            Self::Flags(text) => loader().from_str(text, "--model")?,
            Self::Demo => return Ok(None),
        };
        if let Some(limit) = served.request_timeout {
            config.settings.set_request_timeout(limit);
        }
        Ok(Some(config))
    }
}

pub(crate) fn loader() -> Loader {
    Gateway::loader(|name| std::env::var(name).ok())
}

/// One model, under the name that is listed and under all others.
fn one_model(served: &Served, model: &str) -> String {
    let mut params = json!({ "model": model });
    if let Some(base) = &served.api_base {
        params["api_base"] = Value::from(base.as_str());
    }
    let listed = served.alias.as_deref().unwrap_or(model);
    let names = [listed, "*"];
    let list: Vec<_> = names
        .iter()
        .map(|name| json!({ "model_name": name, "litellm_params": params }))
        .collect();
    json!({ "model_list": list }).to_string()
}
