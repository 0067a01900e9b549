//! The search for credentials, in the order of Google's own libraries.

use std::{fs, path::PathBuf};

use super::{Credentials, Metadata, Source};
use crate::ConfigError;

const METADATA: &str = "http://metadata.google.internal";

/// Where the machine's firmware tells who made it.
const PRODUCT: &str = "/sys/class/dmi/id/product_name";

/// Set where Google runs containers, which have no firmware to ask.
const ON_GOOGLE: [&str; 4] = [
    "K_SERVICE",
    "CLOUD_RUN_JOB",
    "GAE_SERVICE",
    "FUNCTION_TARGET",
];

/// Finds the credentials of a deployment: those given (JSON, or the path of a file), else those that the environment
/// names, else those of `gcloud`, else the machine's own.
pub(crate) fn find(
    given: Option<&str>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Credentials, ConfigError> {
    let set = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
    let named = given.map(str::to_owned);
    let named = named
        .or_else(|| set("VERTEXAI_CREDENTIALS"))
        .or_else(|| set("GOOGLE_APPLICATION_CREDENTIALS"));
    if let Some(named) = named {
        return match named.trim_start().starts_with('{') {
            true => Credentials::parse(&named),
            false => Credentials::parse(&read(named.trim().into())?),
        };
    }
    let gcloud = set("CLOUDSDK_CONFIG").map(PathBuf::from).or_else(|| {
        let home = set("HOME")?;
        Some(PathBuf::from(home).join(".config/gcloud"))
    });
    let gcloud = gcloud.map(|directory| directory.join("application_default_credentials.json"));
    if let Some(path) = gcloud.filter(|path| path.exists()) {
        return Credentials::parse(&read(path)?);
    }
    let host = set("GCE_METADATA_HOST");
    let is_google = host.is_some() || ON_GOOGLE.iter().any(|name| set(name).is_some());
    if !is_google && (set("NO_GCE_CHECK").is_some() || !is_google_machine()) {
        let others = ["VERTEXAI_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"];
        return Err(ConfigError::missing("vertex_credentials", &others));
    }
    let origin = host.map_or_else(|| METADATA.to_owned(), |host| format!("http://{host}"));
    let origin = super::file::checked(origin)?;
    Ok(Credentials {
        key: format!("google machine\n{origin}"),
        source: Source::Metadata(Metadata {
            origin,
            wants_project: false,
        }),
        project: None,
        quota_project: None,
    })
}

fn read(path: PathBuf) -> Result<String, ConfigError> {
    fs::read_to_string(path).map_err(|error| {
        let problem = format!("the file cannot be read: {}", error.kind());
        ConfigError::new("vertex_credentials", problem)
    })
}

fn is_google_machine() -> bool {
    fs::read_to_string(PRODUCT).is_ok_and(|name| name.trim_start().starts_with("Google"))
}
