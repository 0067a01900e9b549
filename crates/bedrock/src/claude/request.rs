//! Which messages InvokeModel takes as they are.

use std::{borrow::Cow, collections::BTreeMap};

use memchr::memmem;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use ziggurat_core::{Failure, JsonBody};
use ziggurat_provider::{
    Call,
    params::{self, refusal},
};

use crate::model::Model;

/// The members of Anthropic's requests that Bedrock has.
const MEMBERS: &[&str] = &[
    "anthropic_beta",
    "anthropic_version",
    "max_tokens",
    "messages",
    "metadata",
    "output_config",
    "stop_sequences",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];

/// Members of requests that are left out: the path says the first two, and no answer depends on the others.
const LEFT_OUT: &[&str] = &["model", "stream", "cache_control", "service_tier"];

const CONTEXT: &str = "context_management";

/// What the types of tools begin with that clients run themselves, in Anthropic's words, or that Bedrock has.
const TOOLS: &[&str] = &[
    "bash_",
    "computer_",
    "memory_",
    "text_editor_",
    "tool_search_",
];

/// The members of a custom tool.
const OF_TOOL: &[&str] = &[
    "cache_control",
    "defer_loading",
    "description",
    "input_examples",
    "input_schema",
    "name",
    "strict",
    "type",
];

/// What the types of blocks end with that tell of tools which Anthropic's servers run, and of files there.
const BLOCKS: &[&str] = &[
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "container_upload",
];

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(rename = "type", default, borrow)]
    kind: Cow<'a, str>,
}

/// A tool, as it is written.
type Tool<'a> = BTreeMap<String, &'a RawValue>;

/// Looks whether a request can be sent as it is. One that cannot is left to be translated: then all goes as far as
/// Converse has words for it.
///
/// # Errors
///
/// [`BadRequest`](ziggurat_core::FailureKind::BadRequest) that names the member at fault.
pub(super) fn check(call: Call<'_>, model: &Model) -> Result<(), Failure> {
    let body = params::body(call, &[]);
    for (name, value) in body.members() {
        let is_taken = value == b"null"
            || LEFT_OUT.contains(&&*name)
            || match &*name {
                CONTEXT => edits(value).is_some(),
                "messages" => is_own_history(value) && are_plain_marks(value, model),
                "output_config" => model.takes_schemas(),
                "system" => are_plain_marks(value, model),
                "tools" => is_own_tools(value) && are_plain_marks(value, model),
                name => MEMBERS.contains(&name),
            };
        if !is_taken {
            let message = format!("{name} is not for Claude on Bedrock in Anthropic's own form");
            return Err(refusal(&name, message));
        }
    }
    Ok(())
}

/// Leaves out what Bedrock does not know.
pub(super) fn fit(body: &mut JsonBody) {
    let clears = body.get(CONTEXT).and_then(edits);
    let nulls = body.members().filter(|(_, value)| *value == b"null");
    let nulls: Vec<_> = nulls.map(|(name, _)| name.into_owned()).collect();
    for name in nulls {
        body.remove(name);
    }
    for name in LEFT_OUT {
        body.remove(*name);
    }
    if clears == Some(true) {
        body.remove(CONTEXT);
    }
}

/// Whether edits of the context do no more than clear, which no answer needs; `None` if they cannot be read.
fn edits(management: &[u8]) -> Option<bool> {
    #[derive(Deserialize)]
    struct Management<'a> {
        #[serde(default, borrow)]
        edits: Vec<Typed<'a>>,
    }
    let management: Management<'_> = serde_json::from_slice(management).ok()?;
    let mut edits = management.edits.iter();
    Some(edits.all(|edit| edit.kind.starts_with("clear_")))
}

fn is_own_tools(tools: &[u8]) -> bool {
    let tools: Result<Vec<Tool<'_>>, _> = serde_json::from_slice(tools);
    tools.is_ok_and(|tools| tools.iter().all(is_own_tool))
}

fn is_own_tool(tool: &Tool<'_>) -> bool {
    let kind = tool.get("type").map(|kind| kind.get().trim_matches('"'));
    match kind {
        None | Some("null" | "custom") => tool.keys().all(|name| OF_TOOL.contains(&&**name)),
        Some(kind) => TOOLS.iter().any(|own| kind.starts_with(own)),
    }
}

/// Whether a conversation tells of no tool that only Anthropic's servers run.
fn is_own_history(messages: &[u8]) -> bool {
    let may_have = |kind: &&str| memmem::find(messages, kind.as_bytes()).is_some();
    if !BLOCKS.iter().any(may_have) {
        return true;
    }
    let turns: Vec<Turn<'_>> = serde_json::from_slice(messages).unwrap_or_default();
    let contents = turns.into_iter().filter_map(|turn| turn.content);
    let mut blocks = contents.flat_map(|content| {
        serde_json::from_str::<Vec<Typed<'_>>>(content.get()).unwrap_or_default()
    });
    blocks.all(|block| !BLOCKS.iter().any(|kind| block.kind.ends_with(kind)))
}

/// Whether marks for the cache say no more than Bedrock knows: no scope, and a time only to Claude from 4.5 on.
fn are_plain_marks(value: &[u8], model: &Model) -> bool {
    const MARK: &[u8] = br#""cache_control""#;
    memmem::find_iter(value, MARK).all(|at| {
        let rest = value[at + MARK.len()..].trim_ascii_start();
        let Some(rest) = rest.strip_prefix(b":") else {
            return true;
        };
        let mark = serde_json::Deserializer::from_slice(rest).into_iter::<Value>();
        let Some(Ok(Value::Object(mark))) = mark.take(1).next() else {
            return true;
        };
        let mut names = mark.keys();
        names.all(|name| name == "type" || name == "ttl" && model.takes_cache_times())
    })
}
