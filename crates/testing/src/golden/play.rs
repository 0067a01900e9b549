//! Playing a recorded call.

use std::{collections::HashMap, fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use tower::ServiceExt;
use ziggurat_core::{Failure, JsonBody, LlmRequest, ModelGroup, Served, json::Document};
use ziggurat_mock::{Hit, Upstream};
use ziggurat_provider::{Dialect, HttpClient, ProviderBody, ProviderService};

use super::step;

/// A recorded deployment, whose provider is played by a scripted upstream.
pub struct Case<'a> {
    key: &'a str,
    fixture: &'a Value,
    upstream: &'a str,
}

/// What came of a call.
#[derive(Default)]
pub(super) struct Outcome {
    /// Set if the deployment cannot be built.
    pub(super) refused: bool,
    /// The main requests; those to the auxiliary addresses are not among them.
    pub(super) hits: Vec<Hit>,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Of the head, or of the body if that broke.
    pub(super) failure: Option<Failure>,
}

// === impl Case ===

impl Case<'_> {
    /// Returns the recording's name.
    #[must_use]
    pub fn key(&self) -> &str {
        self.key
    }

    /// Returns the whole recording.
    #[must_use]
    pub fn fixture(&self) -> &Value {
        self.fixture
    }

    /// Returns the origin of the scripted upstream.
    #[must_use]
    pub fn upstream(&self) -> &str {
        self.upstream
    }

    /// Returns the deployment's `litellm_params`.
    ///
    /// # Panics
    ///
    /// The recording has none.
    #[must_use]
    pub fn params(&self) -> &Map<String, Value> {
        self.fixture["litellm_params"].as_object().expect("params")
    }

    /// Returns the recorded environment; URLs in it lead to the scripted upstream.
    #[must_use]
    pub fn environment(&self) -> HashMap<String, String> {
        let set = self.fixture["env"].as_object().into_iter().flatten();
        let set = set.map(|(name, value)| {
            let value = value.as_str().unwrap_or_default();
            let value = if value.starts_with("http") {
                self.moved(value)
            } else {
                value.to_owned()
            };
            (name.clone(), value)
        });
        set.collect()
    }

    /// Turns a URL to the scripted upstream.
    ///
    /// # Panics
    ///
    /// It is none.
    #[must_use]
    pub fn moved(&self, url: &str) -> String {
        let uri: Uri = url.parse().expect("a URL");
        let rest = uri.path_and_query().map_or("", |rest| rest.as_str());
        format!("{}{rest}", self.upstream)
    }
}

impl fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.key).finish()
    }
}

pub(super) async fn play(
    key: &str,
    fixture: &Value,
    build: &impl Fn(&Case<'_>) -> Option<Arc<dyn Dialect>>,
) -> Outcome {
    let upstream = Upstream::new(key)
        .script(step::of(&fixture["upstream_response"]))
        .start()
        .await
        .expect("a free port");
    let mut outcome = Outcome::default();
    let url = upstream.url();
    let case = Case {
        key,
        fixture,
        upstream: &url,
    };
    let Some(dialect) = build(&case) else {
        outcome.refused = true;
        return outcome;
    };
    let served = Served::new("deployment-1".into(), "model", Some(&url));
    let service = ProviderService::new(HttpClient::new(), dialect, served);
    match service.oneshot(request(fixture)).await {
        Ok(response) => read(response, &mut outcome).await,
        Err(failure) => outcome.failure = Some(failure),
    }
    outcome.hits = upstream.hits();
    outcome
}

async fn read(response: Response<ProviderBody>, outcome: &mut Outcome) {
    let (head, mut body) = response.into_parts();
    let served = head.extensions.get::<Served>().expect("who served it");
    assert_eq!(served.deployment().as_str(), "deployment-1");
    outcome.status = head.status.as_u16();
    outcome.headers = head.headers;
    outcome.failure = head.extensions.get::<Failure>().cloned();
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => all.extend_from_slice(frame.data_ref().expect("data")),
            Err(failure) => outcome.failure = Some(failure),
        }
    }
    outcome.body = all.into();
}

fn request(fixture: &Value) -> Request<JsonBody> {
    let asked = &fixture["openai_request"];
    let document = Document::parse(asked.to_string().into()).expect("an object");
    let model = asked["model"].as_str().expect("a model");
    let mut request = Request::new(JsonBody::new(document.clone()));
    let headers = request.headers_mut();
    headers.insert(
        "authorization",
        HeaderValue::from_static("Bearer of-the-client"),
    );
    headers.insert("traceparent", HeaderValue::from_static("00-1-2-01"));
    let stream = asked["stream"] == true;
    let extensions = request.extensions_mut();
    extensions.insert(LlmRequest::new(model, stream, document));
    extensions.insert(ModelGroup::new(model));
    request
}
