//! `generationConfig`: how to answer.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::{Failure, json::Document};
use ziggurat_provider::params::{self, refusal};

use super::{node::Node, object::Object, schema, thinking};
use crate::model::{Generation, Model};

/// OpenAI's names, and Google's for the same.
const RENAMED: [(&str, &str); 10] = [
    ("temperature", "temperature"),
    ("top_p", "top_p"),
    ("n", "candidate_count"),
    ("seed", "seed"),
    ("presence_penalty", "presence_penalty"),
    ("frequency_penalty", "frequency_penalty"),
    ("logprobs", "responseLogprobs"),
    ("top_logprobs", "logprobs"),
    ("max_tokens", "max_output_tokens"),
    ("max_completion_tokens", "max_output_tokens"),
];

/// Google's own names, which may stand among OpenAI's.
const NATIVE: [&str; 28] = [
    "top_k",
    "topK",
    "topP",
    "candidate_count",
    "candidateCount",
    "max_output_tokens",
    "maxOutputTokens",
    "stop_sequences",
    "stopSequences",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "response_mime_type",
    "responseMimeType",
    "response_schema",
    "responseSchema",
    "response_json_schema",
    "responseJsonSchema",
    "thinking_config",
    "thinkingConfig",
    "responseModalities",
    "response_modalities",
    "speechConfig",
    "speech_config",
    "mediaResolution",
    "media_resolution",
    "imageConfig",
    "routingConfig",
];

pub(super) struct Config {
    model: Model,
    out: Object,
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    json_schema: Option<&'a RawValue>,
    #[serde(borrow)]
    response_schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
}

impl Config {
    pub(super) fn new(model: Model) -> Self {
        Self {
            model,
            out: Object::default(),
        }
    }

    /// Whether the model does not take a parameter.
    pub(super) fn is_unsupported(&self, name: &str, value: &[u8]) -> bool {
        let is_of_thinking = matches!(name, "reasoning_effort" | "thinking");
        is_of_thinking && !self.model.thinks() && !thinking::is_off(value)
    }

    /// Takes a parameter of the request, if it is one about the answer.
    pub(super) fn take(&mut self, name: &str, value: &[u8]) -> Result<bool, Failure> {
        if let Some((_, google)) = RENAMED.iter().find(|(openai, _)| *openai == name) {
            let is_older = name == "max_tokens" && self.out.contains(google);
            // Some models refuse penalties and probabilities, also those of no effect.
            if !is_older && !params::asks_for_nothing(name, value) {
                self.out.set(*google, Bytes::copy_from_slice(value));
            }
            return Ok(true);
        }
        if NATIVE.contains(&name) {
            self.out.set(name.to_owned(), Bytes::copy_from_slice(value));
            return Ok(true);
        }
        match name {
            "stop" if value == b"[]" => {}
            "stop" => self.stop(value),
            "response_format" => self.format(value)?,
            "reasoning_effort" | "thinking" if thinking::is_off(value) => {
                if let Some(config) = thinking::off(self.model) {
                    self.out.set_value("thinkingConfig", &config);
                }
            }
            "reasoning_effort" => {
                let config = thinking::of_effort(self.model, value)?;
                self.out.set_value("thinkingConfig", &config);
            }
            "thinking" => {
                let config = thinking::of_budget(value)?;
                self.out.set_value("thinkingConfig", &config);
            }
            "modalities" => self.modalities(value)?,
            "generationConfig" | "generation_config" => self.merge(value)?,
            // The sound of an answer, which is not asked for.
            "audio" if !self.out.contains("responseModalities") => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn finish(mut self, whole: &mut Object) {
        // Google advises against any other, and LiteLLM sends it.
        if self.model.generation == Generation::Three && !self.out.contains("temperature") {
            self.out.set("temperature", Bytes::from_static(b"1.0"));
        }
        if !self.out.is_empty() {
            whole.set("generationConfig", self.out.print());
        }
    }

    fn stop(&mut self, value: &[u8]) {
        let sequences = match value.first() {
            Some(b'[') => Bytes::copy_from_slice(value),
            _ => [b"[", value, b"]"].concat().into(),
        };
        self.out.set("stop_sequences", sequences);
    }

    fn format(&mut self, value: &[u8]) -> Result<(), Failure> {
        let invalid = |message: &str| Err(refusal("response_format", message));
        let Ok(format) = serde_json::from_slice::<Format<'_>>(value) else {
            return invalid("response_format must be an object with a type");
        };
        let schema = match (&*format.kind, format.response_schema) {
            ("text", _) => return Ok(()),
            ("json_object", schema) => schema,
            ("json_schema", _) => {
                let named = format.json_schema.map(RawValue::get);
                let named = named.and_then(|named| serde_json::from_str::<Named<'_>>(named).ok());
                match named.and_then(|named| named.schema) {
                    Some(schema) => Some(schema),
                    None => return invalid("response_format.json_schema.schema is missing"),
                }
            }
            _ => return invalid("response_format.type must be text, json_object or json_schema"),
        };
        self.out
            .set_value("response_mime_type", &"application/json");
        let Some(schema) = schema else {
            return Ok(());
        };
        if !schema.get().starts_with('{') {
            return invalid("response_format.json_schema.schema is no schema");
        }
        if self.model.generation >= Generation::Two {
            let schema = Bytes::copy_from_slice(schema.get().as_bytes());
            self.out.set("response_json_schema", schema);
            return Ok(());
        }
        let Ok(node) = serde_json::from_str::<Node<'_>>(schema.get()) else {
            return invalid("response_format.json_schema.schema is no schema");
        };
        let schema =
            schema::google(&node, true).map_err(|problem| refusal("response_format", problem))?;
        self.out.set_value("response_schema", &schema);
        Ok(())
    }

    fn modalities(&mut self, value: &[u8]) -> Result<(), Failure> {
        let names: Vec<String> = serde_json::from_slice(value)
            .map_err(|_| refusal("modalities", "modalities must be a list of names"))?;
        if names.iter().any(|name| name == "audio") {
            let message = "modalities: answers that are spoken are not supported";
            return Err(refusal("modalities", message));
        }
        if names != ["text"] {
            let names: Vec<_> = names.iter().map(|name| name.to_uppercase()).collect();
            self.out.set_value("responseModalities", &names);
        }
        Ok(())
    }

    /// Takes Google's own object apart; what it says stands beside what OpenAI's parameters say.
    fn merge(&mut self, value: &[u8]) -> Result<(), Failure> {
        let config = Document::parse(Bytes::copy_from_slice(value))
            .map_err(|_| refusal("generationConfig", "generationConfig must be an object"))?;
        for (name, value) in config.members() {
            let value = Bytes::copy_from_slice(value.as_bytes());
            self.out.set(name.into_owned(), value);
        }
        Ok(())
    }
}
