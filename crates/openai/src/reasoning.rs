//! What OpenAI's reasoning models take otherwise than others.

use bytes::Bytes;
use ziggurat_core::{Failure, JsonBody};
use ziggurat_provider::params::{Permits, refusal};

/// A series of reasoning models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Series {
    /// o1, o3, o4.
    O,
    /// gpt-5.
    Gpt5,
}

/// Parameters and the only values of them that are taken.
const ONLY: &[(&str, f64)] = &[
    ("temperature", 1.0),
    ("top_p", 1.0),
    ("presence_penalty", 0.0),
    ("frequency_penalty", 0.0),
    ("top_logprobs", 0.0),
];

impl Series {
    pub(crate) fn of(model: &str) -> Option<Self> {
        if ziggurat_models::is_o_series(model) {
            Some(Self::O)
        } else if ziggurat_models::is_gpt5(model) {
            Some(Self::Gpt5)
        } else {
            None
        }
    }

    /// Fits the parameters of a request to the series.
    ///
    /// # Errors
    ///
    /// [`BadRequest`](ziggurat_core::FailureKind::BadRequest) that names all parameters the model does not take.
    pub(crate) fn fit(
        self,
        body: &mut JsonBody,
        model: &str,
        permits: &Permits<'_>,
    ) -> Result<(), Failure> {
        rename_max_tokens(body);
        let mut refused = Vec::new();
        for name in self.restricted() {
            match value(body, name) {
                Given::Absent => {}
                _ if permits.allow(name) => {}
                // These are refused by name, whatever their value; this one is taken if it is the default.
                Given::Default if *name == "temperature" => {}
                Given::Default => body.remove(*name),
                Given::Other if permits.drop() => body.remove(*name),
                Given::Other => refused.push(*name),
            }
        }
        let Some(first) = refused.first() else {
            return Ok(());
        };
        let message = format!(
            "{model} does not support these values of: {}; set drop_params to leave them out",
            refused.join(", ")
        );
        Err(refusal(first, message))
    }

    fn restricted(self) -> &'static [&'static str] {
        match self {
            Self::O => &[
                "temperature",
                "top_p",
                "presence_penalty",
                "frequency_penalty",
                "logprobs",
                "top_logprobs",
            ],
            Self::Gpt5 => &["temperature"],
        }
    }
}

enum Given {
    Absent,
    Default,
    Other,
}

fn value(body: &JsonBody, name: &str) -> Given {
    let Some(text) = body.get(name) else {
        return Given::Absent;
    };
    let default = ONLY.iter().find(|(only, _)| *only == name);
    match (text, default) {
        (b"null", _) => Given::Absent,
        (b"false", None) => Given::Default,
        (text, Some((_, default)))
            if serde_json::from_slice::<f64>(text).is_ok_and(|value| value == *default) =>
        {
            Given::Default
        }
        _ => Given::Other,
    }
}

fn rename_max_tokens(body: &mut JsonBody) {
    let Some(limit) = body.get("max_tokens") else {
        return;
    };
    let limit = Bytes::copy_from_slice(limit);
    if !body.contains("max_completion_tokens") {
        body.set("max_completion_tokens", limit);
    }
    body.remove("max_tokens");
}
