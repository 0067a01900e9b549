//! The documents of OpenAI's API, as far as a mock needs them.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::{BufMut, Bytes, BytesMut};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Answer, ApiError, anthropic, receive::Request};

/// What an upstream says to a request that its step answers.
#[derive(Debug)]
pub(crate) enum Said {
    Document(Bytes),
    Stream(Vec<Bytes>),
    Refusal(ApiError),
}

/// Who answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speaker<'a> {
    pub(crate) name: &'a str,
    pub(crate) models: &'a [String],
    /// The number of the request, for ids.
    pub(crate) number: u64,
}

impl Speaker<'_> {
    pub(crate) fn say(self, answer: &Answer, request: &Request) -> Said {
        let path = request.uri.path().trim_end_matches('/');
        let wanted = if path.ends_with("/models") {
            Method::GET
        } else {
            Method::POST
        };
        let known = ["/models", "/completions", "/embeddings", anthropic::PATH]
            .iter()
            .any(|suffix| path.ends_with(suffix));
        if !known {
            return Said::Refusal(
                ApiError::new(StatusCode::NOT_FOUND).message("Unknown request URL."),
            );
        }
        if request.method != wanted {
            return Said::Refusal(
                ApiError::new(StatusCode::METHOD_NOT_ALLOWED).message("Method not allowed."),
            );
        }
        if wanted == Method::GET {
            return Said::Document(self.list());
        }
        let asked: Asked = match serde_json::from_slice(&request.body) {
            Ok(asked) => asked,
            Err(_) => return Said::Refusal(unreadable()),
        };
        let model = asked
            .model
            .clone()
            .or_else(|| deployment(path))
            .unwrap_or_else(|| self.name.to_owned());
        if path.ends_with(anthropic::PATH) {
            let reply = anthropic::Reply {
                id: format!("msg_{}_{}", self.name, self.number),
                model: &model,
                deltas: &answer.deltas_for(self.name),
                finish_reason: answer.finish(),
                tokens: answer.tokens(request.body.len(), answer.deltas_for(self.name).len()),
            };
            return match asked.stream.unwrap_or(false) {
                true => Said::Stream(reply.stream()),
                false => Said::Document(reply.document()),
            };
        }
        if path.ends_with("/embeddings") {
            return Said::Document(embeddings(&asked, model, request.body.len()));
        }
        let form = if path.ends_with("/chat/completions") {
            Form::Chat
        } else {
            Form::Text
        };
        let deltas = answer.deltas_for(self.name);
        let words = Words {
            form,
            id: format!("{}-{}-{}", form.id(), self.name, self.number),
            created: now(),
            model: &model,
            deltas: &deltas,
            finish_reason: answer.finish(),
            usage: Usage::new(answer.tokens(request.body.len(), deltas.len())),
        };
        if asked.stream.unwrap_or(false) {
            let usage = asked
                .stream_options
                .and_then(|options| options.include_usage)
                .unwrap_or(false);
            Said::Stream(words.stream(usage))
        } else {
            Said::Document(words.document())
        }
    }

    fn list(self) -> Bytes {
        let (created, owned_by) = (now(), self.name);
        let model = |id| Model {
            id,
            object: "model",
            created,
            owned_by,
        };
        json(&List {
            object: "list",
            data: self.models.iter().map(|id| model(id)).collect(),
            model: None,
            usage: None,
        })
    }
}

/// Serializes a document of this crate.
pub(crate) fn json(document: &impl Serialize) -> Bytes {
    serde_json::to_vec(document)
        .expect("documents have string keys and no fallible types")
        .into()
}

fn unreadable() -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST)
        .message("The JSON body of the request could not be parsed.")
}

/// Returns the deployment that an Azure path names: `…/deployments/<name>/chat/completions`.
fn deployment(path: &str) -> Option<String> {
    let (_, rest) = path.split_once("/deployments/")?;
    rest.split('/').next().map(Into::into)
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |age| age.as_secs())
}

fn embeddings(asked: &Asked, model: String, body: usize) -> Bytes {
    // A list of numbers is one text as tokens; a list of anything else is a list of texts.
    let count = match &asked.input {
        Some(Value::Array(items)) if items.iter().any(|item| !item.is_number()) => items.len(),
        _ => 1,
    };
    let embedding = |index| Embedding {
        object: "embedding",
        index,
        embedding: [0.25, -0.5, 0.75],
    };
    let usage = Usage::new((Answer::hello().tokens(body, 0).0, 0));
    json(&List {
        object: "list",
        data: (0..count).map(embedding).collect(),
        model: Some(model),
        usage: Some(usage),
    })
}

#[derive(Debug, Deserialize)]
struct Asked {
    model: Option<String>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    input: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Chat,
    Text,
}

impl Form {
    fn id(self) -> &'static str {
        match self {
            Self::Chat => "chatcmpl",
            Self::Text => "cmpl",
        }
    }

    fn object(self, stream: bool) -> &'static str {
        match (self, stream) {
            (Self::Chat, false) => "chat.completion",
            (Self::Chat, true) => "chat.completion.chunk",
            (Self::Text, _) => "text_completion",
        }
    }
}

/// An answer to one request, before it takes the form of a document or a stream.
struct Words<'a> {
    form: Form,
    id: String,
    created: u64,
    model: &'a str,
    deltas: &'a [String],
    finish_reason: &'a str,
    usage: Usage,
}

impl Words<'_> {
    fn document(&self) -> Bytes {
        let text = self.deltas.concat();
        let content = match self.form {
            Form::Chat => Content::Message(Message {
                role: Some("assistant"),
                content: Some(&text),
            }),
            Form::Text => Content::Text(&text),
        };
        let choice = Choice::new(content, Some(self.finish_reason));
        json(&self.completion(false, vec![choice], Some(Some(self.usage))))
    }

    /// Returns the events: the role, each delta, the finish reason, the usage if it was asked for, `[DONE]`.
    fn stream(&self, with_usage: bool) -> Vec<Bytes> {
        let usage = with_usage.then_some(None);
        let event = |content, finish| {
            event(&self.completion(true, vec![Choice::new(content, finish)], usage))
        };
        let mut events = Vec::with_capacity(self.deltas.len() + 4);
        if self.form == Form::Chat {
            events.push(event(
                Content::Delta(Message {
                    role: Some("assistant"),
                    content: Some(""),
                }),
                None,
            ));
        }
        events.extend(self.deltas.iter().map(|delta| match self.form {
            Form::Chat => event(
                Content::Delta(Message {
                    role: None,
                    content: Some(delta),
                }),
                None,
            ),
            Form::Text => event(Content::Text(delta), None),
        }));
        let last = match self.form {
            Form::Chat => Content::Delta(Message {
                role: None,
                content: None,
            }),
            Form::Text => Content::Text(""),
        };
        events.push(event(last, Some(self.finish_reason)));
        if with_usage {
            events.push(crate::openai::event(&self.completion(
                true,
                Vec::new(),
                Some(Some(self.usage)),
            )));
        }
        events.push(Bytes::from_static(b"data: [DONE]\n\n"));
        events
    }

    fn completion<'a>(
        &'a self,
        stream: bool,
        choices: Vec<Choice<'a>>,
        usage: Option<Option<Usage>>,
    ) -> Completion<'a> {
        let Self {
            form,
            id,
            created,
            model,
            ..
        } = self;
        Completion {
            id,
            object: form.object(stream),
            created: *created,
            model,
            choices,
            usage,
        }
    }
}

fn event(document: &impl Serialize) -> Bytes {
    let mut writer = BytesMut::from(&b"data: "[..]).writer();
    serde_json::to_writer(&mut writer, document)
        .expect("documents have string keys and no fallible types");
    let mut bytes = writer.into_inner();
    bytes.extend_from_slice(b"\n\n");
    bytes.freeze()
}

#[derive(Debug, Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    /// Left out of a stream, unless it was asked for: then null in all chunks but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
}

#[derive(Debug, Serialize)]
struct Choice<'a> {
    index: u32,
    #[serde(flatten)]
    content: Content<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'a str>,
}

impl<'a> Choice<'a> {
    fn new(content: Content<'a>, finish_reason: Option<&'a str>) -> Self {
        Self {
            index: 0,
            content,
            logprobs: None,
            finish_reason,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Content<'a> {
    Message(Message<'a>),
    Delta(Message<'a>),
    Text(&'a str),
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

impl Usage {
    fn new((prompt_tokens, completion_tokens): (u64, u64)) -> Self {
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
        }
    }
}

#[derive(Debug, Serialize)]
struct List<T> {
    object: &'static str,
    data: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Debug, Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'a str,
}

#[derive(Debug, Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    embedding: [f32; 3],
}
