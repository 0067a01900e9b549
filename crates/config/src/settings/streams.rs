//! What is done about streams that break.

use serde_yaml::Value;

use crate::scalar::{self, Read};

/// What is done about a stream that breaks after its first content has gone out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamRecovery {
    /// It ends with an error event.
    #[default]
    Off,
    /// Another deployment of the group, then the next group, is asked for the whole answer, which goes on if it repeats what
    /// was sent.
    Restart,
    /// One that takes the beginning of an answer goes on from there; another one is asked for the whole.
    Continue,
}

/// When a stream is handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamCommit {
    /// With its first content.
    #[default]
    FirstContent,
    /// When it is complete.
    Complete,
}

// === impl StreamCommit ===

impl StreamCommit {
    pub(super) fn read(value: &Value) -> Read<Self> {
        Ok(Some(match scalar::text(value)?.as_deref() {
            None => return Ok(None),
            Some("first_content") => Self::FirstContent,
            Some("complete") => Self::Complete,
            Some(_) => return Err("expected `first_content` or `complete`".to_owned()),
        }))
    }

    /// Returns the word for it in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstContent => "first_content",
            Self::Complete => "complete",
        }
    }
}

// === impl StreamRecovery ===

impl StreamRecovery {
    pub(super) fn read(value: &Value) -> Read<Self> {
        Ok(Some(match scalar::text(value)?.as_deref() {
            None => return Ok(None),
            Some("off") => Self::Off,
            Some("restart") => Self::Restart,
            Some("continue") => Self::Continue,
            Some(_) => return Err("expected `off`, `restart` or `continue`".to_owned()),
        }))
    }

    /// Returns the word for it in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Restart => "restart",
            Self::Continue => "continue",
        }
    }
}
