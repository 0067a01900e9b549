//! Tools, and the choice among them.

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json, value::RawValue};
use ziggurat_core::Failure;

use super::{JSON_TOOL, Names, Text, fields::Params, refusal, wire::Block};
use crate::model::{Model, Route};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    pub(super) tools: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_choice: Option<Choice>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Entry<'a> {
    ToolSpec(Spec<'a>),
    #[serde(untagged)]
    CachePoint(Block<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec<'a> {
    pub(super) input_schema: Schema<'a>,
    pub(super) name: String,
    pub(super) description: Text<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) strict: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct Schema<'a> {
    pub(super) json: &'a RawValue,
}

pub(super) enum Choice {
    Auto,
    Any,
    Tool(String),
}

/// A tool as OpenAI has it.
#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
    cache_control: Option<Value>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    description: Option<Text<'a>>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    strict: Option<bool>,
    cache_control: Option<Value>,
}

#[derive(Deserialize)]
struct Format<'a> {
    #[serde(rename = "type", borrow)]
    kind: Text<'a>,
    #[serde(borrow)]
    json_schema: Option<JsonSchema<'a>>,
}

#[derive(Deserialize)]
struct JsonSchema<'a> {
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    strict: Option<bool>,
}

/// Reads the tools and the choice among them; `None` if there are none.
pub(super) fn read<'a>(
    params: &Params<'a>,
    names: &mut Names,
) -> Result<Option<ToolConfig<'a>>, Failure> {
    // Only with `drop_params`; no tools are as good as a choice of none.
    if params
        .tool_choice
        .as_ref()
        .is_some_and(|choice| choice == "none")
    {
        return Ok(None);
    }
    let Some(text) = params.tools else {
        return Ok(None);
    };
    let tools: Vec<Tool<'a>> =
        serde_json::from_str(text).map_err(|_| refusal("tools", "tools is not a list of tools"))?;
    let mut entries = Vec::with_capacity(tools.len());
    for (at, tool) in tools.into_iter().enumerate() {
        let kind = tool.kind.as_deref().unwrap_or("function");
        let (Some(function), "function") = (tool.function, kind) else {
            let message = format!("tools[{at}]: Bedrock takes functions only");
            return Err(refusal("tools", message));
        };
        let is_cached = tool.cache_control.is_some() || function.cache_control.is_some();
        let name = names.send(&function.name);
        entries.push(Entry::ToolSpec(Spec {
            input_schema: Schema {
                json: function
                    .parameters
                    .filter(|schema| schema.get() != "null")
                    .unwrap_or_else(no_parameters),
            },
            description: match function.description {
                Some(description) if !description.trim().is_empty() => description,
                _ => name.clone().into(),
            },
            name,
            strict: function.strict.filter(|strict| *strict),
        }));
        if is_cached {
            entries.push(Entry::CachePoint(Block::cache_point()));
        }
    }
    if entries.is_empty() {
        return Ok(None);
    }
    let tool_choice = match &params.tool_choice {
        Some(choice) => Some(self::choice(choice, names)?),
        None => None,
    };
    Ok(Some(ToolConfig {
        tools: entries,
        tool_choice,
    }))
}

fn choice(choice: &Value, names: &mut Names) -> Result<Choice, Failure> {
    let invalid = || refusal("tool_choice", "tool_choice is not one that Bedrock has");
    match choice.as_str() {
        Some("auto") => Ok(Choice::Auto),
        Some("required" | "any") => Ok(Choice::Any),
        Some(_) => Err(invalid()),
        None => {
            let name = choice["function"]["name"].as_str();
            Ok(Choice::Tool(names.send(name.ok_or_else(invalid)?)))
        }
    }
}

/// Adds what `response_format` asks for: natively, or by a tool that is called with it. Says whether it is a tool.
pub(super) fn with_schema<'a>(
    params: &mut Params<'a>,
    tools: Option<ToolConfig<'a>>,
    model: &Model,
) -> Result<(bool, Option<ToolConfig<'a>>), Failure> {
    let tools = with_parallel(params, tools);
    let Some(format) = params.response_format else {
        return Ok((false, tools));
    };
    let invalid = || {
        refusal(
            "response_format",
            "response_format is not one that Bedrock has",
        )
    };
    let format: Format<'a> = serde_json::from_str(format).map_err(|_| invalid())?;
    let schema = match (&*format.kind, format.json_schema) {
        // Nothing can be asked for beyond what the messages say.
        ("text" | "json_object", _) => return Ok((false, tools)),
        ("json_schema", Some(schema)) => schema,
        _ => return Err(invalid()),
    };
    let json = schema.schema.unwrap_or_else(no_parameters);
    // Without `strict` a schema may have what is refused natively, such as free properties.
    let is_native = model.takes_schemas() && schema.strict == Some(true);
    if is_native && model.route == Route::Converse {
        let name = schema.name.unwrap_or("response".into());
        let format = json!({
            "type": "json_schema",
            "structure": { "jsonSchema": { "name": name, "schema": json.get() } },
        });
        params
            .native
            .insert("outputConfig".into(), json!({ "textFormat": format }));
        return Ok((false, tools));
    }
    let mut config = tools.unwrap_or(ToolConfig {
        tools: Vec::new(),
        tool_choice: None,
    });
    // A model that thinks must not be forced; one with tools of its own may call them first.
    config.tool_choice = match (params.is_thinking(), config.tools.is_empty()) {
        (true, _) => None,
        (false, true) => Some(Choice::Tool(JSON_TOOL.to_owned())),
        (false, false) => Some(Choice::Any),
    };
    config.tools.push(Entry::ToolSpec(Spec {
        input_schema: Schema { json },
        name: JSON_TOOL.to_owned(),
        description: JSON_TOOL.into(),
        strict: None,
    }));
    Ok((true, Some(config)))
}

/// Says in Anthropic's words whether several tools may be called at once.
fn with_parallel<'a>(
    params: &mut Params<'a>,
    tools: Option<ToolConfig<'a>>,
) -> Option<ToolConfig<'a>> {
    if let (Some(config), Some(parallel)) = (&tools, params.parallel_tool_calls) {
        let mut choice = json!({ "disable_parallel_tool_use": !parallel });
        if config.tool_choice.is_none() {
            choice["type"] = json!("auto");
        }
        params.additional.insert("tool_choice".into(), choice);
    }
    tools
}

/// The schema of a tool that takes nothing.
fn no_parameters<'a>() -> &'a RawValue {
    super::raw(r#"{"type":"object","properties":{}}"#)
}

impl Serialize for Choice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Auto => map.serialize_entry("auto", &json!({}))?,
            Self::Any => map.serialize_entry("any", &json!({}))?,
            Self::Tool(name) => map.serialize_entry("tool", &json!({ "name": name }))?,
        }
        map.end()
    }
}
