//! Tools, without what watsonx refuses in their schemas.

use bytes::Bytes;
use memchr::memmem;
use serde_json::{Map, Value};

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

/// Cuts `strict`, and `additionalProperties` that are not allowed anyway; `None` if there is neither.
pub(crate) fn fit(tools: &[u8]) -> Option<Bytes> {
    let has = |name: &str| memmem::find(tools, name.as_bytes()).is_some();
    if !has("strict") && !has("additionalProperties") {
        return None;
    }
    let mut tools: Value = serde_json::from_slice(tools).ok()?;
    for tool in tools.as_array_mut()? {
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
