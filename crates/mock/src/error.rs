use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

/// An error as OpenAI's API words it: a status, and a body with `message`, `type`, `param` and `code`.
#[derive(Clone, Debug)]
#[must_use]
pub struct ApiError {
    status: StatusCode,
    body: Body,
}

#[derive(Clone, Debug, Serialize)]
struct Body {
    message: String,
    r#type: String,
    param: Option<String>,
    code: Option<String>,
}

impl ApiError {
    /// Creates the error that OpenAI usually sends with this status.
    ///
    /// Types and codes follow <https://platform.openai.com/docs/guides/error-codes>.
    pub fn new(status: StatusCode) -> Self {
        let (kind, code, message) = match status.as_u16() {
            401 => (
                "invalid_request_error",
                Some("invalid_api_key"),
                "Incorrect API key provided.",
            ),
            403 => ("request_forbidden", None, "The key may not use this."),
            404 => (
                "invalid_request_error",
                Some("model_not_found"),
                "The model does not exist.",
            ),
            429 => (
                "requests",
                Some("rate_limit_exceeded"),
                "Rate limit reached.",
            ),
            400..=499 => ("invalid_request_error", None, "The request is not valid."),
            503 => ("server_error", None, "The engine is overloaded."),
            _ => ("server_error", None, "The server had an error."),
        };
        Self {
            status,
            body: Body {
                message: message.into(),
                r#type: kind.into(),
                param: None,
                code: code.map(Into::into),
            },
        }
    }

    /// Creates the refusal of a prompt that does not fit the context window (400).
    pub fn context_window() -> Self {
        Self::new(StatusCode::BAD_REQUEST)
            .message("This model's maximum context length is 4096 tokens. Please reduce the length of the messages.")
            .param("messages")
            .code("context_length_exceeded")
    }

    /// Creates the refusal of a prompt that breaks the content policy (400).
    pub fn content_policy() -> Self {
        Self::new(StatusCode::BAD_REQUEST)
            .message("The request was rejected as a result of the safety system.")
            .code("content_policy_violation")
    }

    /// Creates the refusal of an account that has used up its quota (429).
    pub fn quota() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS)
            .message("The current quota is exceeded.")
            .kind("insufficient_quota")
            .code("insufficient_quota")
    }

    /// Sets `message`.
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.body.message = message.into();
        self
    }

    /// Sets `type`.
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.body.r#type = kind.into();
        self
    }

    /// Sets `param`.
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.body.param = Some(param.into());
        self
    }

    /// Sets `code`.
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.body.code = Some(code.into());
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the JSON document `{"error": {…}}`.
    pub(crate) fn to_json(&self) -> Bytes {
        #[derive(Serialize)]
        struct Envelope<'a> {
            error: &'a Body,
        }
        crate::openai::json(&Envelope { error: &self.body })
    }
}

impl From<StatusCode> for ApiError {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}
