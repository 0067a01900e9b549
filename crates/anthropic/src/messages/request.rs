//! Requests, from Anthropic's words into OpenAI's.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use ziggurat_core::{Failure, JsonBody};
use ziggurat_provider::params::refusal;

use super::{Options, tools, turns};
use crate::object::raw;

/// Members that ask for something which only Anthropic has.
const REFUSED: [&str; 3] = ["container", "inference_geo", "mcp_servers"];

/// Members that change nothing about what is asked: how Anthropic caches, and which of its capacities it uses.
const IDLE: [&str; 2] = ["cache_control", "service_tier"];

/// Longest name of an end user that OpenAI takes, in bytes.
const LONGEST_USER: usize = 64;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Thinking<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    budget_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Output<'a> {
    effort: Option<String>,
    #[serde(borrow)]
    format: Option<&'a RawValue>,
}

/// The members of a request for chat, as they are written.
#[derive(Default)]
struct Chat(Vec<(Cow<'static, str>, Box<RawValue>)>);

/// Makes the request for chat.
///
/// # Errors
///
/// [`BadRequest`](ziggurat_core::FailureKind::BadRequest) that names what OpenAI's format has no words for.
pub(super) fn translate(
    body: &JsonBody,
    stream: bool,
    is_prefilled: bool,
    options: Options,
) -> Result<Vec<u8>, Failure> {
    let get = |name: &str| body.get(name).filter(|value| *value != b"null");
    let mut chat = Chat::default();
    let mut conversation = turns::read(get("system"), get("messages"), options.own_words)?;
    if is_prefilled {
        turns::prefill(&mut conversation);
    }
    chat.put("messages", &conversation);
    if let Some(tools) = get("tools") {
        chat.put_some("tools", tools::read(tools, options.own_words)?);
    }
    if let Some(choice) = get("tool_choice") {
        let choice = tools::choice(choice)?;
        chat.put("tool_choice", &choice.openai);
        if choice.one_at_a_time {
            chat.put("parallel_tool_calls", &false);
        }
    }
    if stream {
        chat.put("stream_options", &json!({"include_usage": true}));
    }
    chat.reasoning(get("thinking"), get("output_config"), options)?;
    if let Some(user) = get("metadata").and_then(user) {
        chat.put("user", &user);
    }
    for (name, value) in body.members() {
        if value == b"null" || IDLE.contains(&&*name) {
            continue;
        }
        match &*name {
            "messages" | "system" | "tools" | "tool_choice" | "thinking" | "output_config"
            | "metadata" => {}
            "stop_sequences" => chat.pass("stop", value)?,
            "output_format" => chat.format("output_format", parsed(&name, value)?)?,
            "context_management" if only_clears(value) => {}
            "speed" if value == br#""standard""# => {}
            "mcp_servers" if value == b"[]" => {}
            "context_management" | "speed" => return Err(inexpressible(&name)),
            name if REFUSED.contains(&name) => return Err(inexpressible(name)),
            _ => chat.pass(name.into_owned(), value)?,
        }
    }
    Ok(chat.print())
}

// === impl Chat ===

impl Chat {
    fn put(&mut self, name: impl Into<Cow<'static, str>>, value: &impl serde::Serialize) {
        let text = serde_json::to_string(value).expect("its keys are strings");
        self.0.push((name.into(), raw(text)));
    }

    fn put_some(&mut self, name: &'static str, value: Option<impl serde::Serialize>) {
        if let Some(value) = value {
            self.put(name, &value);
        }
    }

    fn pass(&mut self, name: impl Into<Cow<'static, str>>, value: &[u8]) -> Result<(), Failure> {
        let name = name.into();
        let value: &RawValue = parsed(&name, value)?;
        self.0.push((name, value.to_owned()));
        Ok(())
    }

    /// Asks for thoughts, if the model has any.
    fn reasoning(
        &mut self,
        thinking: Option<&[u8]>,
        output: Option<&[u8]>,
        options: Options,
    ) -> Result<(), Failure> {
        let output = output.map(|output| parsed::<Output<'_>>("output_config", output));
        let output = output.transpose()?.unwrap_or_default();
        if let Some(format) = output.format {
            self.format("output_config", format)?;
        }
        let wish: Option<Thinking<'_>> = thinking
            .map(|thinking| parsed("thinking", thinking))
            .transpose()?;
        if !options.reasons {
            return Ok(());
        }
        match (output.effort, wish, thinking) {
            (_, Some(wish), Some(thinking)) if options.own_words && wish.kind == "enabled" => {
                self.pass("thinking", thinking)?;
            }
            (_, Some(wish), _) if wish.kind == "disabled" => {}
            (Some(effort), ..) => self.put("reasoning_effort", &effort),
            (None, Some(wish), _) => {
                self.put_some("reasoning_effort", wish.budget_tokens.map(effort));
            }
            (None, None, _) => {}
        }
        Ok(())
    }

    fn format(&mut self, name: &str, format: &RawValue) -> Result<(), Failure> {
        let format: Map<String, Value> = parsed(name, format.get().as_bytes())?;
        let schema = match (
            format.get("type").and_then(Value::as_str),
            format.get("schema"),
        ) {
            (Some("json_schema"), Some(schema)) => schema,
            _ => {
                return Err(refusal(
                    name,
                    format!("`{name}` has a format that is not known"),
                ));
            }
        };
        self.put(
            "response_format",
            &json!({
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": schema, "strict": true},
            }),
        );
        Ok(())
    }

    fn print(&self) -> Vec<u8> {
        let mut out = vec![b'{'];
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&ziggurat_core::json::string(name));
            out.push(b':');
            out.extend_from_slice(value.get().as_bytes());
        }
        out.push(b'}');
        out
    }
}

/// OpenAI's effort for a budget: the other way round, these efforts are the budgets 1024, 2048 and 4096.
fn effort(budget: u64) -> &'static str {
    match budget {
        0..2048 => "low",
        2048..4096 => "medium",
        _ => "high",
    }
}

/// The id of the end user, if OpenAI takes it.
fn user(metadata: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Metadata {
        user_id: Option<String>,
    }
    let metadata: Metadata = serde_json::from_slice(metadata).ok()?;
    let user = metadata.user_id?;
    (!user.is_empty() && user.len() <= LONGEST_USER).then_some(user)
}

/// Whether the context is only to be made smaller where it can be: without it more tokens are used, and nothing is lost.
fn only_clears(management: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Management {
        #[serde(default)]
        edits: Vec<Edit>,
    }
    #[derive(Deserialize)]
    struct Edit {
        #[serde(rename = "type", default)]
        kind: String,
    }
    let management: Result<Management, _> = serde_json::from_slice(management);
    management.is_ok_and(|it| it.edits.iter().all(|edit| edit.kind.starts_with("clear_")))
}

pub(super) fn parsed<'a, T: Deserialize<'a>>(name: &str, value: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(value)
        .map_err(|_| refusal(name, format!("`{name}` is not what it should be")))
}

fn inexpressible(name: &str) -> Failure {
    refusal(name, format!("`{name}` can only be served by Anthropic"))
}
