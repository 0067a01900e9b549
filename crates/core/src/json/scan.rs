//! A validating scan of a JSON object that notes where its top-level members lie.
//!
//! One pass, no recursion, no allocation but for the list of members. It accepts exactly what `serde_json` accepts
//! for a skipped value; `serde_json` also words the errors, see [`super::ParseError`].

use std::ops::Range;

use memchr::memchr2;

/// Where a member lies in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// The key, without its quotes.
    pub(super) key: Range<usize>,
    /// Whether the key has escapes.
    pub(super) escaped: bool,
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

/// Scans an object; returns its members, and the names of those at any depth. Most requests have fewer members than
/// `EXPECTED`.
pub(super) fn members(text: &[u8]) -> Result<(Vec<Member>, Names), Fault> {
    const EXPECTED: usize = 12;
    // Compact texts, as programs write them, have no control characters at all; then no string needs a look for them.
    let may_have_controls = text.iter().fold(u8::MAX, |least, &byte| least.min(byte)) < b' ';
    let mut scanner = Scanner {
        text,
        at: 0,
        may_have_controls,
        names: Names::default(),
        objects: false,
    };
    let mut members = Vec::with_capacity(EXPECTED);
    let is_object = scanner.object(&mut members).ok_or(Fault::Syntax)?;
    scanner.whitespace();
    if scanner.at != text.len() {
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
    ended: bool,
}

impl<'a> Elements<'a> {
    /// Starts at the first one; `None` if the text is no array.
    pub(super) fn of(text: &'a [u8]) -> Option<Self> {
        let mut scanner = Scanner::checked(text);
        scanner.eat(b'[').then_some(())?;
        scanner.whitespace();
        let ended = scanner.eat(b']');
        Some(Self { scanner, ended })
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        (!self.ended).then_some(())?;
        let value = self.scanner.element()?;
        self.ended = !self.scanner.eat(b',');
        self.scanner.whitespace();
        Some(value)
    }
}

/// The members of an object that was scanned before, in order: keys without their quotes, whether they have escapes, and
/// values.
pub(super) struct Fields<'a> {
    scanner: Scanner<'a>,
    ended: bool,
}

impl<'a> Fields<'a> {
    /// Starts at the first one; `None` if the text is no object.
    pub(super) fn of(text: &'a [u8]) -> Option<Self> {
        let mut scanner = Scanner::checked(text);
        scanner.eat(b'{').then_some(())?;
        scanner.whitespace();
        let ended = scanner.eat(b'}');
        Some(Self { scanner, ended })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], bool, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        (!self.ended).then_some(())?;
        let (key, escaped) = self.scanner.key()?;
        self.scanner.whitespace();
        let value = self.scanner.element()?;
        self.ended = !self.scanner.eat(b',');
        self.scanner.whitespace();
        Some((&self.scanner.text[key], escaped, value))
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether strings have to be searched for control characters, which they must not have unescaped.
    may_have_controls: bool,
    names: Names,
    /// Whether the value that is being skipped is an array of nothing but objects so far.
    objects: bool,
}

impl<'a> Scanner<'a> {
    /// Goes through a text that is known to be valid.
    fn checked(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            may_have_controls: false,
            names: Names::default(),
            objects: false,
        }
    }

    /// Skips a value and the space behind it; returns the value.
    fn element(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.value()?;
        let value = &self.text[start..self.at];
        self.whitespace();
        Some(value)
    }

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
            let objects = self.value()?;
            members.push(Member {
                key,
                escaped,
                value: start..self.at,
                objects,
            });
            self.whitespace();
            match self.next()? {
                b',' => {}
                b'}' => return Some(true),
                _ => return None,
            }
        }
    }

    /// Skips a value with all that it holds; says whether it is an array of nothing but objects.
    fn value(&mut self) -> Option<bool> {
        let mut open = Nesting::default();
        self.objects = self.peek() == Some(b'[');
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
                        self.element_begins(&open);
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
                return Some(self.objects);
            }
        }
    }

    /// Closes what ends after a value; `true` if nothing is open any more, `false` if another value follows.
    fn close(&mut self, open: &mut Nesting) -> Option<bool> {
        while let Some(in_object) = open.top() {
            self.whitespace();
            match self.next()? {
                b',' => {
                    self.whitespace();
                    match in_object {
                        true => _ = self.key()?,
                        false => self.element_begins(open),
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

    /// Notes what an element of the outermost array is.
    fn element_begins(&mut self, open: &Nesting) {
        if open.depth == 1 && self.peek() != Some(b'{') {
            self.objects = false;
        }
    }

    /// Skips a key and its colon; returns where it lies, and whether it has escapes.
    // Left to itself the compiler makes a call of it, which costs a short text a tenth more.
    #[inline(always)]
    fn key(&mut self) -> Option<(Range<usize>, bool)> {
        if !self.eat(b'"') {
            return None;
        }
        let start = self.at;
        let first = self.peek()?;
        let escaped = self.string()?;
        let key = start..self.at - 1;
        self.names
            .add(first, self.text[key.end - 1], key.len(), escaped);
        self.whitespace();
        self.eat(b':').then_some((key, escaped))
    }

    /// Skips a string whose opening quote was taken; says whether it has escapes.
    fn string(&mut self) -> Option<bool> {
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += memchr2(b'"', b'\\', &self.text[self.at..])?;
            if self.next()? == b'"' {
                break;
            }
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
        if self.may_have_controls && self.text[start..self.at].iter().any(|&byte| byte < b' ') {
            return None;
        }
        Some(escaped)
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

/// Names of members, as bits: what was added is there, and seldom anything else.
#[derive(Clone, Copy, Default)]
pub(super) struct Names(u64);

impl Names {
    /// Adds a name by what stands where it begins, what stands before the quote that ends it, and its length.
    fn add(&mut self, first: u8, last: u8, len: usize, escaped: bool) {
        self.0 |= Self::bit(first, last, len);
        if escaped {
            // It may be any name.
            self.0 = u64::MAX;
        }
    }

    pub(super) fn may_have(self, name: &str) -> bool {
        // An empty one begins and ends with its quotes.
        let ends = name.bytes().next().zip(name.bytes().last());
        let (first, last) = ends.unwrap_or((b'"', b'"'));
        self.0 & Self::bit(first, last, name.len()) != 0
    }

    /// The factors keep the names that plain prompts have apart from each other, and from those that are asked for.
    fn bit(first: u8, last: u8, len: usize) -> u64 {
        1 << ((usize::from(first) + 13 * usize::from(last) + 9 * len) % 64)
    }
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
