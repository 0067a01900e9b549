//! Names of tools: Anthropic takes fewer characters than OpenAI's clients send.

/// Longest name that is taken.
const LONGEST: usize = 128;

/// The tool that stands in for `response_format`.
pub(crate) const JSON_TOOL: &str = "json_tool_call";

/// Names that were rewritten, so that answers bear the client's.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Sent, and the client's.
    rewritten: Vec<(String, String)>,
}

impl Names {
    /// Returns the name to send; the same one for the same name.
    pub(crate) fn sent(&mut self, name: &str) -> String {
        if is_taken(name) {
            return name.to_owned();
        }
        if let Some((sent, _)) = self.rewritten.iter().find(|(_, own)| own == name) {
            return sent.clone();
        }
        let mut sent = clean(name);
        sent.truncate(LONGEST);
        let base = sent.clone();
        let mut number = 2_usize;
        while self.rewritten.iter().any(|(known, _)| *known == sent) {
            let suffix = format!("_{number}");
            let end = base.len().min(LONGEST - suffix.len());
            sent = format!("{}{suffix}", &base[..end]);
            number += 1;
        }
        self.rewritten.push((sent.clone(), name.to_owned()));
        sent
    }

    /// Returns the client's name for one that was sent.
    pub(crate) fn own<'a>(&'a self, sent: &'a str) -> &'a str {
        let found = self.rewritten.iter().find(|(known, _)| known == sent);
        found.map_or(sent, |(_, own)| own)
    }
}

fn is_taken(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(is_plain)
}

/// Puts an underscore in place of each character that is not taken, in names and in ids of calls.
pub(crate) fn clean(text: &str) -> String {
    let clean: String = text
        .chars()
        .map(|c| match u8::try_from(c) {
            Ok(byte) if is_plain(byte) => c,
            _ => '_',
        })
        .collect();
    if clean.is_empty() {
        return "_".to_owned();
    }
    clean
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}
