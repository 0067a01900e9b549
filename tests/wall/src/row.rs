use std::{fmt, ops::RangeInclusive, time::Duration};

use crate::answer::{FALLBACK, PRIMARY, Provider};

/// What a caller experienced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The whole answer of the primary.
    Primary,
    /// The whole answer of the fallback.
    Fallback,
    /// The answer of the primary, whose stream broke, with its end from the fallback.
    Recovered,
    /// The same, where the fallback is in the group of the primary.
    RecoveredWithin,
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
    /// Whether these numbers are the same each time.
    pub exact: bool,
    /// How long the caller waited; of several requests, the longest.
    pub took: Duration,
    /// What should have been otherwise.
    pub problems: Vec<String>,
}

// === impl Seen ===

impl Seen {
    pub(crate) fn answer(by: Provider) -> Self {
        match by.name {
            name if name == PRIMARY.name => Self::Primary,
            name if name == FALLBACK.name => Self::Fallback,
            _ => Self::Bystander,
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primary => f.write_str("answer of the primary"),
            Self::Fallback => f.write_str("answer of the fallback"),
            Self::Recovered | Self::RecoveredWithin => {
                f.write_str("whole, with its end from the fallback")
            }
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
            exact: false,
            took: Duration::ZERO,
            problems: Vec::new(),
        }
    }

    /// Notes a problem unless what should hold does.
    pub(crate) fn holds(&mut self, holds: bool, problem: impl Into<String>) {
        if !holds {
            self.problems.push(problem.into());
        }
    }
}
