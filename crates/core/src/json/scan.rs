//! A validating scan of a JSON object that notes where its top-level members lie.
//!
//! One pass, no recursion, no allocation but for the list of members. It accepts exactly what `serde_json` accepts
//! for a skipped value; `serde_json` also words the errors, see [`super::ParseError`].

use std::ops::Range;

use memchr::memchr2;

use super::{names::Names, nesting::Nesting};

/// Where a member lies in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// The key, without its quotes.
    pub(super) key: Range<usize>,
    /// Whether the key has escapes.
    pub(super) escaped: bool,
    /// What may tell the key from others.
    pub(super) name: Names,
    /// The value.
    pub(super) value: Range<usize>,
    /// Whether the value is an array, and every element of it an object.
    pub(super) objects: bool,
}

/// What is wrong, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not JSON.
    Syntax,
    /// JSON, but no object.
    NotAnObject,
    /// Not UTF-8.
    Utf8,
}

/// The members of an object.
#[derive(Default)]
pub(super) struct Members {
    pub(super) all: Vec<Member>,
    /// Their names.
    pub(super) names: Names,
    /// Whether two of them may have one name. `false` is certain.
    pub(super) may_repeat: bool,
}

impl Members {
    /// How many are compared with each other while they are read; of more, any two may have one name.
    const COMPARED: usize = 64;

    fn add(&mut self, text: &[u8], key: Key, value: Range<usize>, objects: bool) {
        if self.names.may_have_any(key.name) && !self.may_repeat {
            let is_same = |other: &Member| {
                key.escaped || other.escaped || text[other.key.clone()] == text[key.at.clone()]
            };
            self.may_repeat = self.all.len() >= Self::COMPARED || self.all.iter().any(is_same);
        }
        self.names.add(key.name);
        self.all.push(Member {
            key: key.at,
            escaped: key.escaped,
            name: key.name,
            value,
            objects,
        });
    }
}

/// Scans an object; returns its members, and the names of those at any depth. Most requests have fewer members than
/// `EXPECTED`.
pub(super) fn members(text: &[u8]) -> Result<(Members, Names), Fault> {
    const EXPECTED: usize = 12;
    // Compact texts, as programs write them, have no control characters at all; then no string needs a look for them.
    let may_have_controls = text.iter().fold(u8::MAX, |least, &byte| least.min(byte)) < b' ';
    let mut scanner = Scanner {
        text,
        may_have_controls,
        names: Names::default(),
    };
    let mut members = Members {
        all: Vec::with_capacity(EXPECTED),
        ..Members::default()
    };
    let (is_object, end) = scanner.object(&mut members).ok_or(Fault::Syntax)?;
    if scanner.whitespace(end) != text.len() {
        return Err(Fault::Syntax);
    }
    if simdutf8::basic::from_utf8(text).is_err() {
        return Err(Fault::Utf8);
    }
    match is_object {
        true => Ok((members, scanner.names)),
        false => Err(Fault::NotAnObject),
    }
}

/// The values of an array that was scanned before, in order.
pub(super) struct Elements<'a> {
    scanner: Scanner<'a>,
    /// Where the next one begins; `None` after the last.
    at: Option<usize>,
}

impl<'a> Elements<'a> {
    /// Starts at the first one; `None` if the text is no array.
    pub(super) fn of(text: &'a [u8]) -> Option<Self> {
        let scanner = Scanner::checked(text);
        let at = scanner.opened(b'[', b']')?;
        Some(Self { scanner, at })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (value, next) = self.scanner.element(self.at.take()?)?;
        self.at = next;
        Some(value)
    }
}

/// The members of an object that was scanned before, in order: keys without their quotes, whether they have escapes, and
/// values.
pub(super) struct Fields<'a> {
    scanner: Scanner<'a>,
    /// Where the next one begins; `None` after the last.
    at: Option<usize>,
}

impl<'a> Fields<'a> {
    /// Starts at the first one; `None` if the text is no object.
    pub(super) fn of(text: &'a [u8]) -> Option<Self> {
        let scanner = Scanner::checked(text);
        let at = scanner.opened(b'{', b'}')?;
        Some(Self { scanner, at })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], bool, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (b'"', start) = self.scanner.token(self.at.take()?)? else {
            return None;
        };
        let (key, at) = self.scanner.key(start)?;
        let (value, next) = self.scanner.element(self.scanner.whitespace(at))?;
        self.at = next;
        Some((&self.scanner.text[key.at], key.escaped, value))
    }
}

/// The name of a member.
struct Key {
    at: Range<usize>,
    escaped: bool,
    name: Names,
}

/// Goes through a text. Its methods take the position that they start at and return the one behind what they read, so
/// that it stays in a register.
struct Scanner<'a> {
    text: &'a [u8],
    /// Whether strings have to be searched for control characters, which they must not have unescaped.
    may_have_controls: bool,
    names: Names,
}

impl<'a> Scanner<'a> {
    /// Goes through a text that is known to be valid.
    fn checked(text: &'a [u8]) -> Self {
        Self {
            text,
            may_have_controls: false,
            names: Names::default(),
        }
    }

    /// Where the first thing in a container begins, `Some(None)` if it is empty; `None` if it is none of this kind.
    fn opened(&self, opening: u8, closing: u8) -> Option<Option<usize>> {
        (self.text.first() == Some(&opening)).then_some(())?;
        let (first, _) = self.token(1)?;
        Some((first != closing).then(|| self.whitespace(1)))
    }

    /// Reads a value and what stands behind it; returns the value, and where the next one begins, if one follows.
    fn element(&mut self, start: usize) -> Option<(&'a [u8], Option<usize>)> {
        let (_, end) = self.value(start)?;
        let follows = self.token(end).filter(|(byte, _)| *byte == b',');
        let next = follows.map(|(_, behind)| self.whitespace(behind));
        Some((&self.text[start..end], next))
    }

    /// Scans a whole text; says whether it is an object.
    fn object(&mut self, members: &mut Members) -> Option<(bool, usize)> {
        let (first, mut at) = self.token(0)?;
        if first != b'{' {
            let (_, end) = self.value(at - 1)?;
            return Some((false, end));
        }
        if let (b'}', end) = self.token(at)? {
            return Some((true, end));
        }
        loop {
            let (b'"', opened) = self.token(at)? else {
                return None;
            };
            let (key, behind) = self.key(opened)?;
            let start = self.whitespace(behind);
            let (objects, end) = self.value(start)?;
            members.add(self.text, key, start..end, objects);
            match self.token(end)? {
                (b',', behind) => at = behind,
                (b'}', end) => return Some((true, end)),
                _ => return None,
            }
        }
    }

    /// Skips a value with all that it holds; says whether it is an array of nothing but objects.
    fn value(&mut self, start: usize) -> Option<(bool, usize)> {
        match self.token(start)? {
            (b'{' | b'[', _) => self.container(start),
            (first, behind) => Some((false, self.scalar(first, behind)?)),
        }
    }

    /// Skips a value that holds no others, of which the first byte was taken.
    #[inline(always)]
    fn scalar(&self, first: u8, at: usize) -> Option<usize> {
        match first {
            b'"' => Some(self.string(at)?.0),
            b'-' | b'0'..=b'9' => self.number(first, at),
            b't' => self.literal(b"rue", at),
            b'f' => self.literal(b"alse", at),
            b'n' => self.literal(b"ull", at),
            _ => None,
        }
    }

    fn container(&mut self, start: usize) -> Option<(bool, usize)> {
        let mut open = Nesting::default();
        let mut objects = self.text.get(start) == Some(&b'[');
        let mut at = start;
        loop {
            let (first, behind) = self.token(at)?;
            at = match first {
                b'{' => match self.token(behind)? {
                    (b'}', end) => end,
                    (b'"', key) => {
                        open.push(true);
                        at = self.key(key)?.1;
                        continue;
                    }
                    _ => return None,
                },
                b'[' => match self.token(behind)? {
                    (b']', end) => end,
                    (element, _) => {
                        open.push(false);
                        objects &= open.depth != 1 || element == b'{';
                        at = behind;
                        continue;
                    }
                },
                _ => self.scalar(first, behind)?,
            };
            // What ends behind it is closed, until another value follows.
            loop {
                let Some(in_object) = open.top() else {
                    return Some((objects, at));
                };
                let (next, behind) = self.token(at)?;
                at = behind;
                match next {
                    b',' if in_object => {
                        let (b'"', key) = self.token(at)? else {
                            return None;
                        };
                        at = self.key(key)?.1;
                        break;
                    }
                    b',' => {
                        objects &= open.depth != 1 || self.token(at)?.0 == b'{';
                        break;
                    }
                    b'}' if in_object => open.pop(),
                    b']' if !in_object => open.pop(),
                    _ => return None,
                }
            }
        }
    }

    /// Skips the rest of a key whose opening quote was taken, and its colon.
    // Left to itself the compiler makes a call of it, which costs a short text a tenth more.
    #[inline(always)]
    fn key(&mut self, start: usize) -> Option<(Key, usize)> {
        let (behind, escaped) = self.string(start)?;
        let name = Names::one(&self.text[start..behind], escaped);
        self.names.add(name);
        let key = Key {
            at: start..behind - 1,
            escaped,
            name,
        };
        match self.token(behind)? {
            (b':', behind) => Some((key, behind)),
            _ => None,
        }
    }

    /// Skips a string whose opening quote was taken; says whether it has escapes.
    #[inline(always)]
    fn string(&self, start: usize) -> Option<(usize, bool)> {
        let stop = self.stop(start)?;
        let (end, escaped) = match self.text[stop] {
            b'"' => (stop + 1, false),
            _ => (self.escapes(stop)?, true),
        };
        if self.may_have_controls && self.text[start..end].iter().any(|&byte| byte < b' ') {
            return None;
        }
        Some((end, escaped))
    }

    /// Skips the rest of a string from a backslash on.
    fn escapes(&self, backslash: usize) -> Option<usize> {
        let mut at = backslash + 1;
        loop {
            at = match self.text.get(at)? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at + 1,
                b'u' => {
                    let digits = self.text.get(at + 1..at + 5)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    at + 5
                }
                _ => return None,
            };
            // A text with line breaks is a long one, where the words of `stop` find nothing.
            at += memchr2(b'"', b'\\', &self.text[at..])? + 1;
            if self.text[at - 1] == b'"' {
                return Some(at);
            }
        }
    }

    /// Where the next quote or backslash stands.
    #[inline(always)]
    fn stop(&self, from: usize) -> Option<usize> {
        // Keys and most values end within two words, which is less than a call of `memchr2` takes.
        let mut at = from;
        for _ in 0..2 {
            let Some(word) = self.text.get(at..).and_then(|rest| rest.first_chunk()) else {
                break;
            };
            let stops = stops(u64::from_le_bytes(*word));
            if stops != 0 {
                return Some(at + stops.trailing_zeros() as usize / 8);
            }
            at += 8;
        }
        memchr2(b'"', b'\\', &self.text[at..]).map(|further| at + further)
    }

    /// Skips a number whose first byte was taken.
    fn number(&self, first: u8, at: usize) -> Option<usize> {
        let (first, mut at) = match first {
            b'-' => (*self.text.get(at)?, at + 1),
            digit => (digit, at),
        };
        match first {
            b'0' => {}
            b'1'..=b'9' => at = self.digits(at),
            _ => return None,
        }
        if self.text.get(at) == Some(&b'.') {
            at = self.some_digits(at + 1)?;
        }
        if let Some(b'e' | b'E') = self.text.get(at) {
            let signed = matches!(self.text.get(at + 1), Some(b'+' | b'-'));
            at = self.some_digits(at + 1 + usize::from(signed))?;
        }
        Some(at)
    }

    fn some_digits(&self, at: usize) -> Option<usize> {
        let end = self.digits(at);
        (end > at).then_some(end)
    }

    fn digits(&self, mut at: usize) -> usize {
        while matches!(self.text.get(at), Some(b'0'..=b'9')) {
            at += 1;
        }
        at
    }

    fn literal(&self, rest: &[u8], at: usize) -> Option<usize> {
        self.text[at..].starts_with(rest).then_some(at + rest.len())
    }

    fn whitespace(&self, mut at: usize) -> usize {
        while matches!(self.text.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            at += 1;
        }
        at
    }

    /// The next byte that is no space, and the position behind it.
    #[inline(always)]
    fn token(&self, mut at: usize) -> Option<(u8, usize)> {
        loop {
            let byte = *self.text.get(at)?;
            at += 1;
            match byte {
                b'!'.. => return Some((byte, at)),
                b' ' | b'\n' | b'\r' | b'\t' => {}
                _ => return None,
            }
        }
    }
}

/// Marks the bytes of a word that are quotes or backslashes by their highest bits. Only the lowest mark is certain.
fn stops(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let quotes = zeros(word ^ (ONES * u64::from(b'"')));
    let backslashes = zeros(word ^ (ONES * u64::from(b'\\')));
    (quotes | backslashes) & (ONES << 7)
}
