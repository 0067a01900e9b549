use serde_json::Value;

use crate::{
    pieces::{self, FRAMES},
    read::View,
};

const EVENTS: &str = "text/event-stream";

/// The API that a caller speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Surface {
    Chat,
    Messages,
}

/// The stream of a provider, as it was recorded.
pub(crate) struct Recording {
    pub(crate) name: &'static str,
    pub(crate) surface: Surface,
    /// The deployment that it is played to, all but its address.
    pub(crate) deployment: &'static str,
    pub(crate) content_type: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// What it says.
    pub(crate) text: String,
    /// What the event has that says that all was said.
    finish: &'static str,
    /// Where the event has come that says that all was said.
    pub(crate) finished: usize,
    /// Whether a byte belongs to a string or a number, or to the name of an event: it may be another one.
    values: Vec<bool>,
}

pub(crate) fn openai() -> Recording {
    let recorded = include_str!("../../../../crates/openai/tests/fixtures/openai/stream_text.json");
    let deployment = "{model: openai/gpt-3.5-turbo, api_key: sk-wall";
    let finish = "\"finish_reason\":\"stop\"";
    Recording::of_events("openai", deployment, sse(recorded), finish)
}

pub(crate) fn anthropic() -> Recording {
    let recorded =
        include_str!("../../../../crates/anthropic/tests/fixtures/anthropic/stream_text.json");
    let deployment = "{model: anthropic/claude-3-opus-20240229, api_key: sk-wall";
    let finish = "\"stop_reason\":\"end_turn\"";
    Recording::of_events("anthropic", deployment, sse(recorded), finish)
}

/// As they came, to those who speak Anthropic's own API.
pub(crate) fn messages() -> Recording {
    Recording {
        name: "messages",
        surface: Surface::Messages,
        ..anthropic()
    }
}

/// An OpenAI's, translated for those who speak Anthropic's API.
pub(crate) fn translated() -> Recording {
    Recording {
        name: "translated",
        surface: Surface::Messages,
        ..openai()
    }
}

pub(crate) fn bedrock() -> Recording {
    let recorded =
        include_str!("../../../../crates/bedrock/tests/fixtures/bedrock/stream_text.json");
    let recorded: Value = serde_json::from_str(recorded).unwrap();
    let base64 = recorded["upstream_response"]["eventstream_base64"]
        .as_str()
        .unwrap();
    of_frames(decode(base64))
}

fn of_frames(bytes: Vec<u8>) -> Recording {
    let stop = b"\"stopReason\":\"end_turn\"}";
    // The checksum of the frame is behind it.
    let finished = find(&bytes, stop) + stop.len() + 4;
    Recording {
        name: "bedrock",
        surface: Surface::Chat,
        deployment: "{model: bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0, aws_region_name: us-east-1, \
            aws_access_key_id: AKIAWALL, aws_secret_access_key: wall",
        content_type: FRAMES,
        text: pieces::said(&bytes, FRAMES),
        finish: "",
        finished,
        values: vec![false; bytes.len()],
        bytes,
    }
}

fn sse(recorded: &str) -> String {
    let recorded: Value = serde_json::from_str(recorded).unwrap();
    let sse = recorded["upstream_response"]["sse"].as_str();
    sse.unwrap().to_owned()
}

// === impl Surface ===

impl Surface {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Messages => "/v1/messages",
        }
    }
}

// === impl Recording ===

impl Recording {
    fn of_events(
        name: &'static str,
        deployment: &'static str,
        sse: String,
        finish: &'static str,
    ) -> Self {
        let at = sse.find(finish).unwrap();
        let finished = at + sse[at..].find('\n').unwrap();
        Self {
            name,
            surface: Surface::Chat,
            deployment,
            content_type: EVENTS,
            text: pieces::said(sse.as_bytes(), EVENTS),
            finish,
            finished,
            values: values(&sse),
            bytes: sse.into(),
        }
    }

    /// The same without what is said after the second piece of text: fewer bytes, of all kinds.
    pub(crate) fn shortened(self) -> Self {
        let bytes = pieces::shortened(&self.bytes, self.content_type);
        let shortened = match self.content_type {
            FRAMES => of_frames(bytes),
            _ => {
                let sse = String::from_utf8(bytes).unwrap();
                Self::of_events(self.name, self.deployment, sse, self.finish)
            }
        };
        Self {
            surface: self.surface,
            ..shortened
        }
    }

    /// Returns what a caller sees of all of it.
    pub(crate) fn whole(&self) -> View {
        View::Whole {
            text: self.text.clone(),
        }
    }

    /// Returns the same stream saying something else.
    pub(crate) fn saying(&self, text: &str) -> Vec<u8> {
        pieces::saying(&self.bytes, self.content_type, text)
    }

    /// Says whether the provider has to be told that it is sent the beginning of an answer.
    pub(crate) fn marks_prefills(&self) -> bool {
        self.deployment.contains("openai/")
    }

    pub(crate) fn is_value(&self, at: usize) -> bool {
        self.values[at]
    }

    /// Returns what a stream says, read as simply as can be.
    pub(crate) fn says(&self, bytes: &[u8]) -> String {
        let stream = String::from_utf8_lossy(bytes);
        let data = stream
            .lines()
            .filter_map(|line| line.strip_prefix("data: "));
        let text = |data: &str| {
            let event: Value = serde_json::from_str(data).ok()?;
            let (choice, delta) = (&event["choices"][0], &event["delta"]);
            let is_delta = event["type"] == "content_block_delta" && delta["type"] == "text_delta";
            let text = match choice["index"].as_u64().unwrap_or(0) {
                _ if is_delta => &delta["text"],
                0 => &choice["delta"]["content"],
                _ => return None,
            };
            text.as_str().map(str::to_owned)
        };
        data.filter_map(text).collect()
    }
}

/// Marks what is inside of strings and numbers, and the names of events.
fn values(sse: &str) -> Vec<bool> {
    let mut values = Vec::new();
    for line in sse.split_inclusive('\n') {
        let is_name = line.starts_with("event: ");
        let (mut in_string, mut escaped) = (false, false);
        for (at, byte) in line.bytes().enumerate() {
            let quote = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            let in_name = is_name && at >= "event: ".len() && byte != b'\n';
            values.push(in_name || (in_string && !quote) || byte.is_ascii_digit());
            in_string ^= quote;
        }
    }
    values
}

fn find(bytes: &[u8], part: &[u8]) -> usize {
    let mut windows = bytes.windows(part.len());
    windows.position(|window| window == part).unwrap()
}

fn decode(base64: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = base64
        .bytes()
        .filter_map(|letter| LETTERS.iter().position(|it| *it == letter));
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for digit in digits {
        (bits, held) = ((bits << 6) | digit as u32, held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    bytes
}
