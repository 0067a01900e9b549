//! Tools, without what watsonx refuses in their schemas.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memmem;
use serde::Deserialize;
use serde_json::{Map, Value};
use ziggurat_core::{Failure, JsonBody};
use ziggurat_provider::params::{self, ToolChoice, refusal};

use crate::messages::Text;

/// Members of a schema whose own members have names that are not a schema's.
const NAMED: &[&str] = &[
    "$defs",
    "definitions",
    "dependentSchemas",
    "patternProperties",
    "properties",
];
/// Members that are data.
const DATA: &[&str] = &["const", "default", "enum", "examples"];

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

/// Fits the tools of a request, and the choice among them.
///
/// # Errors
///
/// [`BadRequest`](ziggurat_core::FailureKind::BadRequest): they are not functions, or the choice is none among them.
pub(crate) fn fit(body: &mut JsonBody) -> Result<(), Failure> {
    let tools = body.get("tools").map(Bytes::copy_from_slice);
    let tools = tools.filter(|tools| tools != "null").unwrap_or_default();
    let names = match tools.is_empty() {
        true => Vec::new(),
        false => names(&tools)?,
    };
    let choice = body.get("tool_choice").filter(|choice| choice != b"null");
    let choice = choice.map(Bytes::copy_from_slice);
    if names.is_empty() {
        // Without tools there is nothing to choose.
        body.remove("tools");
        body.remove("tool_choice");
        return Ok(());
    }
    let unknown = || refusal("tool_choice", "tool_choice is none that is known");
    let choice = choice.map(|choice| ToolChoice::read(&choice).ok_or_else(unknown));
    let choice = choice.transpose()?;
    let allowed = |name: &str| choice.as_ref().is_none_or(|choice| choice.allows(name));
    let count = names.iter().filter(|name| allowed(name)).count();
    let is_empty = count == 0;
    if !is_empty && let Some(tools) = cleaned(&tools, count < names.len(), allowed) {
        body.set("tools", tools);
    }
    // Words have a member of their own.
    let option = match &choice {
        None | Some(ToolChoice::Function(_)) => return Ok(()),
        Some(ToolChoice::Allowed { required: true, .. }) if is_empty => return Err(unknown()),
        Some(ToolChoice::None) => "\"none\"",
        Some(ToolChoice::Allowed { .. }) if is_empty => "\"none\"",
        Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => "\"required\"",
        Some(ToolChoice::Auto | ToolChoice::Allowed { .. }) => "\"auto\"",
    };
    body.remove("tool_choice");
    body.set("tool_choice_option", option);
    Ok(())
}

/// Cuts tools that are not allowed, `strict`, and `additionalProperties` that are not allowed anyway; `None` if there is
/// nothing to cut.
fn cleaned(tools: &[u8], cuts: bool, allowed: impl Fn(&str) -> bool) -> Option<Bytes> {
    let has = |name: &str| memmem::find(tools, name.as_bytes()).is_some();
    if !cuts && !has("strict") && !has("additionalProperties") {
        return None;
    }
    let mut tools: Vec<Value> = serde_json::from_slice(tools).ok()?;
    tools.retain(|tool| tool["function"]["name"].as_str().is_some_and(&allowed));
    for tool in &mut tools {
        let Some(tool) = tool.as_object_mut() else {
            continue;
        };
        tool.remove("strict");
        let Some(function) = tool.get_mut("function").and_then(Value::as_object_mut) else {
            continue;
        };
        function.remove("strict");
        if let Some(parameters) = function.get_mut("parameters") {
            if let Some(parameters) = parameters.as_object_mut() {
                parameters.remove("strict");
            }
            schema(parameters);
        }
    }
    serde_json::to_vec(&tools).ok().map(Bytes::from)
}

/// The names of all functions.
fn names(tools: &[u8]) -> Result<Vec<Cow<'_, str>>, Failure> {
    let tools: Vec<Tool<'_>> = params::list(tools, "tools")?;
    let names = tools.into_iter().enumerate().map(|(at, tool)| {
        let is_function = tool.kind.is_none_or(|kind| kind.0 == "function");
        let function = tool.function.filter(|_| is_function);
        function.map(|function| function.name.0).ok_or_else(|| {
            let path = format!("tools[{at}]");
            refusal(
                &path,
                format!("{path}: watsonx takes no tools but functions"),
            )
        })
    });
    names.collect()
}
fn schema(value: &mut Value) {
    match value {
        Value::Object(members) => object(members),
        Value::Array(schemas) => schemas.iter_mut().for_each(schema),
        _ => {}
    }
}

fn object(members: &mut Map<String, Value>) {
    if members.get("additionalProperties") == Some(&Value::Bool(false)) {
        members.remove("additionalProperties");
    }
    for (name, value) in members {
        if DATA.contains(&&**name) {
            continue;
        }
        match value {
            Value::Object(named) if NAMED.contains(&&**name) => {
                named.values_mut().for_each(schema);
            }
            value => schema(value),
        }
    }
}
