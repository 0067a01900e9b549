use std::{fmt, ops::RangeInclusive, time::Duration};

use crate::answer::{FALLBACK, PRIMARY, Provider};

/// What a caller experienced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The whole answer of the primary.
    Primary,
    /// The whole answer of the fallback.
    Fallback,
    /// The whole answer of a provider that has nothing to do with the fault.
    Bystander,
    /// An answer that the provider kept back, and says so.
    Filtered,
    /// An error with this status, and no answer.
    Error(u16),
    /// A part of an answer, marked as such by an error with this code.
    Cut(u16),
}

/// What should be experienced.
#[derive(Clone, Debug)]
pub(crate) struct Expect {
    pub(crate) seen: Seen,
    /// How often the primary is troubled.
    pub(crate) primary: RangeInclusive<usize>,
    /// How often the fallback is.
    pub(crate) fallback: usize,
    /// When the caller has everything, in seconds of an operator.
    pub(crate) within: RangeInclusive<f64>,
}

/// One brick of the wall: what came of a fault.
#[derive(Clone, Debug)]
pub struct Row {
    /// What went wrong.
    pub fault: &'static str,
    /// Whether a stream was asked for.
    pub streams: bool,
    /// What the caller experienced, or what is wrong with that.
    pub seen: Result<Seen, String>,
    /// How often the primary was troubled.
    pub primary: usize,
    /// How often the fallback was.
    pub fallback: usize,
    /// How long the caller waited; of several requests, the longest.
    pub took: Duration,
    /// What should have been otherwise.
    pub problems: Vec<String>,
}

// === impl Seen ===

impl Seen {
    pub(crate) fn answer(by: Provider) -> Self {
        match by {
            PRIMARY => Self::Primary,
            FALLBACK => Self::Fallback,
            _ => Self::Bystander,
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primary => f.write_str("answer of the primary"),
            Self::Fallback => f.write_str("answer of the fallback"),
            Self::Bystander => f.write_str("answer of a bystander"),
            Self::Filtered => f.write_str("answer, kept back by the provider"),
            Self::Error(status) => write!(f, "error {status}"),
            Self::Cut(code) => write!(f, "part, then error {code}"),
        }
    }
}

// === impl Row ===

impl Row {
    pub(crate) fn new(fault: &'static str, streams: bool) -> Self {
        Self {
            fault,
            streams,
            seen: Err("nothing".to_owned()),
            primary: 0,
            fallback: 0,
            took: Duration::ZERO,
            problems: Vec::new(),
        }
    }

    /// Notes a problem unless what should hold does.
    pub(crate) fn holds(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.problems.push(problem());
        }
    }
}

/// Shows the wall: a row for each fault and mode, in Markdown.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut lines = vec![
        [
            "fault",
            "mode",
            "the caller gets",
            "calls: primary",
            "fallback",
            "seconds",
            "",
        ]
        .map(str::to_owned),
    ];
    lines.extend(rows.iter().map(|row| {
        let mode = if row.streams { "stream" } else { "plain" };
        let seen = match &row.seen {
            Ok(seen) => seen.to_string(),
            Err(wrong) => wrong.clone(),
        };
        let verdict = match row.problems.is_empty() {
            true => "ok".to_owned(),
            false => row.problems.join("; "),
        };
        let took = format!("{:.2}", row.took.as_secs_f64());
        let (primary, fallback) = (row.primary.to_string(), row.fallback.to_string());
        [
            row.fault.to_owned(),
            mode.to_owned(),
            seen,
            primary,
            fallback,
            took,
            verdict,
        ]
    }));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    // The last one is as long as it likes.
    let widths: Vec<_> = (0..6).filter_map(width).chain([0]).collect();
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            out += &format!("| {cell:width$} ");
        }
        out += "|\n";
        if number == 0 {
            let rule = widths
                .iter()
                .map(|width| format!("|{:-<1$}", "", width + 2));
            out += &rule.collect::<String>();
            out += "|\n";
        }
    }
    out
}
