//! What Anthropic takes.

use std::borrow::Cow;

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, value::RawValue};

/// A request.
pub(crate) struct Body<'a> {
    pub(crate) model: &'a str,
    pub(crate) messages: Vec<Turn<'a>>,
    pub(crate) system: Vec<Block<'a>>,
    pub(crate) max_tokens: Value,
    pub(crate) tools: Vec<Tool<'a>>,
    pub(crate) stop: Option<Vec<String>>,
    pub(crate) user: Option<String>,
    pub(crate) stream: bool,
    /// Made of parameters with other names.
    pub(crate) made: Vec<(&'static str, Value)>,
    /// Made of parameters with other names, as text.
    pub(crate) written: Vec<(&'static str, Box<RawValue>)>,
    /// Passed on as they came.
    pub(crate) others: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// Messages of one role.
#[derive(Serialize)]
pub(crate) struct Turn<'a> {
    pub(crate) role: Role,
    pub(crate) content: Vec<Block<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    User,
    Assistant,
}

/// A text: as it came, or changed.
pub(crate) enum Text<'a> {
    Raw(&'a RawValue),
    Made(String),
}

/// A part of a message.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Block<'a> {
    Typed(Typed<'a>),
    /// What the model thought before.
    Thought(Cow<'a, RawValue>),
    /// One in Anthropic's own words.
    Native(&'a RawValue),
}

#[derive(Serialize)]
pub(crate) struct Typed<'a> {
    #[serde(flatten)]
    pub(crate) kind: Kind<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Kind<'a> {
    Text {
        text: Text<'a>,
    },
    Image {
        source: Source<'a>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a RawValue>,
    },
    ToolUse {
        id: String,
        name: String,
        input: Box<RawValue>,
    },
    ToolResult {
        tool_use_id: String,
        content: Content<'a>,
    },
}

/// Where the bytes of an image or a document are.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Source<'a> {
    Base64 {
        media_type: Cow<'a, str>,
        data: Cow<'a, str>,
    },
    Url {
        url: Cow<'a, str>,
    },
    File {
        file_id: String,
    },
}

/// What a tool returned.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Content<'a> {
    Text(Text<'a>),
    Blocks(Vec<Block<'a>>),
}

/// A tool that the model may call.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Tool<'a> {
    Custom(Custom<'a>),
    /// One in Anthropic's own words.
    Native(&'a RawValue),
}

#[derive(Serialize)]
pub(crate) struct Custom<'a> {
    pub(crate) name: String,
    pub(crate) input_schema: Cow<'a, RawValue>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cache_control: Option<&'a RawValue>,
}

// === impl Text ===

impl Text<'_> {
    /// Whether there is nothing to see; such a text is refused.
    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Self::Made(text) => text.trim().is_empty(),
            Self::Raw(json) => {
                let inside = &json.get()[1..json.get().len() - 1];
                // Only a text that begins with a space or an escape may be blank.
                match inside.as_bytes().first() {
                    None => true,
                    Some(b' ' | b'\\') => self.decoded().trim().is_empty(),
                    Some(byte) if byte.is_ascii() => false,
                    Some(_) => inside.trim().is_empty(),
                }
            }
        }
    }

    /// Cuts the space at the end, which is refused where the model is to go on.
    pub(crate) fn trim_end(&mut self) {
        let is_clean = match self {
            Self::Made(_) => false,
            Self::Raw(json) => {
                let inside = &json.get()[1..json.get().len() - 1];
                let may_be_escape =
                    inside.len() >= 2 && inside[..].as_bytes()[inside.len() - 2] == b'\\';
                !may_be_escape && inside.trim_end().len() == inside.len() && !inside.contains("\\u")
            }
        };
        if !is_clean {
            let mut text = self.decoded();
            text.truncate(text.trim_end().len());
            *self = Self::Made(text);
        }
    }

    fn decoded(&self) -> String {
        match self {
            Self::Raw(json) => crate::object::string(json).unwrap_or_default(),
            Self::Made(text) => text.clone(),
        }
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Raw(json) => json.serialize(serializer),
            Self::Made(text) => text.serialize(serializer),
        }
    }
}

// === impl Block ===

impl<'a> Block<'a> {
    pub(crate) fn of(kind: Kind<'a>) -> Self {
        Self::Typed(Typed {
            kind,
            cache_control: None,
        })
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        let text = Text::Made(text.into());
        Self::of(Kind::Text { text })
    }

    /// Marks a block as the end of a part of the prompt that is to be cached.
    pub(crate) fn cached(mut self, cache_control: Option<&'a RawValue>) -> Self {
        if let Self::Typed(typed) = &mut self {
            typed.cache_control = cache_control.or(typed.cache_control);
        }
        self
    }

    pub(crate) fn is_tool_result(&self) -> bool {
        matches!(self, Self::Typed(typed) if matches!(typed.kind, Kind::ToolResult { .. }))
    }
}

// === impl Body ===

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", self.model)?;
        map.serialize_entry("messages", &self.messages)?;
        if !self.system.is_empty() {
            map.serialize_entry("system", &self.system)?;
        }
        map.serialize_entry("max_tokens", &self.max_tokens)?;
        if !self.tools.is_empty() {
            map.serialize_entry("tools", &self.tools)?;
        }
        if let Some(stop) = &self.stop {
            map.serialize_entry("stop_sequences", stop)?;
        }
        if let Some(user) = &self.user {
            map.serialize_entry("metadata", &serde_json::json!({ "user_id": user }))?;
        }
        if self.stream {
            map.serialize_entry("stream", &true)?;
        }
        for (name, value) in &self.made {
            map.serialize_entry(name, value)?;
        }
        for (name, value) in &self.written {
            map.serialize_entry(name, value)?;
        }
        for (name, value) in &self.others {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
