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
    values::{count, invalid, refusal, seconds, wrong_type},
    wishes::Caps,
};

/// A list of fallbacks: one chain for all failures, or a table.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) chain: Option<Chain>,
    pub(super) table: Option<Table>,
}

impl Parsed {
    /// Bounds what its targets ask for.
    pub(super) fn capped(self, caps: Caps) -> Self {
        let bound = |chain: &Chain| -> Vec<_> {
            chain
                .iter()
                .cloned()
                .map(|target| capped(target, caps))
                .collect()
        };
        Self {
            chain: self.chain.map(|chain| bound(&chain).into()),
            table: self.table.map(|table| {
                table
                    .iter()
                    .map(|(key, chain)| (key, bound(chain)))
                    .collect()
            }),
        }
    }

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
    let (mut targets, mut tables) = (Vec::new(), Vec::new());
    for item in items(name, value)? {
        match Item::read(raw, name, item)? {
            Item::Target(target) => targets.push(target),
            Item::Table(table) => {
                for (group, chain) in table.members() {
                    tables.push((group.into_owned(), parse_chain(raw, name, chain)?));
                }
            }
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

/// What a list of fallbacks may hold. Tables are read no deeper: a request must not choose how deep the stack grows.
enum Item {
    Target(Target),
    Table(Document),
}

impl Item {
    fn read(raw: &Bytes, name: &str, item: &RawValue) -> Result<Self, Failure> {
        if let Ok(group) = String::deserialize(item) {
            return Ok(Self::Target(Target::new(group)));
        }
        let object = Document::parse(raw.slice_ref(item.get().as_bytes())).map_err(|_| {
            invalid(
                name,
                format!("`{name}` must list names of models or objects"),
            )
        })?;
        // `{"model": ["a"]}` is a table for a group of that name, `{"model": "a"}` a target.
        match object.get("model").and_then(Value::as_str) {
            Some(_) => target(&object, name).map(Self::Target),
            None => Ok(Self::Table(object)),
        }
    }
}

fn parse_chain(raw: &Bytes, name: &str, value: Value<'_>) -> Result<Vec<Target>, Failure> {
    if let Some(group) = value.as_str() {
        return Ok(vec![Target::from(&*group)]);
    }
    let targets = items(name, value)?
        .into_iter()
        .map(|item| match Item::read(raw, name, item)? {
            Item::Target(target) => Ok(target),
            Item::Table(_) => Err(invalid(
                name,
                format!("`{name}` has a table within a table"),
            )),
        });
    targets.collect()
}

fn items<'a>(name: &str, value: Value<'a>) -> Result<Vec<&'a RawValue>, Failure> {
    value
        .decode()
        .map_err(|_| wrong_type(name, "a list", value))
}

/// Reads a target with parameters of its own: an object with a `model`, as requests and configurations write it.
///
/// `timeout`, `stream_timeout`, `stream_idle_timeout`, `stream_total_timeout` and `num_retries` hold for the hop; `stream` stays the request's, and other members meant
/// for the gateway are left out; all the rest takes the place of the request's members.
///
/// # Errors
///
/// A failure that names `param`, if a member is of a wrong type, or one that requests must not have.
pub fn target(object: &Document, param: &str) -> Result<Target, Failure> {
    let Some(group) = object.get("model").and_then(Value::as_str) else {
        return Err(invalid(
            param,
            format!("`{param}` has an object without a `model`"),
        ));
    };
    if let Some(name) = object.duplicate(|_| true) {
        return Err(invalid(
            param,
            format!("`{name}` in `{param}` is given more than once"),
        ));
    }
    let mut target = Target::new(&*group);
    let has_timeout = object
        .get("timeout")
        .is_some_and(|timeout| !timeout.is_null());
    for (name, value) in object.members() {
        let number = |what| invalid(param, format!("`{name}` in `{param}` must be {what}"));
        let limit = || seconds(&name, value).map_err(|_| number("a number of seconds, 0 or more"));
        target = match (&*name, fate(name.as_bytes())) {
            ("model" | "stream", _) => target,
            // As for the request itself, `timeout` counts before its synonym.
            ("request_timeout", _) if has_timeout => limit().map(|_| target)?,
            ("timeout" | "request_timeout", _) => {
                limit()?.into_iter().fold(target, Target::with_timeout)
            }
            ("stream_timeout", _) => limit()?
                .into_iter()
                .fold(target, Target::with_stream_timeout),
            ("stream_idle_timeout", _) => limit()?
                .into_iter()
                .fold(target, Target::with_stream_idle_timeout),
            ("stream_total_timeout", _) => limit()?
                .into_iter()
                .fold(target, Target::with_stream_total_timeout),
            ("num_retries", _) => {
                let retries =
                    count(&name, value).map_err(|_| number("a whole number of 0 or more"))?;
                retries.into_iter().fold(target, Target::with_max_retries)
            }
            (_, Fate::Restrict) if !value.is_null() => {
                return Err(refusal(param, &name, "it holds for the whole request"));
            }
            (_, Fate::Refuse(reason)) if !value.is_null() => {
                return Err(refusal(param, &name, reason));
            }
            (_, Fate::Forward) => {
                target.with_parameter(&*name, object.raw().slice_ref(value.as_bytes()))
            }
            _ => target,
        };
    }
    Ok(target)
}

/// Bounds what a target asks for, as the request's own wishes are bounded.
pub(super) fn capped(mut target: Target, caps: Caps) -> Target {
    for wish in [
        &mut target.timeout,
        &mut target.stream_timeout,
        &mut target.stream_idle_timeout,
        &mut target.stream_total_timeout,
    ] {
        *wish = wish.map(|limit| limit.min(caps.timeout));
    }
    target.max_retries = target.max_retries.map(|retries| retries.min(caps.retries));
    target
}
