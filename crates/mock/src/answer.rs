use std::sync::Arc;

/// The text of a model's answer, and how a stream splits it.
///
/// The same answer serves both forms: a plain request gets the deltas joined, a request with `"stream": true` gets
/// one chunk for each.
#[derive(Clone, Debug)]
#[must_use]
pub struct Answer {
    deltas: Option<Arc<[String]>>,
    finish_reason: Arc<str>,
    usage: Option<(u64, u64)>,
}

impl Answer {
    /// Says `hello from <name of the upstream>`.
    pub fn hello() -> Self {
        Self {
            deltas: None,
            finish_reason: "stop".into(),
            usage: None,
        }
    }

    /// Says `text`; a stream splits it after each space.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::deltas(words(text.as_ref()))
    }

    /// Says these pieces, each of them one chunk of a stream.
    pub fn deltas<D: Into<String>>(deltas: impl IntoIterator<Item = D>) -> Self {
        Self {
            deltas: Some(deltas.into_iter().map(Into::into).collect()),
            ..Self::hello()
        }
    }

    /// Sets the finish reason. Default: `stop`.
    pub fn finish_reason(mut self, reason: impl Into<Arc<str>>) -> Self {
        self.finish_reason = reason.into();
        self
    }

    /// Sets the tokens that the answer says it used.
    ///
    /// Default: a quarter of the request body's bytes for the prompt, one per delta for the completion.
    pub fn usage(mut self, prompt_tokens: u64, completion_tokens: u64) -> Self {
        self.usage = Some((prompt_tokens, completion_tokens));
        self
    }

    pub(crate) fn deltas_for(&self, upstream: &str) -> Arc<[String]> {
        match &self.deltas {
            Some(deltas) => Arc::clone(deltas),
            None => words(&format!("hello from {upstream}"))
                .map(Into::into)
                .collect(),
        }
    }

    pub(crate) fn finish(&self) -> &str {
        &self.finish_reason
    }

    /// Returns the tokens of the prompt and of the completion.
    pub(crate) fn tokens(&self, body: usize, deltas: usize) -> (u64, u64) {
        // Nobody sends 2^64 bytes; saturating keeps the conversion honest all the same.
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.usage
            .unwrap_or_else(|| (count(body.div_ceil(4)), count(deltas)))
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}

impl Default for Answer {
    fn default() -> Self {
        Self::hello()
    }
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}
