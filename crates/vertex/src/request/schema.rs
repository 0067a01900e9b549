//! JSON Schema in the subset that Google's own form has.

use std::borrow::Cow;

use super::node::Node;

/// What Google's `Schema` knows; all else is left out.
const KNOWN: [&str; 19] = [
    "format",
    "title",
    "description",
    "default",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "pattern",
    "example",
    "required",
    "nullable",
    "propertyOrdering",
    "enum",
    "type",
];

/// The formats that Google takes; others only explain, and would be refused.
const FORMATS: [&str; 7] = [
    "enum",
    "date-time",
    "float",
    "double",
    "int32",
    "int64",
    "time",
];

/// How deep a schema may go, and how many parts it may have once its references are followed.
const DEEPEST: usize = 32;
const MOST: usize = 10_000;

struct Cleaner<'a> {
    root: &'a Node<'a>,
    /// Whether to say in which order properties come.
    ordered: bool,
    parts: usize,
    /// The references that are being followed, so that none leads to itself.
    following: Vec<&'a str>,
}

/// Makes Google's schema of a JSON Schema.
pub(super) fn google<'a>(schema: &'a Node<'a>, ordered: bool) -> Result<Node<'a>, &'static str> {
    let mut cleaner = Cleaner {
        root: schema,
        ordered,
        parts: 0,
        following: Vec::new(),
    };
    cleaner.schema(schema, 0)
}

impl<'a> Cleaner<'a> {
    fn schema(&mut self, schema: &'a Node<'a>, depth: usize) -> Result<Node<'a>, &'static str> {
        self.parts += 1;
        if depth > DEEPEST || self.parts > MOST {
            return Err("the schema is too deep or too large");
        }
        if let Some(reference) = schema.get("$ref").and_then(Node::as_text) {
            return self.follow(reference, depth);
        }
        let mut out: Vec<(Cow<'a, str>, Node<'a>)> = Vec::new();
        let mut nullable = false;
        for (name, value) in schema.members() {
            match &**name {
                "type" => nullable |= types(value, &mut out),
                "properties" => self.properties(value, depth, &mut out)?,
                "items" => {
                    // Google has no tuples: the first of its types stands for all.
                    let items = value.items().first().unwrap_or(value);
                    out.push(("items".into(), self.schema(items, depth + 1)?));
                }
                "anyOf" | "oneOf" => nullable |= self.any_of(value, depth, &mut out)?,
                "allOf" => {
                    for part in value.items() {
                        let part = self.schema(part, depth + 1)?;
                        merge(&mut out, part);
                    }
                }
                "const" => {
                    if let Some(text) = scalar(value) {
                        set(&mut out, "enum", Node::Array(vec![Node::Text(text)]));
                    }
                }
                "enum" => {
                    let values: Vec<_> = value.items().iter().filter_map(scalar).collect();
                    nullable |= value.items().contains(&Node::Null);
                    let values = values.into_iter().map(Node::Text).collect();
                    set(&mut out, "enum", Node::Array(values));
                }
                "format" if !value.as_text().is_some_and(|it| FORMATS.contains(&it)) => {}
                known if KNOWN.contains(&known) => set(&mut out, known, value.clone()),
                _ => {}
            }
        }
        let has =
            |out: &[(Cow<'a, str>, Node<'a>)], name: &str| out.iter().any(|(it, _)| it == name);
        if has(&out, "enum") {
            // Google knows enumerations of texts alone.
            set(&mut out, "type", Node::text("string"));
        } else if !has(&out, "type") && has(&out, "properties") {
            out.insert(0, ("type".into(), Node::text("object")));
        } else if !has(&out, "type") && has(&out, "items") {
            out.insert(0, ("type".into(), Node::text("array")));
        }
        if nullable {
            set(&mut out, "nullable", Node::Bool(true));
        }
        Ok(Node::Object(out))
    }

    /// Puts what a reference within the schema leads to in its place; one that leads to itself becomes any object.
    fn follow(&mut self, reference: &'a str, depth: usize) -> Result<Node<'a>, &'static str> {
        if self.following.contains(&reference) {
            let object = ("type".into(), Node::text("object"));
            return Ok(Node::Object(vec![object]));
        }
        let path = reference
            .strip_prefix('#')
            .ok_or("a $ref leads elsewhere")?;
        let mut steps = path.split('/').filter(|step| !step.is_empty());
        let target = steps.try_fold(self.root, |node, step| {
            node.get(&step.replace("~1", "/").replace("~0", "~"))
        });
        let target = target.ok_or("a $ref leads nowhere")?;
        self.following.push(reference);
        let found = self.schema(target, depth + 1);
        self.following.pop();
        found
    }

    fn properties(
        &mut self,
        properties: &'a Node<'a>,
        depth: usize,
        out: &mut Vec<(Cow<'a, str>, Node<'a>)>,
    ) -> Result<(), &'static str> {
        let mut cleaned = Vec::new();
        for (name, property) in properties.members() {
            cleaned.push((name.clone(), self.schema(property, depth + 1)?));
        }
        if self.ordered && !cleaned.is_empty() {
            let names = cleaned.iter().map(|(name, _)| Node::Text(name.clone()));
            set(out, "propertyOrdering", Node::Array(names.collect()));
        }
        set(out, "properties", Node::Object(cleaned));
        Ok(())
    }

    /// Says whether null is among the alternatives; a single other one takes the place of them all.
    fn any_of(
        &mut self,
        alternatives: &'a Node<'a>,
        depth: usize,
        out: &mut Vec<(Cow<'a, str>, Node<'a>)>,
    ) -> Result<bool, &'static str> {
        let is_null = |node: &&Node<'_>| node.get("type").and_then(Node::as_text) == Some("null");
        let all = alternatives.items();
        let nullable = all.iter().any(|node| is_null(&node));
        let mut others = Vec::new();
        for node in all.iter().filter(|node| !is_null(node)) {
            others.push(self.schema(node, depth + 1)?);
        }
        match others.len() {
            0 => {}
            1 => merge(out, others.remove(0)),
            _ => set(out, "anyOf", Node::Array(others)),
        }
        Ok(nullable)
    }
}

/// Writes a type, or the alternatives of a list; says whether null is one of them.
fn types<'a>(value: &'a Node<'a>, out: &mut Vec<(Cow<'a, str>, Node<'a>)>) -> bool {
    let names: Vec<_> = match value {
        Node::Array(names) => names.iter().filter_map(Node::as_text).collect(),
        one => one.as_text().into_iter().collect(),
    };
    let others: Vec<_> = names
        .iter()
        .copied()
        .filter(|name| *name != "null")
        .collect();
    match &others[..] {
        [] => {}
        [one] => set(out, "type", Node::text(one)),
        many => {
            let any = many
                .iter()
                .map(|name| Node::Object(vec![("type".into(), Node::text(name))]));
            set(out, "anyOf", Node::Array(any.collect()));
        }
    }
    names.len() > others.len()
}

/// The text of a value of an enumeration.
fn scalar<'a>(value: &Node<'a>) -> Option<Cow<'a, str>> {
    match value {
        Node::Text(text) => Some(text.clone()),
        Node::Number(number) => Some(number.to_string().into()),
        Node::Bool(value) => Some(value.to_string().into()),
        Node::Null | Node::Array(_) | Node::Object(_) => None,
    }
}

fn set<'a>(out: &mut Vec<(Cow<'a, str>, Node<'a>)>, name: &'a str, value: Node<'a>) {
    match out.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => out.push((name.into(), value)),
    }
}

/// Adds the members of another schema: lists and objects are joined, of the rest the first stays.
fn merge<'a>(out: &mut Vec<(Cow<'a, str>, Node<'a>)>, other: Node<'a>) {
    let Node::Object(members) = other else { return };
    for (name, value) in members {
        match (out.iter_mut().find(|(known, _)| *known == name), value) {
            (None, value) => out.push((name, value)),
            (Some((_, Node::Object(old))), Node::Object(new)) => {
                for (name, value) in new {
                    if !old.iter().any(|(known, _)| *known == name) {
                        old.push((name, value));
                    }
                }
            }
            (Some((_, Node::Array(old))), Node::Array(new)) => {
                let added = new.into_iter().filter(|it| !old.contains(it));
                let added: Vec<_> = added.collect();
                old.extend(added);
            }
            _ => {}
        }
    }
}
