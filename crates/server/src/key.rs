use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, header::AUTHORIZATION};
use subtle::ConstantTimeEq;

/// Where clients put their key: OpenAI's, LiteLLM's, Azure's and Anthropic's header.
pub(crate) static KEY_HEADERS: [HeaderName; 4] = [
    AUTHORIZATION,
    HeaderName::from_static("x-litellm-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
];

/// The key that callers must show. It never shows itself.
#[derive(Clone)]
pub struct MasterKey(Arc<str>);

impl MasterKey {
    /// Wraps a key.
    pub fn new(key: impl Into<Arc<str>>) -> Self {
        Self(key.into())
    }

    /// Finds the headers of a request that show the key, with or without `Bearer`.
    ///
    /// The comparison takes the same time wherever two keys of one length differ.
    pub(crate) fn find(&self, headers: &HeaderMap) -> Shown {
        let mut shown = Shown::default();
        // All are compared, so that the time does not tell which header was right. One look at all headers costs less than a
        // search for each.
        for (name, value) in headers {
            if let Some(at) = KEY_HEADERS.iter().position(|header| header == name) {
                shown.0[at] |= self.is(bare(value.as_bytes()));
            }
        }
        shown
    }

    fn is(&self, key: &[u8]) -> bool {
        key.ct_eq(self.0.as_bytes()).into()
    }
}

/// Which headers of a request show the key.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shown([bool; KEY_HEADERS.len()]);

impl Shown {
    /// Says whether any does.
    pub(crate) fn any(self) -> bool {
        self.0.contains(&true)
    }

    /// Removes them: the key is for this server alone, whatever headers go upstream.
    pub(crate) fn remove(self, headers: &mut HeaderMap) {
        for (name, _) in KEY_HEADERS.iter().zip(self.0).filter(|(_, shown)| *shown) {
            headers.remove(name);
        }
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

fn bare(value: &[u8]) -> &[u8] {
    const BEARER: &[u8] = b"bearer ";
    match value.get(..BEARER.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(BEARER) => value[BEARER.len()..].trim_ascii(),
        _ => value.trim_ascii(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_shown(name: &'static str, value: &'static str) -> bool {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static(name),
            http::HeaderValue::from_static(value),
        )]);
        MasterKey::new("sk-1234").find(&headers).any()
    }

    #[test]
    fn each_header_carries_the_key() {
        for name in ["authorization", "x-litellm-api-key", "api-key", "x-api-key"] {
            assert!(is_shown(name, "sk-1234"), "{name}");
            assert!(is_shown(name, "Bearer sk-1234"), "{name}");
            assert!(is_shown(name, "bearer  sk-1234 "), "{name}");
            for wrong in [
                "",
                "Bearer",
                "Bearer ",
                "sk-123",
                "sk-12345",
                "sk-1235",
                "Basic sk-1234",
            ] {
                assert!(!is_shown(name, wrong), "{name}: {wrong}");
            }
        }
        assert!(!is_shown("x-key", "sk-1234"));
        assert!(!MasterKey::new("sk-1234").find(&HeaderMap::new()).any());
    }

    #[test]
    fn a_wrong_key_beside_the_right_one_does_no_harm() {
        let mut headers = HeaderMap::new();
        headers.insert(
            AUTHORIZATION,
            http::HeaderValue::from_static("Bearer other"),
        );
        headers.insert(
            "x-litellm-api-key",
            http::HeaderValue::from_static("sk-1234"),
        );
        assert!(MasterKey::new("sk-1234").find(&headers).any());
    }

    #[test]
    fn only_what_shows_the_key_is_removed() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer sk-1234"),
            ("authorization", "Bearer other"),
            ("x-api-key", "sk-1234"),
            ("api-key", "sk-12345"),
            ("x-key", "sk-1234"),
        ] {
            headers.append(name, http::HeaderValue::from_static(value));
        }
        MasterKey::new("sk-1234")
            .find(&headers)
            .remove(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["api-key", "x-key"]);
    }

    #[test]
    fn debug_output_hides_the_key() {
        assert_eq!(format!("{:?}", MasterKey::new("sk-1234")), "MasterKey(..)");
    }
}
