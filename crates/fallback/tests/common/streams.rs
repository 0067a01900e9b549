//! Streams of chat, and what a client sees of them.

use bytes::Bytes;
use ziggurat_core::{Failure, FailureKind, LlmRequest, Tried, json::Document};
use ziggurat_testing::ScriptedBody;

use super::{Req, request};

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
