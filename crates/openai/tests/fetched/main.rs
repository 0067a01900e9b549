//! What has to be fetched before a call: tokens of applications, names of models at providers.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod entra;
mod router;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use ziggurat_core::{Failure, JsonBody, Served, json::Document};
use ziggurat_mock::{Running, Script, Step, Upstream};
use ziggurat_openai::Builder;
use ziggurat_provider::{HttpClient, ProviderService};

fn answer(status: u16, body: &Value) -> Step {
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    Step::respond(response.body(body.to_string()).unwrap())
}

async fn upstream(steps: impl IntoIterator<Item = Step>) -> Running {
    let script = Script::new(steps);
    Upstream::new("upstream")
        .script(script)
        .start()
        .await
        .unwrap()
}

fn leaf(builder: Builder) -> ProviderService {
    let client = HttpClient::new();
    let dialect = builder.client(client.clone()).build().unwrap();
    let served = Served::new("d".into(), "model", None);
    ProviderService::new(client, Arc::new(dialect), served)
}

/// Calls, and returns the failure that an answer bears.
async fn call(leaf: &ProviderService) -> Result<Option<Failure>, Failure> {
    ask(leaf, false).await
}

async fn ask(leaf: &ProviderService, stream: bool) -> Result<Option<Failure>, Failure> {
    let mut body = json!({"model": "group", "messages": []});
    if stream {
        body["stream"] = true.into();
    }
    let body = body.to_string();
    let body = Document::parse(Bytes::from(body)).unwrap();
    let response = leaf
        .clone()
        .oneshot(Request::new(JsonBody::new(body)))
        .await?;
    let (head, body) = response.into_parts();
    body.collect().await?;
    Ok(head.extensions.get::<Failure>().cloned())
}

async fn twenty_at_once(leaf: &ProviderService) {
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let leaf = leaf.clone();
            tokio::spawn(async move { call(&leaf).await })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().unwrap().is_none());
    }
}
