//! What a reader of single values takes, found by trying it.

use serde_json::{Value as Json, json};
use serde_yaml::{Mapping, Value};

use crate::{scalar, scalar::Read};

/// The kinds of values that a reader takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shape {
    flag: bool,
    number: Option<Number>,
    text: Text,
    list: Text,
    map: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Number {
    whole: bool,
    negative: bool,
    max: Option<f64>,
}

/// The texts that are taken.
#[derive(Clone, Debug, Default, PartialEq)]
enum Text {
    #[default]
    None,
    /// Numbers only.
    Numbers,
    /// These only.
    Words(Vec<&'static str>),
    /// Addresses of servers.
    Urls,
    Any,
}

/// No reader knows this one, but for those that take any.
const ANY: &str = "any-text";
const URL: &str = "https://host";

/// Words that some readers take and others do not.
const WORDS: [&str; 20] = [
    "true",
    "false",
    "True",
    "False",
    "yes",
    "no",
    "Yes",
    "No",
    "on",
    "off",
    "On",
    "Off",
    "complete",
    "continue",
    "first_content",
    "litellm",
    "openai",
    "restart",
    "TRUE",
    "FALSE",
];

/// Bounds that readers have.
const BOUNDS: [f64; 6] = [1.0, 60.0, 100.0, 1000.0, 2_147_483_646.0, 4_294_967_295.0];
const UNBOUND: f64 = 1e12;

// === impl Shape ===

impl Shape {
    /// A key for a service: digits without quotes are one too.
    pub(crate) fn secret() -> Self {
        Self {
            number: Some(Number {
                whole: true,
                negative: false,
                max: None,
            }),
            ..Self::of(scalar::text)
        }
    }

    pub(crate) fn of<T>(read: impl Fn(&Value) -> Read<T>) -> Self {
        let takes = |value: Value| read(&value).is_ok();
        let list = |text: &str| Value::Sequence(vec![text.into()]);
        let mut map = Mapping::new();
        map.insert("x-name".into(), "value".into());
        Self {
            flag: takes(true.into()),
            number: number(|number| match number.fract() == 0.0 {
                true => takes((number as i64).into()),
                false => takes(number.into()),
            }),
            text: text(|text| takes(text.into())),
            list: text_of_list(|text| takes(list(text))),
            map: takes(Value::Mapping(map)),
        }
    }

    /// What one of two readers takes.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            flag: self.flag || other.flag,
            number: self.number.or(other.number),
            text: self.text.or(other.text),
            list: self.list.or(other.list),
            map: self.map || other.map,
        }
    }

    /// The alternatives in the words of JSON Schema. A value may be left empty, or refer to the environment.
    pub(crate) fn schema(&self) -> Json {
        let mut any = vec![json!({"type": "null"})];
        if self.flag {
            any.push(json!({"type": "boolean"}));
        }
        any.extend(self.number.map(Number::schema));
        match &self.text {
            Text::Any | Text::Urls => {}
            _ => any.push(json!({"type": "string", "pattern": "^os\\.environ/"})),
        }
        any.extend(self.text.schema());
        if let Some(items) = self.list.schema() {
            any.push(json!({"type": "array", "items": items}));
        }
        if self.map {
            any.push(json!({"type": "object"}));
        }
        json!({ "anyOf": any })
    }
}

impl Number {
    fn schema(self) -> Json {
        let mut schema = json!({"type": if self.whole { "integer" } else { "number" }});
        if !self.negative {
            schema["minimum"] = 0.into();
        }
        match self.max {
            Some(max) if max.fract() == 0.0 => schema["maximum"] = (max as u64).into(),
            Some(max) => schema["maximum"] = max.into(),
            None => {}
        }
        schema
    }
}

impl Text {
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, other) => other,
            (known, _) => known,
        }
    }

    fn schema(&self) -> Option<Json> {
        Some(match self {
            Self::None => return None,
            Self::Numbers => json!({"type": "string", "pattern": "^[0-9_.eE+ -]*$"}),
            Self::Words(words) => json!({ "enum": words }),
            // In files that are still to be filled in, placeholders stand for addresses.
            Self::Urls | Self::Any => json!({"type": "string"}),
        })
    }
}

fn number(takes: impl Fn(f64) -> bool) -> Option<Number> {
    let takes_any = [0.0, 0.5, 1.0, 7.0].into_iter().any(&takes);
    let max = BOUNDS.into_iter().rev().find(|bound| takes(*bound));
    takes_any.then(|| Number {
        whole: !takes(0.5),
        negative: takes(-1.0),
        max: max.filter(|_| !takes(UNBOUND)),
    })
}

fn text(takes: impl Fn(&str) -> bool) -> Text {
    if takes(ANY) {
        return Text::Any;
    }
    let words: Vec<_> = WORDS.into_iter().filter(|word| takes(word)).collect();
    match () {
        () if !words.is_empty() => Text::Words(words),
        () if takes("1") => Text::Numbers,
        () if takes(URL) => Text::Urls,
        () => Text::None,
    }
}

/// Lists are of texts, or not taken.
fn text_of_list(takes: impl Fn(&str) -> bool) -> Text {
    match takes(ANY) {
        true => Text::Any,
        false => Text::None,
    }
}
