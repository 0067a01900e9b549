//! Holding a stream until it is complete.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::{Response, response::Parts};
use http_body::{Body, Frame};
use ziggurat_core::{BoxError, Failure};

use crate::ResponseBody;

/// How many bytes of a stream are held until it is complete, frames counted with what they take themselves: 32 MiB, room for
/// an answer of 100,000 tokens in chunks of 300 bytes. A stream that sends more is handed out as it is.
pub const MAX_WHOLE: usize = 32 * 1024 * 1024;

/// When the response of a stream is handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamCommit {
    /// With its first content.
    #[default]
    FirstContent,
    /// When it is complete, or longer than [`MAX_WHOLE`]: one that breaks before that is a failed call.
    Complete,
}

/// A response that waits for its last byte.
pub(crate) struct Whole<R: Body> {
    parts: Parts,
    body: ResponseBody<R>,
    held: VecDeque<Frame<R::Data>>,
    size: usize,
}

// === impl Whole ===

impl<R: Body> Whole<R> {
    pub(crate) fn new(response: Response<ResponseBody<R>>) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            parts,
            body,
            held: VecDeque::new(),
            size: 0,
        }
    }

    /// Hands out what is held, and what comes after it.
    pub(crate) fn commit(mut self) -> Response<ResponseBody<R>> {
        self.body.put_back(self.held);
        Response::from_parts(self.parts, self.body)
    }
}

impl<R> Whole<R>
where
    R: Body + Unpin,
    R::Error: Into<BoxError>,
{
    /// Reads on until there is no more to hold.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        while self.size <= MAX_WHOLE {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).transpose()? {
                Some(frame) => {
                    let data = frame.data_ref().map_or(0, Buf::remaining);
                    self.size += size_of::<Frame<R::Data>>() + data;
                    self.held.push_back(frame);
                }
                None => {
                    self.body.end();
                    break;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
