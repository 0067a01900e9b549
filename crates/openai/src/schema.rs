//! Schemas of parameters without `anyOf`, `oneOf` and `allOf` at their top, where OpenAI refuses them.

use crate::spans::{Members, elements};

const COMBINATORS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// What a branch may have beside properties and demands; its title and description are lost.
const PLAIN: [&str; 6] = [
    "type",
    "properties",
    "required",
    "additionalProperties",
    "title",
    "description",
];

/// Joins the branches at the top of a schema into one object, which takes whatever any of them describes; `None` if there
/// are none, or if they say more than what properties there are and which are required.
pub(crate) fn flatten(schema: &str) -> Option<String> {
    let root = Members::of(schema)?;
    let mut flat = Flat::of(&root)?;
    let mut is_flat = true;
    for combinator in COMBINATORS {
        if let Some(branches) = root.get(combinator) {
            flat.join(&elements(branches)?, combinator == "allOf")?;
            is_flat = false;
        }
    }
    if is_flat {
        return None;
    }
    let (properties, required) = (flat.properties(), flat.required());
    let mut changes: Vec<_> = COMBINATORS.map(|name| (name, None)).into();
    changes.push(("type", Some("\"object\"")));
    changes.push(("properties", Some(&properties)));
    changes.push(("required", required.as_deref()));
    changes.push(("additionalProperties", flat.closed.then_some("false")));
    Some(root.with(&changes))
}

/// An object: what it takes and what it demands, the latter as JSON.
struct Flat<'a> {
    properties: Vec<(String, Vec<&'a str>)>,
    required: Vec<&'a str>,
    /// Whether it takes nothing else.
    closed: bool,
}

impl<'a> Flat<'a> {
    /// Reads a schema without its branches; `None` if it is none of an object.
    fn of(schema: &Members<'a>) -> Option<Self> {
        if schema.get("type").is_some_and(|it| it != "\"object\"") {
            return None;
        }
        let closed = match schema.get("additionalProperties") {
            None | Some("true") => false,
            Some("false") => true,
            Some(_) => return None,
        };
        let properties = match schema.get("properties") {
            Some(properties) => Members::of(properties)?
                .into_pairs()
                .map(|(name, schema)| (name, vec![schema]))
                .collect(),
            None => Vec::new(),
        };
        let required = match schema.get("required") {
            Some(required) => elements(required)?,
            None => Vec::new(),
        };
        Some(Self {
            properties,
            required,
            closed,
        })
    }

    /// Joins branches of which all hold, or one. `None` if a property of theirs has to fit two schemas at once.
    fn join(&mut self, branches: &[&'a str], all: bool) -> Option<()> {
        let branches = branches.iter().map(|branch| {
            let branch = Members::of(branch)?;
            let is_plain = branch.names().all(|name| PLAIN.contains(&name));
            is_plain.then(|| Self::of(&branch)).flatten()
        });
        let branches: Vec<Self> = branches.collect::<Option<_>>()?;
        let (first, others) = branches.split_first()?;
        let demands = |branch: &Self, name: &&str| branch.required.contains(name);
        for name in branches.iter().flat_map(|branch| &branch.required) {
            let is_demanded = all || branches.iter().all(|branch| demands(branch, name));
            if is_demanded && !self.required.contains(name) {
                self.required.push(name);
            }
        }
        self.closed |= match all {
            true => branches.iter().any(|branch| branch.closed),
            false => first.closed && others.iter().all(|branch| branch.closed),
        };
        let own = self.properties.len();
        for (name, schema) in branches.iter().flat_map(|branch| &branch.properties) {
            let schema = *schema.first()?;
            match self.properties.iter().position(|(known, _)| known == name) {
                None => self.properties.push((name.clone(), vec![schema])),
                Some(at) if self.properties[at].1.contains(&schema) => {}
                Some(at) if all || at < own => return None,
                Some(at) => self.properties[at].1.push(schema),
            }
        }
        Some(())
    }

    /// Prints the properties; one that differs between branches fits any of its schemas.
    fn properties(&self) -> String {
        let properties = self.properties.iter().map(|(name, schemas)| {
            let name = serde_json::Value::from(name.as_str());
            match &schemas[..] {
                [schema] => format!("{name}:{schema}"),
                schemas => format!(r#"{name}:{{"anyOf":[{}]}}"#, schemas.join(",")),
            }
        });
        let properties: Vec<String> = properties.collect();
        format!("{{{}}}", properties.join(","))
    }

    fn required(&self) -> Option<String> {
        (!self.required.is_empty()).then(|| format!("[{}]", self.required.join(",")))
    }
}
