//! What counts tokens is no `CountTokens`.

use std::sync::Arc;

use ziggurat_context_window::{Prompt, Window};
use ziggurat_core::TokenCount;

#[derive(Debug)]
struct ByWords;

#[cfg(not(broken))]
impl ziggurat_context_window::CountTokens for ByWords {
    fn name(&self) -> &'static str {
        "words"
    }

    fn count(&self, _: &Prompt<'_>, _: u64) -> Option<TokenCount> {
        None
    }
}

fn main() {
    drop(Window::new("m", Some(100)).counter(Arc::new(ByWords)));
}

#[cfg(broken)]
fn _used(_: Prompt<'_>, _: TokenCount) {}
