use std::fmt;

use ziggurat_core::TokenCount;

use crate::{Prompt, bytes};

/// Counts the tokens of a prompt.
///
/// Counts are kept with the request under [`name`](Self::name): two counters of one name must count alike.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot count the tokens of a prompt",
    label = "does not implement `CountTokens`",
    note = "use `Bytes` or `Exact` of `ziggurat_context_window`, or implement `CountTokens`: \
            `Prompt::count` walks through the prompt and asks for one text after the other"
)]
pub trait CountTokens: fmt::Debug + Send + Sync {
    /// Names the way of counting.
    fn name(&self) -> &'static str;

    /// Counts up to `limit`; above it, [`TokenCount::above`] is enough.
    ///
    /// `None` if it cannot tell: such a prompt is let through. It is called on an async thread if the prompt is small
    /// or nobody counted before, else on one for blocking work.
    fn count(&self, prompt: &Prompt<'_>, limit: u64) -> Option<TokenCount>;

    /// Returns the most tokens that the prompt can need, if a cheap look shows that they are within `limit`.
    ///
    /// [`Prompt::most`] does it for vocabularies in which no token is shorter than a byte. The default cannot tell.
    fn most(&self, prompt: &Prompt<'_>, limit: u64) -> Option<u64> {
        let _ = (prompt, limit);
        None
    }
}

/// Estimates tokens from bytes, without a vocabulary.
///
/// A text counts for a quarter of its bytes, which is usual for English. Only the provable lower bound makes a prompt
/// too long: a word of ASCII letters is never less than one token, three ASCII digits neither, and no token is longer
/// than 128 bytes. In English prose the bound is some three quarters of the true number; in scripts beyond ASCII it is
/// far below it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bytes;

impl CountTokens for Bytes {
    fn name(&self) -> &'static str {
        "bytes"
    }

    fn count(&self, prompt: &Prompt<'_>, limit: u64) -> Option<TokenCount> {
        prompt.count(limit, |text, _| bytes::estimate(text))
    }

    fn most(&self, prompt: &Prompt<'_>, limit: u64) -> Option<u64> {
        prompt.most(limit)
    }
}
