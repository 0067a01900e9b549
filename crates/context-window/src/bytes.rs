//! What the bytes of a text say about its tokens.

use ziggurat_core::TokenCount;

/// The longest token of cl100k and of o200k, in bytes; a test reads it from the vocabularies.
pub(crate) const LONGEST: u64 = 128;

/// Bytes of English text per token.
const USUAL: u64 = 4;

/// At least one token per 128 bytes, and per word; at most one per byte.
pub(crate) fn estimate(text: &str) -> TokenCount {
    let bytes = text.len() as u64;
    let least = bytes.div_ceil(LONGEST).max(words(text));
    TokenCount::estimate(bytes.div_ceil(USUAL), least).with_most(bytes)
}

/// Counts what both vocabularies split from each other before they look for tokens.
///
/// They never join letters across a byte that is neither a letter nor a digit, but for contractions (`'s`), and never
/// more than three digits. Bytes beyond ASCII may be anything: they end nothing and count nothing.
fn words(text: &str) -> u64 {
    let (mut words, mut digits) = (0, 0u64);
    let (mut inside, mut last) = (false, b' ');
    for byte in text.bytes() {
        let digit = byte.is_ascii_digit();
        if digits > 0 && !digit && byte.is_ascii() {
            words += digits.div_ceil(3);
            digits = 0;
        }
        digits += u64::from(digit);
        if byte.is_ascii_alphabetic() {
            words += u64::from(!inside && last != b'\'');
            inside = true;
        } else if byte.is_ascii() {
            inside = false;
        }
        last = byte;
    }
    words + digits.div_ceil(3)
}
