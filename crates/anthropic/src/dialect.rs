use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use ziggurat_core::{Failure, Meter, Operation};
use ziggurat_provider::{Call, Dialect, Outgoing, params};

use crate::{Builder, exchange::Chat, native, request::translate, template::Template};

pub(crate) const BETA: HeaderName = HeaderName::from_static("anthropic-beta");
pub(crate) const VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// The only version of the API that there is.
const CURRENT: HeaderValue = HeaderValue::from_static("2023-06-01");

/// The dialect of one deployment of Anthropic's. See the [crate page](crate).
///
/// Cloning counts a reference.
#[derive(Clone)]
pub struct Anthropic {
    template: Arc<Template>,
}

impl Anthropic {
    /// Starts to describe a deployment of a model, named as Anthropic names it.
    pub fn builder(model: impl Into<String>) -> Builder {
        Builder::new(model)
    }

    pub(crate) fn new(template: Arc<Template>) -> Self {
        Self { template }
    }

    /// Returns the environment variables that stand in for a setting (`api_key`, `api_base`) that is not given, the
    /// first that is set counts.
    #[must_use]
    pub fn env_defaults(setting: &str) -> &'static [&'static str] {
        match setting {
            "api_key" => &["ANTHROPIC_API_KEY"],
            "api_base" => &["ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"],
            _ => &[],
        }
    }

    /// Returns the base URL in use, without its query.
    #[must_use]
    pub fn api_base(&self) -> &str {
        &self.template.api_base
    }

    /// Says whether the deployment lacks a key; each call then fails.
    #[must_use]
    pub fn is_key_missing(&self) -> bool {
        self.template.key_missing
    }
}

impl Dialect for Anthropic {
    fn provider(&self) -> &'static str {
        "anthropic"
    }

    fn speaks(&self, operation: Operation) -> bool {
        operation == Operation::Chat || operation.is_anthropic()
    }

    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        let template = &self.template;
        if template.key_missing {
            return Err(template.missing_key());
        }
        if call.operation().is_anthropic() {
            return native::prepare(template, call);
        }
        let mut body = params::body(call, &template.defaults);
        let permits = template.unsupported.permits(&mut body);
        let translated = translate(&body, &permits, &template.model, call)?;
        let mut request = Request::new(translated.body.into());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = template.uri.clone();
        *request.headers_mut() = headers(template, call, &translated.betas);
        let meter = call.extensions().get::<Meter>().cloned();
        let model = call.public_model().map(str::to_owned);
        let chat = Chat::new(template.clone(), model, translated.asked, meter);
        Ok(Outgoing {
            request,
            exchange: Box::new(chat),
        })
    }
}

impl fmt::Debug for Anthropic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anthropic")
            .field("model", &self.template.model)
            .field("api_base", &self.template.api_base)
            .finish_non_exhaustive()
    }
}

/// The headers of a call; `needed` is what `anthropic-beta` has to name.
pub(crate) fn headers(template: &Template, call: Call<'_>, needed: &[&'static str]) -> HeaderMap {
    let mut headers = template.headers.clone();
    call.forward(&mut headers);
    headers.entry(VERSION).or_insert(CURRENT);
    join_betas(&mut headers, &template.betas, needed);
    headers
}

/// Names in one header what the deployment, the client and the request want.
fn join_betas(headers: &mut HeaderMap, own: &[HeaderValue], needed: &[&'static str]) {
    let given = headers.get_all(BETA).iter().chain(own);
    let given: Vec<_> = given.filter_map(|value| value.to_str().ok()).collect();
    let given = given
        .iter()
        .flat_map(|value| value.split(','))
        .map(str::trim);
    let mut all: Vec<&str> = Vec::new();
    for beta in given.chain(needed.iter().copied()) {
        if !beta.is_empty() && !all.contains(&beta) {
            all.push(beta);
        }
    }
    match HeaderValue::from_str(&all.join(",")) {
        Ok(value) if !all.is_empty() => drop(headers.insert(BETA, value)),
        _ => {}
    }
}
