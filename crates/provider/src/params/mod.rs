//! The members of a request's body, for dialects: where they come from, and what becomes of those that a model does not
//! take.

mod choice;
mod idle;
mod list;
mod reserved;
mod unsupported;

use bytes::Bytes;
use ziggurat_core::{JsonBody, json::Document};

pub use self::{
    choice::ToolChoice,
    idle::asks_for_nothing,
    list::list,
    reserved::is_reserved,
    unsupported::{Permits, Unsupported, refusal},
};
use crate::Call;

/// How many choices a request wants, by the first of these members that is a number; at least one.
#[must_use]
pub fn choices(body: &JsonBody, names: &[&str]) -> u32 {
    let number = |name: &&str| serde_json::from_slice::<f64>(body.get(name)?).ok();
    let asked = names.iter().find_map(number);
    asked.map_or(1, |n| (n as u32).max(1))
}

/// Makes the body of a call with the members of `extra_body` in it, and those that a deployment and a fallback add. What
/// the request says wins over `defaults`, what a fallback says over both; tools of both are joined.
#[must_use]
pub fn body(call: Call<'_>, defaults: &[(Box<str>, Bytes)]) -> JsonBody {
    let mut body = call.body().clone();
    flatten_extra_body(&mut body);
    for (name, value) in defaults {
        match body.get(name) {
            None => body.set(name.to_string(), value.clone()),
            Some(tools) if &**name == "tools" => {
                if let Some(all) = concat(value, tools) {
                    body.set("tools", all);
                }
            }
            Some(_) => {}
        }
    }
    for (name, value) in call.parameters() {
        if !is_reserved(name) {
            body.set(name.to_owned(), value.clone());
        }
    }
    body
}

/// Puts the members of `extra_body` where clients mean them to be.
fn flatten_extra_body(body: &mut JsonBody) {
    let Some(extra) = body.get("extra_body") else {
        return;
    };
    let extra = Document::parse(Bytes::copy_from_slice(extra));
    body.remove("extra_body");
    let Ok(extra) = extra else { return };
    for (name, value) in extra.members() {
        if !is_reserved(&name) {
            body.set(name.into_owned(), Bytes::copy_from_slice(value.as_bytes()));
        }
    }
}

/// Joins two arrays; `None` if either is none.
#[must_use]
pub fn concat(first: &[u8], second: &[u8]) -> Option<Bytes> {
    let inside = |array: &[u8]| -> Option<Vec<u8>> {
        let inside = array.trim_ascii().strip_prefix(b"[")?.strip_suffix(b"]")?;
        Some(inside.trim_ascii().to_vec())
    };
    let (first, second) = (inside(first)?, inside(second)?);
    let comma: &[u8] = match first.is_empty() || second.is_empty() {
        true => b"",
        false => b",",
    };
    Some([b"[", &first[..], comma, &second[..], b"]"].concat().into())
}
