//! Streams of chat, and what a client sees of them.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Response, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_core::{DeploymentId, Failure, FailureKind, LlmRequest, Tried, json::Document};
use ziggurat_fallback::FallbackLayer;
use ziggurat_testing::ScriptedBody;

use super::{Req, group_of, request};

pub(crate) fn chunk(id: &str, delta: &str) -> String {
    format!(
        "data: {{\"id\":\"{id}\",\"created\":{},\"model\":\"{id}\",\"choices\":[{{\"index\":0,\"delta\":{delta},\
         \"finish_reason\":null}}]}}\n\n",
        id.len()
    )
}

pub(crate) fn says(id: &str, text: &str) -> String {
    chunk(
        id,
        &format!("{{\"content\":{}}}", serde_json::to_string(text).unwrap()),
    )
}

pub(crate) fn role(id: &str) -> String {
    chunk(id, r#"{"role":"assistant","content":""}"#)
}

pub(crate) fn finish(id: &str) -> String {
    chunk(id, "{}").replace("\"finish_reason\":null", "\"finish_reason\":\"stop\"")
}

pub(crate) const DONE: &str = "data: [DONE]\n\n";

/// A whole stream of these pieces.
pub(crate) fn stream(id: &str, pieces: &[&str]) -> String {
    let pieces: String = pieces.iter().map(|text| says(id, text)).collect();
    role(id) + &pieces + &finish(id) + DONE
}

pub(crate) fn streaming() -> Req {
    let mut request = request("a");
    let document = Document::parse(Bytes::from_static(b"{}")).unwrap();
    let wish = LlmRequest::new("a", true, document);
    request.extensions_mut().insert(wish);
    request.extensions_mut().insert(Tried::new());
    request
}

/// What a client has seen of a stream, and how it ended.
pub(crate) struct Seen {
    pub(crate) bytes: String,
    pub(crate) end: Result<(), Failure>,
    pub(crate) asked: Vec<String>,
}

impl Seen {
    pub(crate) fn chunks(&self) -> Vec<serde_json::Value> {
        let lines = self.bytes.lines();
        let data = lines.filter_map(|line| line.strip_prefix("data: {"));
        data.map(|rest| serde_json::from_str(&format!("{{{rest}")).unwrap())
            .collect()
    }

    /// What was said in a member of the deltas.
    pub(crate) fn text(&self, name: &str) -> String {
        let chunks = self.chunks();
        let texts = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"][name].as_str());
        texts.collect()
    }

    pub(crate) fn failed(&self) -> FailureKind {
        self.end.as_ref().unwrap_err().kind()
    }
}

/// A body that breaks after this.
pub(crate) fn broken(text: impl Into<Bytes>) -> ScriptedBody {
    ScriptedBody::new().data(text).error("reset")
}

pub(crate) fn whole(text: impl Into<Bytes>) -> ScriptedBody {
    ScriptedBody::new().data(text)
}

/// Each group's stream.
pub(crate) type Bodies = HashMap<&'static str, ScriptedBody>;

pub(crate) async fn play(layer: &FallbackLayer, request: Req, bodies: Bodies) -> Seen {
    play_failing(layer, request, bodies, FailureKind::Disconnected.into()).await
}

/// Bodies that break do so with this failure.
pub(crate) async fn play_failing(
    layer: &FallbackLayer,
    request: Req,
    bodies: Bodies,
    failure: Failure,
) -> Seen {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let service = {
        let asked = Arc::clone(&asked);
        let bodies = Arc::new(bodies);
        service_fn(move |request: Req| {
            let group = group_of(&request);
            let failure = failure.clone();
            let body = bodies.get(&*group).cloned();
            asked.lock().unwrap().push(group.clone());
            async move {
                let response: Response<ScriptedBody> = match body {
                    None => Response::builder()
                        .status(500)
                        .body(ScriptedBody::new())
                        .unwrap(),
                    Some(body) => Response::builder()
                        .header(CONTENT_TYPE, "text/event-stream; charset=utf-8")
                        .extension(DeploymentId::from(group))
                        .body(body)
                        .unwrap(),
                };
                Ok::<_, Infallible>(response.map(|body| body.map_err(move |_| failure.clone())))
            }
        })
    };
    let response = layer.layer(service).oneshot(request).await.unwrap();
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    let end = loop {
        match body.frame().await {
            Some(Ok(frame)) => bytes.extend(frame.into_data().unwrap()),
            Some(Err(failure)) => break Err(failure),
            None => break Ok(()),
        }
    };
    assert!(body.frame().await.is_none());
    let asked = asked.lock().unwrap().clone();
    Seen {
        bytes: String::from_utf8(bytes).unwrap(),
        end,
        asked,
    }
}
