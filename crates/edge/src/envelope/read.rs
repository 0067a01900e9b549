//! Reads the body of a request, no more of it than is allowed.

use std::{
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use flate2::write::MultiGzDecoder;
use http::{HeaderMap, StatusCode, header::CONTENT_ENCODING};
use http_body::Body;
use http_body_util::LengthLimitError;
use ziggurat_core::{BoxError, Failure, FailureKind};

use super::stall::Stall;

/// Bytes of room that are made at once for a body which says that it is longer: saying so costs nothing.
const AHEAD: usize = 256 * 1024;

/// What of a body was read so far. One frame, the usual case, is not copied.
pub(super) enum Read {
    Nothing,
    One(Bytes),
    Many(BytesMut),
    /// What came is decoded as it comes; the limit holds for what comes of it.
    Gzip(Box<MultiGzDecoder<Bounded>>),
    /// It cannot be read.
    Refused(Failure),
}

/// Text up to a limit.
pub(super) struct Bounded {
    text: BytesMut,
    limit: usize,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if part.len() > self.limit - self.text.len() {
            self.full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read {
    /// Begins with the head of a request.
    pub(super) fn of(headers: &HeaderMap, limit: usize) -> Self {
        let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
        let encoding = match (encodings.next(), encodings.next()) {
            (None, _) => return Self::Nothing,
            (Some(encoding), None) => encoding.as_bytes().trim_ascii().to_ascii_lowercase(),
            (Some(_), Some(_)) => Vec::new(),
        };
        match &encoding[..] {
            b"identity" => Self::Nothing,
            b"gzip" | b"x-gzip" => {
                let text = BytesMut::new();
                let full = false;
                let bounded = Bounded { text, limit, full };
                Self::Gzip(Box::new(MultiGzDecoder::new(bounded)))
            }
            _ => {
                let message =
                    "the encoding of the request body is not supported: send it plain, or as gzip";
                let failure = Failure::new(FailureKind::BadRequest)
                    .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                    .with_param("content-encoding")
                    .with_message(message);
                Self::Refused(failure)
            }
        }
    }

    pub(super) fn poll<B>(
        &mut self,
        body: Pin<&mut B>,
        limit: usize,
        stall: &mut Stall,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, Failure>>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let read = ready!(self.read(body, limit, stall, cx));
        read.map_err(Failure::with_unread_body)?;
        Poll::Ready(self.finish())
    }

    /// Reads a body to its end.
    fn read<B>(
        &mut self,
        mut body: Pin<&mut B>,
        limit: usize,
        stall: &mut Stall,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Failure>>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        if let Self::Refused(failure) = self {
            return Poll::Ready(Err(failure.clone()));
        }
        if body.size_hint().lower() > limit as u64 {
            return Poll::Ready(Err(too_large(limit)));
        }
        loop {
            let Poll::Ready(frame) = body.as_mut().poll_frame(cx) else {
                return stall.poll(cx).map(Err);
            };
            let Some(frame) = frame else {
                return Poll::Ready(Ok(()));
            };
            let Ok(mut data) = frame
                .map_err(|error| broken(error.into(), limit))?
                .into_data()
            else {
                continue; // trailers
            };
            if data.remaining() > limit - self.len() {
                return Poll::Ready(Err(too_large(limit)));
            }
            let data = data.copy_to_bytes(data.remaining());
            stall.moved(data.len());
            let expected = usize::try_from(body.size_hint().lower()).unwrap_or_default();
            self.add(data, expected)?;
        }
    }

    /// Adds what came; of so many bytes at least the rest comes later.
    fn add(&mut self, data: Bytes, expected: usize) -> Result<(), Failure> {
        *self = match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let mut all =
                    BytesMut::with_capacity(first.len() + data.len() + expected.min(AHEAD));
                all.extend_from_slice(&first);
                all.extend_from_slice(&data);
                Self::Many(all)
            }
            Self::Many(mut all) => {
                all.extend_from_slice(&data);
                Self::Many(all)
            }
            Self::Gzip(mut decoder) => {
                let written = decoder.write_all(&data);
                written.map_err(|error| undecodable(error, decoder.get_ref()))?;
                Self::Gzip(decoder)
            }
            refused @ Self::Refused(_) => refused,
        };
        Ok(())
    }

    fn finish(&mut self) -> Result<Bytes, Failure> {
        Ok(match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(all) => all.freeze(),
            Self::Gzip(mut decoder) => {
                let ended = decoder.try_finish();
                ended.map_err(|error| undecodable(error, decoder.get_ref()))?;
                std::mem::take(&mut decoder.get_mut().text).freeze()
            }
            Self::Refused(failure) => return Err(failure),
        })
    }

    fn len(&self) -> usize {
        match self {
            Self::One(bytes) => bytes.len(),
            Self::Many(all) => all.len(),
            Self::Nothing | Self::Gzip(_) | Self::Refused(_) => 0,
        }
    }
}

fn undecodable(error: io::Error, bounded: &Bounded) -> Failure {
    if bounded.full {
        return too_large(bounded.limit);
    }
    Failure::new(FailureKind::BadRequest)
        .with_param("request_body")
        .with_message("the request body is not whole gzip, as its content-encoding says")
        .with_source(error)
}

fn broken(error: BoxError, limit: usize) -> Failure {
    use io::ErrorKind::{InvalidData, InvalidInput};
    let mut wrong = false;
    let mut at: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
    while let Some(cause) = at {
        if cause.is::<LengthLimitError>() {
            return too_large(limit);
        }
        // Wrong framing, as a chunk without a length: the client is there, and has made a mistake.
        wrong |= cause
            .downcast_ref()
            .is_some_and(|error: &io::Error| matches!(error.kind(), InvalidInput | InvalidData));
        at = cause.source();
    }
    let failure = Failure::new(FailureKind::BadRequest)
        .with_param("request_body")
        .with_message("the request body could not be read")
        .with_source(error);
    match wrong {
        true => failure,
        false => failure.with_broken_off(),
    }
}

fn too_large(limit: usize) -> Failure {
    Failure::new(FailureKind::PayloadTooLarge)
        .with_param("request_body")
        .with_message(format!("the request body is larger than {limit} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_is_only_told_takes_no_room() {
        let mut read = Read::Nothing;
        for part in [&b"a"[..], b"b"] {
            read.add(Bytes::from_static(part), usize::MAX / 2).unwrap();
        }
        let Read::Many(all) = read else {
            panic!("two parts are joined");
        };
        assert!(all.capacity() <= 2 * AHEAD, "{}", all.capacity());
    }
}
