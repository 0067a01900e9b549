//! Fallbacks as requests write them: a list of groups, of groups with parameters, or of tables.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::{
    Failure,
    fallbacks::{Chain, Table, Target},
    json::{Document, Value},
};

use super::{
    fields::{Fate, fate},
    wishes::{count, invalid, seconds, wrong_type},
};

/// A list of fallbacks: one chain for all failures, or a table.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) chain: Option<Chain>,
    pub(super) table: Option<Table>,
}

impl Parsed {
    /// The same as a table: a chain stands under the key of any group.
    pub(super) fn into_table(self) -> Table {
        match (self.table, self.chain) {
            (Some(table), _) => table,
            (None, Some(chain)) => [(Table::ANY, chain.to_vec())].into_iter().collect(),
            (None, None) => Table::default(),
        }
    }
}

/// Reads the fallbacks of a request. `raw` is the text that `value` is a part of.
///
/// Strings, and objects with a `model` of their own, are targets, asked in their order. Objects of the form
/// `{"group": ["target", …]}` are a table; targets beside them serve all other groups.
pub(super) fn parse(raw: &Bytes, name: &str, value: Value<'_>) -> Result<Parsed, Failure> {
    if let Some(group) = value.as_str() {
        return Ok(Parsed {
            chain: Some([Target::from(&*group)].into()),
            table: None,
        });
    }
    let Ok(items) = value.decode::<Vec<&RawValue>>() else {
        return Err(wrong_type(name, "a list", value));
    };
    let (mut targets, mut tables) = (Vec::new(), Vec::new());
    for item in items {
        match parse_item(raw, name, item)? {
            Item::Target(target) => targets.push(target),
            Item::Table(entries) => tables.extend(entries),
        }
    }
    if tables.is_empty() && !targets.is_empty() {
        return Ok(Parsed {
            chain: Some(targets.into()),
            table: None,
        });
    }
    if !targets.is_empty() {
        tables.push((Table::ANY.into(), targets));
    }
    Ok(Parsed {
        chain: None,
        table: Some(tables.into_iter().collect()),
    })
}

enum Item {
    Target(Target),
    Table(Vec<(String, Vec<Target>)>),
}

fn parse_item(raw: &Bytes, name: &str, item: &RawValue) -> Result<Item, Failure> {
    if let Ok(group) = String::deserialize(item) {
        return Ok(Item::Target(Target::new(group)));
    }
    let object = Document::parse(raw.slice_ref(item.get().as_bytes())).map_err(|_| {
        invalid(
            name,
            format!("`{name}` must list names of models or objects"),
        )
    })?;
    // `{"model": ["a"]}` is a table for a group of that name, `{"model": "a"}` a target.
    if object
        .get("model")
        .is_some_and(|model| model.as_str().is_some())
    {
        return target(&object, name).map(Item::Target);
    }
    let entry = |(group, targets): (std::borrow::Cow<'_, str>, Value<'_>)| {
        let chain = parse_chain(raw, name, targets)?;
        Ok((group.into_owned(), chain))
    };
    object
        .members()
        .map(entry)
        .collect::<Result<_, Failure>>()
        .map(Item::Table)
}

fn parse_chain(raw: &Bytes, name: &str, value: Value<'_>) -> Result<Vec<Target>, Failure> {
    let parsed = parse(raw, name, value)?;
    match (parsed.chain, parsed.table) {
        (Some(chain), _) => Ok(chain.to_vec()),
        (None, Some(table)) if table.is_empty() => Ok(Vec::new()),
        (None, _) => Err(invalid(
            name,
            format!("`{name}` has a table within a table"),
        )),
    }
}

/// Reads a target with parameters of its own: an object with a `model`, as requests and configurations write it.
///
/// `timeout`, `stream_timeout` and `num_retries` hold for the hop; other members meant for the gateway are left out; all
/// the rest takes the place of the request's members.
///
/// # Errors
///
/// A failure that names `param`, if a member is of a wrong type.
pub fn target(object: &Document, param: &str) -> Result<Target, Failure> {
    let Some(group) = object.get("model").and_then(Value::as_str) else {
        return Err(invalid(
            param,
            format!("`{param}` has an object without a `model`"),
        ));
    };
    let mut target = Target::new(&*group);
    for (name, value) in object.members() {
        target = match (&*name, fate(&name)) {
            ("model", _) => target,
            ("timeout" | "request_timeout", _) => match seconds(param, value)? {
                Some(limit) => target.with_timeout(limit),
                None => target,
            },
            ("stream_timeout", _) => match seconds(param, value)? {
                Some(limit) => target.with_stream_timeout(limit),
                None => target,
            },
            ("num_retries", _) => match count(param, value)? {
                Some(retries) => target.with_max_retries(retries),
                None => target,
            },
            (_, Fate::Forward) => {
                target.with_parameter(&*name, object.raw().slice_ref(value.as_bytes()))
            }
            _ => target,
        };
    }
    Ok(target)
}
