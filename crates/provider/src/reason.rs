//! Why answers ended, as OpenAI's API says it; for dialects.

use ziggurat_core::{Failure, FailureKind};

/// OpenRouter's word and SGLang's for an answer that broke off, as JSON. What came of it is no answer.
const BROKEN: [&str; 2] = [r#""error""#, r#""abort""#];

/// Refuses the reasons, as JSON, of answers that broke off.
///
/// # Errors
///
/// It is one of those.
pub fn check(reason: &str) -> Result<(), Failure> {
    if !BROKEN.contains(&reason) {
        return Ok(());
    }
    let message = format!("the upstream's answer ended with the reason {reason}");
    Err(Failure::new(FailureKind::Server).with_message(message))
}
