//! JSON of a schema from models that know tools but no schemas: a tool whose parameters are the schema stands in for
//! `response_format`, and the arguments it is called with are the content.

use std::collections::BTreeMap;

use bytes::Bytes;
use ziggurat_core::JsonBody;
use ziggurat_provider::params::concat;

use crate::spans::{Edits, Members, elements};

const NAME: &str = "\"json_tool_call\"";
const FORCED: &str = r#"{"type":"function","function":{"name":"json_tool_call"}}"#;

// === the request ===

/// Puts the tool in place of `response_format`, if that has a schema. Says whether answers may call it.
///
/// Beside tools of the client it is one more of them, and one has to be called. Where that cannot be said
/// (`can_require`), the model chooses. A tool choice that demands a call of the client's tools asks for no content:
/// then there is nothing to stand in for.
pub(crate) fn stand_in(body: &mut JsonBody, can_require: bool) -> bool {
    let Some(schema) = schema(body) else {
        return false;
    };
    let tools = match body.get("tools") {
        None | Some(b"null") => &b"[]"[..],
        Some(tools) => tools,
    };
    let has_others = tools.contains(&b'{');
    let choice = match body.get("tool_choice") {
        _ if !has_others => Some(FORCED),
        Some(b"\"none\"") => Some(FORCED),
        None | Some(b"null" | b"\"auto\"") => can_require.then_some("\"required\""),
        Some(_) => {
            body.remove("response_format");
            return false;
        }
    };
    let Some(all) = concat(tools, schema.tool(has_others).as_bytes()) else {
        return false;
    };
    body.set("tools", all);
    if let Some(choice) = choice {
        body.set("tool_choice", choice);
    }
    body.remove("response_format");
    true
}

/// The answer that a client describes.
struct Schema {
    schema: String,
    description: Option<String>,
}

fn schema(body: &JsonBody) -> Option<Schema> {
    let format = std::str::from_utf8(body.get("response_format")?).ok()?;
    let format = Members::of(format)?;
    if format.get("type") != Some("\"json_schema\"") {
        return None;
    }
    let described = Members::of(format.get("json_schema")?)?;
    let schema = described.get("schema").filter(|it| it.starts_with('{'))?;
    let description = described
        .get("description")
        .filter(|it| it.starts_with('"'));
    Some(Schema {
        schema: schema.to_owned(),
        description: description.map(str::to_owned),
    })
}

impl Schema {
    /// A list of the tool alone. Among others it has to say what it is for.
    fn tool(&self, has_others: bool) -> String {
        let given = self.description.as_deref();
        let description = given.or(has_others.then_some("\"Gives the final answer.\""));
        let description =
            description.map_or_else(String::new, |text| format!("\"description\":{text},"));
        let schema = &self.schema;
        format!(
            r#"[{{"type":"function","function":{{"name":{NAME},{description}"parameters":{schema}}}}}]"#
        )
    }
}

// === the answer ===

/// Makes content of the tool's arguments in the choices of a plain answer; `None` if it was not called.
pub(crate) fn unwrap(choices: &str) -> Option<Bytes> {
    let mut edits = Edits::new(choices);
    for choice in elements(choices)? {
        let choice = Members::of(choice)?;
        let mut calls = ChoiceCalls::default();
        if let Some(message) = choice.get("message")
            && let Some(unwrapped) = calls.unwrap(message)
        {
            edits.replace(message, unwrapped);
        }
        if let Some(reason) = choice.get("finish_reason")
            && let Some(stop) = calls.finish(reason.trim_matches('"'))
        {
            edits.replace(reason, format!("\"{stop}\""));
        }
    }
    edits.finish()
}

/// The calls of tools in an answer, by choice.
#[derive(Default)]
pub(crate) struct Calls(BTreeMap<u32, ChoiceCalls>);

impl Calls {
    pub(crate) fn of(&mut self, choice: u32) -> &mut ChoiceCalls {
        self.0.entry(choice).or_default()
    }
}

/// The calls of tools in one choice.
#[derive(Default)]
pub(crate) struct ChoiceCalls {
    /// Which call is the one of the JSON tool that becomes content.
    json: Option<u64>,
    /// Further ones of the JSON tool: there is but one content.
    surplus: Vec<u64>,
    has_others: bool,
}

impl ChoiceCalls {
    /// Makes content of the tool's arguments in a message, or in the delta of one; `None` if there is nothing of it.
    pub(crate) fn unwrap(&mut self, message: &str) -> Option<String> {
        let message = Members::of(message)?;
        let calls = elements(message.get("tool_calls")?)?;
        let (mut content, mut others) = (None, Vec::new());
        for (position, call) in calls.iter().enumerate() {
            let members = Members::of(call)?;
            let index = members.get("index").and_then(|index| index.parse().ok());
            let index = index.unwrap_or(position as u64);
            let function = members.get("function").and_then(Members::of);
            let function = |name| function.as_ref().and_then(|function| function.get(name));
            if self.is_json(index, function("name")) {
                let content: &mut String = content.get_or_insert_default();
                content.push_str(&text(function("arguments")));
            } else if !self.surplus.contains(&index) {
                self.has_others = true;
                others.push(self.renumbered(index, call, &members));
            }
        }
        if others.len() == calls.len() && self.json.is_none() {
            return None;
        }
        let content = content.map(|content| format!("\"{content}\""));
        let others = (!others.is_empty()).then(|| format!("[{}]", others.join(",")));
        let mut changes = vec![("tool_calls", others.as_deref())];
        changes.extend(content.as_deref().map(|content| ("content", Some(content))));
        Some(message.with(&changes))
    }

    /// Returns what a choice ended with that ended with nothing but the JSON tool.
    pub(crate) fn finish(&self, reason: &str) -> Option<&'static str> {
        let by_call = matches!(reason, "tool_calls" | "function_call" | "tool_use");
        (by_call && self.json.is_some() && !self.has_others).then_some("stop")
    }

    /// Whether tools of the client are called.
    pub(crate) fn has_others(&self) -> bool {
        self.has_others
    }

    /// Whether a call is the one that becomes content. Only the first piece of a call has a name.
    fn is_json(&mut self, index: u64, name: Option<&str>) -> bool {
        if self.json == Some(index) {
            return true;
        }
        if name != Some(NAME) || self.surplus.contains(&index) {
            return false;
        }
        if self.json.is_some() {
            self.surplus.push(index);
            return false;
        }
        self.json = Some(index);
        true
    }

    /// A call whose index leaves no gap where calls of the JSON tool were.
    fn renumbered(&self, index: u64, call: &str, members: &Members<'_>) -> String {
        let gone = self.json.iter().chain(&self.surplus);
        let gone = gone.filter(|gone| **gone < index).count() as u64;
        match members.get("index") {
            Some(_) if gone > 0 => {
                let index = (index - gone).to_string();
                members.with(&[("index", Some(&index))])
            }
            _ => call.to_owned(),
        }
    }
}

/// Arguments as the inside of a string.
fn text(arguments: Option<&str>) -> String {
    let inside = |literal: &str| literal[1..literal.len() - 1].to_owned();
    match arguments {
        None | Some("null") => String::new(),
        Some(literal) if literal.starts_with('"') => inside(literal),
        Some(other) => inside(&serde_json::Value::from(other).to_string()),
    }
}
