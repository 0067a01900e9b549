//! Texts as JSON, which are passed on unread.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::value::RawValue;

/// A text that is JSON, with its quotes and escapes.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct JsonText<'a>(Cow<'a, RawValue>);

impl<'a> JsonText<'a> {
    /// Takes a value if it is a text.
    pub(crate) fn of(value: &'a RawValue) -> Option<Self> {
        let is_text = value.get().starts_with('"');
        is_text.then_some(Self(Cow::Borrowed(value)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.inside().is_empty()
    }

    /// What is between the quotes.
    pub(crate) fn inside(&self) -> &str {
        let json = self.0.get();
        &json[1..json.len() - 1]
    }

    /// Adds another text.
    pub(crate) fn push(&mut self, other: &JsonText<'_>) {
        *self = Self::joined([self.inside(), other.inside()]);
    }

    /// Joins what is between the quotes of texts.
    fn joined<'b>(insides: impl IntoIterator<Item = &'b str>) -> Self {
        let mut json = String::from("\"");
        json.extend(insides);
        json.push('"');
        let json = RawValue::from_string(json);
        Self(Cow::Owned(json.expect("texts in a row are one")))
    }

    /// Joins texts.
    pub(crate) fn concat(mut texts: Vec<Self>) -> Option<Self> {
        match texts.len() {
            0 | 1 => texts.pop(),
            _ => Some(Self::joined(texts.iter().map(Self::inside))),
        }
    }

    /// A space, where a text must not be empty.
    pub(crate) fn blank() -> Self {
        Self::joined([" "])
    }

    /// Reads the text; `None` if its escapes are wrong.
    pub(crate) fn read(&self) -> Option<String> {
        serde_json::from_str(self.0.get()).ok()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for JsonText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = <&'de RawValue>::deserialize(deserializer)?;
        Self::of(value).ok_or_else(|| D::Error::custom("not a text"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stay_as_they_are() {
        let json = r#"["gr\u00fc\n", "", "ß\""]"#;
        let texts: Vec<JsonText<'_>> = serde_json::from_str(json).unwrap();
        assert!(!texts[0].is_empty() && texts[1].is_empty());
        let mut one = texts[0].clone();
        one.push(&texts[2]);
        let all = JsonText::concat(texts).unwrap();
        for text in [&one, &all] {
            assert_eq!(serde_json::to_string(text).unwrap(), r#""gr\u00fc\nß\"""#);
            assert_eq!(text.read().as_deref(), Some("grü\nß\""));
        }
        assert!(serde_json::from_str::<JsonText<'_>>("7").is_err());
        assert!(
            serde_json::from_str::<Option<JsonText<'_>>>("null")
                .unwrap()
                .is_none()
        );
    }
}
