//! Workload identity: the token of another issuer is exchanged for one of Google's.

use std::path::PathBuf;

use http::Response;
use serde::Deserialize;
use ziggurat_core::{Failure, FailureKind};

use super::{Granted, SCOPE, fetch::Fetcher, invalid};
use crate::ConfigError;

pub(crate) struct External {
    pub(super) audience: String,
    pub(super) subject_token_type: String,
    pub(super) token_url: String,
    pub(super) subject: Subject,
}

/// Where the other issuer's token is.
pub(crate) struct Subject {
    place: Place,
    /// The member that holds it, if it is inside JSON.
    field: Option<String>,
}

enum Place {
    File(PathBuf),
    Url {
        url: String,
        headers: Vec<(String, String)>,
    },
}

/// `credential_source`, as the file has it.
#[derive(Deserialize)]
pub(super) struct Described {
    file: Option<PathBuf>,
    url: Option<String>,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    format: Option<Format>,
}

#[derive(Deserialize)]
struct Format {
    #[serde(rename = "type")]
    kind: Option<String>,
    subject_token_field_name: Option<String>,
}

// === impl External ===

impl External {
    pub(super) async fn grant(&self, fetcher: &Fetcher) -> Result<Granted, Failure> {
        let subject = self.subject.read(fetcher).await?;
        let form = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("audience", &*self.audience),
            ("scope", SCOPE),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("subject_token", &*subject),
            ("subject_token_type", &*self.subject_token_type),
        ];
        fetcher.exchange(&self.token_url, &form).await
    }
}

// === impl Subject ===

impl Subject {
    pub(super) fn of(described: Described) -> Result<Self, ConfigError> {
        let field = match described.format {
            Some(format) if format.kind.as_deref() == Some("json") => {
                let field = format.subject_token_field_name;
                Some(field.unwrap_or_else(|| "access_token".to_owned()))
            }
            _ => None,
        };
        let place = match (described.file, described.url) {
            (Some(file), _) => Place::File(file),
            (None, Some(url)) => Place::Url {
                url: super::file::checked(url)?,
                headers: described.headers.into_iter().collect(),
            },
            (None, None) => {
                let problem =
                    "credential_source names neither a file nor a url; others are not supported";
                return Err(ConfigError::new("vertex_credentials", problem));
            }
        };
        Ok(Self { place, field })
    }

    /// The token as it is now: it is renewed by others.
    async fn read(&self, fetcher: &Fetcher) -> Result<String, Failure> {
        let text = match &self.place {
            Place::File(path) => std::fs::read_to_string(path).map_err(|_| {
                Failure::new(FailureKind::Authentication)
                    .with_message("the file with the subject token cannot be read")
            })?,
            Place::Url { url, headers } => {
                let headers: Vec<_> = headers
                    .iter()
                    .map(|(name, value)| (&**name, &**value))
                    .collect();
                let answer = fetcher.get(url, &headers).await.map(Response::into_body)?;
                String::from_utf8_lossy(&answer).into_owned()
            }
        };
        let Some(field) = &self.field else {
            return Ok(text.trim().to_owned());
        };
        let value: Option<serde_json::Value> = serde_json::from_str(&text).ok();
        let token = value.as_ref().and_then(|value| value.get(field)?.as_str());
        token
            .map(str::to_owned)
            .ok_or_else(|| invalid("the source of credentials has no subject token"))
    }
}
