//! What a model says, in OpenAI's words.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{json, value::RawValue};

use super::wire::{Candidate, Logprobs, Part};
use crate::{names::Names, request::SIGNATURE, text::JsonText};

/// How far a choice has come: what it is made of is numbered through all of its deltas.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) calls: usize,
    images: usize,
    /// Blocks of thoughts that have begun.
    thoughts: usize,
    /// Whether the last of them goes on.
    is_thinking: bool,
}

/// A message, or a piece of one.
#[derive(Default, Serialize)]
pub(super) struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Option<JsonText<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_content: Option<JsonText<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) thinking_blocks: Vec<Thinking<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<ToolCall<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) images: Vec<Image>,
}

/// Thoughts in a row, as Anthropic's clients know them.
#[derive(Serialize)]
pub(super) struct Thinking<'a> {
    /// Told in streams, whose pieces clients put together by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) index: Option<usize>,
    #[serde(rename = "type")]
    kind: &'static str,
    thinking: JsonText<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signature: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
pub(super) struct ToolCall<'a> {
    index: usize,
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_specific_fields: Option<Specific<'a>>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: Cow<'a, str>,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Specific<'a> {
    thought_signature: Cow<'a, str>,
}

#[derive(Serialize)]
pub(super) struct Image {
    #[serde(rename = "type")]
    kind: &'static str,
    index: usize,
    image_url: Url,
}

#[derive(Serialize)]
struct Url {
    url: String,
}

impl<'a> Message<'a> {
    /// Reads the parts of a candidate, which go on from what came before.
    pub(super) fn of(parts: Vec<Part<'a>>, progress: &mut Progress, names: &Names) -> Self {
        let mut message = Self::default();
        for part in parts {
            let signature = part.thought_signature.map(|signature| signature.0);
            let is_thought = part.thought == Some(true);
            if let Some(call) = part.function_call {
                let arguments = call.args.map_or("{}", arguments);
                let name = names.own(call.name.0);
                let call = ToolCall::new(progress.calls, name, arguments, signature);
                message.tool_calls.push(call);
                progress.calls += 1;
            } else if let Some(blob) = part.inline_data {
                let (kind, data) = (blob.mime_type.0, blob.data.0);
                message.images.push(Image {
                    kind: "image_url",
                    index: progress.images,
                    image_url: Url {
                        url: format!("data:{kind};base64,{data}"),
                    },
                });
                progress.images += 1;
            } else if let Some(text) = part.text {
                if is_thought {
                    message.think(text, signature, progress);
                    continue;
                }
                if text.is_empty() {
                    continue;
                }
                append(message.content.get_or_insert_default(), text);
            }
            progress.is_thinking = false;
        }
        message
    }

    /// Adds thoughts to the block that goes on, or begins another: a signature ends one.
    fn think(
        &mut self,
        text: JsonText<'a>,
        signature: Option<Cow<'a, str>>,
        progress: &mut Progress,
    ) {
        append(&mut self.reasoning_content, text.clone());
        if !progress.is_thinking {
            progress.thoughts += 1;
        }
        let index = progress.thoughts - 1;
        progress.is_thinking = signature.is_none();
        match self.thinking_blocks.last_mut() {
            Some(block) if block.index == Some(index) => {
                block.thinking.push(&text);
                block.signature = signature;
            }
            _ => self.thinking_blocks.push(Thinking {
                index: Some(index),
                kind: "thinking",
                thinking: text,
                signature,
            }),
        }
    }

    /// How long the texts are, in bytes.
    pub(super) fn len(&self) -> usize {
        let content = self.content.as_ref().and_then(Option::as_ref);
        let texts = content.into_iter().chain(&self.reasoning_content);
        let texts = texts.map(|text| text.inside().len());
        let calls = self.tool_calls.iter().map(|call| &call.function);
        let calls = calls.map(|function| function.name.len() + function.arguments.len());
        texts.chain(calls).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        let has_text = matches!(&self.content, Some(Some(text)) if !text.is_empty());
        let has_thoughts = !self.thinking_blocks.is_empty();
        !has_text && !has_thoughts && self.tool_calls.is_empty() && self.images.is_empty()
    }
}

impl<'a> ToolCall<'a> {
    /// Google gives calls no ids. The signature rides on the one that is made, since most clients send back no more.
    fn new(
        index: usize,
        name: Cow<'a, str>,
        arguments: &'a str,
        signature: Option<Cow<'a, str>>,
    ) -> Self {
        let digits = std::iter::repeat_with(|| fastrand::digit(16)).take(28);
        let mut id: String = "call_".chars().chain(digits).collect();
        if let Some(signature) = &signature {
            id.push_str(SIGNATURE);
            id.push_str(signature);
        }
        Self {
            index,
            id,
            kind: "function",
            function: Function { name, arguments },
            provider_specific_fields: signature
                .map(|thought_signature| Specific { thought_signature }),
        }
    }
}

fn append<'a>(all: &mut Option<JsonText<'a>>, text: JsonText<'a>) {
    match all {
        Some(all) => all.push(&text),
        None => *all = Some(text),
    }
}

fn arguments(args: &RawValue) -> &str {
    match args.get() {
        "null" => "{}",
        args => args,
    }
}

/// OpenAI's word for a reason to end.
pub(super) fn finish(native: &str, calls_tools: bool) -> &'static str {
    match native {
        "MAX_TOKENS" => "length",
        "SAFETY" | "RECITATION" | "LANGUAGE" | "OTHER" | "BLOCKLIST" | "PROHIBITED_CONTENT"
        | "SPII" | "MODEL_ARMOR" => "content_filter",
        image if image.starts_with("IMAGE_") => "content_filter",
        _ if calls_tools => "tool_calls",
        _ => "stop",
    }
}

/// Whether what was said before a filter stopped it is held back as well. A recitation does no harm.
pub(super) fn is_withheld(native: &str) -> bool {
    native != "RECITATION" && finish(native, false) == "content_filter"
}

/// The probabilities of tokens.
pub(super) fn logprobs(result: &Logprobs) -> serde_json::Value {
    let token = |token: &str, logprob: f64| json!({"token": token, "logprob": logprob, "bytes": token.as_bytes()});
    let chosen = result.chosen_candidates.iter().enumerate();
    let content = chosen.map(|(at, chosen)| {
        let tops = result.top_candidates.get(at);
        let tops = tops.into_iter().flat_map(|tops| &tops.candidates);
        let tops: Vec<_> = tops
            .map(|top| token(&top.token, top.log_probability))
            .collect();
        let mut one = token(&chosen.token, chosen.log_probability);
        one["top_logprobs"] = tops.into();
        one
    });
    json!({"content": content.collect::<Vec<_>>(), "refusal": null})
}

/// What Google tells of its sources, of one candidate or of several, under LiteLLM's names.
#[derive(Default, Serialize)]
pub(super) struct Notes<'a> {
    #[serde(
        rename = "vertex_ai_grounding_metadata",
        skip_serializing_if = "Vec::is_empty"
    )]
    grounding: Vec<&'a RawValue>,
    #[serde(
        rename = "vertex_ai_url_context_metadata",
        skip_serializing_if = "Vec::is_empty"
    )]
    urls: Vec<&'a RawValue>,
    #[serde(
        rename = "vertex_ai_safety_results",
        skip_serializing_if = "Vec::is_empty"
    )]
    safety: Vec<&'a RawValue>,
    #[serde(
        rename = "vertex_ai_citation_metadata",
        skip_serializing_if = "Vec::is_empty"
    )]
    citations: Vec<&'a RawValue>,
}

impl<'a> Notes<'a> {
    pub(super) fn is_empty(&self) -> bool {
        let all = [&self.grounding, &self.urls, &self.safety, &self.citations];
        all.into_iter().all(Vec::is_empty)
    }

    /// Whether there is anything of the sources, which may come after the last word.
    pub(super) fn tells(&self) -> bool {
        let sources = [&self.grounding, &self.urls, &self.citations];
        !sources.into_iter().all(Vec::is_empty)
    }

    pub(super) fn add(&mut self, candidate: &Candidate<'a>) {
        self.grounding.extend(candidate.grounding_metadata);
        self.urls.extend(candidate.url_context_metadata);
        self.safety.extend(candidate.safety_ratings);
        self.citations.extend(candidate.citation_metadata);
    }
}
