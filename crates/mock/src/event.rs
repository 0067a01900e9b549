use std::time::Duration;

use bytes::Bytes;

use crate::ApiError;

/// One piece of a scripted event stream, sent as one HTTP chunk.
#[derive(Clone, Debug)]
#[must_use]
pub struct Event {
    bytes: Bytes,
    wait: Duration,
}

impl Event {
    /// Sends exactly these bytes, whether they are a whole event or a part of one.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            wait: Duration::ZERO,
        }
    }

    /// Sends `data: <data>` and an empty line.
    pub fn data(data: impl AsRef<str>) -> Self {
        Self::raw(format!("data: {}\n\n", data.as_ref()))
    }

    /// Sends `data: [DONE]`, the end of an OpenAI stream.
    pub fn done() -> Self {
        Self::data("[DONE]")
    }

    /// Sends a comment, as servers do to keep a connection open.
    pub fn comment(text: impl AsRef<str>) -> Self {
        Self::raw(format!(": {}\n\n", text.as_ref()))
    }

    /// Sends an error inside the stream, whose head has long said 200.
    pub fn error(error: impl Into<ApiError>) -> Self {
        let mut bytes = b"data: ".to_vec();
        bytes.extend_from_slice(&error.into().to_json());
        bytes.extend_from_slice(b"\n\n");
        Self::raw(bytes)
    }

    /// Sends nothing for a while.
    pub fn pause(wait: Duration) -> Self {
        Self::raw(Bytes::new()).after(wait)
    }

    /// Waits before this event, on top of the step's own interval.
    pub fn after(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    pub(crate) fn wait(&self) -> Duration {
        self.wait
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}
