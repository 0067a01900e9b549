//! The paths of OpenAI's API and of Anthropic's, in the spellings that their clients have for them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use ziggurat_core::Operation;

/// Where a model is named in the path: by old clients of OpenAI, and by Azure's.
const BEFORE_MODEL: [&str; 2] = ["/engines/", "/openai/deployments/"];

/// Says whether a path, known or not, is of Anthropic's API.
pub(crate) fn is_anthropic(path: &str) -> bool {
    let below = |prefix| {
        let rest: Option<&str> = path.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    ["/anthropic", "/v1/messages", "/messages"]
        .into_iter()
        .any(below)
}

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
    /// Reads a path: an operation's own, with or without `/v1` before it. Chat, completions and embeddings may follow
    /// `/engines/{model}` or `/openai/deployments/{model}`, where the model may have slashes; responses `/openai` or
    /// `/openai/v1`, where Azure has them; Anthropic's `/anthropic/v1`. `None` for any other path.
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
        let named_by_path = matches!(
            operation,
            Operation::Chat | Operation::Completions | Operation::Embeddings
        );
        let is_own = match before {
            "" | "/v1" => true,
            "/anthropic/v1" => operation.is_anthropic(),
            "/openai" | "/openai/v1" => operation == Operation::Responses,
            _ => false,
        };
        if is_own {
            let model = None;
            return Some(Self { operation, model });
        }
        let mut prefixes = BEFORE_MODEL.iter().filter(|_| named_by_path);
        let model = prefixes.find_map(|prefix| before.strip_prefix(prefix))?;
        let model = percent_decode_str(model).decode_utf8().ok()?;
        (!model.is_empty()).then_some(Self {
            operation,
            model: Some(model),
        })
    }
}
