//! The error of a prompt that does not fit.

use std::fmt;

/// A prompt is longer than the window: the source of a [`Failure`](ziggurat_core::Failure) of the kind
/// [`ContextWindow`](ziggurat_core::FailureKind::ContextWindow).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoesNotFit {
    needed: u64,
    window: u64,
    whole: bool,
}

impl DoesNotFit {
    pub(crate) const fn new(needed: u64, window: u64, whole: bool) -> Self {
        Self {
            needed,
            window,
            whole,
        }
    }

    /// Says whether all of the prompt was counted: else it needs more than [`needed`](Self::needed).
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.whole
    }

    /// Returns the tokens that are needed, as far as they were counted: of a long prompt, only as many as show that it
    /// does not fit. Tokens for the answer are among them if it shares the window.
    #[must_use]
    pub const fn needed(&self) -> u64 {
        self.needed
    }

    /// Returns the tokens that the window has.
    #[must_use]
    pub const fn window(&self) -> u64 {
        self.window
    }
}

impl fmt::Display for DoesNotFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { needed, window, .. } = self;
        let more = if self.whole { "" } else { " or more" };
        write!(f, "{needed}{more} tokens do not fit into {window}")
    }
}

impl std::error::Error for DoesNotFit {}
