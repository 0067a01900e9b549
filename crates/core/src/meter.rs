use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// What a call used, in tokens, as far as the upstream has told.
///
/// A request extension: put by whoever wants to know before a call is made (the balance, for limits in tokens), written
/// by the leaf when the upstream tells, and read when the response has ended. Cloning counts a reference.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    tokens: Arc<Tokens>,
}

/// Each is one more than what was told; 0 is nothing told.
#[derive(Debug, Default)]
struct Tokens {
    input: AtomicU64,
    output: AtomicU64,
}

impl Meter {
    /// A meter that nothing has been written to.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes what the upstream told; the last word counts.
    pub fn record(&self, input: Option<u64>, output: Option<u64>) {
        let write = |cell: &AtomicU64, tokens: Option<u64>| {
            if let Some(tokens) = tokens {
                cell.store(tokens.saturating_add(1), Ordering::Relaxed);
            }
        };
        write(&self.tokens.input, input);
        write(&self.tokens.output, output);
    }

    /// Returns the tokens of the prompt.
    #[must_use]
    pub fn input(&self) -> Option<u64> {
        self.tokens.input.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Returns the tokens of the answer.
    #[must_use]
    pub fn output(&self) -> Option<u64> {
        self.tokens.output.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Returns both together, if either is known.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        match (self.input(), self.output()) {
            (None, None) => None,
            (input, output) => Some(
                input
                    .unwrap_or_default()
                    .saturating_add(output.unwrap_or_default()),
            ),
        }
    }
}
