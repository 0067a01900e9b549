//! Playing a recorded call.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt;
use serde_json::{Map, Value};
use tower::ServiceExt;
use ziggurat_core::{Failure, JsonBody, LlmRequest, ModelGroup, Served, json::Document};
use ziggurat_mock::{Cut, Event, Hit, Step, Upstream};
use ziggurat_openai::{Builder, Face, OpenAi};
use ziggurat_provider::{HttpClient, ProviderService};

/// What came of a call.
pub(crate) struct Outcome {
    /// Set if the deployment cannot be built.
    pub(crate) refused: bool,
    pub(crate) hits: Vec<Hit>,
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
    /// Of the head, or of the body if that broke.
    pub(crate) failure: Option<Failure>,
}

pub(crate) async fn play(key: &str, fixture: &Value) -> Outcome {
    let upstream = Upstream::new(key)
        .script(step(&fixture["upstream_response"]))
        .start()
        .await
        .unwrap();
    let mut outcome = Outcome {
        refused: false,
        hits: Vec::new(),
        status: 0,
        headers: http::HeaderMap::new(),
        body: Bytes::new(),
        failure: None,
    };
    let Ok(dialect) = builder(key, fixture, &upstream.url()).build() else {
        outcome.refused = true;
        return outcome;
    };
    let served = Served::new("deployment-1".into(), "model", Some(dialect.api_base()));
    let service = ProviderService::new(HttpClient::new(), Arc::new(dialect), served);
    match service.oneshot(request(fixture)).await {
        Ok(response) => read(response, &mut outcome).await,
        Err(failure) => outcome.failure = Some(failure),
    }
    outcome.hits = upstream.hits();
    outcome
}

async fn read(response: Response<ziggurat_provider::ProviderBody>, outcome: &mut Outcome) {
    let (head, mut body) = response.into_parts();
    assert_eq!(
        head.extensions
            .get::<Served>()
            .unwrap()
            .deployment()
            .as_str(),
        "deployment-1"
    );
    outcome.status = head.status.as_u16();
    outcome.headers = head.headers;
    outcome.failure = head.extensions.get::<Failure>().cloned();
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => all.extend_from_slice(frame.data_ref().unwrap()),
            Err(failure) => outcome.failure = Some(failure),
        }
    }
    outcome.body = all.into();
}

fn request(fixture: &Value) -> Request<JsonBody> {
    let asked = &fixture["openai_request"];
    let document = Document::parse(serde_json::to_vec(asked).unwrap().into()).unwrap();
    let model = asked["model"].as_str().unwrap();
    let mut request = Request::new(JsonBody::new(document.clone()));
    request.headers_mut().insert(
        "authorization",
        HeaderValue::from_static("Bearer of-the-client"),
    );
    request
        .headers_mut()
        .insert("traceparent", HeaderValue::from_static("00-1-2-01"));
    let stream = asked["stream"] == true;
    request
        .extensions_mut()
        .insert(LlmRequest::new(model, stream, document));
    request.extensions_mut().insert(ModelGroup::new(model));
    request
}

/// The deployment, its addresses turned to the scripted upstream.
fn builder(key: &str, fixture: &Value, upstream: &str) -> Builder {
    let params = fixture["litellm_params"].as_object().unwrap();
    let (face, prefix) = match key.split('/').next().unwrap() {
        "azure" => (Face::Azure, "azure/"),
        "huggingface" => (Face::HuggingFace, "huggingface/"),
        _ => (Face::OpenAi, "openai/"),
    };
    let model = params["model"].as_str().unwrap();
    let mut builder = OpenAi::builder(face, model.strip_prefix(prefix).unwrap_or(model));
    let environment = environment(fixture, upstream);
    let has_base = environment.keys().any(|name| name.contains("BASE"));
    for (name, value) in params {
        let text = value.as_str().unwrap_or_default().to_owned();
        builder = match &**name {
            "model" => builder,
            "api_base" => builder.api_base(move_to(&text, upstream)),
            "api_key" => builder.api_key(text),
            "api_version" => builder.api_version(text),
            "azure_ad_token" => builder.azure_ad_token(text),
            "organization" => builder.organization(text),
            "extra_headers" => extra_headers(builder, value.as_object().unwrap()),
            _ => builder.default_parameter(&**name, value.to_string()),
        };
    }
    // The real address of OpenAI is the default; a call without a key goes nowhere.
    if face == Face::OpenAi
        && !params.contains_key("api_base")
        && !has_base
        && params.contains_key("api_key")
    {
        builder = builder.api_base(format!("{upstream}/v1"));
    }
    builder.environment(move |name| environment.get(name).cloned())
}

fn extra_headers(mut builder: Builder, headers: &Map<String, Value>) -> Builder {
    for (name, value) in headers {
        builder = builder.header(name, value.as_str().unwrap());
    }
    builder
}

fn environment(fixture: &Value, upstream: &str) -> HashMap<String, String> {
    let set = fixture["env"].as_object().cloned().unwrap_or_default();
    let set = set.into_iter().map(|(name, value)| {
        let value = value.as_str().unwrap().to_owned();
        let value = match value.starts_with("http") {
            true => move_to(&value, upstream),
            false => value,
        };
        (name, value)
    });
    set.collect()
}

fn move_to(url: &str, upstream: &str) -> String {
    let uri: Uri = url.parse().unwrap();
    format!("{upstream}{}", uri.path_and_query().unwrap())
}

fn step(response: &Value) -> Step {
    let status = response["status"].as_u64().unwrap_or(200) as u16;
    let mut headers = Vec::new();
    for (name, value) in response["headers"].as_object().into_iter().flatten() {
        let name: HeaderName = name.parse().unwrap();
        headers.push((
            name,
            value.as_str().unwrap().parse::<HeaderValue>().unwrap(),
        ));
    }
    let mut step = match (response["sse"].as_str(), response["text"].as_str()) {
        (Some(sse), _) => {
            let events = sse.split_inclusive("\n\n");
            let events: Vec<Event> = events.map(|event| Event::raw(event.to_owned())).collect();
            let count = events.len();
            let step = Step::events(events);
            match response["abort"] == true {
                // One more event than is sent, so that the cut comes before the end.
                true => Step::events(
                    sse.split_inclusive("\n\n")
                        .map(|event| Event::raw(event.to_owned()))
                        .chain([Event::done()]),
                )
                .cut_after(count, Cut::Close),
                false => step,
            }
        }
        (_, Some(text)) => Step::respond(whole(status, "text/plain", text.to_owned())),
        _ => Step::respond(whole(
            status,
            "application/json",
            response["body"].to_string(),
        )),
    };
    if let Some(bytes) = response["wire_chunk_bytes"].as_u64() {
        step = step.trickle(NonZeroUsize::new(bytes as usize).unwrap());
    }
    for (name, value) in headers {
        step = step.header(name, value);
    }
    step
}

fn whole(status: u16, content_type: &str, body: String) -> Response<Bytes> {
    let response = Response::builder()
        .status(status)
        .header("content-type", content_type);
    response.body(body.into()).unwrap()
}
