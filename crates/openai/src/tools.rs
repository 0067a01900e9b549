//! Tools for an upstream that refuses what it does not know.

use bytes::Bytes;

use crate::{
    schema,
    spans::{Edits, Members, elements},
};

/// Cuts `cache_control` and flattens schemas of parameters; `None` if there is nothing of either.
pub(crate) fn without_what_is_refused(tools: &str) -> Option<Bytes> {
    let mut edits = Edits::new(tools);
    for tool in elements(tools)? {
        let members = Members::of(tool)?;
        let function = members.get("function").and_then(function);
        let is_marked = members.get("cache_control").is_some();
        if !is_marked && function.is_none() {
            continue;
        }
        let mut changes = vec![("cache_control", None)];
        changes.extend(
            function
                .as_deref()
                .map(|function| ("function", Some(function))),
        );
        edits.replace(tool, members.with(&changes));
    }
    edits.finish()
}

fn function(function: &str) -> Option<String> {
    let members = Members::of(function)?;
    let parameters = members.get("parameters").and_then(schema::flatten);
    if parameters.is_none() && members.get("cache_control").is_none() {
        return None;
    }
    let mut changes = vec![("cache_control", None)];
    changes.extend(
        parameters
            .as_deref()
            .map(|parameters| ("parameters", Some(parameters))),
    );
    Some(members.with(&changes))
}
