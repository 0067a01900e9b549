//! Tools, and how the model may choose among them.

use std::borrow::Cow;

use serde_json::{Value, json, value::RawValue};
use ziggurat_core::Failure;

use super::{
    input,
    parts::invalid,
    wire::{Custom, Tool},
};
use crate::{
    names::{JSON_TOOL, Names},
    object::{Object, raw},
};

/// A tool without parameters.
const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;

/// What Anthropic wants to be declared if tools were called before; as LiteLLM has it.
const DUMMY: &str = "dummy_tool";

/// Reads the tools of a request.
pub(super) fn read<'a>(tools: &'a [u8], names: &mut Names) -> Result<Vec<Tool<'a>>, Failure> {
    let list: Result<Vec<&RawValue>, _> = serde_json::from_slice(tools);
    let list = list.map_err(|_| invalid("tools", "are no list"))?;
    let list = list.into_iter().enumerate();
    list.map(|(index, tool)| {
        let at = format!("tools[{index}]");
        let read: Result<input::Tool<'a>, _> = serde_json::from_str(tool.get());
        let read = read.map_err(|_| invalid(&at, "is no tool"))?;
        let Some(function) = read.function else {
            return Ok(Tool::Native(tool));
        };
        Ok(Tool::Custom(Custom {
            name: names.sent(&function.name),
            input_schema: schema(function.parameters),
            kind: Some("custom"),
            description: function.description,
            cache_control: read.cache_control.or(function.cache_control),
        }))
    })
    .collect()
}

/// The parameters of a tool: always an object's schema.
fn schema(parameters: Option<&RawValue>) -> Cow<'_, RawValue> {
    let Some((parameters, object)) = parameters.and_then(|it| Some((it, Object::of(it)?))) else {
        return Cow::Owned(raw(NO_PARAMETERS.to_owned()));
    };
    if object.get("type").is_some() {
        return Cow::Borrowed(parameters);
    }
    if object.0.is_empty() {
        return Cow::Owned(raw(NO_PARAMETERS.to_owned()));
    }
    let rest = parameters.get().trim_start().trim_start_matches('{');
    Cow::Owned(raw(format!(r#"{{"type":"object",{rest}"#)))
}

/// The tool that must be declared if earlier turns call tools and the request has none.
pub(super) fn dummy() -> Tool<'static> {
    Tool::Custom(Custom {
        name: DUMMY.to_owned(),
        input_schema: Cow::Owned(raw(NO_PARAMETERS.to_owned())),
        kind: Some("custom"),
        description: None,
        cache_control: None,
    })
}

/// The tool whose arguments are the answer.
pub(super) fn json_tool<'a>(schema: &'a RawValue, description: Option<&'a RawValue>) -> Tool<'a> {
    Tool::Custom(Custom {
        name: JSON_TOOL.to_owned(),
        input_schema: self::schema(Some(schema)),
        kind: None,
        description,
        cache_control: None,
    })
}

/// Reads `tool_choice`.
pub(super) fn choice(choice: &[u8], names: &mut Names) -> Result<Value, Failure> {
    let fault = || invalid("tool_choice", "is not one that is known");
    let choice: Value = serde_json::from_slice(choice).map_err(|_| fault())?;
    Ok(match &choice {
        Value::String(word) => match word.as_str() {
            "auto" => json!({"type": "auto"}),
            "required" => json!({"type": "any"}),
            "none" => json!({"type": "none"}),
            _ => return Err(fault()),
        },
        Value::Object(object) => {
            let name = choice["function"]["name"].as_str();
            match (object.get("type").and_then(Value::as_str), name) {
                (Some("function"), Some(name)) => json!({"type": "tool", "name": names.sent(name)}),
                (Some("auto" | "any" | "tool" | "none"), _) => choice,
                _ => return Err(fault()),
            }
        }
        _ => return Err(fault()),
    })
}
