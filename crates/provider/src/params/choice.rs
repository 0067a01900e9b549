use serde_json::Value;

/// How a model may choose among tools, in OpenAI's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// It may call tools.
    Auto,
    /// It must not.
    None,
    /// It must.
    Required,
    /// It must call this one.
    Function(String),
    /// It may, or must, call one of these; the others are not there for it.
    Allowed {
        /// Whether it must call one.
        required: bool,
        /// The names of the functions.
        names: Vec<String>,
    },
}

impl ToolChoice {
    /// Reads a `tool_choice`; `None` if it is not one that OpenAI has for functions.
    #[must_use]
    pub fn read(json: &[u8]) -> Option<Self> {
        let choice: Value = serde_json::from_slice(json).ok()?;
        if let Some(word) = choice.as_str() {
            return match word {
                "auto" => Some(Self::Auto),
                "none" => Some(Self::None),
                "required" => Some(Self::Required),
                _ => None,
            };
        }
        match choice["type"].as_str()? {
            "function" => function(&choice).map(Self::Function),
            "allowed_tools" => {
                let allowed = &choice["allowed_tools"];
                let required = match allowed["mode"].as_str()? {
                    "auto" => false,
                    "required" => true,
                    _ => return None,
                };
                let names = allowed["tools"].as_array()?.iter();
                let names: Option<Vec<_>> = names.map(function).collect();
                names.map(|names| Self::Allowed { required, names })
            }
            _ => None,
        }
    }

    /// Says whether the model may see a tool.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        match self {
            Self::Allowed { names, .. } => names.iter().any(|allowed| allowed == name),
            _ => true,
        }
    }

    /// Returns the names that the choice is about.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::Function(name) => std::slice::from_ref(name),
            Self::Allowed { names, .. } => names,
            Self::Auto | Self::None | Self::Required => &[],
        };
        names.iter().map(String::as_str)
    }
}

/// The name in `{"type": "function", "function": {"name": …}}`.
fn function(value: &Value) -> Option<String> {
    value["function"]["name"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read() {
        let read = |json: &str| ToolChoice::read(json.as_bytes());
        assert_eq!(read("\"required\""), Some(ToolChoice::Required));
        let named = read(r#"{"type":"function","function":{"name":"f"}}"#);
        assert_eq!(named, Some(ToolChoice::Function("f".into())));
        let allowed = read(
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}"#,
        );
        let allowed = allowed.unwrap();
        assert!(allowed.allows("f") && !allowed.allows("g"));
        assert_eq!(allowed.names().collect::<Vec<_>>(), ["f"]);
        for wrong in [
            "\"perhaps\"",
            "7",
            r#"{"type":"custom","custom":{"name":"f"}}"#,
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"any","tools":[]}}"#,
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
