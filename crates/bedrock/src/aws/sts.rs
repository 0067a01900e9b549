//! The token service: keys for a role.

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request,
    header::{ACCEPT, CONTENT_TYPE},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use ziggurat_core::{Failure, FailureKind};
use ziggurat_provider::credentials::Fresh;

use super::{Keys, Reach, failed, metadata::fresh, refused, sign};
use crate::model::domain;

/// A role, and how it is asked for.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Role {
    pub(crate) arn: String,
    pub(crate) session: Option<String>,
    pub(crate) external_id: Option<String>,
}

impl Role {
    /// Takes the role with keys at hand.
    pub(crate) async fn assume(self, reach: &Reach, keys: &Keys) -> Result<Fresh<Keys>, Failure> {
        let mut form = self.form("AssumeRole");
        if let Some(id) = &self.external_id {
            push(&mut form, "ExternalId", id);
        }
        ask(reach, form, Some(keys)).await
    }

    /// Takes the role with the token of another identity provider.
    pub(crate) async fn assume_with_token(
        self,
        reach: &Reach,
        token: &str,
    ) -> Result<Fresh<Keys>, Failure> {
        let mut form = self.form("AssumeRoleWithWebIdentity");
        push(&mut form, "WebIdentityToken", token.trim());
        ask(reach, form, None).await
    }

    fn form(&self, action: &str) -> String {
        let mut form = format!("Action={action}&Version=2011-06-15");
        push(&mut form, "RoleArn", &self.arn);
        push(
            &mut form,
            "RoleSessionName",
            self.session.as_deref().unwrap_or("ziggurat"),
        );
        form
    }
}

fn push(form: &mut String, name: &str, value: &str) {
    let value = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    form.extend(["&", name, "=", &*value]);
}

async fn ask(reach: &Reach, form: String, keys: Option<&Keys>) -> Result<Fresh<Keys>, Failure> {
    let region = &*reach.region;
    let endpoint = match &reach.sts {
        Some(endpoint) => format!("{}/", endpoint.trim_end_matches('/')),
        None => format!("https://sts.{region}.{}/", domain(region)),
    };
    let body = Bytes::from(form);
    let mut request = Request::new(body.clone());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint
        .parse()
        .map_err(|_| failed("the address of the AWS token service is no URL"))?;
    let headers = request.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    headers.insert(ACCEPT, HeaderValue::from_static("application/xml"));
    if let Some(keys) = keys {
        sign(&mut request, &body, keys, "sts", region, (reach.clock)())?;
    }
    let response = reach.client.fetch(request).await?;
    let (status, body) = (response.status(), response.body());
    let text = String::from_utf8_lossy(body);
    if !status.is_success() {
        let code = element(&text, "Code")
            .filter(|code| code.len() < 100)
            .unwrap_or("no reason");
        let message = format!("the AWS token service refused: {code} ({status})");
        return Err(match code {
            // It says 400 of requests that are too many.
            "Throttling" | "ThrottlingException" | "RequestLimitExceeded" => {
                Failure::new(FailureKind::RateLimited).with_message(message)
            }
            _ => refused(&response, message),
        });
    }
    let part = |name| {
        let found = element(&text, name).map(str::to_owned);
        found.ok_or_else(|| failed("the answer of the AWS token service has no credentials"))
    };
    let keys = Keys {
        id: part("AccessKeyId")?,
        secret: part("SecretAccessKey")?,
        token: Some(part("SessionToken")?),
    };
    fresh(keys, element(&text, "Expiration"), reach.clock)
}

/// The text of the first element of a name. Keys and dates have nothing that XML would escape.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once("</")?;
    Some(text.trim())
}
