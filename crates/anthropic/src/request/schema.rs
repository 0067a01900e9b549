//! Schemas of answers, as far as Anthropic enforces them: limits that it does not know become words.

use serde_json::value::RawValue;

use crate::object::Object;

/// Limits that are not enforced, and refused.
const LIMITS: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
];

/// Schemas nested deeper stay as they are.
const DEEPEST: usize = 32;

/// Fits a schema to what is enforced. Members keep their order, in which the model writes them.
pub(super) fn fit(schema: &RawValue) -> String {
    let mut out = String::with_capacity(schema.get().len() + 64);
    write(schema, DEEPEST, &mut out);
    out
}

fn write(schema: &RawValue, depth: usize, out: &mut String) {
    let object = Object::of(schema).filter(|_| depth > 0);
    let Some(object) = object else {
        return out.push_str(schema.get());
    };
    let is_object = object.get("properties").is_some()
        || object
            .get("type")
            .is_some_and(|it| it.get() == "\"object\"");
    let limits: Vec<_> = object.0.iter().filter(|(name, _)| is_limit(name)).collect();
    let mut writer = Writer::new(out);
    for (name, value) in &object.0 {
        match name.as_str() {
            name if is_limit(name) => {}
            "additionalProperties" if is_object => {}
            "description" if !limits.is_empty() => {}
            "properties" | "$defs" | "definitions" => {
                writer.name(name);
                each(value, depth, writer.out);
            }
            "items" | "not" => {
                writer.name(name);
                write(value, depth - 1, writer.out);
            }
            "anyOf" | "allOf" | "oneOf" | "prefixItems" => {
                writer.name(name);
                list(value, depth, writer.out);
            }
            _ => {
                writer.name(name);
                writer.out.push_str(value.get());
            }
        }
    }
    if !limits.is_empty() {
        let given = object.get("description").and_then(crate::object::string);
        let words = limits
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.get()));
        let words = words.collect::<Vec<_>>().join(", ");
        let text = match given {
            Some(given) => format!("{given} ({words})"),
            None => words,
        };
        writer.name("description");
        writer
            .out
            .push_str(&serde_json::Value::from(text).to_string());
    }
    if is_object {
        writer.name("additionalProperties");
        writer.out.push_str("false");
    }
    out.push('}');
}

/// Writes an object whose values are schemas.
fn each(schemas: &RawValue, depth: usize, out: &mut String) {
    let Some(object) = Object::of(schemas) else {
        return out.push_str(schemas.get());
    };
    let mut writer = Writer::new(out);
    for (name, schema) in &object.0 {
        writer.name(name);
        write(schema, depth - 1, writer.out);
    }
    out.push('}');
}

fn list(schemas: &RawValue, depth: usize, out: &mut String) {
    let Ok(schemas) = serde_json::from_str::<Vec<&RawValue>>(schemas.get()) else {
        return out.push_str(schemas.get());
    };
    out.push('[');
    for (at, schema) in schemas.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write(schema, depth - 1, out);
    }
    out.push(']');
}

fn is_limit(name: &str) -> bool {
    LIMITS.contains(&name)
}

/// Writes the members of an object.
struct Writer<'a> {
    out: &'a mut String,
    empty: bool,
}

impl<'a> Writer<'a> {
    fn new(out: &'a mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(',');
        }
        self.out
            .push_str(&serde_json::Value::from(name).to_string());
        self.out.push(':');
    }
}
