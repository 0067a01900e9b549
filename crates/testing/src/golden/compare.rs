//! Comparing by meaning: what providers and clients take for the same counts as the same.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

const GENERATED: &str = "<GENERATED_ID>";

/// Members that say nothing when they are empty.
const EXTENSIONS: [&str; 10] = [
    "annotations",
    "images",
    "prompt_filter_results",
    "content_filter_results",
    "thinking_blocks",
    "tool_calls",
    "vertex_ai_citation_metadata",
    "vertex_ai_grounding_metadata",
    "vertex_ai_safety_results",
    "vertex_ai_url_context_metadata",
];

/// Lists where two values differ; placeholders in the expected one match what they stand for.
pub(super) fn diff(expected: &Value, actual: &Value, path: &str, out: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (name, value) in expected {
                match actual.get(name) {
                    Some(other) => diff(value, other, &format!("{path}.{name}"), out),
                    None => out.push(format!("{path}.{name}: missing, expected {value}")),
                }
            }
            for (name, value) in actual
                .iter()
                .filter(|(name, _)| !expected.contains_key(*name))
            {
                out.push(format!("{path}.{name}: not expected, got {value}"));
            }
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (at, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                diff(expected, actual, &format!("{path}[{at}]"), out);
            }
        }
        _ if is_same(expected, actual) => {}
        _ => out.push(format!("{path}: expected {expected}, got {actual}")),
    }
}

fn is_same(expected: &Value, actual: &Value) -> bool {
    match (expected.as_str(), actual.as_str()) {
        (Some("<UNIX_TIME>"), _) => actual.is_number(),
        (Some(wanted), Some(id)) if wanted.starts_with(GENERATED) => is_generated(wanted, id),
        // JSON in a string may be spaced otherwise.
        (Some(one), Some(other)) if one.starts_with('{') => {
            one == other
                || serde_json::from_str::<Value>(one).ok()
                    == serde_json::from_str::<Value>(other).ok()
        }
        _ => expected == actual,
    }
}

/// Whether an id may stand where one was made up, which may have a suffix that was not.
pub(super) fn is_generated(wanted: &str, id: &str) -> bool {
    let suffix = wanted.strip_prefix(GENERATED);
    suffix.is_some_and(|suffix| id.strip_suffix(suffix).is_some_and(|id| id.len() > 10))
}

/// Without nulls, empty extensions and `provider_specific_fields`.
pub(super) fn lean(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut lean_object = Map::new();
            for (name, value) in object {
                let value = lean(value);
                let is_empty = value == json!([]) || value == json!({});
                let says_nothing = value.is_null() || (is_empty && EXTENSIONS.contains(&&**name));
                if name != "provider_specific_fields" && !says_nothing {
                    lean_object.insert(name.clone(), value);
                }
            }
            lean_object.into()
        }
        Value::Array(values) => values.iter().map(lean).collect(),
        other => other.clone(),
    }
}

/// A plain answer, ready to be compared.
pub(super) fn canonical(answer: &Value) -> Value {
    let mut answer = lean(answer);
    if let Some(usage) = answer.get_mut("usage") {
        *usage = usage_of(usage);
    }
    let choices = answer.get_mut("choices").and_then(Value::as_array_mut);
    for choice in choices.into_iter().flatten() {
        if let Some(message) = choice["message"].as_object_mut()
            && message.get("content").is_some_and(|content| content == "")
        {
            message.remove("content");
        }
        // Azure's notes about its filter move below `provider_specific_fields` in the recordings.
        if let Some(choice) = choice.as_object_mut() {
            choice.remove("content_filter_results");
        }
        for call in choice["message"]["tool_calls"]
            .as_array_mut()
            .into_iter()
            .flatten()
        {
            if let Some(function) = call["function"].as_object_mut() {
                function.remove("description");
            }
        }
    }
    answer
}

fn usage_of(usage: &Value) -> Value {
    let totals = ["prompt_tokens", "completion_tokens", "total_tokens"];
    let mut lean_usage = Map::new();
    for (name, value) in usage.as_object().into_iter().flatten() {
        let value = without_zeros(value);
        if totals.contains(&&**name) || !(value == 0 || value == json!({})) {
            lean_usage.insert(name.clone(), value);
        }
    }
    lean_usage.remove("cost");
    if lean_usage.get("completion_tokens_details") == Some(&json!({})) {
        lean_usage.remove("completion_tokens_details");
    }
    lean_usage.into()
}

/// Takes the text tokens of an answer out of what is expected where they are not told: the recording gateway counts them
/// for all.
pub(super) fn forgive_text_tokens(expected: &mut Value, actual: &Value) {
    let pointer = "/completion_tokens_details/text_tokens";
    if actual.pointer(pointer).is_some() {
        return;
    }
    let Some(usage) = expected.as_object_mut() else {
        return;
    };
    if let Some(Value::Object(details)) = usage.get_mut("completion_tokens_details") {
        details.remove("text_tokens");
    }
    if usage.get("completion_tokens_details") == Some(&json!({})) {
        usage.remove("completion_tokens_details");
    }
}

fn without_zeros(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object.iter().filter(|(_, value)| **value != 0);
            kept.map(|(name, value)| (name.clone(), value.clone()))
                .collect::<Map<_, _>>()
                .into()
        }
        other => other.clone(),
    }
}

/// A stream as one value, so that it does not matter how it was cut.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Folded {
    pub(super) ids: Vec<String>,
    pub(super) models: Vec<String>,
    pub(super) choices: BTreeMap<u64, BTreeMap<String, String>>,
    pub(super) usage: Value,
    pub(super) error: Option<Value>,
    pub(super) done: bool,
    /// Whether a chunk without an id came.
    pub(super) nameless: bool,
}

pub(super) fn fold(events: &[Value]) -> Folded {
    let mut folded = Folded::default();
    for event in events {
        assert!(!folded.done, "an event after [DONE]: {event}");
        if event == "[DONE]" {
            folded.done = true;
            continue;
        }
        if let Some(error) = event.get("error") {
            folded.error = Some(error.clone());
            continue;
        }
        note(&event["id"], &mut folded.ids);
        note(&event["model"], &mut folded.models);
        folded.nameless |= event["id"].as_str().is_none_or(str::is_empty);
        if event["usage"].is_object() {
            folded.usage = usage_of(&lean(&event["usage"]));
        }
        for choice in event["choices"].as_array().into_iter().flatten() {
            let index = choice["index"].as_u64().unwrap_or(0);
            fold_choice(choice, folded.choices.entry(index).or_default());
        }
    }
    folded
}

fn fold_choice(choice: &Value, folded: &mut BTreeMap<String, String>) {
    let mut add = |name: String, text: &Value| {
        if let Some(text) = text.as_str().filter(|text| !text.is_empty()) {
            folded.entry(name).or_default().push_str(text);
        }
    };
    let delta = &choice["delta"];
    add("content".into(), &delta["content"]);
    add("reasoning_content".into(), &delta["reasoning_content"]);
    add("finish_reason".into(), &choice["finish_reason"]);
    for call in delta["tool_calls"].as_array().into_iter().flatten() {
        let index = &call["index"];
        add(format!("tool {index} id"), &call["id"]);
        add(format!("tool {index} name"), &call["function"]["name"]);
        add(
            format!("tool {index} arguments"),
            &call["function"]["arguments"],
        );
    }
}

/// Whether streams say the same: ids may be made up, and JSON in arguments may be spaced otherwise.
pub(super) fn say_the_same(expected: &Folded, actual: &Folded) -> bool {
    let members = |folded: &Folded| {
        let choices = folded.choices.iter();
        let members = choices.flat_map(|(index, choice)| {
            let members = choice.iter();
            members.map(|(name, text)| ((*index, name.clone()), Value::from(&**text)))
        });
        members.collect::<BTreeMap<_, _>>()
    };
    let (expected, actual) = (members(expected), members(actual));
    expected.keys().eq(actual.keys())
        && expected
            .values()
            .zip(actual.values())
            .all(|(expected, actual)| is_same(expected, actual))
}

fn note(value: &Value, seen: &mut Vec<String>) {
    if let Some(text) = value.as_str()
        && !text.is_empty()
        && !seen.iter().any(|known| known == text)
    {
        seen.push(text.to_owned());
    }
}
