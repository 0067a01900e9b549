/// Names of members, as bits: what was added is there, and seldom anything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Names(u64);

impl Names {
    /// A name, with the quote that ends it: by its first byte, its last, and its length.
    pub(super) fn one(quoted: &[u8], escaped: bool) -> Self {
        let (first, last) = match *quoted {
            [first, .., last, b'"'] => (first, last),
            [only, b'"'] => (only, only),
            // An empty one begins and ends with its quotes.
            _ => (b'"', b'"'),
        };
        match escaped {
            // It may be any name.
            true => Self(u64::MAX),
            false => Self(Self::bit(first, last, quoted.len() - 1)),
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    pub(super) fn may_have_any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// A name that is looked for.
    pub(super) fn of(name: &str) -> Self {
        let name = name.as_bytes();
        let ends = name.first().zip(name.last());
        let (first, last) = ends.unwrap_or((&b'"', &b'"'));
        Self(Self::bit(*first, *last, name.len()))
    }

    /// The factors keep the names that plain prompts have apart from each other, and from those that are asked for.
    fn bit(first: u8, last: u8, len: usize) -> u64 {
        1 << ((usize::from(first) + 13 * usize::from(last) + 9 * len) % 64)
    }
}
