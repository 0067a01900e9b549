//! Reading the answer to one call, of which another dialect makes OpenAI's first.

use bytes::Bytes;
use http::{Extensions, response::Parts};
use ziggurat_core::{Failure, json::Printed};
use ziggurat_provider::{Answer, Exchange, Excused, Streamed};

use super::{answer, stream::Events};

/// One message.
pub(super) struct Message {
    inner: Box<dyn Exchange>,
    events: Box<Events>,
}

impl Message {
    /// Reads the answers of `inner`; `prompt` is how many tokens the prompt has, as far as someone has counted.
    pub(super) fn new(inner: Box<dyn Exchange>, prompt: Option<u64>) -> Self {
        Self {
            inner,
            events: Box::new(Events::new(prompt.unwrap_or_default())),
        }
    }

    fn translated(&mut self, streamed: Streamed) -> Streamed {
        let Streamed { data, end } = streamed;
        self.events.translate(data, end)
    }
}

impl Exchange for Message {
    fn announced(&self, head: &Parts) -> Result<Answer, Failure> {
        self.inner.announced(head)
    }

    fn is_secret(&self, header: &[u8]) -> bool {
        self.inner.is_secret(header)
    }

    fn excused(&mut self, head: &Parts, body: &Bytes) -> Option<Excused> {
        match self.inner.excused(head, body)? {
            // One that cannot be read is a failure after all.
            Excused::Plain(text) => answer::translate(&text.into_bytes())
                .ok()
                .map(|text| Excused::Plain(Bytes::from(text).into())),
            Excused::Stream(data) => {
                let streamed = self.events.translate(data, Some(Ok(())));
                let is_whole = matches!(streamed.end, Some(Ok(())));
                is_whole.then_some(Excused::Stream(streamed.data))
            }
        }
    }

    fn refused(&mut self, head: &Parts, body: &mut Bytes) -> Failure {
        self.inner.refused(head, body)
    }

    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        let text = self.inner.plain(body)?.into_bytes();
        Ok(Bytes::from(answer::translate(&text)?).into())
    }

    fn tell(&self, extensions: &mut Extensions) {
        self.inner.tell(extensions);
    }

    fn chunk(&mut self, data: Bytes) -> Streamed {
        let streamed = self.inner.chunk(data);
        self.translated(streamed)
    }

    fn is_complete(&self) -> bool {
        self.inner.is_complete()
    }

    fn end(&mut self, broken: Option<Failure>) -> Streamed {
        let streamed = self.inner.end(broken);
        self.translated(streamed)
    }
}
