//! Where keys come from: the settings, the environment, files, and servers that hand them out.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod chain;
mod fetched;
mod shared;
mod signature;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::json;
use tower::ServiceExt;
use ziggurat_bedrock::{Bedrock, Builder};
use ziggurat_core::{Failure, JsonBody, Served, json::Document};
use ziggurat_mock::{Running, Step, Upstream};
use ziggurat_provider::{HttpClient, ProviderBody, ProviderService};

pub(crate) const MODEL: &str = "anthropic.claude-3-5-sonnet-20241022-v2:0";

/// 2025-01-15T12:00:00Z.
pub(crate) fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_736_942_400)
}

/// A directory of files that goes away with the test.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let name = format!(
            "ziggurat-bedrock-{}-{:x}",
            std::process::id(),
            fastrand::u64(..)
        );
        let root = std::env::temp_dir().join(name);
        std::fs::create_dir_all(root.join(".aws")).unwrap();
        for (name, text) in files {
            std::fs::write(root.join(name), text).unwrap();
        }
        Self(root)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A deployment in an environment in which no machine is asked.
pub(crate) fn builder(environment: &[(&str, String)]) -> Builder {
    let mut all: HashMap<String, String> =
        [("AWS_EC2_METADATA_DISABLED".to_owned(), "true".to_owned())].into();
    for (name, value) in environment {
        all.insert((*name).to_owned(), value.clone());
    }
    Bedrock::builder(MODEL)
        .clock(then)
        .environment(move |name| all.get(name).cloned())
}

pub(crate) async fn upstream(steps: impl IntoIterator<Item = Step>) -> Running {
    let script = ziggurat_mock::Script::new(steps);
    Upstream::new("upstream")
        .script(script)
        .start()
        .await
        .unwrap()
}

pub(crate) fn plain(status: u16, body: impl Into<Bytes>) -> Step {
    Step::respond(
        Response::builder()
            .status(status)
            .body(body.into())
            .unwrap(),
    )
}

pub(crate) fn answer() -> Step {
    let body = json!({
        "output": {"message": {"role": "assistant", "content": [{"text": "ok"}]}}, "stopReason": "end_turn",
    });
    plain(200, body.to_string())
}

pub(crate) fn leaf(builder: Builder, bedrock: &Running) -> ProviderService {
    let dialect = builder
        .aws_bedrock_runtime_endpoint(bedrock.url())
        .build()
        .unwrap();
    let served = Served::new("one".into(), "bedrock/m", None);
    ProviderService::new(HttpClient::new(), Arc::new(dialect), served)
}

pub(crate) async fn call(leaf: &ProviderService) -> Result<Response<ProviderBody>, Failure> {
    let text = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let request = Request::new(JsonBody::new(Document::parse(text.into()).unwrap()));
    leaf.clone().oneshot(request).await
}

/// Calls once and tells which key signed, and with which token.
pub(crate) async fn signer(builder: Builder) -> (String, Option<String>) {
    let bedrock = upstream([answer()]).await;
    let response = call(&leaf(builder, &bedrock)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let hits = bedrock.hits();
    let signature = hits[0].header("authorization").unwrap();
    let (_, rest) = signature.split_once("Credential=").unwrap();
    let token = hits[0].header("x-amz-security-token").map(str::to_owned);
    (rest.split('/').next().unwrap().to_owned(), token)
}
