use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use ziggurat_context_window::{CountTokens, Prompt, Window};
use ziggurat_core::{LlmRequest, TokenCount, json::Document, overrides::Parameters};

/// Counts words, and how often it was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    counts: Arc<AtomicUsize>,
}

impl Words {
    pub(crate) fn counts(&self) -> usize {
        self.counts.load(Ordering::SeqCst)
    }

    pub(crate) fn window(&self, tokens: u64) -> Window {
        Window::new("test", Some(tokens)).counter(Arc::new(self.clone()))
    }
}

impl CountTokens for Words {
    fn name(&self) -> &'static str {
        "words"
    }

    fn count(&self, prompt: &Prompt<'_>, limit: u64) -> Option<TokenCount> {
        self.counts.fetch_add(1, Ordering::SeqCst);
        prompt.count(limit, |text, rest| {
            let words = text.split_whitespace().count() as u64;
            match words > rest {
                true => TokenCount::above(rest),
                false => TokenCount::exact(words),
            }
        })
    }
}

pub(crate) fn llm(body: &Value) -> LlmRequest {
    let document = Document::parse(Bytes::from(body.to_string())).unwrap();
    LlmRequest::new("group", false, document)
}

pub(crate) fn request(body: &Value) -> Request<()> {
    with(Request::new(()), llm(body))
}

pub(crate) fn with<T: Clone + Send + Sync + 'static, B>(
    mut request: Request<B>,
    extension: T,
) -> Request<B> {
    request.extensions_mut().insert(extension);
    request
}

/// A message of one user of so many words: they, the role, the frame and the reply are `words + 7` tokens.
pub(crate) fn words(words: usize) -> Value {
    json!({"messages": [{"role": "user", "content": "a ".repeat(words)}]})
}

pub(crate) fn parameters(body: &Value) -> Parameters {
    let members = body.as_object().unwrap().iter();
    let members = members.map(|(name, value)| (name.as_str().into(), value.to_string().into()));
    Parameters(members.collect())
}

/// Counts words without a limit.
pub(crate) fn count(body: &Value) -> Option<u64> {
    let llm = llm(body);
    let count = Words::default().count(&Prompt::new(&llm, None), 1 << 40);
    count.map(|count| {
        assert!(count.is_exact());
        count.tokens()
    })
}
