//! Thoughts that nobody signed: other models had them, and Anthropic refuses them.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;
use ziggurat_core::JsonBody;

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    signature: Option<Cow<'a, str>>,
}

/// Cuts them out of the messages, if a cheap look shows that there may be some.
pub(super) fn cut(body: &mut JsonBody) {
    let Some(messages) = body
        .get("messages")
        .filter(|messages| may_have_some(messages))
    else {
        return;
    };
    if let Some(messages) = without(messages) {
        body.set("messages", messages);
    }
}

/// A thinking block without a signature has one that is empty.
fn may_have_some(messages: &[u8]) -> bool {
    const SIGNATURE: &[u8] = br#""signature""#;
    memmem::find_iter(messages, SIGNATURE).any(|at| {
        let rest = messages[at + SIGNATURE.len()..].trim_ascii_start();
        let value = rest.strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        value.is_some_and(|value| value.starts_with(b"\"\""))
    })
}

/// The messages without them; `None` if there are none, or if they cannot be read.
fn without(messages: &[u8]) -> Option<Bytes> {
    let text = std::str::from_utf8(messages).ok()?;
    let turns: Vec<Turn<'_>> = serde_json::from_str(text).ok()?;
    let (mut out, mut copied) = (Vec::with_capacity(text.len()), 0);
    for content in turns.into_iter().filter_map(|turn| turn.content) {
        let Ok(blocks) = serde_json::from_str::<Vec<&RawValue>>(content.get()) else {
            continue;
        };
        let signed: Vec<_> = blocks.iter().filter(|block| !is_unsigned(block)).collect();
        // A turn must say something: one of thoughts alone is left to be refused.
        if signed.len() == blocks.len() || signed.is_empty() {
            continue;
        }
        let start = content.get().as_ptr() as usize - text.as_ptr() as usize;
        out.extend_from_slice(&messages[copied..start]);
        out.push(b'[');
        for (at, block) in signed.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(block.get().as_bytes());
        }
        out.push(b']');
        copied = start + content.get().len();
    }
    if copied == 0 {
        return None;
    }
    out.extend_from_slice(&messages[copied..]);
    Some(out.into())
}

fn is_unsigned(block: &RawValue) -> bool {
    let block: Result<Block<'_>, _> = serde_json::from_str(block.get());
    block.is_ok_and(|block| block.kind == "thinking" && block.signature.as_deref() == Some(""))
}
