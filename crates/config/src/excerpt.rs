//! The line of a finding, to be shown. It may hold keys: values are hidden unless their setting is known to hold none.

use crate::{
    Finding,
    keys::{self, Nature},
};

/// The line that a finding is about, and where to point at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Excerpt {
    /// The line without its comment; `…` stands for what may be a key.
    pub line: String,
    /// How many characters stand before the place.
    pub caret: usize,
}

const HIDDEN: char = '…';

/// Longer numbers may be keys.
const SHORT: usize = 6;

/// Settings with lists of names by names of groups.
const BY_GROUP: [&str; 3] = [
    "content_policy_fallbacks",
    "context_window_fallbacks",
    "fallbacks",
];

/// Splits a file into its lines as YAML does: they may end with a carriage return alone.
#[must_use]
pub fn lines(text: &str) -> Vec<&str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.split("\r\n");
    lines.flat_map(|line| line.split(['\n', '\r'])).collect()
}

// === impl Finding ===

impl Finding {
    /// Returns the line of the finding out of those of its file, which [`lines`] finds. A line with nothing to show is none.
    #[must_use]
    pub fn excerpt(&self, lines: &[&str]) -> Option<Excerpt> {
        let location = self.location.as_ref()?;
        let line = lines.get(location.line.checked_sub(1)?)?;
        let mut printer = Printer {
            rest: line.chars().collect(),
            at: 0,
            column: location.column - 1,
            parents: vec![Parent::of_path(&self.path)],
            key: None,
            shown: String::new(),
            caret: None,
        };
        printer.run();
        let shown = printer.shown.trim_end().to_owned();
        // The place may be white space at the end, which is not shown.
        let end = shown.chars().count();
        let caret = printer.caret.map_or(end, |caret| caret.min(end));
        (end > 0).then_some(Excerpt { line: shown, caret })
    }
}

/// What is around a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parent {
    /// Anything: only what is known to be harmless is shown.
    Open,
    /// Words that hold no keys.
    Words,
    /// The same, by names of groups.
    Names,
    /// Nothing is shown.
    Secret,
}

struct Printer {
    rest: Vec<char>,
    at: usize,
    column: usize,
    /// Of each bracket that is open.
    parents: Vec<Parent>,
    /// The key whose value comes.
    key: Option<String>,
    shown: String,
    caret: Option<usize>,
}

// === impl Printer ===

impl Printer {
    fn run(&mut self) {
        while let Some(&next) = self.rest.get(self.at) {
            match next {
                '#' if self.at == 0 || self.rest[self.at - 1].is_whitespace() => return,
                '{' | '[' => self.open(),
                '}' | ']' => self.close(),
                ',' => {
                    self.key = None;
                    self.copy(1);
                }
                _ if next.is_whitespace() => self.copy_as(1, " "),
                '-' | '?' if self.is_end(self.at + 1) => self.copy(1),
                _ => self.scalar(),
            }
        }
    }

    fn open(&mut self) {
        let outer = *self.parents.last().unwrap_or(&Parent::Open);
        let inner = match self.key.take() {
            Some(key) => outer.under(&key),
            None => outer,
        };
        self.parents.push(inner);
        self.copy(1);
    }

    fn close(&mut self) {
        if self.parents.len() > 1 {
            self.parents.pop();
        }
        self.key = None;
        self.copy(1);
    }

    /// A key with its colon, or a value.
    fn scalar(&mut self) {
        let end = self.end_of_scalar();
        let text: String = self.rest[self.at..end].iter().collect();
        if self.rest.get(end) == Some(&':') && self.is_end(end + 1) {
            self.key = Some(text.trim_matches(['"', '\'']).to_owned());
            self.copy(end + 1 - self.at);
            return;
        }
        let parent = *self.parents.last().unwrap_or(&Parent::Open);
        let is_shown = match self.key.take() {
            Some(key) => parent.shows(&key),
            None => parent.shows_words(),
        };
        let may_hold_key = text.contains("://") && text.contains(['@', '?', '#']);
        let length = end - self.at;
        if (is_shown && !may_hold_key) || (parent != Parent::Secret && is_plain(&text)) {
            self.copy(length);
        } else {
            self.copy_as(length, &HIDDEN.to_string());
        }
    }

    /// Commas and brackets end a value even where YAML would take them into it: so nothing behind them is taken for
    /// harmless.
    fn end_of_scalar(&self) -> usize {
        let quote = self.rest[self.at];
        if matches!(quote, '"' | '\'') {
            let close = self.rest[self.at + 1..].iter().position(|c| *c == quote);
            return close.map_or(self.rest.len(), |close| self.at + close + 2);
        }
        let ends = |n: &usize| match self.rest[*n] {
            ',' | '{' | '}' | '[' | ']' => true,
            ':' => self.is_end(n + 1),
            '#' => self.rest[n - 1].is_whitespace(),
            _ => false,
        };
        let end = (self.at + 1..self.rest.len()).find(ends);
        let mut end = end.unwrap_or(self.rest.len());
        while self.rest[end - 1].is_whitespace() {
            end -= 1;
        }
        end
    }

    fn is_end(&self, at: usize) -> bool {
        let next = self.rest.get(at);
        next.is_none_or(|next| next.is_whitespace() || ",{}[]".contains(*next))
    }

    fn copy(&mut self, length: usize) {
        let text: String = self.rest[self.at..self.at + length].iter().collect();
        self.copy_as(length, &text);
    }

    fn copy_as(&mut self, length: usize, text: &str) {
        if (self.at..self.at + length).contains(&self.column) {
            let is_same = text.chars().count() == length;
            let inside = if is_same { self.column - self.at } else { 0 };
            self.caret = Some(self.shown.chars().count() + inside);
        }
        self.shown.push_str(text);
        self.at += length;
    }
}

/// What is no key, wherever it stands.
fn is_plain(text: &str) -> bool {
    let is_short_number = text.len() <= SHORT && text.parse::<f64>().is_ok();
    is_short_number || matches!(text, "true" | "false") || text.starts_with("os.environ/")
}

// === impl Parent ===

impl Parent {
    /// What is around the place of a finding.
    fn of_path(path: &str) -> Self {
        let steps = path
            .split(['.', '['])
            .map(|step| step.trim_end_matches(']'));
        let named = |step: &str| step.parse::<usize>().is_err();
        let mut parents: Vec<_> = steps.filter(|step| named(step)).collect();
        let own = parents.pop();
        let around = parents
            .iter()
            .fold(Self::Open, |parent, key| parent.under(key));
        // The place may be an item of a list that the line does not name.
        match own {
            Some(own) if around != Self::Secret && around.under(own).shows_words() => {
                around.under(own)
            }
            _ => around,
        }
    }

    fn under(self, key: &str) -> Self {
        match keys::nature(key) {
            Nature::Structure => Self::Open,
            Nature::Harmless if BY_GROUP.contains(&key) => Self::Names,
            Nature::Harmless => Self::Words,
            Nature::Unknown if self == Self::Names => Self::Names,
            Nature::Unknown | Nature::Hidden => Self::Secret,
        }
    }

    fn shows_words(self) -> bool {
        matches!(self, Self::Words | Self::Names)
    }

    fn shows(self, key: &str) -> bool {
        self != Self::Secret && keys::nature(key) == Nature::Harmless
    }
}
