//! What Bedrock demands of whole turns.

use std::{borrow::Cow, collections::HashSet};

use super::wire::{Block, Role, Turn};
use crate::model::Route;

/// What stands in a turn that would be empty, which Bedrock refuses; as LiteLLM has it.
pub(super) const EMPTY: &str = "[System: Empty message content sanitised to satisfy protocol]";

/// Longest name of a document.
const LONGEST_NAME: usize = 200;

/// Fits turns to each other and to Bedrock's rules.
pub(super) fn finish(turns: &mut [Turn<'_>], route: Route) {
    let mut documents = HashSet::new();
    for turn in &mut *turns {
        results_first(&mut turn.content);
        name_documents(&mut turn.content, &mut documents);
        fill(&mut turn.content, route);
    }
    // A turn that the model is to continue must not end with space.
    if let Some(last) = turns.last_mut()
        && last.role == Role::Assistant
        && let Some(Block::Text(text)) = last.content.last_mut()
    {
        match text {
            Cow::Borrowed(text) => *text = text.trim_end(),
            Cow::Owned(text) => text.truncate(text.trim_end().len()),
        }
    }
}

/// Puts results of tools before what else is in their turn, and marks of the cache after a result with it.
fn results_first(content: &mut Vec<Block<'_>>) {
    if !content
        .iter()
        .any(|block| matches!(block, Block::ToolResult(_)))
    {
        return;
    }
    let mut belongs = false;
    let (mut results, others): (Vec<_>, Vec<_>) = content.drain(..).partition(|block| {
        belongs = match block {
            Block::ToolResult(_) => true,
            Block::CachePoint(_) => belongs,
            _ => false,
        };
        belongs
    });
    results.extend(others);
    *content = results;
}

/// Gives documents names of their own: Bedrock refuses a request with two of one name.
fn name_documents(content: &mut [Block<'_>], used: &mut HashSet<String>) {
    for block in content {
        match block {
            Block::Document(document) => {
                if let Some(name) = &mut document.name {
                    *name = distinct(name, used);
                    used.insert(name.clone());
                }
            }
            Block::ToolResult(result) => name_documents(&mut result.content, used),
            _ => {}
        }
    }
}

fn distinct(name: &str, used: &HashSet<String>) -> String {
    let numbered = (2_usize..).map(|number| {
        let suffix = format!(" {number}");
        // Names have no characters but those of ASCII.
        let end = name.len().min(LONGEST_NAME - suffix.len());
        format!("{}{suffix}", name[..end].trim_end())
    });
    let mut candidates = std::iter::once(name.to_owned()).chain(numbered);
    candidates
        .find(|candidate| !used.contains(candidate))
        .expect("numbers do not end")
}

/// Puts a text where there is nothing else, and beside documents, which do not stand alone in
/// Converse.
fn fill(content: &mut Vec<Block<'_>>, route: Route) {
    let has = |kind: fn(&Block<'_>) -> bool| content.iter().any(kind);
    if !has(|block| !matches!(block, Block::CachePoint(_))) {
        content.insert(0, Block::Text(EMPTY.into()));
    } else if route == Route::Converse
        && has(|block| matches!(block, Block::Document(_)))
        && !has(|block| matches!(block, Block::Text(_)))
    {
        content.push(Block::Text(EMPTY.into()));
    }
}
