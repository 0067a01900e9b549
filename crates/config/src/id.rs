//! Ids of deployments that have none of their own.

use serde_yaml::{Mapping, Value};
use sha2::{Digest, Sha256};

use crate::environment::key_text;

/// Returns the hexadecimal SHA-256 of the group's name followed by every parameter and its value,
/// in the order of the file: the same after a restart, another one if a key is rotated. Values
/// are written as LiteLLM writes them, so that simple deployments keep the id they had there.
///
/// `organization` replaces the parameter of that name, which may be a list.
pub(crate) fn generate(model_name: &str, params: &Mapping, organization: Option<&str>) -> String {
    let mut hash = Sha256::new();
    hash.update(model_name);
    for (key, value) in params {
        let key = key_text(key);
        hash.update(&key);
        match organization {
            Some(name) if key == "organization" => hash.update(name),
            _ => hash.update(written(value)),
        }
    }
    let digest = hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Sequence(items) => {
            let items = items.iter().map(quoted).collect::<Vec<_>>();
            format!("[{}]", items.join(", "))
        }
        Value::Mapping(entries) => {
            let entry = |(key, value)| format!("{}: {}", quoted(key), quoted(value));
            let entries = entries.iter().map(entry).collect::<Vec<_>>();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Tagged(tagged) => written(&tagged.value),
    }
}

fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        other => written(other),
    }
}
