//! The text of a file, and what stands in the way of reading it.

use std::{
    fs::File,
    io::{self, Read},
    path::Path as FilePath,
};

use crate::tree::Mark;

/// The longest file that is read, in bytes. A configuration of ten thousand deployments has three million; a device never
/// ends.
const LONGEST: u64 = 64 << 20;

/// Why there is no text.
#[derive(Debug)]
pub(crate) struct NoText {
    pub(crate) message: String,
    /// Where the first byte stands that is no text; `None` if nothing could be read.
    pub(crate) at: Option<Mark>,
}

/// Reads a file, which may be a pipe.
pub(crate) fn read(path: &FilePath) -> Result<String, NoText> {
    let mut bytes = Vec::new();
    let opened = File::open(path);
    let read = opened.and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
    let read = read.and_then(|length| match u64::try_from(length) {
        Ok(length) if length <= LONGEST => Ok(()),
        _ => Err(io::Error::other("longer than 64 MiB")),
    });
    read.map_err(|error| NoText {
        message: format!("cannot be read: {error}"),
        at: None,
    })?;
    decode(bytes)
}

fn decode(bytes: Vec<u8>) -> Result<String, NoText> {
    let utf16 = [[0xff, 0xfe], [0xfe, 0xff]];
    let is_utf16 = utf16.iter().any(|mark| bytes.starts_with(mark));
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let message = match is_utf16 {
            true => "is UTF-16; save it as UTF-8",
            false => "is not UTF-8 from here on",
        };
        NoText {
            message: message.to_owned(),
            at: Some(end(&String::from_utf8_lossy(valid))),
        }
    })
}

/// Returns the place behind a text.
fn end(text: &str) -> Mark {
    let lines = crate::lines(text);
    let last = lines.last().map_or(0, |line| line.chars().count());
    Mark {
        line: lines.len(),
        column: last + 1,
    }
}

/// Finds the first character that must not stand in YAML.
pub(crate) fn control_character(text: &str) -> Option<Mark> {
    let is_allowed = |c: char| {
        matches!(c, '\t' | '\n' | '\r' | '\u{85}' | '\u{feff}')
            || (!c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'))
    };
    let place = text.find(|c| !is_allowed(c))?;
    Some(end(&text[..place]))
}

/// Says what a grammar's error is about, where that is easily told from the character that it stands at.
pub(crate) fn explain(message: &str, text: &str, at: Mark) -> Option<String> {
    let lines = crate::lines(text);
    let line = lines.get(at.line.checked_sub(1)?)?;
    let here = line.chars().nth(at.column.checked_sub(1)?);
    if message.contains("cannot start any token") {
        return match here? {
            '\t' => Some("a tab cannot indent; use spaces".to_owned()),
            sign @ ('@' | '`' | '%') => Some(format!(
                "a value cannot begin with `{sign}`; text needs quotes"
            )),
            _ => None,
        };
    }
    message
        .contains("mapping values are not allowed")
        .then(|| "a value cannot hold `: `; is a new line missing, or are quotes?".to_owned())
}
