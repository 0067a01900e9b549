//! Turns a step and a request into the bytes to send, and when to send them.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use crate::{
    Cut, Step,
    openai::{Said, Speaker},
    receive::Request,
    step::{Act, Pace},
};

/// What goes out for one request.
#[derive(Debug)]
pub(crate) enum Reply {
    Response(Sending),
    Garbage(Bytes),
    EndlessHead(Duration),
    Reset,
    Hang,
}

/// A response: its head, and its body piece by piece.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) head: Vec<u8>,
    pub(crate) chunked: bool,
    pub(crate) before_body: Duration,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) cut: Option<Cut>,
    pub(crate) close: bool,
}

/// A part of a body that is sent in one go, after a wait.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) wait: Duration,
    pub(crate) bytes: Bytes,
}

impl Reply {
    pub(crate) fn new(step: &Step, request: &Request, speaker: Speaker<'_>) -> Self {
        match &step.act {
            Act::Garbage(bytes) => Self::Garbage(bytes.clone()),
            Act::EndlessHead(interval) => Self::EndlessHead(*interval),
            Act::Reset => Self::Reset,
            Act::Hang => Self::Hang,
            _ => Self::Response(Draft::new(step, request, speaker).finish(step, request)),
        }
    }
}

/// A response whose body has not been cut, split and framed yet.
struct Draft {
    status: StatusCode,
    headers: HeaderMap,
    stream: bool,
    pieces: Vec<Piece>,
}

impl Draft {
    fn new(step: &Step, request: &Request, speaker: Speaker<'_>) -> Self {
        let said = match &step.act {
            Act::Answer(answer) => speaker.say(answer, request),
            Act::Error(error) => Said::Refusal(error.clone()),
            Act::Respond(response) => return Self::exactly(response),
            Act::Events(events) => {
                let pieces = events.iter().map(|event| Piece {
                    wait: event.wait(),
                    bytes: event.bytes().clone(),
                });
                return Self::stream(pieces.collect());
            }
            Act::Garbage(_) | Act::EndlessHead(_) | Act::Reset | Act::Hang => {
                unreachable!("these are no responses")
            }
        };
        match said {
            Said::Document(bytes) => Self::document(StatusCode::OK, bytes),
            Said::Refusal(error) => Self::document(error.status(), error.to_json()),
            Said::Stream(events) => Self::stream(events.into_iter().map(Piece::now).collect()),
        }
    }

    fn exactly(response: &Response<Bytes>) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            stream: false,
            pieces: vec![Piece::now(response.body().clone())],
        }
    }

    fn document(status: StatusCode, body: Bytes) -> Self {
        let headers = content_type("application/json");
        Self {
            status,
            headers,
            stream: false,
            pieces: vec![Piece::now(body)],
        }
    }

    fn stream(pieces: Vec<Piece>) -> Self {
        Self {
            status: StatusCode::OK,
            headers: content_type("text/event-stream"),
            stream: true,
            pieces,
        }
    }

    fn finish(mut self, step: &Step, request: &Request) -> Sending {
        for (name, value) in &step.headers {
            self.headers.insert(name, value.clone());
        }
        let bodiless = request.method == Method::HEAD
            || self.status.is_informational()
            || matches!(
                self.status,
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            );
        let framed = self.headers.contains_key(header::CONTENT_LENGTH)
            || self.headers.contains_key(header::TRANSFER_ENCODING);
        if bodiless {
            self.pieces.clear();
        }
        let promised = self.len();
        let cut = self.cut(step.cut);
        let chunked = self.stream && !framed && !bodiless;
        if chunked {
            self.headers.insert(
                header::TRANSFER_ENCODING,
                HeaderValue::from_static("chunked"),
            );
        } else if !framed && !bodiless {
            // A clean end promises no more than it delivers.
            let length = if cut == Some(Cut::Eof) {
                self.len()
            } else {
                promised
            };
            self.headers
                .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        Sending {
            head: head(self.status, &self.headers),
            chunked,
            before_body: step.pace.before_body,
            pieces: paced(self.pieces, step.pace),
            cut,
            close: step.then_close || !request.keep_alive,
        }
    }

    fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.bytes.len()).sum()
    }

    /// Drops what comes after the cut. Returns the cut if it comes before the end.
    fn cut(&mut self, cut: Option<(usize, Cut)>) -> Option<Cut> {
        let (count, cut) = cut?;
        if self.stream {
            if count >= self.pieces.len() {
                return None;
            }
            self.pieces.truncate(count);
        } else {
            let piece = self.pieces.first_mut()?;
            if count >= piece.bytes.len() {
                return None;
            }
            piece.bytes.truncate(count);
        }
        Some(cut)
    }
}

impl Piece {
    fn now(bytes: Bytes) -> Self {
        Self {
            wait: Duration::ZERO,
            bytes,
        }
    }
}

/// Splits the pieces if they trickle, and puts the interval between them.
fn paced(mut pieces: Vec<Piece>, pace: Pace) -> Vec<Piece> {
    if let Some(size) = pace.trickle {
        pieces = pieces
            .into_iter()
            .flat_map(|piece| split(piece, size.get()))
            .collect();
    }
    for piece in pieces.iter_mut().skip(1) {
        piece.wait += pace.interval;
    }
    pieces
}

fn split(piece: Piece, size: usize) -> impl Iterator<Item = Piece> {
    let Piece { wait, bytes } = piece;
    // An empty piece is a pause, and stays.
    (0..bytes.len().max(1)).step_by(size).map(move |at| Piece {
        wait: if at == 0 { wait } else { Duration::ZERO },
        bytes: bytes.slice(at..bytes.len().min(at + size)),
    })
}

fn content_type(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))])
}

fn head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or("Unknown");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}
