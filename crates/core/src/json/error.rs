use std::{error::Error as StdError, fmt};

use serde::de::IgnoredAny;

use super::scan::Fault;

/// Why a text is not a JSON object, and where.
///
/// [`Display`](fmt::Display) and [`Debug`] give the reason and the position; the text itself only comes out of
/// [`Self::excerpt`].
#[derive(Clone, PartialEq, Eq)]
pub struct ParseError {
    reason: Box<str>,
    line: usize,
    column: usize,
    excerpt: Box<str>,
}

/// Most characters of the text that an error quotes.
const EXCERPT: usize = 24;

impl ParseError {
    pub(super) fn explain(raw: &[u8], fault: Fault) -> Self {
        let text = match std::str::from_utf8(raw) {
            Ok(text) => text,
            Err(error) => {
                let valid =
                    std::str::from_utf8(&raw[..error.valid_up_to()]).expect("valid up to there");
                let line = valid.bytes().filter(|&b| b == b'\n').count() + 1;
                let column = valid.rsplit('\n').next().unwrap_or_default().len() + 1;
                return Self {
                    reason: "invalid UTF-8".into(),
                    line,
                    column,
                    excerpt: Box::default(),
                };
            }
        };
        if fault == Fault::NotAnObject {
            return Self {
                reason: "expected an object".into(),
                line: 1,
                column: 1,
                excerpt: excerpt(text.trim_start()),
            };
        }
        // What the scan refuses `serde_json` refuses too; it knows how to say why.
        match serde_json::from_str::<IgnoredAny>(text) {
            Err(error) => {
                let message = error.to_string();
                let reason = message.split(" at line ").next().unwrap_or(&message);
                let from = offset(text, error.line(), error.column());
                Self {
                    reason: reason.into(),
                    line: error.line(),
                    column: error.column(),
                    excerpt: excerpt(text.get(from..).unwrap_or_default()),
                }
            }
            Ok(_) => Self {
                reason: "invalid syntax".into(),
                line: 1,
                column: 1,
                excerpt: Box::default(),
            },
        }
    }

    /// Returns what is wrong, in a few words.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns the line, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the column in bytes, counted from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }

    /// Returns the text at fault, up to 24 characters: for whoever sent it, never for logs.
    #[must_use]
    pub fn excerpt(&self) -> &str {
        &self.excerpt
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalid JSON at line {} column {}: {}",
            self.line, self.column, self.reason
        )
    }
}

impl fmt::Debug for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StdError for ParseError {}

/// The byte at a line and column, both counted from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    (start + column.saturating_sub(1)).min(text.len())
}

fn excerpt(text: &str) -> Box<str> {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(EXCERPT).collect::<String>().into()
}
