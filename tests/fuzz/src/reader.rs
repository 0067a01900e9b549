//! What holds for whatever an upstream sends, in place of a stream, of an answer, of an error.

use bytes::Bytes;
use http::{Request, Response, response::Parts};
use serde_json::{Value, value::RawValue};
use ziggurat::{
    core::{Failure, FailureKind, JsonBody, json::Document},
    provider::{Call, Dialect, Exchange, Streamed},
};

/// The key of all calls; nothing may show it.
pub(crate) const KEY: &str = "sk-a-key-of-nobody";

/// What comes out is at most this many times what went in: the shortest event gives a whole chunk.
const TIMES: usize = 128;

/// What comes out of nothing: the last chunks of a stream, and a failure's words.
const BESIDE: usize = 8 * 1024;

/// A message is cut here, in characters, with one more for the sign of it.
const MESSAGE: usize = 2_001;

/// Statuses that are read each in its own way, by one provider or another.
const STATUSES: [u16; 5] = [400, 404, 422, 429, 503];

/// Some calls of one provider, and who reads the answers.
pub(crate) struct Reader {
    dialect: Box<dyn Dialect>,
    requests: Vec<Request<JsonBody>>,
}

impl Reader {
    /// A reader of the answers to each kind of call: plain, as a stream, as a stream of JSON.
    pub(crate) fn new(dialect: impl Dialect) -> Self {
        let plain = serde_json::json!({
            "model": "group", "messages": [{"role": "user", "content": "hi"}],
            "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        });
        let mut stream = plain.clone();
        stream["stream"] = true.into();
        stream["stream_options"] = serde_json::json!({"include_usage": true});
        let mut json = stream.clone();
        json["response_format"] = serde_json::json!({"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}});
        Self {
            dialect: Box::new(dialect),
            requests: [plain, stream, json].iter().map(request).collect(),
        }
    }

    /// Reads bytes as everything that they may stand for.
    pub(crate) fn read(&self, bytes: &[u8]) {
        for request in &self.requests {
            self.stream(request, bytes);
            self.plain(request, bytes);
        }
        for status in STATUSES {
            self.refused(status, bytes);
        }
    }

    /// Reads a stream; however it is cut, the same comes out.
    pub(crate) fn streams(&self, bytes: &[u8]) {
        for request in &self.requests {
            self.stream(request, bytes);
        }
    }

    fn exchange(&self, request: &Request<JsonBody>) -> Box<dyn Exchange> {
        let outgoing = self.dialect.prepare(Call::new(request, &[]));
        outgoing.expect("the call can be made").exchange
    }

    fn stream(&self, request: &Request<JsonBody>, bytes: &[u8]) {
        let whole = play(self.exchange(request), [bytes]);
        let singly = play(self.exchange(request), bytes.chunks(1));
        assert_eq!(whole, singly, "whole and byte by byte");
        let pieces = play(self.exchange(request), cut(bytes));
        assert_eq!(whole, pieces, "whole and in pieces");
    }

    fn plain(&self, request: &Request<JsonBody>, bytes: &[u8]) {
        match self.exchange(request).plain(Bytes::copy_from_slice(bytes)) {
            Ok(answer) => {
                let answer = answer.into_bytes();
                bounded(answer.len(), bytes);
                is_json(&answer);
            }
            Err(failure) => check(&failure),
        }
    }

    fn refused(&self, status: u16, bytes: &[u8]) {
        let mut body = Bytes::copy_from_slice(bytes);
        let mut exchange = self.exchange(&self.requests[0]);
        let head = head(status);
        if exchange.excused(&head, &body).is_some() {
            return;
        }
        let failure = exchange.refused(&head, &mut body);
        check(&failure);
        bounded(body.len(), bytes);
        assert!(!holds_key(&body), "the body shows the key");
        let status = failure.status();
        assert!(status.is_client_error() || status.is_server_error());
    }
}

/// How many bytes of events came out of a stream, and how it ended. Comments keep a connection alive: one for each piece that
/// has nothing else.
fn play<'a>(
    mut exchange: Box<dyn Exchange>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (usize, Result<(), FailureKind>) {
    let (mut out, mut over, mut read) = (Vec::new(), None, Vec::new());
    for piece in pieces {
        read.extend_from_slice(piece);
        let Streamed { data, end } = exchange.chunk(Bytes::copy_from_slice(piece));
        out.extend_from_slice(&data);
        bounded(out.len(), &read);
        over = end;
        if over.is_some() {
            break;
        }
    }
    if over.is_none() {
        let Streamed { data, end } = exchange.end(None);
        out.extend_from_slice(&data);
        over = end;
    }
    bounded(out.len(), &read);
    let end = over.expect("an ended stream has an end");
    if let Err(failure) = &end {
        check(failure);
    }
    let sent = events(&out, end.is_ok());
    (sent, end.map_err(|failure| failure.kind()))
}

/// Cuts bytes into pieces whose lengths depend on the bytes alone: the same each time.
pub(crate) fn cut(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut state = crc32fast::hash(rest);
    std::iter::from_fn(move || {
        // A linear congruential generator; its high bits are the good ones.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (piece, after) = rest.split_at((1 + (state >> 26) as usize).min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Checks what a client gets: whole events, each of them JSON, and `[DONE]` after a complete answer only. Returns how long
/// they are.
fn events(out: &[u8], complete: bool) -> usize {
    let text = std::str::from_utf8(out).expect("events are text");
    assert!(text.is_empty() || text.ends_with("\n\n"), "half an event");
    assert_eq!(text.ends_with("data: [DONE]\n\n"), complete);
    for line in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if line != "[DONE]" {
            is_json(line.as_bytes());
        }
    }
    let events = text.split_inclusive("\n\n");
    let events = events.filter(|event| !event.starts_with(':'));
    events.map(str::len).sum()
}

pub(crate) fn check(failure: &Failure) {
    if let Some(upstream) = failure.upstream() {
        let message = upstream.message();
        assert!(message.chars().count() <= MESSAGE, "a message without end");
        assert!(!holds_key(message.as_bytes()), "the message shows the key");
    }
    assert!(!holds_key(failure.to_string().as_bytes()));
}

fn bounded(out: usize, read: &[u8]) {
    assert!(
        out <= BESIDE + TIMES * read.len(),
        "{out} bytes of {}",
        read.len()
    );
}

pub(crate) fn is_json(bytes: &[u8]) {
    assert!(
        serde_json::from_slice::<&RawValue>(bytes).is_ok(),
        "no JSON"
    );
}

fn holds_key(bytes: &[u8]) -> bool {
    bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes())
}

fn head(status: u16) -> Parts {
    let response = Response::builder().status(status).body(());
    response.expect("a status").into_parts().0
}

fn request(body: &Value) -> Request<JsonBody> {
    let document = Document::parse(body.to_string().into());
    Request::new(JsonBody::new(document.expect("an object")))
}
