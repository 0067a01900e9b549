use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// A printed object, as a body of known length.
#[derive(Clone, Default)]
pub struct Printed {
    pieces: Pieces,
    bytes: usize,
}

/// What is left to be sent. Most objects are one piece, and need no list.
#[derive(Clone)]
enum Pieces {
    One(Bytes),
    Many(VecDeque<Bytes>),
}

impl Pieces {
    fn next(&mut self) -> Option<Bytes> {
        match self {
            Self::One(piece) => Some(mem::take(piece)).filter(|piece| !piece.is_empty()),
            Self::Many(pieces) => pieces.pop_front(),
        }
    }
}

impl Default for Pieces {
    fn default() -> Self {
        Self::One(Bytes::new())
    }
}

impl Printed {
    /// Returns the text in one piece; copies it unless it is in one piece already.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        let mut pieces = match self.pieces {
            Pieces::One(piece) => return piece,
            Pieces::Many(pieces) => pieces,
        };
        if pieces.len() <= 1 {
            return pieces.pop_front().unwrap_or_default();
        }
        let mut whole = BytesMut::with_capacity(self.bytes);
        for piece in &pieces {
            whole.extend_from_slice(piece);
        }
        whole.freeze()
    }
}

impl From<Bytes> for Printed {
    fn from(text: Bytes) -> Self {
        Self {
            bytes: text.len(),
            pieces: Pieces::One(text),
        }
    }
}

impl From<VecDeque<Bytes>> for Printed {
    fn from(pieces: VecDeque<Bytes>) -> Self {
        Self {
            bytes: pieces.iter().map(Bytes::len).sum(),
            pieces: Pieces::Many(pieces),
        }
    }
}

impl fmt::Debug for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Printed")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Body for Printed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.next();
        self.bytes -= piece.as_ref().map_or(0, Bytes::len);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.pieces {
            Pieces::One(piece) => piece.is_empty(),
            Pieces::Many(pieces) => pieces.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes as u64)
    }
}
