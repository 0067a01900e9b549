//! `general_settings`.

use http::HeaderName;
use serde_yaml::Value;

use super::flag;
use crate::{
    Secret,
    document::Document,
    keys,
    scalar::{self, Read},
    section::Section,
};

/// Largest request body if nothing sets one.
const MAX_REQUEST_SIZE_MB: f64 = 50.0;

/// What `general_settings` come to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GeneralSettings {
    /// `master_key`, or `LITELLM_MASTER_KEY` in the environment.
    pub master_key: Option<Secret>,
    /// `compat_error_types`.
    pub error_types: ErrorTypes,
    /// `expose_fallback_errors_to_caller`.
    pub expose_fallback_errors: bool,
    /// `max_request_size_mb` in bytes; 50 MiB by default.
    pub max_request_bytes: u64,
    /// `global_max_parallel_requests`: the most requests that this process has under way; no limit by default.
    pub max_in_flight: Option<u32>,
    /// `forward_client_headers_to_llm_api`.
    pub forward_client_headers: ForwardClientHeaders,
    /// `dangerously_allow_mock_testing_request_params`: whether requests may bring their answer, as `mock_response`, or
    /// the failure in its place, as `mock_testing_fallbacks`.
    pub allow_mock_response: bool,
    /// `log_metadata_keys`: the members of a request's metadata that its log line may show; none by default.
    pub log_metadata_keys: Vec<String>,
}

/// Whose `type` and `code` error responses carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorTypes {
    /// LiteLLM's: `code` is the status as text.
    #[default]
    LiteLlm,
    /// OpenAI's own.
    OpenAi,
}

/// Which headers of the client go upstream, beside those that always do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardClientHeaders {
    /// None.
    #[default]
    Off,
    /// All that begin with `x-`.
    Custom,
    /// Those of these names, in lower case.
    Listed(Vec<String>),
}

// === impl GeneralSettings ===

impl GeneralSettings {
    pub(crate) fn read(general: &mut Section<'_>) -> Self {
        general.check_keys(&keys::GENERAL);
        // Who starts without a key is served here in any case.
        flag(general, "dangerously_permit_weak_or_unset_master_key");
        let size = general.read("max_request_size_mb", scalar::number);
        let size = size
            .filter(|&size| size > 0.0)
            .unwrap_or(MAX_REQUEST_SIZE_MB);
        Self {
            master_key: master_key(general),
            error_types: general
                .read("compat_error_types", error_types)
                .unwrap_or_default(),
            expose_fallback_errors: flag(general, "expose_fallback_errors_to_caller"),
            max_request_bytes: (size * 1_048_576.0) as u64,
            max_in_flight: general
                .read("global_max_parallel_requests", scalar::count)
                .filter(|&requests| requests > 0),
            forward_client_headers: general
                .read("forward_client_headers_to_llm_api", forward_client_headers)
                .unwrap_or_default(),
            allow_mock_response: flag(general, "dangerously_allow_mock_testing_request_params"),
            log_metadata_keys: general
                .read("log_metadata_keys", scalar::texts)
                .unwrap_or_default(),
        }
    }
}

/// A key that was meant to be set and is not must not leave the door open.
fn master_key(general: &mut Section<'_>) -> Option<Secret> {
    let document: &Document = general.document;
    let from_env = || document.environment.get("LITELLM_MASTER_KEY");
    let key = general.secret("master_key");
    let key = key.or_else(|| from_env().map(Secret::new));
    let mut unset = document.unset.iter();
    if key.is_none()
        && let Some(unset) = unset.find(|unset| unset.is_at(&general.path, "master_key"))
    {
        general.needs(&unset.path, unset.message());
    }
    key
}

fn error_types(value: &Value) -> Read<ErrorTypes> {
    match scalar::text(value)?.as_deref() {
        None => Ok(None),
        Some("litellm") => Ok(Some(ErrorTypes::LiteLlm)),
        Some("openai") => Ok(Some(ErrorTypes::OpenAi)),
        Some(_) => Err("expected `litellm` or `openai`".to_owned()),
    }
}

fn forward_client_headers(value: &Value) -> Read<ForwardClientHeaders> {
    if !value.is_sequence() {
        return Ok(scalar::flag(value)?.map(|all| match all {
            true => ForwardClientHeaders::Custom,
            false => ForwardClientHeaders::Off,
        }));
    }
    let mut names = scalar::texts(value)?.unwrap_or_default();
    for name in &mut names {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err("expected the names of HTTP headers".to_owned());
        }
        name.make_ascii_lowercase();
    }
    Ok(Some(ForwardClientHeaders::Listed(names)))
}
