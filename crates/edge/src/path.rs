//! The paths of OpenAI's API, in the spellings that its clients have for them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use ziggurat_core::Operation;

/// Where a model is named in the path: by old clients of OpenAI, and by Azure's.
const BEFORE_MODEL: [&str; 2] = ["/engines/", "/openai/deployments/"];

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint<'a> {
    /// The operation.
    pub operation: Operation,
    /// The model, if the path names it.
    pub model: Option<Cow<'a, str>>,
}

impl<'a> Endpoint<'a> {
    /// Reads a path: an operation's own, with or without `/v1` before it, or with `/engines/{model}` or
    /// `/openai/deployments/{model}`; the model may have slashes. `None` for any other path.
    ///
    /// ```
    /// use ziggurat_core::Operation;
    /// use ziggurat_edge::path::Endpoint;
    ///
    /// let endpoint = Endpoint::of("/openai/deployments/gpt-4o/embeddings").unwrap();
    /// assert_eq!(endpoint.operation, Operation::Embeddings);
    /// assert_eq!(endpoint.model.as_deref(), Some("gpt-4o"));
    /// assert!(Endpoint::of("/v2/embeddings").is_none());
    /// ```
    #[must_use]
    pub fn of(path: &'a str) -> Option<Self> {
        let operations = Operation::ALL.into_iter();
        let (operation, before) = operations
            .filter_map(|operation| Some((operation, path.strip_suffix(operation.path())?)))
            .next()?;
        if matches!(before, "" | "/v1") {
            let model = None;
            return Some(Self { operation, model });
        }
        let model = BEFORE_MODEL
            .iter()
            .find_map(|prefix| before.strip_prefix(prefix))?;
        let model = percent_decode_str(model).decode_utf8().ok()?;
        (!model.is_empty()).then_some(Self {
            operation,
            model: Some(model),
        })
    }
}
