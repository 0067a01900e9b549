//! The binary event stream: frames with two checksums each.

use aws_smithy_eventstream::frame::read_message_from;
use aws_smithy_types::event_stream::Message;
use bytes::{Buf, Bytes, BytesMut};
use ziggurat_core::Failure;

use crate::exchange::invalid;

/// Largest frame that is taken. AWS allows payloads of 16 MiB.
const LARGEST: usize = 17 * 1024 * 1024;

/// Both lengths and their checksum.
const PRELUDE: usize = 12;

/// The shortest frame: a prelude and the checksum of the whole.
const SHORTEST: usize = 16;

/// Cuts a stream into frames, however its bytes come.
#[derive(Default)]
pub(crate) struct Frames {
    buffer: BytesMut,
    /// The length of the frame that has begun, once its prelude is read.
    expected: Option<usize>,
}

/// An event, or what stands in place of one.
pub(crate) struct Frame {
    message: Message,
}

impl Frames {
    pub(crate) fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// Returns the next whole frame.
    ///
    /// # Errors
    ///
    /// The bytes are none: nothing that follows can be read.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, Failure> {
        let length = match self.expected {
            Some(length) => length,
            None if self.buffer.len() < PRELUDE => return Ok(None),
            None => *self.expected.insert(prelude(&self.buffer)?),
        };
        if self.buffer.len() < length {
            self.buffer.reserve(length - self.buffer.len());
            return Ok(None);
        }
        self.expected = None;
        let frame = self.buffer.split_to(length).freeze();
        let message = read_message_from(&mut &frame[..]).map_err(|error| {
            invalid("a frame of the upstream's stream cannot be read").with_source(error)
        })?;
        Ok(Some(Frame { message }))
    }

    /// Whether the stream ended inside a frame.
    pub(crate) fn is_cut(&self) -> bool {
        !self.buffer.is_empty()
    }
}

/// Reads the length of a frame, which its own checksum vouches for: nothing is waited for that will not come.
fn prelude(buffer: &[u8]) -> Result<usize, Failure> {
    let mut prelude = &buffer[..PRELUDE];
    let checksum = crc32fast::hash(&prelude[..8]);
    let length = prelude.get_u32() as usize;
    prelude.advance(4);
    if prelude.get_u32() != checksum {
        return Err(invalid(
            "a frame of the upstream's stream has a wrong checksum",
        ));
    }
    match length {
        SHORTEST..=LARGEST => Ok(length),
        _ => Err(invalid(
            "a frame of the upstream's stream is too large or too short",
        )),
    }
}

impl Frame {
    /// Returns the value of a header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.message.headers().iter();
        let header = headers
            .into_iter()
            .find(|header| header.name().as_str() == name)?;
        header.value().as_string().ok().map(|value| value.as_str())
    }

    pub(crate) fn payload(&self) -> &Bytes {
        self.message.payload()
    }
}
