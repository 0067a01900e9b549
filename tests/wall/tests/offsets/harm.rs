use bytes::Bytes;
use serde_json::Value;
use ziggurat_wall::Scene;

use crate::{
    read::View,
    recording::{Recording, Surface},
};

/// What is done to a stream at one of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// It ends before it, in good order.
    Ends,
    /// Its connection is reset before it.
    Resets,
    /// Nothing more comes before it.
    Stalls,
    /// Its lowest bit is another one.
    Flipped,
    /// It and those after it are something else.
    Replaced,
    /// Something else comes before it.
    Inserted,
}

/// A harm at a byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) harm: Harm,
    pub(crate) at: usize,
}

/// No part of any stream.
const GARBAGE: &[u8] = b"\x00\xff{<\r";

/// Sends an answer of the kind that was recorded.
pub(crate) fn sends(recording: &Recording, bytes: Vec<u8>) -> Scene {
    let content_type = recording.content_type;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\n\r\n");
    Scene::new().send(head).send(Bytes::from(bytes))
}

impl Harm {
    pub(crate) const ALL: [Self; 6] = [
        Self::Ends,
        Self::Resets,
        Self::Stalls,
        Self::Flipped,
        Self::Replaced,
        Self::Inserted,
    ];
}

impl Case {
    /// A stream as it was recorded.
    pub(crate) const NONE: Self = Self {
        harm: Harm::Ends,
        at: usize::MAX,
    };

    /// Returns what the upstream sends.
    pub(crate) fn bytes(self, recording: &Recording) -> Vec<u8> {
        let whole = &recording.bytes;
        let at = self.at.min(whole.len());
        let (before, after) = whole.split_at(at);
        match self.harm {
            Harm::Ends | Harm::Resets | Harm::Stalls => before.to_vec(),
            Harm::Flipped => [before, &[after[0] ^ 1], &after[1..]].concat(),
            Harm::Replaced => {
                let rest = after.get(GARBAGE.len()..).unwrap_or_default();
                [before, GARBAGE, rest].concat()
            }
            Harm::Inserted => [before, GARBAGE, after].concat(),
        }
    }

    /// Returns what the upstream does.
    pub(crate) fn scene(self, recording: &Recording) -> Scene {
        let sent = sends(recording, self.bytes(recording));
        match self.harm {
            Harm::Stalls => sent.hang(),
            Harm::Resets => sent.reset(),
            _ => sent.close(),
        }
    }

    /// Says whether a caller may see this.
    pub(crate) fn judge(self, recording: &Recording, view: &View) -> Result<(), &'static str> {
        let finished = self.at >= recording.finished;
        match view {
            View::Marked { error, .. } if !self.is_told(recording, error) => {
                Err("is called something else")
            }
            View::Marked { text, .. } if recording.text.starts_with(&**text) => Ok(()),
            // A letter that is another one is no fault that shows.
            View::Marked { .. } if self.harm == Harm::Flipped => Ok(()),
            View::Marked { .. } => Err("shows what was not said"),
            View::Whole { text } if finished && *text == recording.text => Ok(()),
            View::Whole { .. } if finished => Err("changes what was finished"),
            View::Whole { text } if self.harm == Harm::Flipped => {
                self.judge_flipped(recording, text)
            }
            View::Whole { .. } => Err("is taken for a whole"),
        }
    }

    /// Silence is called a timeout, in the words of each API.
    fn is_told(self, recording: &Recording, error: &Value) -> bool {
        let is_timeout = match recording.surface {
            Surface::Chat => error["code"] == "408",
            Surface::Messages => error["type"] == "timeout_error",
        };
        is_timeout == (self.harm == Harm::Stalls)
    }

    /// Other letters make another answer, which must be the one that is said; anything else that is changed must not matter.
    fn judge_flipped(self, recording: &Recording, text: &str) -> Result<(), &'static str> {
        if !recording.is_value(self.at) {
            return match text == recording.text {
                true => Ok(()),
                false => Err("loses a part"),
            };
        }
        match recording.says(&self.bytes(recording)) == text {
            true => Ok(()),
            false => Err("is not what was said"),
        }
    }
}
