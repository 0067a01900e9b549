//! Tools, and how the model may choose among them.

use std::borrow::Cow;

use serde_json::{Value, json, value::RawValue};
use ziggurat_core::Failure;
use ziggurat_provider::{names::Names, params::ToolChoice};

use super::{
    JSON_TOOL, input,
    parts::{invalid, is_string},
    wire::{Custom, Tool},
};
use crate::object::{Object, raw};

/// A tool without parameters.
const NO_PARAMETERS: &str = r#"{"type":"object","properties":{}}"#;

/// What Anthropic wants to be declared if tools were called before; as LiteLLM has it.
const DUMMY: &str = "dummy_tool";

/// The tools of a request.
#[derive(Default)]
pub(super) struct Declared<'a>(Vec<(&'a RawValue, input::Tool<'a>)>);

/// How the model may choose among them.
pub(super) enum Choice {
    /// In OpenAI's words.
    OpenAi(ToolChoice),
    /// In Anthropic's.
    Native(Value),
}

impl<'a> Declared<'a> {
    /// Reads tools, and leaves out those that the choice does not allow.
    ///
    /// # Errors
    ///
    /// The tool that cannot be said in Anthropic's words, or a choice of tools that are not there.
    pub(super) fn read(tools: Option<&'a [u8]>, choice: Option<&Choice>) -> Result<Self, Failure> {
        let list: Vec<&RawValue> = match tools {
            None => Vec::new(),
            Some(tools) => {
                serde_json::from_slice(tools).map_err(|_| invalid("tools", "are no list"))?
            }
        };
        let mut this = Self(Vec::with_capacity(list.len()));
        for (index, raw) in list.into_iter().enumerate() {
            let at = format!("tools[{index}]");
            let tool = serde_json::from_str(raw.get()).map_err(|_| invalid(&at, "is no tool"))?;
            check(&tool, &at)?;
            this.0.push((raw, tool));
        }
        if let Some(Choice::OpenAi(choice @ ToolChoice::Allowed { .. })) = choice {
            this.0
                .retain(|(_, tool)| name(tool).is_some_and(|name| choice.allows(name)));
            let are_there = |wanted| this.names().any(|name| name == wanted);
            if this.0.is_empty() || !choice.names().all(are_there) {
                return Err(invalid(
                    "tool_choice",
                    "allows a tool that is not in `tools`",
                ));
            }
        }
        Ok(this)
    }

    /// Returns the names of all, those of Anthropic's own tools too.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|(_, tool)| name(tool))
    }

    /// Says them in Anthropic's words.
    pub(super) fn say(self, names: &Names) -> Vec<Tool<'a>> {
        let say = |(raw, tool): (&'a RawValue, input::Tool<'a>)| match tool.function {
            None => Tool::Native(raw),
            Some(function) => Tool::Custom(Custom {
                name: names.sent(&function.name).to_owned(),
                input_schema: schema(function.parameters),
                kind: Some("custom"),
                description: function.description,
                cache_control: tool.cache_control.or(function.cache_control),
            }),
        };
        self.0.into_iter().map(say).collect()
    }
}

/// The name of a tool; sets of tools have none.
fn name<'t>(tool: &'t input::Tool<'_>) -> Option<&'t str> {
    let function = tool.function.as_ref().map(|function| &*function.name);
    function.or(tool.name.as_deref())
}

/// A tool is a function, or in Anthropic's own words: those have a name, or are the set of a server's.
fn check(tool: &input::Tool<'_>, at: &str) -> Result<(), Failure> {
    if let Some(function) = &tool.function {
        if !function.description.is_none_or(is_string) {
            let at = format!("{at}.function.description");
            return Err(invalid(&at, "is no text"));
        }
        if function
            .parameters
            .is_some_and(|it| Object::of(it).is_none())
        {
            let at = format!("{at}.function.parameters");
            return Err(invalid(&at, "are no object"));
        }
        return Ok(());
    }
    let is_native = match tool.kind.as_deref() {
        Some("function") => return Err(invalid(at, "lacks its `function`")),
        None | Some("custom") => tool.name.is_some() && tool.input_schema.is_some(),
        Some(_) => tool.name.is_some() || tool.mcp_server_name.is_some(),
    };
    match is_native {
        true => Ok(()),
        false => Err(invalid(
            at,
            "is neither a function nor a tool that Anthropic has",
        )),
    }
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

// === impl Choice ===

impl Choice {
    /// Reads `tool_choice`.
    pub(super) fn read(json: &[u8]) -> Result<Self, Failure> {
        if let Some(choice) = ToolChoice::read(json) {
            return Ok(Self::OpenAi(choice));
        }
        let choice: Value = serde_json::from_slice(json).unwrap_or_default();
        match choice["type"].as_str() {
            Some("auto" | "any" | "none") => Ok(Self::Native(choice)),
            Some("tool") if choice["name"].is_string() => Ok(Self::Native(choice)),
            _ => Err(invalid("tool_choice", "is not one that is known")),
        }
    }

    /// Returns the names in it, as far as they are to be fitted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let choice = match self {
            Self::OpenAi(choice) => Some(choice),
            Self::Native(_) => None,
        };
        choice.into_iter().flat_map(ToolChoice::names)
    }

    /// Says it in Anthropic's words.
    pub(super) fn say(self, names: &Names) -> Value {
        match self {
            Self::Native(choice) => choice,
            Self::OpenAi(choice) => match choice {
                ToolChoice::Auto => json!({"type": "auto"}),
                ToolChoice::None => json!({"type": "none"}),
                ToolChoice::Function(name) => json!({"type": "tool", "name": names.sent(&name)}),
                ToolChoice::Allowed {
                    required: false, ..
                } => json!({"type": "auto"}),
                ToolChoice::Required | ToolChoice::Allowed { .. } => json!({"type": "any"}),
            },
        }
    }
}
