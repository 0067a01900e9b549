//! The choices of a plain answer.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::{Finder, FinderRev};
use ziggurat_core::{Failure, Operation, json::Value};
use ziggurat_provider::reason;

use crate::{
    exchange::Asked,
    finish,
    spans::{Edits, Members, elements},
};

struct Needles {
    message: Finder<'static>,
    text: Finder<'static>,
    finish_reason: FinderRev<'static>,
    arguments: Finder<'static>,
}

static NEEDLES: LazyLock<Needles> = LazyLock::new(|| Needles {
    message: Finder::new(r#""message""#),
    text: Finder::new(r#""text""#),
    finish_reason: FinderRev::new(r#""finish_reason""#),
    arguments: Finder::new(r#""arguments""#),
});

/// Says whether there are choices, and each says something.
pub(crate) fn are_answers(choices: Value<'_>, asked: Asked) -> bool {
    let is_chat = asked.operation != Operation::Completions;
    // So begin most answers.
    if is_chat
        && !asked.many
        && choices
            .as_bytes()
            .starts_with(br#"[{"index":0,"message":{"#)
    {
        return true;
    }
    let (finder, name, begins) = match is_chat {
        true => (&NEEDLES.message, "message", b'{'),
        false => (&NEEDLES.text, "text", b'"'),
    };
    if !asked.many
        && let Some(at) = finder.find(choices.as_bytes())
        && value_after(choices.as_bytes(), at + finder.needle().len()).first() == Some(&begins)
    {
        return true;
    }
    let Some(choices) = choices.elements() else {
        return false;
    };
    let says = |choice: Value<'_>| {
        choice
            .get(name)
            .is_some_and(|said| said.as_bytes().first() == Some(&begins))
    };
    let mut choices = choices.map(says).peekable();
    choices.peek().is_some() && choices.all(|says| says)
}

/// A cheap look at choices, for what costs more to do.
#[derive(Default)]
pub(crate) struct Look {
    /// There is something that [`repair`] mends.
    pub(crate) needs_repair: bool,
    pub(crate) may_be_filtered: bool,
}

impl Look {
    /// Finish reasons stand near the end, where the search for them starts. `has_arguments` says whether there may be some.
    pub(crate) fn at(choices: &[u8], asked: Asked, has_arguments: bool) -> Self {
        const KNOWN: [&[u8]; 4] = [b"\"stop\"", b"\"length\"", b"\"tool_calls\"", b"null"];
        let mut look = Self {
            needs_repair: has_arguments && has_object_arguments(choices),
            ..Self::default()
        };
        // So end most answers.
        if !asked.many && choices.ends_with(br#""finish_reason":"stop"}]"#) {
            return look;
        }
        let reasons = NEEDLES.finish_reason.rfind_iter(choices);
        for at in reasons.take(if asked.many { usize::MAX } else { 1 }) {
            let reason = value_after(choices, at + NEEDLES.finish_reason.needle().len());
            if KNOWN.iter().any(|known| reason.starts_with(known)) {
                continue;
            }
            if reason.starts_with(b"\"content_filter\"") {
                look.may_be_filtered = true;
            } else {
                // It may be a server's own word.
                look.needs_repair = true;
                look.may_be_filtered = true;
            }
        }
        look
    }
}

/// Looks for choices that broke off.
///
/// # Errors
///
/// One did.
pub(crate) fn check_reasons(choices: &str) -> Result<(), Failure> {
    let choices = elements(choices).unwrap_or_default();
    let choices = choices.into_iter().filter_map(Members::of);
    choices
        .filter_map(|choice| choice.get("finish_reason"))
        .try_for_each(reason::check)
}

/// Says whether the first choice ended because its content was held back.
pub(crate) fn is_filtered(choices: &str) -> bool {
    let choices = elements(choices).unwrap_or_default();
    let first = choices.first().copied().and_then(Members::of);
    let reason = first.and_then(|first| first.get("finish_reason"));
    let reason = reason.and_then(|reason| serde_json::from_str::<String>(reason).ok());
    reason.is_some_and(|reason| finish::openai(&reason).unwrap_or(&reason) == "content_filter")
}

fn has_object_arguments(choices: &[u8]) -> bool {
    let mut arguments = NEEDLES.arguments.find_iter(choices);
    arguments
        .any(|at| value_after(choices, at + NEEDLES.arguments.needle().len()).starts_with(b"{"))
}

/// What stands after a key and its colon.
fn value_after(text: &[u8], key_end: usize) -> &[u8] {
    let rest = text[key_end..].trim_ascii_start();
    rest.strip_prefix(b":")
        .unwrap_or_default()
        .trim_ascii_start()
}

/// Gives finish reasons OpenAI's names, and arguments of tools that are objects the form of text.
pub(crate) fn repair(choices: &str) -> Option<Bytes> {
    let mut edits = Edits::new(choices);
    for choice in elements(choices)? {
        let choice = Members::of(choice)?;
        if let Some(reason) = choice.get("finish_reason")
            && let Ok(native) = serde_json::from_str::<String>(reason)
            && let Some(openai) = finish::openai(&native)
        {
            edits.replace(reason, format!("\"{openai}\""));
        }
        let message = choice.get("message").and_then(Members::of);
        let calls = message.and_then(|message| message.get("tool_calls"));
        for call in calls.and_then(elements).unwrap_or_default() {
            let function = Members::of(call)?.get("function").and_then(Members::of);
            if let Some(arguments) = function.and_then(|function| function.get("arguments"))
                && arguments.starts_with('{')
            {
                edits.replace(arguments, serde_json::Value::from(arguments).to_string());
            }
        }
    }
    edits.finish()
}
