use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::overrides::Parameters;

/// How many tokens a prompt needs, as far as it is known: a range, and the best guess within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenCount {
    least: u64,
    most: Option<u64>,
    tokens: u64,
    counted: bool,
}

/// The token counts of one request, shared by all copies of it.
///
/// A count is kept under the name of who counted, and for the parameters of the hop that it holds for. What several
/// counts say is put together: the highest lower bound, the lowest upper one.
#[derive(Default)]
pub struct TokenCounts {
    entries: Mutex<Vec<Entry>>,
}

struct Entry {
    counter: &'static str,
    parameters: Option<Parameters>,
    count: TokenCount,
}

// === impl TokenCount ===

impl TokenCount {
    /// Knows the number.
    #[must_use]
    pub const fn exact(tokens: u64) -> Self {
        Self {
            least: tokens,
            most: Some(tokens),
            tokens,
            counted: true,
        }
    }

    /// Has counted the whole prompt, and knows the number roughly: about `tokens`, and at least `least`.
    #[must_use]
    pub const fn estimate(tokens: u64, least: u64) -> Self {
        Self {
            least,
            most: None,
            tokens: if tokens < least { least } else { tokens },
            counted: true,
        }
    }

    /// Has stopped counting: more than `limit`.
    #[must_use]
    pub const fn above(limit: u64) -> Self {
        let least = limit.saturating_add(1);
        Self {
            least,
            most: None,
            tokens: least,
            counted: false,
        }
    }

    /// Has not counted: at most `most`.
    #[must_use]
    pub const fn at_most(most: u64) -> Self {
        Self {
            least: 0,
            most: Some(most),
            tokens: most,
            counted: false,
        }
    }

    /// Adds an upper bound.
    #[must_use]
    pub fn with_most(mut self, most: u64) -> Self {
        self.most = Some(
            self.most
                .map_or(most, |known| known.min(most))
                .max(self.least),
        );
        self
    }

    /// Returns the best guess.
    #[must_use]
    pub const fn tokens(self) -> u64 {
        self.tokens
    }

    /// Returns how many there are at least.
    #[must_use]
    pub const fn least(self) -> u64 {
        self.least
    }

    /// Returns how many there are at most, if that is known.
    #[must_use]
    pub const fn most(self) -> Option<u64> {
        self.most
    }

    /// Says whether the whole prompt was counted, so that counting again gives nothing new.
    #[must_use]
    pub const fn is_counted(self) -> bool {
        self.counted
    }

    /// Says whether the number is known.
    #[must_use]
    pub fn is_exact(self) -> bool {
        self.most == Some(self.least)
    }

    /// Puts together what two counts of the same prompt say.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let best = match (self.counted, other.counted) {
            (false, true) => other,
            (true, _) => self,
            // A stopped count says more than a bound.
            (false, false) if other.least > self.least => other,
            (false, false) => self,
        };
        let least = self.least.max(other.least);
        let most = match (self.most, other.most) {
            (Some(one), Some(two)) => Some(one.min(two).max(least)),
            (one, two) => one.or(two),
        };
        Self {
            least,
            most,
            tokens: best.tokens.max(least),
            counted: best.counted,
        }
    }
}

// === impl TokenCounts ===

impl TokenCounts {
    /// Returns what `counter` found, with these parameters in place of members of the body.
    #[must_use]
    pub fn get(&self, counter: &str, parameters: Option<&Parameters>) -> Option<TokenCount> {
        let entries = self.lock();
        let entry = entries.iter().find(|it| it.is(counter, parameters));
        entry.map(|it| it.count)
    }

    /// Adds what `counter` found, and returns all that is known from it.
    pub fn add(
        &self,
        counter: &'static str,
        parameters: Option<&Parameters>,
        count: TokenCount,
    ) -> TokenCount {
        let mut entries = self.lock();
        if let Some(entry) = entries.iter_mut().find(|it| it.is(counter, parameters)) {
            entry.count = entry.count.and(count);
            return entry.count;
        }
        entries.push(Entry {
            counter,
            parameters: parameters.cloned(),
            count,
        });
        count
    }

    /// Returns the best guess of anyone for the body as the client sent it, if someone has counted.
    #[must_use]
    pub fn guess(&self) -> Option<u64> {
        let entries = self.lock();
        let own = entries.iter().filter(|it| it.parameters.is_none());
        own.filter(|it| it.count.counted || it.count.least > 0)
            .max_by_key(|it| (it.count.is_exact(), it.count.counted))
            .map(|it| it.count.tokens)
    }

    /// Held for a look at a handful of entries; no code of others runs meanwhile.
    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Parameters are the same if they are one value: the copies of a hop's request share it.
    fn is(&self, counter: &str, parameters: Option<&Parameters>) -> bool {
        let same = match (&self.parameters, parameters) {
            (None, None) => true,
            (Some(Parameters(one)), Some(Parameters(two))) => Arc::ptr_eq(one, two),
            _ => false,
        };
        same && self.counter == counter
    }
}

impl fmt::Debug for TokenCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.lock();
        f.debug_map()
            .entries(entries.iter().map(|it| (it.counter, it.count)))
            .finish()
    }
}
