use crate::Candidate;

/// So many candidates fit without an allocation: 256 bytes, more than most groups have members.
const INLINE: usize = 16;

/// The candidates of one class, in the order of the endpoints.
pub(crate) struct Candidates<'a> {
    inline: [Candidate<'a>; INLINE],
    len: usize,
    /// Holds all of them as soon as they are too many; `len` is 0 then.
    spilled: Vec<Candidate<'a>>,
}

impl<'a> Candidates<'a> {
    /// Makes an empty list; `filler` takes up the free places.
    pub(crate) fn new(filler: Candidate<'a>) -> Self {
        Self {
            inline: [filler; INLINE],
            len: 0,
            spilled: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, candidate: Candidate<'a>) {
        if !self.spilled.is_empty() {
            self.spilled.push(candidate);
        } else if self.len < INLINE {
            self.inline[self.len] = candidate;
            self.len += 1;
        } else {
            self.spilled.reserve(4 * INLINE);
            self.spilled.extend_from_slice(&self.inline);
            self.spilled.push(candidate);
            self.len = 0;
        }
    }

    pub(crate) fn as_slice(&self) -> &[Candidate<'a>] {
        if self.spilled.is_empty() {
            &self.inline[..self.len]
        } else {
            &self.spilled
        }
    }

    /// Puts those with the lowest order first; others of one order keep theirs.
    pub(crate) fn sort_by_order(&mut self) {
        let all = if self.spilled.is_empty() {
            &mut self.inline[..self.len]
        } else {
            &mut self.spilled[..]
        };
        sort_by_order(all);
    }

    /// Takes one out; the others keep their order.
    pub(crate) fn remove(&mut self, place: usize) -> Candidate<'a> {
        if !self.spilled.is_empty() {
            return self.spilled.remove(place);
        }
        let taken = self.inline[place];
        self.inline.copy_within(place + 1..self.len, place);
        self.len -= 1;
        taken
    }
}

/// Puts those with the lowest order first, those without one last.
pub(crate) fn sort_by_order(candidates: &mut [Candidate<'_>]) {
    let level = |candidate: &Candidate<'_>| candidate.declared().level();
    candidates.sort_by(|a, b| level(a).total_cmp(&level(b)));
}
