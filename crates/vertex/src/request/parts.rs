//! Google's messages, as they are sent.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::calls::Outcome;
use crate::text::JsonText;

/// One turn.
#[derive(Serialize)]
pub(super) struct Content<'a> {
    pub(super) role: &'static str,
    pub(super) parts: Vec<Part<'a>>,
    /// Whether it holds the results of functions: they stay apart from what a user says.
    #[serde(skip)]
    pub(super) has_results: bool,
}

impl<'a> Content<'a> {
    pub(super) fn new(role: &'static str, parts: Vec<Part<'a>>) -> Self {
        Self {
            role,
            parts,
            has_results: false,
        }
    }

    /// A turn for the results of functions; left out if none come.
    pub(super) fn results() -> Self {
        Self {
            role: "user",
            parts: Vec::new(),
            has_results: true,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Part<'a> {
    #[serde(flatten)]
    pub(super) data: Data<'a>,
    #[serde(rename = "thoughtSignature", skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<Cow<'a, str>>,
    /// The place of a result among others.
    #[serde(skip)]
    pub(super) order: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Data<'a> {
    Text(JsonText<'a>),
    #[serde(rename = "inline_data")]
    Inline {
        mime_type: Cow<'a, str>,
        data: Cow<'a, str>,
    },
    #[serde(rename = "file_data")]
    File {
        #[serde(skip_serializing_if = "Option::is_none")]
        mime_type: Option<Cow<'a, str>>,
        file_uri: Cow<'a, str>,
    },
    FunctionCall {
        name: Cow<'a, str>,
        args: Box<RawValue>,
    },
    FunctionResponse {
        name: Cow<'a, str>,
        response: Outcome<'a>,
    },
}

impl<'a> From<Data<'a>> for Part<'a> {
    fn from(data: Data<'a>) -> Self {
        Self {
            data,
            signature: None,
            order: 0,
        }
    }
}

impl<'a> Part<'a> {
    pub(super) fn text(text: JsonText<'a>) -> Self {
        Data::Text(text).into()
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self.data, Data::Text(_))
    }
}
