//! Why answers ended, as servers say it; for dialects.

use ziggurat_core::{Failure, FailureKind};

/// The words of OpenRouter, SGLang and watsonx for an answer that broke off. What came of it is no answer.
const BROKEN: [&str; 3] = ["error", "abort", "cancelled"];

/// Refuses the reasons, as JSON or as they are, of answers that broke off.
///
/// # Errors
///
/// It is one of those.
pub fn check(reason: &str) -> Result<(), Failure> {
    let word = reason.trim_matches('"');
    if !BROKEN.iter().any(|it| it.eq_ignore_ascii_case(word)) {
        return Ok(());
    }
    let message = format!("the upstream's answer ended with the reason \"{word}\"");
    Err(Failure::new(FailureKind::Server).with_message(message))
}
