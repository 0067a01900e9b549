//! Ids of calls.

use bytes::Bytes;
use http::HeaderValue;

/// Makes a random UUID of version 4.
pub(super) fn random() -> HeaderValue {
    const HEX: [u8; 16] = *b"0123456789abcdef";
    // Ids need to be unique, not secret: no entropy of the system is spent on them.
    let mut bytes = fastrand::u128(..).to_be_bytes();
    (bytes[6], bytes[8]) = (bytes[6] & 0x0f | 0x40, bytes[8] & 0x3f | 0x80);
    let mut id = [b'-'; 36];
    let mut at = 0;
    for (n, byte) in bytes.into_iter().enumerate() {
        at += usize::from(matches!(n, 4 | 6 | 8 | 10));
        id[at] = HEX[usize::from(byte >> 4)];
        id[at + 1] = HEX[usize::from(byte & 0x0f)];
        at += 2;
    }
    // With its owner it is one allocation; else its first copy would make another.
    let id = Bytes::from_owner(id);
    HeaderValue::from_maybe_shared(id).expect("hex digits and dashes are visible")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_uuids_of_version_4() {
        let id = random();
        let id = id.to_str().unwrap();
        let parts: Vec<_> = id.split('-').collect();
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12],
            "{id}"
        );
        assert!(
            parts
                .iter()
                .all(|part| part.bytes().all(|b| b.is_ascii_hexdigit())),
            "{id}"
        );
        assert!(
            parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']),
            "{id}"
        );
    }
}
