//! A client's request, in the words of Converse.

mod content;
mod fields;
mod format;
mod invoke;
mod messages;
mod thinking;
mod tools;
mod turns;
mod wire;

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, value::RawValue};
use ziggurat_core::{Failure, JsonBody, json::Document};
use ziggurat_provider::{
    Call,
    names::Names,
    params,
    params::{ToolChoice, refusal},
    usage,
};

pub(crate) use self::fields::is_of_converse;
use self::{
    fields::Params, format::Format, messages::Conversation, tools::Declared, wire::Converse,
};
use crate::{dialect::Template, model::Route};

/// The tool that stands in for a schema of the answer.
pub(crate) const JSON_TOOL: &str = "json_tool_call";

/// Longest name of a tool, and longest id of a call, that Bedrock takes.
const LONGEST: usize = 64;

/// What is sent, and what the answer has to be made of.
pub(crate) struct Built {
    pub(crate) body: Bytes,
    pub(crate) asked: Asked,
}

/// What a request asked for, as far as the answer shows it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) stream: bool,
    /// The chunk that tells the usage: with about so many tokens of the prompt, if the upstream does not tell.
    pub(crate) usage: Option<u64>,
    /// JSON of a schema, by way of a tool that is called with it.
    pub(crate) json_tool: bool,
    /// Tools that had to be renamed.
    pub(crate) names: Names,
}

/// Makes the body for the upstream.
///
/// # Errors
///
/// [`BadRequest`](ziggurat_core::FailureKind::BadRequest) that names what cannot be said.
pub(crate) fn build(template: &Template, call: Call<'_>) -> Result<Built, Failure> {
    let body = params::body(call, &template.defaults);
    let document = document(&body)?;
    let model = &template.model;
    let mut fields = Params::read(template, &document)?;
    let format = Format::read(&fields, model)?;
    let json_tool = matches!(format, Format::Tool(_));
    let messages = messages::read(&document)?;
    let declared = Declared::read(&fields, model)?;
    let names = {
        let called = messages::names(&messages);
        let chosen = fields.tool_choice.iter().flat_map(ToolChoice::names);
        let all: Vec<&str> = declared.names().chain(called).chain(chosen).collect();
        let reserved: &[&str] = if json_tool { &[JSON_TOOL] } else { &[] };
        Names::fit(&all, LONGEST, reserved)
    };
    let has_tools = json_tool || !declared.is_empty();
    let tools = declared.say(&mut fields, model, &names)?;
    let conversation = Conversation::of(messages, &names, has_tools, model)?;
    let is_forced = tools.as_ref().is_some_and(|tools| tools.is_forced());
    // Models that find their budget themselves may begin at any turn, and before any call.
    let may_think = model.adapts() || !(is_forced || conversation.resumes_without_thoughts());
    fields.think(model, may_think)?;
    let tools = format.add(&mut fields, tools, model);
    let asked = Asked {
        stream: call.stream(),
        usage: (call.stream() && fields.include_usage).then(|| usage::of_prompt(call, &body)),
        json_tool,
        names,
    };
    let converse = Converse::new(fields, conversation, tools);
    let body = match model.route {
        Route::Converse => print(&converse),
        Route::Invoke => print(&invoke::Anthropic::of(converse)),
    };
    Ok(Built { body, asked })
}

/// Reads a body with its edits. Without any it is the client's own text, which is read already.
fn document(body: &JsonBody) -> Result<Document, Failure> {
    let (own, text) = (body.document(), body.to_bytes());
    if std::ptr::eq::<[u8]>(&**own.raw(), &*text) {
        return Ok(own.clone());
    }
    Document::parse(text).map_err(|_| refusal("messages", "the request is no JSON object"))
}

fn print(body: &impl Serialize) -> Bytes {
    let printed = serde_json::to_vec(body);
    printed
        .expect("texts, numbers and what was JSON before print")
        .into()
}

/// Reads a member; its type is the client's fault.
fn decode<T: DeserializeOwned>(param: &str, value: &[u8]) -> Result<T, Failure> {
    let fault = |_| invalid(param, "is not of the type that it should be");
    serde_json::from_slice(value).map_err(fault)
}

/// The refusal of a part of the request, by its place.
fn invalid(at: &str, what: &str) -> Failure {
    refusal(at, format!("{at} {what}"))
}

/// JSON that is passed on as it is.
fn raw(value: &str) -> &RawValue {
    serde_json::from_str(value).expect("it was read before")
}

type Object = Map<String, Value>;
type Text<'a> = Cow<'a, str>;
