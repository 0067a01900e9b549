//! A validating scan of a JSON object that notes where its top-level members lie.
//!
//! One pass, no recursion, no allocation but for the list of members. It accepts exactly what `serde_json` accepts
//! for a skipped value; `serde_json` also words the errors, see [`super::ParseError`].

use std::ops::Range;

/// Where a member lies in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// The key, without its quotes.
    pub(super) key: Range<usize>,
    /// Whether the key has escapes.
    pub(super) escaped: bool,
    /// The value.
    pub(super) value: Range<usize>,
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

/// Scans an object. Most requests have fewer members than `EXPECTED`.
pub(super) fn members(text: &[u8]) -> Result<Vec<Member>, Fault> {
    const EXPECTED: usize = 12;
    let mut scanner = Scanner {
        text,
        at: 0,
        ascii: true,
    };
    let mut members = Vec::with_capacity(EXPECTED);
    let is_object = scanner.object(&mut members).ok_or(Fault::Syntax)?;
    scanner.whitespace();
    if scanner.at != text.len() {
        return Err(Fault::Syntax);
    }
    if !scanner.ascii && std::str::from_utf8(text).is_err() {
        return Err(Fault::Utf8);
    }
    is_object.then_some(members).ok_or(Fault::NotAnObject)
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether all bytes seen in strings were ASCII; outside of strings others are errors anyway.
    ascii: bool,
}

impl Scanner<'_> {
    /// Scans a whole text; `Some(false)` if it is valid, but no object.
    fn object(&mut self, members: &mut Vec<Member>) -> Option<bool> {
        self.whitespace();
        if !self.eat(b'{') {
            self.value()?;
            return Some(false);
        }
        self.whitespace();
        if self.eat(b'}') {
            return Some(true);
        }
        loop {
            self.whitespace();
            let (key, escaped) = self.key()?;
            self.whitespace();
            let start = self.at;
            self.value()?;
            members.push(Member {
                key,
                escaped,
                value: start..self.at,
            });
            self.whitespace();
            match self.next()? {
                b',' => {}
                b'}' => return Some(true),
                _ => return None,
            }
        }
    }

    /// Skips a value with all that it holds.
    fn value(&mut self) -> Option<()> {
        let mut open = Nesting::default();
        loop {
            self.whitespace();
            match self.next()? {
                b'"' => _ = self.string()?,
                b'{' => {
                    self.whitespace();
                    if !self.eat(b'}') {
                        open.push(true);
                        self.key()?;
                        continue;
                    }
                }
                b'[' => {
                    self.whitespace();
                    if !self.eat(b']') {
                        open.push(false);
                        continue;
                    }
                }
                b'-' => {
                    let first = self.next()?;
                    self.number(first)?;
                }
                digit @ b'0'..=b'9' => self.number(digit)?,
                b't' => self.literal(b"rue")?,
                b'f' => self.literal(b"alse")?,
                b'n' => self.literal(b"ull")?,
                _ => return None,
            }
            if self.close(&mut open)? {
                return Some(());
            }
        }
    }

    /// Closes what ends after a value; `true` if nothing is open any more, `false` if another value follows.
    fn close(&mut self, open: &mut Nesting) -> Option<bool> {
        while let Some(in_object) = open.top() {
            self.whitespace();
            match self.next()? {
                b',' => {
                    if in_object {
                        self.whitespace();
                        self.key()?;
                    }
                    return Some(false);
                }
                b'}' if in_object => open.pop(),
                b']' if !in_object => open.pop(),
                _ => return None,
            }
        }
        Some(true)
    }

    /// Skips a key and its colon; returns where it lies, and whether it has escapes.
    fn key(&mut self) -> Option<(Range<usize>, bool)> {
        if !self.eat(b'"') {
            return None;
        }
        let start = self.at;
        let escaped = self.string()?;
        let key = start..self.at - 1;
        self.whitespace();
        self.eat(b':').then_some((key, escaped))
    }

    /// Skips a string whose opening quote was taken; says whether it has escapes.
    fn string(&mut self) -> Option<bool> {
        let mut escaped = false;
        loop {
            self.plain();
            match self.next()? {
                b'"' => return Some(escaped),
                b'\\' => {
                    escaped = true;
                    match self.next()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                        b'u' => {
                            let digits = self.text.get(self.at..self.at + 4)?;
                            if !digits.iter().all(u8::is_ascii_hexdigit) {
                                return None;
                            }
                            self.at += 4;
                        }
                        _ => return None,
                    }
                }
                _ => return None, // a control character
            }
        }
    }

    /// Skips the bytes of a string that mean themselves: up to a quote, a backslash, a control character or the end.
    fn plain(&mut self) {
        let rest = &self.text[self.at..];
        let (mut done, mut high) = (0, 0);
        // Short strings end within the first words; long ones go on by blocks.
        while let Some(word) = rest.get(done..done + WORD) {
            let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            let ends = ends(word);
            if ends != 0 {
                let plain = ends.trailing_zeros() as usize / WORD;
                high |= word & ((1_u128 << (plain * WORD)) - 1) as u64;
                return self.advance(done + plain, high);
            }
            high |= word;
            done += WORD;
            if done.is_multiple_of(BLOCK) {
                let blocks = rest[done..]
                    .chunks_exact(BLOCK)
                    .map(scan_block)
                    .take_while(|&(stop, _)| !stop);
                let (count, top) =
                    blocks.fold((0, 0), |(count, top), (_, block)| (count + 1, top | block));
                done += count * BLOCK;
                high |= u64::from(top);
            }
        }
        let tail = rest[done..]
            .iter()
            .position(|&b| is_end(b))
            .unwrap_or(rest.len() - done);
        high |= rest[done..done + tail]
            .iter()
            .fold(0, |high, &b| high | u64::from(b));
        self.advance(done + tail, high);
    }

    fn advance(&mut self, by: usize, high: u64) {
        self.at += by;
        self.ascii &= high & HIGH_BITS == 0;
    }

    /// Skips a number whose first digit was taken.
    fn number(&mut self, first: u8) -> Option<()> {
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.eat(b'.') {
            self.digit()?;
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digit()?;
            self.digits();
        }
        Some(())
    }

    fn digit(&mut self) -> Option<()> {
        self.next()?.is_ascii_digit().then_some(())
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn literal(&mut self, rest: &[u8]) -> Option<()> {
        self.text[self.at..]
            .starts_with(rest)
            .then(|| self.at += rest.len())
    }

    fn whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }
}

const LOW_BITS: u64 = u64::from_le_bytes([0x01; 8]);
const HIGH_BITS: u64 = u64::from_le_bytes([0x80; 8]);

const WORD: usize = 8;
const BLOCK: usize = 32;

/// Whether a byte ends a run of plain bytes in a string.
const fn is_end(byte: u8) -> bool {
    // No short circuit: without branches the compiler checks many bytes at once.
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

/// Says whether a byte of a block ends a run, and returns all its bits together.
fn scan_block(block: &[u8]) -> (bool, u8) {
    let (mut stop, mut top) = (0, 0);
    for &byte in block {
        stop |= u8::from(is_end(byte));
        top |= byte;
    }
    (stop != 0, top)
}

/// The same for eight bytes at once: the high bit of the first byte that ends the run is the lowest bit set.
///
/// Bytes above that one may be marked wrongly, by a borrow; they are not looked at.
const fn ends(word: u64) -> u64 {
    const fn zero_bytes(word: u64) -> u64 {
        word.wrapping_sub(LOW_BITS) & !word
    }
    let quote = zero_bytes(word ^ (LOW_BITS * b'"' as u64));
    let backslash = zero_bytes(word ^ (LOW_BITS * b'\\' as u64));
    let control = word.wrapping_sub(LOW_BITS * 0x20) & !word;
    (quote | backslash | control) & HIGH_BITS
}

/// Which containers are open: a stack of bits, `true` for objects.
#[derive(Default)]
struct Nesting {
    depth: usize,
    /// The innermost up to 64 of them.
    bits: u64,
    /// The others, by 64.
    outer: Vec<u64>,
}

impl Nesting {
    fn push(&mut self, object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.bits);
        }
        self.bits = self.bits << 1 | u64::from(object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.bits = self.outer.pop().expect("one word per 64 levels");
        }
    }

    fn top(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.bits & 1 == 1)
    }
}
