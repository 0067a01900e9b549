use bytes::{Bytes, BytesMut};
use ziggurat_core::Operation;

use super::{
    chat::Chat,
    events::{Cutter, data},
    messages::Messages,
    responses::Responses,
    transcript::{Diverged, Transcript},
};

/// How much of a stream is kept, about: 1 MiB, more than models say in one answer. A stream that says more is not
/// recovered.
pub const MAX_KEPT: usize = 1024 * 1024;

/// Puts the answer that goes on behind what the client has of the one that broke, so that both look like one stream.
pub(super) struct Splice {
    cutter: Cutter,
    transcript: Transcript,
    format: Format,
    is_done: bool,
}

/// The events of an API.
enum Format {
    Chat(Chat),
    Messages(Messages),
    Responses(Responses),
}

/// What becomes of an event.
pub(super) enum Fate {
    Passes,
    /// The client has all of it.
    Known,
    /// The client gets this in its place.
    Instead(Bytes),
    /// It ends the answer, and this is what the client gets of it.
    Last(Bytes),
}

/// The events that the client gets. One alone is not copied.
#[derive(Default)]
struct Out {
    first: Bytes,
    all: BytesMut,
}

// === impl Splice ===

impl Splice {
    pub(super) fn new(operation: Operation) -> Self {
        Self {
            cutter: Cutter::default(),
            transcript: Transcript::default(),
            format: match operation {
                Operation::Messages => Format::Messages(Messages::default()),
                Operation::Responses => Format::Responses(Responses::default()),
                _ => Format::Chat(Chat::default()),
            },
            is_done: false,
        }
    }

    /// Reads a frame; returns what the client gets of it.
    pub(super) fn read(&mut self, frame: Bytes) -> Result<Bytes, Diverged> {
        let mut out = Out::default();
        self.cutter.push(frame);
        while let Some(event) = self.cutter.next() {
            if let Some(event) = self.event(event)? {
                out.push(event);
            }
        }
        if self.transcript.size() + self.cutter.held() > MAX_KEPT {
            self.transcript.lose()?;
        }
        if self.transcript.is_lost() && !self.transcript.goes_on() {
            out.push(self.cutter.rest());
        }
        Ok(out.into_bytes())
    }

    /// Ends an answer in good order.
    pub(super) fn end(&mut self) -> Result<Bytes, Diverged> {
        if !self.is_repeated() {
            return Err(Diverged);
        }
        match (self.cutter.rest(), self.transcript.goes_on()) {
            (rest, false) => Ok(rest),
            (_, true) => Ok(Bytes::new()),
        }
    }

    /// Expects another answer, which is to say the same from its beginning.
    pub(super) fn restart(&mut self) {
        self.cutter = Cutter::default();
        self.transcript.rewind();
        match &mut self.format {
            Format::Chat(chat) => chat.restart(&mut self.transcript),
            Format::Messages(messages) => messages.restart(),
            Format::Responses(_) => {}
        }
    }

    /// Expects what comes after all that the client has.
    pub(super) fn go_on(&mut self) {
        self.cutter = Cutter::default();
        self.transcript.wind_on();
        match &mut self.format {
            Format::Chat(chat) => chat.restart(&mut self.transcript),
            Format::Messages(messages) => messages.go_on(),
            Format::Responses(_) => {}
        }
    }

    /// Returns what was said, if it is nothing but the beginning of a message.
    pub(super) fn said(&self) -> Option<&str> {
        let said = match &self.format {
            Format::Chat(_) => Chat::said(&self.transcript),
            Format::Messages(_) => Messages::said(&self.transcript),
            // No model that speaks them goes on with a message.
            Format::Responses(_) => None,
        }?;
        // Anthropic refuses a message that ends with spaces, others go on after them as after none.
        (!said.ends_with(char::is_whitespace)).then_some(said)
    }

    /// Says whether the client would gain from another answer, and what it has can be compared with it.
    pub(super) const fn is_recoverable(&self) -> bool {
        !self.transcript.is_lost() && !self.is_done
    }

    /// Says whether the client has all that has come, and all that it had was repeated.
    pub(super) fn has_given_all(&self) -> bool {
        self.cutter.held() == 0 && self.is_repeated()
    }

    /// Says whether all that the client has was repeated.
    pub(super) fn is_repeated(&self) -> bool {
        self.transcript.is_repeated()
    }

    /// Reads an event; returns what the client gets of it.
    fn event(&mut self, event: Bytes) -> Result<Option<Bytes>, Diverged> {
        let known = &mut self.transcript;
        if known.is_lost() && !known.goes_on() {
            return Ok(Some(event));
        }
        let Some(data) = data(&event) else {
            return Ok(Some(event));
        };
        let fate = match &mut self.format {
            Format::Chat(chat) => chat.read(&event, &data, known),
            Format::Messages(messages) => messages.read(&event, &data, known),
            Format::Responses(responses) => responses.read(&event, &data, known),
        };
        Ok(match fate? {
            Fate::Passes => Some(event),
            Fate::Known => None,
            Fate::Instead(other) => Some(other),
            Fate::Last(last) => {
                self.is_done = true;
                Some(last)
            }
        })
    }
}

// === impl Out ===

impl Out {
    fn push(&mut self, event: Bytes) {
        if self.first.is_empty() && self.all.is_empty() {
            self.first = event;
            return;
        }
        self.all.extend_from_slice(&std::mem::take(&mut self.first));
        self.all.extend_from_slice(&event);
    }

    fn into_bytes(self) -> Bytes {
        match self.all.is_empty() {
            true => self.first,
            false => self.all.freeze(),
        }
    }
}
