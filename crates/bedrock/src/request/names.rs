//! Names of tools: Bedrock takes fewer than OpenAI.

/// Longest name that Bedrock takes.
const LONGEST: usize = 64;

/// Tools that were renamed, so that answers name them as the client does.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Sent, and original.
    renamed: Vec<(String, String)>,
}

impl Names {
    /// Returns the name to send.
    pub(super) fn send(&mut self, name: &str) -> String {
        let sent = clean(name);
        if sent == name {
            return sent;
        }
        if let Some((sent, _)) = self.renamed.iter().find(|(_, known)| known == name) {
            return sent.clone();
        }
        let mut unique = sent.clone();
        let mut number = 2;
        while self.renamed.iter().any(|(taken, _)| *taken == unique) {
            let suffix = format!("_{number}");
            let end = sent.len().min(LONGEST - suffix.len());
            unique = format!("{}{suffix}", &sent[..end]);
            number += 1;
        }
        self.renamed.push((unique.clone(), name.to_owned()));
        unique
    }

    /// Returns the client's name of a tool.
    pub(crate) fn original<'a>(&'a self, sent: &'a str) -> &'a str {
        let renamed = self.renamed.iter().find(|(known, _)| known == sent);
        renamed.map_or(sent, |(_, original)| original)
    }
}

/// Leaves letters, digits, `_` and `-`, which is also what ids of calls may have.
pub(super) fn clean(text: &str) -> String {
    let one = |char: char| match char {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' => char,
        _ => '_',
    };
    text.chars().take(LONGEST).map(one).collect()
}
