//! Reading a body whole, within a limit.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use ziggurat_core::BoxError;

use crate::{decode::Upstream, sse};

/// Reads a body to its end. One frame is not copied.
pub(crate) struct Collect {
    body: Upstream,
    limit: usize,
    /// Whether it is not known yet that the body is no stream of events.
    may_stream: bool,
    first: Bytes,
    all: BytesMut,
}

/// Why a body was not read to its end.
pub(crate) enum Incomplete {
    /// It is a stream of events.
    Stream,
    /// The rest did not come in time.
    Stalled,
    TooLarge,
    Broken(BoxError),
}

impl Collect {
    pub(crate) fn new(body: Upstream, limit: usize) -> Self {
        Self {
            body,
            limit,
            may_stream: false,
            first: Bytes::new(),
            all: BytesMut::new(),
        }
    }

    /// Reads no further than to know that the body is a stream, if it is one.
    pub(crate) fn unless_stream(mut self) -> Self {
        self.may_stream = true;
        self
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Incomplete>> {
        while let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            let frame = frame.map_err(Incomplete::Broken)?;
            if let Ok(data) = frame.into_data() {
                self.push(data)?;
            }
            if self.may_stream
                && let Some(is_stream) = sse::is_stream(self.read())
            {
                if is_stream {
                    return Poll::Ready(Err(Incomplete::Stream));
                }
                self.may_stream = false;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Returns what was read so far.
    pub(crate) fn take(&mut self) -> Bytes {
        if self.all.is_empty() {
            std::mem::take(&mut self.first)
        } else {
            self.all.split().freeze()
        }
    }

    /// Takes what was read apart from what was not.
    pub(crate) fn into_parts(mut self) -> (Bytes, Upstream) {
        (self.take(), self.body)
    }

    fn read(&self) -> &[u8] {
        if self.all.is_empty() {
            &self.first
        } else {
            &self.all
        }
    }

    fn push(&mut self, data: Bytes) -> Result<(), Incomplete> {
        let read = self.read().len();
        if data.len() > self.limit - read {
            return Err(Incomplete::TooLarge);
        }
        if read == 0 {
            self.first = data;
            return Ok(());
        }
        if self.all.is_empty() {
            let more = self.body.size_hint().lower().min(self.limit as u64) as usize;
            self.all.reserve(read + data.len() + more);
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.all.extend_from_slice(&data);
        Ok(())
    }
}
