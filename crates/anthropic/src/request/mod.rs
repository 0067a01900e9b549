//! Requests, from OpenAI's words into Anthropic's.

mod input;
mod messages;
mod params;
mod parts;
mod schema;
mod thinking;
mod tools;
mod wire;

use bytes::Bytes;
use serde_json::{Value, json, value::RawValue};
use ziggurat_core::{Failure, JsonBody};
use ziggurat_provider::{Call, names::Names, params::Permits, usage};

pub(crate) use self::params::is_openai;
use self::{
    input::Message,
    messages::Conversation,
    params::{Format, Params},
    tools::{Choice, Declared},
    wire::{Body, Tool},
};
use crate::template::Model;

/// The tool that stands in for `response_format`.
pub(crate) const JSON_TOOL: &str = "json_tool_call";

/// Longest name of a tool that Anthropic takes.
const LONGEST_NAME: usize = 128;

/// Asks for answers of a schema.
const STRUCTURED: &str = "structured-outputs-2025-11-13";
/// Asks for files by their ids.
const FILES: &str = "files-api-2025-04-14";

/// A request as it is sent, and what the reader of its answer has to know.
pub(crate) struct Translated {
    pub(crate) body: Bytes,
    pub(crate) asked: Asked,
    /// What the header `anthropic-beta` has to name.
    pub(crate) betas: Vec<&'static str>,
}

/// What a request asked for, as far as the answer shows it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) stream: bool,
    /// The chunk that tells the usage: with about so many tokens of the prompt, if the upstream does not tell.
    pub(crate) usage: Option<u64>,
    /// JSON of a schema, by way of a tool that is called with it.
    pub(crate) json_tool: bool,
    pub(crate) names: Names,
}

/// Makes the request for the upstream.
///
/// # Errors
///
/// [`BadRequest`](ziggurat_core::FailureKind::BadRequest) that names what Anthropic has no words for.
pub(crate) fn translate(
    body: &JsonBody,
    permits: &Permits<'_>,
    model: &Model,
    call: Call<'_>,
) -> Result<Translated, Failure> {
    let stream = call.stream();
    let mut params = Params::read(body, permits, model)?;
    let messages = messages::read(params.messages)?;
    let choice = params.tool_choice.map(Choice::read).transpose()?;
    let declared = Declared::read(params.tools, choice.as_ref())?;
    let stands_in = params.format.is_some() && !model.knows_schemas;
    let names = fit_names(&messages, &declared, choice.as_ref(), stands_in);
    let conversation = Conversation::of(messages, &names)?;
    let mut tools = declared.say(&names);
    let mut choice = choice
        .filter(|_| !tools.is_empty())
        .map(|choice| choice.say(&names));
    // Models that find their budget themselves may begin at any turn, and before any call.
    let may_think =
        model.adapts || !(is_forced(choice.as_ref()) || conversation.resumes_without_thoughts());
    params.think(model, permits, may_think)?;
    let mut betas = Vec::new();
    let mut written: Vec<(&'static str, Box<RawValue>)> = Vec::new();
    let mut json_tool = false;
    match &params.format {
        Some(_) if !stands_in && params.has_own("output_format") => {
            let what = "stands beside response_format, and an answer has one schema";
            return Err(parts::invalid("output_format", what));
        }
        Some(format) if !stands_in => {
            let schema = schema::fit(format.schema);
            let text = format!(r#"{{"type":"json_schema","schema":{schema}}}"#);
            written.push(("output_format", crate::object::raw(text)));
            betas.push(STRUCTURED);
        }
        Some(format) => json_tool = stand_in(format, params.thinks(), &mut tools, &mut choice),
        None => {}
    }
    if tools.is_empty() && conversation.calls_tools {
        tools.push(tools::dummy());
    }
    if let Some(parallel) = params.parallel
        && !tools.is_empty()
    {
        say_parallel(parallel, &mut choice);
    }
    let asked = Asked {
        stream,
        usage: (stream && params.usage).then(|| usage::of_prompt(call, body)),
        json_tool,
        names,
    };
    let system = params.system(conversation.system)?;
    let max_tokens = params.limit_sent(model);
    let mut made = params.made;
    made.extend(choice.map(|choice| ("tool_choice", choice)));
    let body = Body {
        model: &model.name,
        messages: conversation.turns,
        system,
        max_tokens,
        tools,
        stop: params.stop,
        user: params.user,
        stream,
        made,
        written,
        others: params.others,
    };
    let body = serde_json::to_vec(&body).expect("its keys are strings");
    if memchr::memmem::find(&body, br#""file_id":"#).is_some() {
        betas.push(FILES);
    }
    Ok(Translated {
        body: body.into(),
        asked,
        betas,
    })
}

/// Fits the names of all tools to each other; those that are declared come first.
fn fit_names(
    messages: &[Message<'_>],
    declared: &Declared<'_>,
    choice: Option<&Choice>,
    stands_in: bool,
) -> Names {
    let chosen = choice.into_iter().flat_map(Choice::names);
    let names = declared.names().chain(messages::names(messages));
    let names: Vec<&str> = names.chain(chosen).collect();
    let reserved: &[&str] = if stands_in { &[JSON_TOOL] } else { &[] };
    Names::fit(&names, LONGEST_NAME, reserved)
}

/// Whether a choice demands the call of a tool.
fn is_forced(choice: Option<&Value>) -> bool {
    let kind = choice.and_then(|choice| choice["type"].as_str());
    matches!(kind, Some("any" | "tool"))
}

/// Says whether several tools may be called at once.
fn say_parallel(parallel: bool, choice: &mut Option<Value>) {
    let choice = choice.get_or_insert_with(|| json!({"type": "auto"}));
    if choice["type"] != "none" {
        choice["disable_parallel_tool_use"] = Value::Bool(!parallel);
    }
}

/// Puts the tool in place of a schema. Says whether answers may call it: a choice that demands a call of the client's
/// tools asks for no content.
fn stand_in<'a>(
    format: &Format<'a>,
    thinks: bool,
    tools: &mut Vec<Tool<'a>>,
    choice: &mut Option<Value>,
) -> bool {
    let kind = choice.as_ref().map(|choice| choice["type"].clone());
    let wanted = match kind.as_ref().and_then(Value::as_str) {
        // Models that think cannot be made to call a tool.
        _ if thinks => json!({"type": "auto"}),
        _ if tools.is_empty() => json!({"type": "tool", "name": JSON_TOOL}),
        Some("none") => json!({"type": "tool", "name": JSON_TOOL}),
        None | Some("auto") => json!({"type": "any"}),
        Some(_) => return false,
    };
    tools.push(tools::json_tool(format.schema, format.description));
    *choice = Some(wanted);
    true
}
