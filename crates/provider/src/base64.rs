//! What parts of messages carry in base64, for dialects.

/// Says whether a text is base64 of the standard alphabet, padded, and not empty.
///
/// It looks at each byte, and allocates nothing.
#[must_use]
pub fn is_base64(text: &str) -> bool {
    let bytes = text.as_bytes();
    let data = bytes.strip_suffix(b"==").or(bytes.strip_suffix(b"="));
    let data = data.unwrap_or(bytes);
    !data.is_empty()
        && bytes.len().is_multiple_of(4)
        && data.iter().all(|byte| IS_DIGIT[usize::from(*byte)])
}

const IS_DIGIT: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_known() {
        for good in ["AAAA", "AA==", "AAA=", "a+/9"] {
            assert!(is_base64(good), "{good}");
        }
        for bad in [
            "", "=", "====", "AAA", "AA=A", "A===", "AA-_", "AA A", "é+==",
        ] {
            assert!(!is_base64(bad), "{bad}");
        }
    }
}
