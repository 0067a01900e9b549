//! Keeping Google's token out of what another dialect tells of Google's answers.

use bytes::Bytes;
use http::{Extensions, StatusCode, response::Parts};
use ziggurat_core::{Failure, UpstreamError, json::Printed};
use ziggurat_provider::{
    Answer, Exchange, Excused, Streamed,
    credentials::{Cached, Used},
    redact,
};

use crate::auth::Token;

/// Another dialect's exchange, made with a token that it does not know of.
pub(crate) struct Guarded {
    inner: Box<dyn Exchange>,
    tokens: Option<Cached<Token>>,
    used: Used,
}

impl Guarded {
    pub(crate) fn new(inner: Box<dyn Exchange>, tokens: Option<Cached<Token>>, used: Used) -> Self {
        Self {
            inner,
            tokens,
            used,
        }
    }

    fn secrets(&self) -> Vec<Box<str>> {
        self.used.secret().into_iter().collect()
    }

    /// Cuts the token out of an error that came inside an answer. Streams may cut it in two, their failures never.
    fn cut(&self, failure: Failure) -> Failure {
        let secrets = self.secrets();
        let Some(upstream) = failure.upstream() else {
            return failure;
        };
        if !redact::is_needed(&secrets, upstream.message().as_bytes()) {
            return failure;
        }
        let message = redact::text(&secrets, upstream.message());
        let mut cut = UpstreamError::new(upstream.provider(), message);
        if let Some(kind) = upstream.error_type() {
            cut = cut.with_type(kind);
        }
        if let Some(code) = upstream.code() {
            cut = cut.with_code(code);
        }
        failure.with_upstream(cut)
    }

    fn cut_end(&self, mut streamed: Streamed) -> Streamed {
        streamed.end = streamed
            .end
            .map(|end| end.map_err(|failure| self.cut(failure)));
        streamed
    }
}

impl Exchange for Guarded {
    fn announced(&self, head: &Parts) -> Result<Answer, Failure> {
        self.inner.announced(head)
    }

    fn is_secret(&self, header: &[u8]) -> bool {
        redact::is_needed(&self.secrets(), header) || self.inner.is_secret(header)
    }

    fn excused(&mut self, head: &Parts, body: &Bytes) -> Option<Excused> {
        self.inner.excused(head, body)
    }

    fn refused(&mut self, head: &Parts, body: &mut Bytes) -> Failure {
        let secrets = self.secrets();
        if redact::is_needed(&secrets, body) {
            *body = redact::text(&secrets, &String::from_utf8_lossy(body)).into();
        }
        if head.status == StatusCode::UNAUTHORIZED
            && let Some(tokens) = &self.tokens
        {
            // It was withdrawn before its time.
            tokens.forget(|token| self.used.is(&token.header));
        }
        let failure = self.inner.refused(head, body);
        self.cut(failure)
    }

    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        let answer = self.inner.plain(body);
        answer.map_err(|failure| self.cut(failure))
    }

    fn tell(&self, extensions: &mut Extensions) {
        self.inner.tell(extensions);
    }

    fn chunk(&mut self, data: Bytes) -> Streamed {
        let streamed = self.inner.chunk(data);
        self.cut_end(streamed)
    }

    fn is_complete(&self) -> bool {
        self.inner.is_complete()
    }

    fn end(&mut self, broken: Option<Failure>) -> Streamed {
        let streamed = self.inner.end(broken);
        self.cut_end(streamed)
    }
}
