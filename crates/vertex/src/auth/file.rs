//! Files of credentials, as Google's tools write them.

use http::Uri;
use serde::Deserialize;

use super::{
    Source, User,
    external::{Described, External, Subject},
    key::{self, ServiceAccount},
};
use crate::ConfigError;

const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
const STS: &str = "https://sts.googleapis.com/v1/token";

/// A source of tokens, and what else the file tells.
pub(crate) struct Credentials {
    pub(crate) source: Source,
    /// All that tells the source from others. It holds keys.
    pub(crate) key: String,
    /// The account's own project.
    pub(crate) project: Option<String>,
    /// The project that pays, if it is another.
    pub(crate) quota_project: Option<String>,
}

/// All that a file of any type may hold.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: Option<String>,
    project_id: Option<String>,
    quota_project_id: Option<String>,
    client_email: Option<String>,
    private_key: Option<String>,
    private_key_id: Option<String>,
    token_uri: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    audience: Option<String>,
    subject_token_type: Option<String>,
    token_url: Option<String>,
    service_account_impersonation_url: Option<String>,
    #[serde(default)]
    delegates: Vec<String>,
    credential_source: Option<Described>,
    source_credentials: Option<Box<Self>>,
}

// === impl Credentials ===

impl Credentials {
    /// Reads the text of a file.
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let file: File = serde_json::from_str(text).map_err(|_| {
            ConfigError::new("vertex_credentials", "not JSON as Google's tools write it")
        })?;
        let project = file.project_id.clone();
        let quota_project = file.quota_project_id.clone();
        Ok(Self {
            source: file.source()?,
            key: format!("google\n{}", text.trim()),
            project,
            quota_project,
        })
    }
}

// === impl File ===

impl File {
    fn source(self) -> Result<Source, ConfigError> {
        let kind = self.kind.clone();
        match kind.as_deref() {
            Some("service_account") => self.service_account(),
            Some("authorized_user") => self.user(),
            Some("external_account") => self.external(),
            Some("impersonated_service_account") => self.impersonated(),
            Some(_) => Err(problem("its type is not supported")),
            None if self.private_key.is_some() => self.service_account(),
            None => Err(problem("its type is missing")),
        }
    }

    fn service_account(self) -> Result<Source, ConfigError> {
        Ok(Source::ServiceAccount(ServiceAccount {
            email: needed(self.client_email, "client_email")?,
            key_id: self.private_key_id,
            key: key::parse(&needed(self.private_key, "private_key")?)?,
            token_uri: checked(self.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned()))?,
        }))
    }

    fn user(self) -> Result<Source, ConfigError> {
        Ok(Source::User(User {
            token_uri: checked(self.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned()))?,
            client_id: needed(self.client_id, "client_id")?,
            client_secret: needed(self.client_secret, "client_secret")?,
            refresh_token: needed(self.refresh_token, "refresh_token")?,
        }))
    }

    fn external(self) -> Result<Source, ConfigError> {
        let described = needed(self.credential_source, "credential_source")?;
        let external = Source::External(External {
            audience: needed(self.audience, "audience")?,
            subject_token_type: needed(self.subject_token_type, "subject_token_type")?,
            token_url: checked(self.token_url.unwrap_or_else(|| STS.to_owned()))?,
            subject: Subject::of(described)?,
        });
        Ok(match self.service_account_impersonation_url {
            Some(url) => Source::Impersonated {
                url: checked(url)?,
                delegates: Vec::new(),
                source: Box::new(external),
            },
            None => external,
        })
    }

    fn impersonated(self) -> Result<Source, ConfigError> {
        let source = needed(self.source_credentials, "source_credentials")?;
        let url = self.service_account_impersonation_url;
        Ok(Source::Impersonated {
            url: checked(needed(url, "service_account_impersonation_url")?)?,
            delegates: self.delegates,
            source: Box::new(source.source()?),
        })
    }
}

fn problem(text: impl Into<Box<str>>) -> ConfigError {
    ConfigError::new("vertex_credentials", text)
}

fn needed<T>(value: Option<T>, name: &str) -> Result<T, ConfigError> {
    value.ok_or_else(|| problem(format!("{name} is missing")))
}

/// A URL of a token server.
pub(super) fn checked(url: String) -> Result<String, ConfigError> {
    let uri: Option<Uri> = url.parse().ok();
    let is_http = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
    });
    match is_http {
        true => Ok(url),
        false => Err(problem("a URL in it is none")),
    }
}
