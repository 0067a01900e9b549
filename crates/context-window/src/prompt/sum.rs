use ziggurat_core::TokenCount;

use super::json::{Stop, string};

/// Adds up, and stops above a limit.
pub(crate) struct Sum<F> {
    text: F,
    limit: u64,
    least: u64,
    tokens: u64,
    most: Option<u64>,
}

impl<F: FnMut(&str, u64) -> TokenCount> Sum<F> {
    pub(crate) const fn new(limit: u64, text: F) -> Self {
        Self {
            text,
            limit,
            least: 0,
            tokens: 0,
            most: Some(0),
        }
    }

    /// Starts anew, and returns what was added up.
    pub(crate) fn take(&mut self) -> TokenCount {
        let count = if self.most == Some(self.least) {
            TokenCount::exact(self.least)
        } else {
            let count = TokenCount::estimate(self.tokens, self.least);
            self.most.map_or(count, |most| count.with_most(most))
        };
        (self.least, self.tokens, self.most) = (0, 0, Some(0));
        count
    }

    /// Adds what follows from a rule.
    pub(crate) fn add(&mut self, tokens: u64) -> Result<(), Stop> {
        self.put(TokenCount::exact(tokens))
    }

    /// Takes back what was added by a rule.
    pub(crate) fn take_off(&mut self, tokens: u64) {
        self.least = self.least.saturating_sub(tokens);
        self.tokens = self.tokens.saturating_sub(tokens);
        self.most = self.most.map(|most| most.saturating_sub(tokens));
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Stop> {
        if text.is_empty() {
            return Ok(());
        }
        let count = (self.text)(text, self.limit - self.least);
        self.put(count)
    }

    /// Adds a text that is given as JSON; anything else than a string counts nothing.
    pub(crate) fn string(&mut self, raw: &str) -> Result<(), Stop> {
        match raw.starts_with('"') {
            true => self.text(&string(raw)?),
            false => Ok(()),
        }
    }

    /// Returns what was added up until it had to stop.
    pub(crate) fn stopped(&self) -> TokenCount {
        TokenCount::above(self.least.saturating_sub(1))
    }

    fn put(&mut self, count: TokenCount) -> Result<(), Stop> {
        self.least = self.least.saturating_add(count.least());
        self.tokens = self.tokens.saturating_add(count.tokens());
        self.most = match (self.most, count.most()) {
            (Some(one), Some(two)) => one.checked_add(two),
            _ => None,
        };
        match self.least > self.limit {
            true => Err(Stop::Full),
            false => Ok(()),
        }
    }
}
