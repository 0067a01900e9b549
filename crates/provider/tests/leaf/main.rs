//! The leaf against upstreams that behave, and upstreams that do not.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod announced;
mod answers;
mod dial;
mod failures;
mod local;
mod proxies;
mod reuse;
mod streams;
mod upload;
mod whole;

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::{Service, ServiceExt};
use ziggurat_core::{
    DeploymentId, Failure, FailureKind, JsonBody, LlmRequest, ModelGroup, Served, json::Document,
};
use ziggurat_mock::{ApiError, Closed, Cut, Event, Progress, Running, Script, Step, Upstream};
use ziggurat_openai::{Face, OpenAi};
use ziggurat_provider::{HttpClient, ProviderBody, ProviderService};

pub(crate) const KEY: &str = "sk-very-secret-key";

pub(crate) async fn upstream(script: impl Into<Script>) -> Running {
    Upstream::new("upstream")
        .script(script)
        .start()
        .await
        .unwrap()
}

pub(crate) fn leaf_at(url: &str) -> ProviderService {
    let dialect = OpenAi::builder(Face::OpenAi, "gpt-x")
        .api_base(url)
        .api_key(KEY)
        .build()
        .unwrap();
    let served = Served::new("one".into(), "openai/gpt-x", Some(url));
    ProviderService::new(HttpClient::new(), Arc::new(dialect), served)
}

pub(crate) fn ask(stream: bool) -> Request<JsonBody> {
    asking(
        format!(r#"{{"model":"group","messages":[],"stream":{stream}}}"#),
        stream,
    )
}

pub(crate) fn asking(text: String, stream: bool) -> Request<JsonBody> {
    let document = Document::parse(text.into()).unwrap();
    let mut request = Request::new(JsonBody::new(document.clone()));
    request
        .extensions_mut()
        .insert(LlmRequest::new("group", stream, document));
    request.extensions_mut().insert(ModelGroup::new("group"));
    request
}

pub(crate) async fn call(
    upstream: &Running,
    stream: bool,
) -> Result<Response<ProviderBody>, Failure> {
    leaf_at(&upstream.url()).oneshot(ask(stream)).await
}

/// The failure in a response, as layers see it.
pub(crate) fn failure(response: &Response<ProviderBody>) -> &Failure {
    response.extensions().get::<Failure>().expect("a failure")
}

pub(crate) async fn read(response: Response<ProviderBody>) -> Result<Bytes, Failure> {
    Ok(response.into_body().collect().await?.to_bytes())
}

pub(crate) fn chunk(content: &str, finish: &str) -> Event {
    Event::data(format!(
        r#"{{"id":"c1","created":1,"model":"m","choices":[{{"index":0,"delta":{{"content":"{content}"}},"finish_reason":{finish}}}]}}"#
    ))
}

pub(crate) fn stream(events: impl IntoIterator<Item = Event>) -> Step {
    Step::events(events)
}

pub(crate) fn plain(body: impl Into<Bytes>) -> Step {
    let response = Response::builder().header("content-type", "application/json");
    Step::respond(response.body(body.into()).unwrap())
}
