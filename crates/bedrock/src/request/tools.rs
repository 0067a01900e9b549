//! Tools, and the choice among them.

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json, value::RawValue};
use ziggurat_core::Failure;
use ziggurat_provider::{names::Names, params::ToolChoice};

use super::{
    Text,
    fields::{Params, unsupported},
    invalid,
    wire::Block,
};
use crate::model::Model;

#[derive(Default, Serialize)]
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

/// The functions of a request, and whether they are marked for the cache.
pub(super) struct Declared<'a>(Vec<(Function<'a>, bool)>);

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

impl<'a> Declared<'a> {
    /// Reads the tools that the choice among them leaves.
    ///
    /// # Errors
    ///
    /// The tool that Bedrock does not take, or a choice of tools that are not there.
    pub(super) fn read(params: &Params<'a>, model: &Model) -> Result<Self, Failure> {
        let text = params.tools.unwrap_or("[]");
        let list: Vec<&'a RawValue> =
            serde_json::from_str(text).map_err(|_| invalid("tools", "is not a list of tools"))?;
        let mut this = Self(Vec::with_capacity(list.len()));
        for (at, tool) in list.into_iter().enumerate() {
            this.0.push(function(tool, &format!("tools[{at}]"))?);
        }
        match &params.tool_choice {
            Some(ToolChoice::None) if !this.is_empty() => {
                if !params.drop {
                    return Err(unsupported(&["tool_choice".into()], model));
                }
                // No tools are as good as a choice of none.
                this.0.clear();
            }
            Some(choice) if this.is_refused(choice, params, model) && !params.drop => {
                return Err(unsupported(&["tool_choice".into()], model));
            }
            Some(choice @ ToolChoice::Allowed { .. }) => {
                this.0.retain(|(function, _)| choice.allows(&function.name));
                let are_there = |wanted| this.names().any(|name| name == wanted);
                if this.is_empty() || !choice.names().all(are_there) {
                    return Err(invalid(
                        "tool_choice",
                        "allows a tool that is not in `tools`",
                    ));
                }
            }
            _ => {}
        }
        Ok(this)
    }

    /// Whether a choice demands a call of a model that cannot be made to.
    fn is_refused(&self, choice: &ToolChoice, params: &Params<'_>, model: &Model) -> bool {
        let is_forced = matches!(
            choice,
            ToolChoice::Required
                | ToolChoice::Function(_)
                | ToolChoice::Allowed { required: true, .. }
        );
        is_forced && !self.is_empty() && !model.can_be_forced() && !params.allows("tool_choice")
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(function, _)| &*function.name)
    }

    /// Says them in Bedrock's words; `None` if there are none.
    pub(super) fn say(
        self,
        params: &mut Params<'_>,
        model: &Model,
        names: &Names,
    ) -> Result<Option<ToolConfig<'a>>, Failure> {
        if self.is_empty() {
            return Ok(None);
        }
        let chosen = params.tool_choice.take();
        let chosen = chosen.filter(|choice| !self.is_refused(choice, params, model));
        let mut config = ToolConfig {
            tools: Vec::with_capacity(self.0.len()),
            tool_choice: chosen.and_then(|it| choice(it, names)),
        };
        for (function, is_cached) in self.0 {
            config.tools.push(Entry::ToolSpec(function.say(names)));
            if is_cached {
                config.tools.push(Entry::CachePoint(Block::cache_point()));
            }
        }
        say_parallel(params, model, &config)?;
        Ok(Some(config))
    }
}

/// Reads a tool, which must be a function.
fn function<'a>(tool: &'a RawValue, at: &str) -> Result<(Function<'a>, bool), Failure> {
    let fault = || invalid(at, "is no function, and Bedrock takes nothing else");
    let tool: Tool<'a> = serde_json::from_str(tool.get()).map_err(|_| fault())?;
    let kind = tool.kind.as_deref().unwrap_or("function");
    let (Some(mut function), "function") = (tool.function, kind) else {
        return Err(fault());
    };
    function.parameters = function.parameters.filter(|it| it.get() != "null");
    if function
        .parameters
        .is_some_and(|it| !it.get().starts_with('{'))
    {
        let at = format!("{at}.function.parameters");
        return Err(invalid(&at, "are no object"));
    }
    let is_cached = tool.cache_control.is_some() || function.cache_control.is_some();
    Ok((function, is_cached))
}

fn choice(choice: ToolChoice, names: &Names) -> Option<Choice> {
    Some(match choice {
        ToolChoice::Function(name) => Choice::Tool(names.sent(&name).to_owned()),
        ToolChoice::Required | ToolChoice::Allowed { required: true, .. } => Choice::Any,
        ToolChoice::Auto | ToolChoice::Allowed { .. } => Choice::Auto,
        ToolChoice::None => return None,
    })
}

/// Says whether several tools may be called at once, in Anthropic's words: Converse has none. Other models may do so
/// anyway, and cannot be kept from it.
fn say_parallel(
    params: &mut Params<'_>,
    model: &Model,
    config: &ToolConfig<'_>,
) -> Result<(), Failure> {
    const NAME: &str = "parallel_tool_calls";
    let Some(parallel) = params.parallel_tool_calls else {
        return Ok(());
    };
    if !model.is_claude() && !params.allows(NAME) {
        return match parallel || params.drop {
            true => Ok(()),
            false => Err(unsupported(&[NAME.into()], model)),
        };
    }
    let mut choice = json!({ "disable_parallel_tool_use": !parallel });
    if config.tool_choice.is_none() {
        choice["type"] = json!("auto");
    }
    params.additional.insert("tool_choice".into(), choice);
    Ok(())
}

/// The schema of a tool that takes nothing.
pub(super) fn no_parameters<'a>() -> &'a RawValue {
    super::raw(r#"{"type":"object","properties":{}}"#)
}

impl<'a> Function<'a> {
    fn say(self, names: &Names) -> Spec<'a> {
        let name = names.sent(&self.name).to_owned();
        let description = self.description;
        Spec {
            input_schema: Schema {
                json: self.parameters.unwrap_or_else(no_parameters),
            },
            description: match description.filter(|text| !text.trim().is_empty()) {
                Some(description) => description,
                None => name.clone().into(),
            },
            name,
            strict: self.strict.filter(|strict| *strict),
        }
    }
}

impl ToolConfig<'_> {
    /// Whether the model must call a tool.
    pub(super) fn is_forced(&self) -> bool {
        matches!(self.tool_choice, Some(Choice::Any | Choice::Tool(_)))
    }
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
