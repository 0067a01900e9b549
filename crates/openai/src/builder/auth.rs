//! What a deployment authenticates with.

use http::{HeaderMap, HeaderName, header::AUTHORIZATION};
use ziggurat_provider::settings::{filled, json_headers, secret_value, value};

use super::Builder;
use crate::{
    ConfigError, Face,
    entra::{Application, Tokens},
};

/// Azure's header for keys.
pub(crate) const API_KEY: HeaderName = HeaderName::from_static("api-key");

struct Credential {
    text: String,
    is_token: bool,
}

impl Builder {
    /// The headers of each request; keys in them are added to `secrets`.
    pub(super) fn headers(
        &self,
        bearer: bool,
        secrets: &mut Vec<String>,
    ) -> Result<HeaderMap, ConfigError> {
        let mut headers = json_headers("application/json");
        if let Some(Credential { text, is_token }) = self.credential()? {
            let (name, value) = match bearer || is_token {
                true => (AUTHORIZATION, format!("Bearer {text}")),
                false => (API_KEY, text.clone()),
            };
            headers.insert(name, secret_value("api_key", &value)?);
            secrets.push(text);
        }
        if self.face == Face::OpenAi
            && let Some(organization) = self.setting(&self.organization, &["OPENAI_ORGANIZATION"])
        {
            headers.insert("openai-organization", value("organization", &organization)?);
        }
        self.additions.put_headers(&mut headers, secrets)?;
        Ok(headers)
    }

    /// What was set comes before the environment, a key before a token.
    fn credential(&self) -> Result<Option<Credential>, ConfigError> {
        let key = |text| Credential {
            text,
            is_token: false,
        };
        let token = |text| Credential {
            text,
            is_token: true,
        };
        let names = self.face.env_defaults("api_key");
        if self.face != Face::Azure {
            return Ok(self.setting(&self.api_key, names).map(key));
        }
        let set = filled(self.api_key.as_deref()).map(key);
        let set = set.or_else(|| filled(self.azure_ad_token.as_deref()).map(token));
        if set.is_none() && self.is_application_set() {
            return Ok(None);
        }
        let credential = set
            .or_else(|| self.variable(names).map(key))
            .or_else(|| self.variable(&["AZURE_AD_TOKEN"]).map(token));
        match credential {
            // LiteLLM's way to name a token that is to be exchanged for the real one.
            Some(credential) if credential.is_token && credential.text.starts_with("oidc/") => {
                let problem = "oidc/… names no token; give the token itself";
                Err(ConfigError::new("azure_ad_token", problem))
            }
            credential => Ok(credential),
        }
    }

    /// What fetches tokens for an application. What was set is completed from the environment; a part of it alone is a
    /// fault, but in the environment it may be there for something else.
    pub(super) fn application(
        &self,
        secrets: &mut Vec<String>,
    ) -> Result<Option<Tokens>, ConfigError> {
        if self.face != Face::Azure {
            return Ok(None);
        }
        let parts = [
            ("tenant_id", &self.tenant_id, "AZURE_TENANT_ID"),
            ("client_id", &self.client_id, "AZURE_CLIENT_ID"),
            ("client_secret", &self.client_secret, "AZURE_CLIENT_SECRET"),
        ];
        let is_set = self.is_application_set();
        let mut found = Vec::new();
        for (setting, set, variable) in parts {
            match self.setting(set, &[variable]) {
                Some(value) => found.push(value),
                None if is_set => return Err(ConfigError::missing(setting, &[variable])),
                None => return Ok(None),
            }
        }
        let Ok([tenant, id, secret]) = <[String; 3]>::try_from(found) else {
            return Ok(None);
        };
        secrets.push(secret.clone());
        let application = Application {
            authority: self.variable(&["AZURE_AUTHORITY_HOST"]),
            scope: self.setting(&self.scope, &["AZURE_SCOPE"]),
            tenant,
            id,
            secret,
        };
        application.tokens(self.http_client()).map(Some)
    }

    /// Whether the deployment itself names an application.
    fn is_application_set(&self) -> bool {
        [&self.tenant_id, &self.client_id, &self.client_secret]
            .iter()
            .any(|set| filled(set.as_deref()).is_some())
    }
}
