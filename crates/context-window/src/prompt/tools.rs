//! Tools as the declaration that models see in their place.

use std::collections::HashSet;

use super::json::{Stop, elements, members, string};

/// Schemas nested deeper count as `any`.
const DEEPEST: usize = 32;

pub(crate) fn is_empty(raw: &str) -> bool {
    raw.strip_prefix('[')
        .is_none_or(|inside| inside.trim_start().starts_with(']'))
}

/// Writes all tools as one declaration in the manner of TypeScript. Tools without a name, such as a provider's own
/// search, are left out.
pub(crate) fn declaration<'a>(lists: impl Iterator<Item = &'a str>) -> Result<String, Stop> {
    let mut out = String::from("namespace functions {\n\n");
    for raw in lists.filter(|raw| raw.starts_with('[')) {
        elements(raw, |tool| {
            let tool = Schema::read(tool)?;
            match tool.function {
                Some(inner) => function(&mut out, &Schema::read(inner)?),
                None => function(&mut out, &tool),
            }
        })?;
    }
    out.push_str("} // namespace functions");
    Ok(out)
}

/// The members of a tool, a function or a schema that end up in the declaration, as JSON text.
#[derive(Default)]
struct Schema<'a> {
    function: Option<&'a str>,
    name: Option<&'a str>,
    parameters: Option<&'a str>,
    description: Option<&'a str>,
    kind: Option<&'a str>,
    values: Option<&'a str>,
    items: Option<&'a str>,
    properties: Option<&'a str>,
    required: Option<&'a str>,
}

// === impl Schema ===

impl<'a> Schema<'a> {
    fn read(raw: &'a str) -> Result<Self, Stop> {
        let mut schema = Self::default();
        if !raw.starts_with('{') {
            return Ok(schema);
        }
        members(raw, |name, value| {
            let place = match name {
                "function" if value.starts_with('{') => &mut schema.function,
                "name" if value.starts_with('"') => &mut schema.name,
                // Anthropic's name for them comes second.
                "parameters" | "input_schema" => &mut schema.parameters,
                "description" if value.starts_with('"') => &mut schema.description,
                "type" if value.starts_with('"') => &mut schema.kind,
                "enum" if value.starts_with('[') => &mut schema.values,
                "items" => &mut schema.items,
                "properties" if value.starts_with('{') => &mut schema.properties,
                "required" if value.starts_with('[') => &mut schema.required,
                _ => return Ok(()),
            };
            *place = Some(value);
            Ok(())
        })?;
        Ok(schema)
    }

    /// Writes the description as a comment.
    fn describe(&self, out: &mut String, indent: &str) -> Result<(), Stop> {
        match self.description {
            None | Some(r#""""#) => Ok(()),
            Some(description) => line(out, &[indent, "// ", &string(description)?]),
        }
    }

    fn has_properties(&self) -> bool {
        let inside = self.properties.and_then(|raw| raw.strip_prefix('{'));
        inside.is_some_and(|inside| !inside.trim_start().starts_with('}'))
    }

    /// Writes the properties, a line each.
    fn members(&self, out: &mut String, indent: usize, depth: usize) -> Result<(), Stop> {
        let mut required = HashSet::new();
        if let Some(raw) = self.required {
            elements(raw, |name| {
                required.extend(string(name));
                Ok(())
            })?;
        }
        let spaces = " ".repeat(indent);
        if let Some(properties) = self.properties {
            members(properties, |name, raw| {
                let schema = Self::read(raw)?;
                schema.describe(out, &spaces)?;
                let mark = if required.contains(name) { "" } else { "?" };
                out.extend([&spaces, name, mark, ": "]);
                schema.kind(out, indent, depth)?;
                line(out, &[","])
            })?;
        }
        Ok(())
    }

    /// Writes the type.
    fn kind(&self, out: &mut String, indent: usize, depth: usize) -> Result<(), Stop> {
        let kind = self.kind.map(string).transpose()?;
        match (kind.as_deref(), self.values) {
            (Some("string" | "integer" | "number"), Some(values)) => {
                return alternatives(out, values);
            }
            (Some("string"), None) => out.push_str("string"),
            (Some("integer" | "number"), None) => out.push_str("number"),
            (Some("boolean"), _) => out.push_str("boolean"),
            (Some("null"), _) => out.push_str("null"),
            (Some("array"), _) if depth < DEEPEST => {
                Self::read(self.items.unwrap_or_default())?.kind(out, indent, depth + 1)?;
                out.push_str("[]");
            }
            (Some("object"), _) if depth < DEEPEST => {
                out.push_str("{\n");
                self.members(out, indent + 2, depth + 1)?;
                // An empty one has an empty line.
                out.push_str(if self.has_properties() { "}" } else { "\n}" });
            }
            _ => out.push_str("any"),
        }
        Ok(())
    }
}

fn function(out: &mut String, function: &Schema<'_>) -> Result<(), Stop> {
    let Some(name) = function.name.map(string).transpose()? else {
        return Ok(());
    };
    function.describe(out, "")?;
    let parameters = Schema::read(function.parameters.unwrap_or_default())?;
    if !parameters.has_properties() {
        return line(out, &["type ", &name, " = () => any;\n"]);
    }
    line(out, &["type ", &name, " = (_: {"])?;
    parameters.members(out, 0, 0)?;
    line(out, &["}) => any;\n"])
}

fn alternatives(out: &mut String, values: &str) -> Result<(), Stop> {
    let mut bar = "";
    elements(values, |value| {
        let text = if value.starts_with('"') {
            string(value)?
        } else {
            value.into()
        };
        out.extend([bar, "\"", &text, "\""]);
        bar = " | ";
        Ok(())
    })
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "the last step of functions that can stop"
)]
fn line(out: &mut String, pieces: &[&str]) -> Result<(), Stop> {
    out.extend(pieces.iter().copied());
    out.push('\n');
    Ok(())
}
