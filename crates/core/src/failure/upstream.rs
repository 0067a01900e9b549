use std::fmt;

use bytes::Bytes;

/// What an upstream wrote about a failure, for the caller who asked; never for logs.
#[derive(Clone)]
pub struct UpstreamError {
    provider: &'static str,
    message: Box<str>,
    kind: Option<Box<str>>,
    param: Option<Box<str>>,
    code: Option<Box<str>>,
    fields: Option<Bytes>,
}

impl UpstreamError {
    /// Creates one of the provider's display name (`OpenAI`, `Azure`) and its message.
    pub fn new(provider: &'static str, message: impl Into<Box<str>>) -> Self {
        Self {
            provider,
            message: message.into(),
            kind: None,
            param: None,
            code: None,
            fields: None,
        }
    }

    /// Sets the provider's `type`.
    #[must_use]
    pub fn with_type(mut self, kind: impl Into<Box<str>>) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Sets the provider's `param`.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<Box<str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Sets the provider's `code`.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Box<str>>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Sets further details: a JSON object, shown to the caller as `provider_specific_fields`.
    #[must_use]
    pub fn with_fields(mut self, fields: Bytes) -> Self {
        self.fields = Some(fields);
        self
    }

    /// Returns the provider's display name.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        self.provider
    }

    /// Returns the provider's message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the provider's `type`.
    #[must_use]
    pub fn error_type(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// Returns the provider's `param`.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        self.param.as_deref()
    }

    /// Returns the provider's `code`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Returns further details: a JSON object.
    #[must_use]
    pub fn fields(&self) -> Option<&Bytes> {
        self.fields.as_ref()
    }
}

impl fmt::Debug for UpstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamError")
            .field("provider", &self.provider)
            .finish_non_exhaustive()
    }
}
