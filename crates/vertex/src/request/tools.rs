//! Tools, and which of them to call.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use ziggurat_core::Failure;
use ziggurat_provider::params::{self, ToolChoice, refusal};

use super::{node::Node, object::Object, schema};
use crate::names::Names;

/// The tools of a request.
#[derive(Default)]
pub(super) struct Tools {
    functions: Vec<Bytes>,
    /// Google's own, each with its settings.
    own: Vec<Bytes>,
    choice: Option<Bytes>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    function: Option<&'a RawValue>,
    #[serde(borrow, alias = "functionDeclarations")]
    function_declarations: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    description: Option<String>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
}

impl Tools {
    /// Takes a parameter of the request, if it is one about tools.
    pub(super) fn take(
        &mut self,
        name: &str,
        value: &[u8],
        names: &mut Names,
    ) -> Result<bool, Failure> {
        match name {
            "tools" => {
                let tools: Vec<&RawValue> = params::list(value, name)?;
                for (at, tool) in tools.into_iter().enumerate() {
                    self.tool(tool, at, names)?;
                }
            }
            "functions" => {
                let functions: Vec<&RawValue> = params::list(value, name)?;
                for (at, function) in functions.into_iter().enumerate() {
                    self.function(function, &format!("functions[{at}]"), names)?;
                }
            }
            "tool_choice" => self.choice = Some(choice(value, names)?),
            "function_call" => self.choice = Some(function_call(value, names)?),
            "web_search_options" => self.own.push(Bytes::from_static(br#"{"googleSearch":{}}"#)),
            "parallel_tool_calls" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// How many functions may be called.
    pub(super) fn count(&self) -> usize {
        self.functions.len()
    }

    /// Whether there are tools that Google runs itself, in the middle of an answer.
    pub(super) fn has_own(&self) -> bool {
        !self.own.is_empty()
    }

    /// Writes them; `native` has what the request says in Google's words.
    pub(super) fn finish(self, whole: &mut Object, native: &mut Object) {
        let mut tools: Vec<Vec<u8>> = Vec::new();
        if !self.functions.is_empty() {
            let functions = self.functions.join(&b","[..]);
            tools.push([br#"{"function_declarations":["#, &functions[..], b"]}"].concat());
        }
        let has_functions = !self.functions.is_empty();
        tools.extend(self.own.iter().map(|tool| tool.to_vec()));
        if !tools.is_empty() {
            let tools = tools.join(&b","[..]);
            whole.set("tools", [b"[", &tools[..], b"]"].concat().into());
        }
        if let Some(choice) = self.choice
            && has_functions
            && !native.contains("toolConfig")
        {
            let config = [br#"{"functionCallingConfig":"#, &choice[..], b"}"].concat();
            whole.set("toolConfig", config.into());
        }
    }

    fn tool(&mut self, raw: &RawValue, at: usize, names: &mut Names) -> Result<(), Failure> {
        let name = format!("tools[{at}]");
        let Ok(tool) = serde_json::from_str::<Tool<'_>>(raw.get()) else {
            return Err(refusal(&name, format!("{name} is no tool")));
        };
        match (tool.kind.as_deref(), tool.function) {
            (Some("function") | None, Some(function)) => {
                self.function(function, &format!("{name}.function"), names)
            }
            (Some("web_search" | "web_search_preview"), _) => {
                self.own.push(Bytes::from_static(br#"{"googleSearch":{}}"#));
                Ok(())
            }
            (None, None) => {
                match tool.function_declarations {
                    Some(functions) => {
                        let functions = functions.into_iter();
                        let raw = functions.map(|it| Bytes::copy_from_slice(it.get().as_bytes()));
                        self.functions.extend(raw);
                    }
                    None => self.own.push(Bytes::copy_from_slice(raw.get().as_bytes())),
                }
                Ok(())
            }
            (Some(_), _) => {
                let message = format!("{name}.type is not one that Gemini models have");
                Err(refusal(&name, message))
            }
        }
    }

    fn function(&mut self, raw: &RawValue, name: &str, names: &mut Names) -> Result<(), Failure> {
        let invalid = |problem: &str| refusal(name, format!("{name}: {problem}"));
        let function: Function<'_> =
            serde_json::from_str(raw.get()).map_err(|_| invalid("a function must have a name"))?;
        let mut out = Object::default();
        out.set_value("name", &names.google(function.name));
        if let Some(description) = &function.description {
            out.set_value("description", description);
        }
        if let Some(parameters) = function.parameters {
            let unreadable = |error: serde_json::Error| {
                // The body was valid, so that it is the reader that goes no deeper.
                match error.to_string().starts_with("recursion limit exceeded") {
                    true => {
                        invalid("its parameters are nested too deeply: 128 levels are too many")
                    }
                    false => invalid("its parameters are no schema"),
                }
            };
            let node: Node<'_> = serde_json::from_str(parameters.get()).map_err(unreadable)?;
            let schema = schema::google(&node, false).map_err(invalid)?;
            // Google refuses an object without properties.
            let is_empty = schema
                .get("properties")
                .is_none_or(|properties| properties.members().is_empty());
            let is_object = schema.get("type").and_then(Node::as_text) == Some("object");
            let says_nothing = schema.members().is_empty() || (is_object && is_empty);
            if !says_nothing {
                out.set_value("parameters", &schema);
            }
        }
        self.functions.push(out.print());
        Ok(())
    }
}

/// Google's `functionCallingConfig` for OpenAI's `tool_choice`.
fn choice(value: &[u8], names: &mut Names) -> Result<Bytes, Failure> {
    let invalid = || refusal("tool_choice", "tool_choice is none that is known");
    let choice = ToolChoice::read(value).ok_or_else(invalid)?;
    let own = choice
        .names()
        .map(|name| names.google(name.to_owned().into()));
    let own: Vec<_> = own.collect();
    Ok(match &choice {
        ToolChoice::Auto => mode("AUTO", &[]),
        ToolChoice::Required => mode("ANY", &[]),
        ToolChoice::None => mode("NONE", &[]),
        ToolChoice::Allowed { required, names } => match (required, names.is_empty()) {
            // An empty list would allow all.
            (true, true) => return Err(invalid()),
            (false, true) => mode("NONE", &[]),
            (true, false) => mode("ANY", &own),
            (false, false) => mode("VALIDATED", &own),
        },
        ToolChoice::Function(_) => mode("ANY", &own),
    })
}

/// The same for the older `function_call`.
fn function_call(value: &[u8], names: &mut Names) -> Result<Bytes, Failure> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    if value.starts_with(b"\"") {
        return choice(value, names).map_err(|failure| failure.with_param("function_call"));
    }
    let named: Named = serde_json::from_slice(value)
        .map_err(|_| refusal("function_call", "function_call is none that is known"))?;
    Ok(mode("ANY", &[names.google(named.name.into())]))
}

fn mode(mode: &str, allowed: &[Cow<'_, str>]) -> Bytes {
    let config = match allowed {
        [] => json!({"mode": mode}),
        allowed => json!({"mode": mode, "allowed_function_names": allowed}),
    };
    config.to_string().into()
}
