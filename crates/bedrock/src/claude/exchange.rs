//! Reading the answer to one message.

use std::{borrow::Cow, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use http::{Extensions, response::Parts};
use serde::Deserialize;
use ziggurat_core::{Failure, FailureKind, json::Printed};
use ziggurat_provider::{Answer, Exchange, Streamed, redact};

use crate::{
    aws::Signer,
    dialect::Template,
    exchange::{announced, in_place_of_answer, invalid},
    failure,
    frames::{Frame, Frames},
    stream::event::{decode, kind, unwrapped},
};

/// One message, whose answer Bedrock wraps and another dialect reads.
pub(super) struct Native {
    inner: Box<dyn Exchange>,
    template: Arc<Template>,
    signer: Signer,
    stream: bool,
    frames: Frames,
}

/// What of an event is looked at.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

impl Native {
    pub(super) fn new(
        inner: Box<dyn Exchange>,
        template: Arc<Template>,
        signer: Signer,
        stream: bool,
    ) -> Self {
        Self {
            inner,
            template,
            signer,
            stream,
            frames: Frames::default(),
        }
    }

    /// Unwraps the frames that are whole, as the events that Anthropic itself sends.
    fn unwrap(&mut self, out: &mut BytesMut) -> Result<(), Failure> {
        while let Some(frame) = self.frames.next_frame()? {
            self.event(&frame, out)?;
        }
        Ok(())
    }

    fn event(&self, frame: &Frame, out: &mut BytesMut) -> Result<(), Failure> {
        if kind(frame, &self.template)? != "chunk" {
            return Ok(());
        }
        let json = unwrapped(frame.payload())?;
        let event: Event<'_> = decode(&json)?;
        if event.kind == "error" {
            return Err(failure::in_band(None, &json, &self.template.secrets));
        }
        // What else a name holds could end its line.
        if !event.kind.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("an event of the upstream's stream has no name"));
        }
        out.reserve(json.len() + event.kind.len() + 16);
        out.put_slice(b"event: ");
        out.put_slice(event.kind.as_bytes());
        out.put_slice(b"\ndata: ");
        // So could a line break between the tokens of JSON.
        let line = |&byte: &u8| match byte {
            b'\n' | b'\r' => b' ',
            byte => byte,
        };
        out.extend(json.iter().map(line));
        out.put_slice(b"\n\n");
        Ok(())
    }
}

impl Exchange for Native {
    fn announced(&self, head: &Parts) -> Result<Answer, Failure> {
        announced(head, self.stream)
    }

    fn is_secret(&self, header: &[u8]) -> bool {
        redact::is_needed(&self.template.secrets, header)
    }

    fn refused(&mut self, head: &Parts, body: &mut Bytes) -> Failure {
        self.template.refused(head, body, &self.signer)
    }

    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        let answer = self.inner.plain(body.clone());
        answer.map_err(|_| in_place_of_answer(&body, &self.template.secrets))
    }

    fn tell(&self, extensions: &mut Extensions) {
        self.inner.tell(extensions);
    }

    fn chunk(&mut self, data: Bytes) -> Streamed {
        self.frames.push(&data);
        let mut events = BytesMut::new();
        let read = self.unwrap(&mut events);
        let mut streamed = match events.is_empty() {
            true => Streamed::default(),
            false => self.inner.chunk(events.freeze()),
        };
        // What comes after the end of a message is not part of it.
        if streamed.end.is_none() {
            streamed.end = read.err().map(Err);
        }
        streamed
    }

    fn is_complete(&self) -> bool {
        self.inner.is_complete()
    }

    fn end(&mut self, broken: Option<Failure>) -> Streamed {
        let cut = || {
            let message = "the upstream's stream ended inside a frame";
            Failure::new(FailureKind::Disconnected).with_message(message)
        };
        self.inner
            .end(broken.or_else(|| self.frames.is_cut().then(cut)))
    }
}
