//! JSON Schema in the subset that Google's own form has.

mod finish;

use std::borrow::Cow;

use self::finish::finished;
use super::node::Node;

/// What Google's `Schema` knows and needs no change; all else is left out.
const KNOWN: [&str; 17] = [
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

/// The members of a schema that is being put together.
type Members<'a> = Vec<(Cow<'a, str>, Node<'a>)>;

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
        let mut out = Vec::new();
        self.read(schema, depth, &mut out)?;
        Ok(Node::Object(finished(out)))
    }

    /// Reads the members of a schema, and those that it refers to, as far as Google has the like.
    fn read(
        &mut self,
        schema: &'a Node<'a>,
        depth: usize,
        out: &mut Members<'a>,
    ) -> Result<(), &'static str> {
        self.parts += 1;
        if depth > DEEPEST || self.parts > MOST {
            return Err("the schema is too deep or too large");
        }
        for (name, value) in schema.members() {
            match &**name {
                "type" => types(value, out),
                "properties" => self.properties(value, depth, out)?,
                "items" => {
                    // Google has no tuples: the first of its types stands for all.
                    let items = value.items().first().unwrap_or(value);
                    out.push(("items".into(), self.schema(items, depth + 1)?));
                }
                "anyOf" | "oneOf" => self.any_of(value, depth, out)?,
                "const" => set(out, "enum", Node::Array(vec![value.clone()])),
                "enum" => set(out, "enum", value.clone()),
                "format" if !value.as_text().is_some_and(|it| FORMATS.contains(&it)) => {}
                known if KNOWN.contains(&known) => set(out, known, value.clone()),
                _ => {}
            }
        }
        // What stands beside these counts more.
        for part in schema.get("allOf").map_or(&[][..], Node::items) {
            let mut members = Vec::new();
            self.read(part, depth + 1, &mut members)?;
            merge(out, members);
        }
        match schema.get("$ref").and_then(Node::as_text) {
            Some(reference) => self.follow(reference, depth, out),
            None => Ok(()),
        }
    }

    /// Adds what a reference within the schema leads to, to what stands beside it; one that leads to itself becomes any
    /// object.
    fn follow(
        &mut self,
        reference: &'a str,
        depth: usize,
        out: &mut Members<'a>,
    ) -> Result<(), &'static str> {
        if self.following.contains(&reference) {
            merge(out, vec![("type".into(), Node::text("object"))]);
            return Ok(());
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
        let mut found = Vec::new();
        self.read(target, depth + 1, &mut found)?;
        self.following.pop();
        merge(out, found);
        Ok(())
    }

    fn properties(
        &mut self,
        properties: &'a Node<'a>,
        depth: usize,
        out: &mut Members<'a>,
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

    /// Null among the alternatives makes the schema nullable; a single other one takes the place of them all.
    fn any_of(
        &mut self,
        alternatives: &'a Node<'a>,
        depth: usize,
        out: &mut Members<'a>,
    ) -> Result<(), &'static str> {
        let is_null = |node: &&Node<'_>| node.get("type").and_then(Node::as_text) == Some("null");
        let all = alternatives.items();
        if all.iter().any(|node| is_null(&node)) {
            set(out, "nullable", Node::Bool(true));
        }
        let others: Vec<_> = all.iter().filter(|node| !is_null(node)).collect();
        if let [one] = others[..] {
            let mut members = Vec::new();
            self.read(one, depth + 1, &mut members)?;
            merge(out, members);
            return Ok(());
        }
        let mut cleaned = Vec::new();
        for node in others {
            cleaned.push(self.schema(node, depth + 1)?);
        }
        if !cleaned.is_empty() {
            set(out, "anyOf", Node::Array(cleaned));
        }
        Ok(())
    }
}

/// Writes a type, or the alternatives of a list, of which null makes the schema nullable.
fn types<'a>(value: &'a Node<'a>, out: &mut Members<'a>) {
    let names: Vec<_> = match value {
        Node::Array(names) => names.iter().filter_map(Node::as_text).collect(),
        one => one.as_text().into_iter().collect(),
    };
    if names.contains(&"null") {
        set(out, "nullable", Node::Bool(true));
    }
    let others: Vec<_> = names.into_iter().filter(|name| *name != "null").collect();
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
}

fn set<'a>(out: &mut Members<'a>, name: &'a str, value: Node<'a>) {
    match out.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => *old = value,
        None => out.push((name.into(), value)),
    }
}

/// Adds the members of another schema: lists and objects are joined, of the rest the first stays.
fn merge<'a>(out: &mut Members<'a>, other: Members<'a>) {
    for (name, value) in other {
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
