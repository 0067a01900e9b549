#[cfg(all(test, ziggurat_loom))]
mod interleavings;

use std::time::Duration;

use super::{Exhausted, Load};
use crate::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire},
};

/// Windows of requests and tokens, without a lock.
///
/// Each count bears the number of its window, so that it is void as soon as another window is open. Numbers have 24 bits,
/// which is 31 years of windows; starts have 40 bits of milliseconds, which is 34 years.
#[derive(Debug, Default)]
pub(super) struct Minute {
    /// Start in milliseconds, and number. Number 0 is none.
    window: AtomicU64,
    requests: Counter,
    tokens: Counter,
}

/// What a deployment is good for in one window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Requests.
    pub requests: Option<u64>,
    /// Tokens, of prompts and answers together.
    pub tokens: Option<u64>,
}

impl Limits {
    /// Limits of requests and of tokens, of prompts and answers together.
    #[must_use]
    pub const fn new(requests: Option<u64>, tokens: Option<u64>) -> Self {
        Self { requests, tokens }
    }
}

/// What one window has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Used {
    /// Requests.
    pub requests: u64,
    /// Tokens: those used, and those reserved for calls that run.
    pub tokens: u64,
    /// When the window ends; zero if none is open.
    pub ends_in: Duration,
}

#[derive(Clone, Copy)]
struct Window {
    number: u32,
    start: u64,
}

/// A count, and below it the number of its window.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

const NUMBER_BITS: u32 = 24;
const NUMBERS: u64 = (1 << NUMBER_BITS) - 1;
const LARGEST: u64 = u64::MAX >> NUMBER_BITS;
const LENGTH: u64 = Load::WINDOW.as_millis() as u64;

// === impl Minute ===

impl Minute {
    pub(super) fn count(&self, now: Duration, tokens: u64) -> u32 {
        let window = self.open(now);
        self.requests.add(window.number, 1);
        self.tokens.add(window.number, tokens);
        window.number
    }

    pub(super) fn try_count(
        &self,
        now: Duration,
        limits: Limits,
        tokens: u64,
    ) -> Result<u32, Exhausted> {
        let window = self.open(now);
        let number = window.number;
        if let Some(limit) = limits.requests
            && !self.requests.add_up_to(number, 1, limit)
        {
            return Err(window.exhausted("rpm", limit, now));
        }
        if limits.requests.is_none() {
            self.requests.add(number, 1);
        }
        match limits.tokens {
            None => self.tokens.add(number, tokens),
            Some(limit) if self.tokens.add_up_to(number, tokens, limit) => {}
            Some(limit) => {
                self.requests.correct(number, 1, 0);
                return Err(window.exhausted("tpm", limit, now));
            }
        }
        Ok(number)
    }

    pub(super) fn has_room(
        &self,
        now: Duration,
        limits: Limits,
        tokens: u64,
    ) -> Result<(), Exhausted> {
        let window = Window::of(self.window.load(Acquire));
        let number = if window.is_open(now) {
            window.number
        } else {
            0
        };
        let fresh = Window {
            number,
            start: if number == 0 {
                millis(now)
            } else {
                window.start
            },
        };
        for (name, limit, counter, more) in [
            ("rpm", limits.requests, &self.requests, 1),
            ("tpm", limits.tokens, &self.tokens, tokens),
        ] {
            if let Some(limit) = limit
                && !fits(counter.get(number), more, limit)
            {
                return Err(fresh.exhausted(name, limit, now));
            }
        }
        Ok(())
    }

    pub(super) fn settle(&self, window: u32, counted: u64, used: u64) {
        self.tokens.correct(window, counted, used);
    }

    pub(super) fn used(&self, now: Duration) -> Used {
        let window = Window::of(self.window.load(Acquire));
        if !window.is_open(now) {
            return Used::default();
        }
        Used {
            requests: self.requests.get(window.number),
            tokens: self.tokens.get(window.number),
            ends_in: window.ends_in(now),
        }
    }

    /// Returns the open window, or opens one.
    fn open(&self, now: Duration) -> Window {
        let mut word = self.window.load(Acquire);
        loop {
            let window = Window::of(word);
            if window.is_open(now) {
                return window;
            }
            let next = Window {
                number: next_number(window.number),
                start: millis(now),
            };
            match self
                .window
                .compare_exchange_weak(word, next.word(), AcqRel, Acquire)
            {
                Ok(_) => return next,
                Err(other) => word = other,
            }
        }
    }
}

// === impl Window ===

impl Window {
    const fn of(word: u64) -> Self {
        Self {
            number: (word & NUMBERS) as u32,
            start: word >> NUMBER_BITS,
        }
    }

    const fn word(self) -> u64 {
        self.start << NUMBER_BITS | self.number as u64
    }

    fn is_open(self, now: Duration) -> bool {
        self.number != 0 && millis(now) < self.start + LENGTH
    }

    fn ends_in(self, now: Duration) -> Duration {
        Duration::from_millis((self.start + LENGTH).saturating_sub(millis(now)))
    }

    fn exhausted(self, name: &'static str, limit: u64, now: Duration) -> Exhausted {
        Exhausted {
            name,
            limit,
            ends_in: self.ends_in(now),
        }
    }
}

// === impl Counter ===

impl Counter {
    /// Returns the count of a window; nothing has been counted in window 0.
    fn get(&self, number: u32) -> u64 {
        let word = self.0.load(Acquire);
        if number != 0 && word & NUMBERS == u64::from(number) {
            word >> NUMBER_BITS
        } else {
            0
        }
    }

    fn add(&self, number: u32, more: u64) {
        self.change(number, |count| Some(count.saturating_add(more)));
    }

    fn add_up_to(&self, number: u32, more: u64, limit: u64) -> bool {
        self.change(number, |count| {
            fits(count, more, limit).then(|| count.saturating_add(more))
        })
    }

    /// Puts `to` in the place of `from`, if the window is still that of the count.
    fn correct(&self, number: u32, from: u64, to: u64) {
        if from == to {
            return;
        }
        let word = self.0.load(Acquire);
        if word & NUMBERS == u64::from(number) {
            self.change(number, |count| {
                Some(count.saturating_sub(from).saturating_add(to))
            });
        }
    }

    /// Changes the count of a window, from 0 if it is a new one; a window that is over stays as it is. Returns false if
    /// `change` does.
    fn change(&self, number: u32, change: impl Fn(u64) -> Option<u64>) -> bool {
        let mut word = self.0.load(Acquire);
        loop {
            let counted = (word & NUMBERS) as u32;
            let count = if counted == number {
                word >> NUMBER_BITS
            } else if is_later(counted, number) {
                return true;
            } else {
                0
            };
            let Some(count) = change(count) else {
                return false;
            };
            let new = count.min(LARGEST) << NUMBER_BITS | u64::from(number);
            match self.0.compare_exchange_weak(word, new, AcqRel, Acquire) {
                Ok(_) => return true,
                Err(other) => word = other,
            }
        }
    }
}

/// Whether the limit leaves room for `more`. What is too large for an empty window would never fit.
const fn fits(count: u64, more: u64, limit: u64) -> bool {
    count.saturating_add(more) <= limit || count == 0 && limit > 0
}

fn next_number(number: u32) -> u32 {
    let next = (u64::from(number) + 1) & NUMBERS;
    // 0 stands for no window.
    (next as u32).max(1)
}

fn is_later(one: u32, other: u32) -> bool {
    let ahead = u64::from(one.wrapping_sub(other)) & NUMBERS;
    one != 0 && ahead != 0 && ahead < NUMBERS / 2
}

fn millis(now: Duration) -> u64 {
    u64::try_from(now.as_millis())
        .unwrap_or(u64::MAX)
        .min(LARGEST >> 1)
}
