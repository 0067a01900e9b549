//! What `response_format` asks for: natively, or by a tool that is called with the answer.

use serde::Deserialize;
use serde_json::{json, value::RawValue};
use ziggurat_core::Failure;

use super::{
    JSON_TOOL, Text,
    fields::Params,
    invalid,
    tools::{Choice, Entry, Schema, Spec, ToolConfig, no_parameters},
};
use crate::model::{Model, Route};

/// How an answer is bound to a schema.
pub(super) enum Format<'a> {
    /// It is not.
    Free,
    /// By the model itself.
    Native {
        name: Text<'a>,
        schema: &'a RawValue,
    },
    /// By a tool of this schema.
    Tool(&'a RawValue),
}

#[derive(Deserialize)]
struct Wire<'a> {
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

impl<'a> Format<'a> {
    pub(super) fn read(params: &Params<'a>, model: &Model) -> Result<Self, Failure> {
        let Some(format) = params.response_format else {
            return Ok(Self::Free);
        };
        let fault = || invalid("response_format", "is not one that Bedrock has");
        let format: Wire<'a> = serde_json::from_str(format).map_err(|_| fault())?;
        let schema = match (&*format.kind, format.json_schema) {
            // Nothing can be asked for beyond what the messages say.
            ("text" | "json_object", _) => return Ok(Self::Free),
            ("json_schema", Some(schema)) => schema,
            _ => return Err(fault()),
        };
        let json = schema.schema.unwrap_or_else(no_parameters);
        // Without `strict` a schema may have what is refused natively, such as free properties.
        let is_native = model.takes_schemas() && schema.strict == Some(true);
        if is_native && model.route == Route::Converse {
            let name = schema.name.unwrap_or("response".into());
            return Ok(Self::Native { name, schema: json });
        }
        Ok(Self::Tool(json))
    }

    /// Adds what it asks for.
    pub(super) fn add(
        self,
        params: &mut Params<'a>,
        tools: Option<ToolConfig<'a>>,
        model: &Model,
    ) -> Option<ToolConfig<'a>> {
        let json = match self {
            Self::Free => return tools,
            Self::Native { name, schema } => {
                let format = json!({
                    "type": "json_schema",
                    "structure": { "jsonSchema": { "name": name, "schema": schema.get() } },
                });
                let config = json!({ "textFormat": format });
                params.native.insert("outputConfig".into(), config);
                return tools;
            }
            Self::Tool(json) => json,
        };
        let mut config = tools.unwrap_or_default();
        // A model that thinks must not be forced; one with tools of its own may call them first.
        let can_be_forced = model.can_be_forced() && !params.is_thinking();
        config.tool_choice = match (can_be_forced, config.tools.is_empty()) {
            (false, _) => None,
            (true, true) => Some(Choice::Tool(JSON_TOOL.to_owned())),
            (true, false) => Some(Choice::Any),
        };
        config.tools.push(Entry::ToolSpec(Spec {
            input_schema: Schema { json },
            name: JSON_TOOL.to_owned(),
            description: JSON_TOOL.into(),
            strict: None,
        }));
        Some(config)
    }
}
