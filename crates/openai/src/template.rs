//! What all requests of a deployment have in common, made once.

use bytes::Bytes;
use http::{HeaderMap, Uri};
use ziggurat_core::{Failure, FailureKind, JsonBody};
use ziggurat_provider::Call;

use crate::{
    Face, limits::Limits, messages::Rewrites, reasoning::Series, reserved::is_reserved,
    unsupported::Unsupported,
};

/// A deployment, ready to be called. It holds keys: no `Debug`.
pub(crate) struct Template {
    pub(crate) face: Face,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) key_missing: bool,
    /// What must never be shown, should an upstream quote it.
    pub(crate) secrets: Vec<Box<str>>,
    pub(crate) api_base: Box<str>,
    pub(crate) model: Box<str>,
    pub(crate) model_json: Bytes,
    pub(crate) series: Option<Series>,
    /// Set if the API version or the model lacks something.
    pub(crate) limits: Option<Limits>,
    pub(crate) rewrites: Rewrites,
    pub(crate) defaults: Vec<(Box<str>, Bytes)>,
    pub(crate) unsupported: Unsupported,
}

impl Template {
    /// Makes the body for the upstream. What the request says wins over defaults, what a fallback says over both.
    pub(crate) fn body(&self, call: Call<'_>) -> JsonBody {
        let mut body = call.body().clone();
        flatten_extra_body(&mut body);
        for (name, value) in &self.defaults {
            match body.get(name) {
                None => body.set(name.to_string(), value.clone()),
                Some(tools) if &**name == "tools" => {
                    if let Some(all) = concat(value, tools) {
                        body.set("tools", all);
                    }
                }
                Some(_) => {}
            }
        }
        for (name, value) in call.parameters() {
            if !is_reserved(name) {
                body.set(name.to_owned(), value.clone());
            }
        }
        body.set("model", self.model_json.clone());
        self.rewrites.apply(&mut body);
        body
    }

    /// Fits parameters to what the model and the API version take. Says whether the answer will come as a call of the
    /// tool that stands in for `response_format`.
    ///
    /// # Errors
    ///
    /// [`BadRequest`](FailureKind::BadRequest) that names what is not taken.
    pub(crate) fn fit(&self, body: &mut JsonBody) -> Result<bool, Failure> {
        if self.series.is_none() && self.limits.is_none() {
            return Ok(false);
        }
        let permits = self.unsupported.permits(body);
        if let Some(series) = self.series {
            series.fit(body, &self.model, &permits)?;
        }
        match &self.limits {
            Some(limits) => limits.fit(body, &permits),
            None => Ok(false),
        }
    }

    pub(crate) fn missing_key(&self) -> Failure {
        let name = match self.face {
            Face::OpenAi => "OPENAI_API_KEY",
            Face::Azure => "AZURE_API_KEY",
            Face::HuggingFace => "HF_TOKEN",
        };
        let message = format!("no key for the provider: set api_key or {name}");
        Failure::new(FailureKind::Authentication).with_message(message)
    }
}

/// Puts the members of `extra_body` where clients mean them to be.
fn flatten_extra_body(body: &mut JsonBody) {
    let Some(extra) = body.get("extra_body") else {
        return;
    };
    let extra = ziggurat_core::json::Document::parse(Bytes::copy_from_slice(extra));
    body.remove("extra_body");
    let Ok(extra) = extra else { return };
    for (name, value) in extra.members() {
        if !is_reserved(&name) {
            body.set(name.into_owned(), Bytes::copy_from_slice(value.as_bytes()));
        }
    }
}

/// Joins two arrays; `None` if either is none.
pub(crate) fn concat(first: &[u8], second: &[u8]) -> Option<Bytes> {
    let inside = |array: &[u8]| -> Option<Vec<u8>> {
        let inside = array.trim_ascii().strip_prefix(b"[")?.strip_suffix(b"]")?;
        Some(inside.trim_ascii().to_vec())
    };
    let (first, second) = (inside(first)?, inside(second)?);
    let comma: &[u8] = match first.is_empty() || second.is_empty() {
        true => b"",
        false => b",",
    };
    Some([b"[", &first[..], comma, &second[..], b"]"].concat().into())
}
