use std::time::Duration;

use crate::{FailureClass, TARGET, counts::Sum};

/// LiteLLM's `cooldown_time`.
const TIME: Duration = Duration::from_secs(5);

/// A provider that asks for more than five minutes is tried again all the same.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// LiteLLM's window, in which it counts successes and failures.
const WINDOW: Duration = Duration::from_secs(60);

/// LiteLLM's `DEFAULT_FAILURE_THRESHOLD_PERCENT` and `DEFAULT_FAILURE_THRESHOLD_MINIMUM_REQUESTS`.
const SHARE: (f64, u64) = (0.5, 5);

/// LiteLLM's `SINGLE_DEPLOYMENT_TRAFFIC_FAILURE_THRESHOLD`.
const ALL_FAILED: u64 = 1000;

/// When a deployment is given a rest, and for how long.
///
/// A cooldown begins at once with a 401, 402, 404 or 429. Other failures count, and begin one when they are too many:
/// by their share and number ([`failure_share`](Self::failure_share), [`all_failed`](Self::all_failed)), or, if it is
/// set, by [`allowed_fails`](Self::allowed_fails) alone. A class with an allowance of its own
/// ([`allowed_fails_for`](Self::allowed_fails_for)) follows that and no other rule.
#[derive(Clone, Debug)]
#[must_use]
pub struct Rules {
    pub(crate) time: Duration,
    max_time: Duration,
    max_retry_after: Duration,
    window: Duration,
    share: (f64, u64),
    all_failed: u64,
    allowed_fails: Option<u32>,
    allowed_fails_window: Duration,
    policy: [Option<u32>; FailureClass::COUNT],
    pub(crate) slow_start: Duration,
    pub(crate) seed: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            time: TIME,
            max_time: Duration::ZERO,
            max_retry_after: MAX_RETRY_AFTER,
            window: WINDOW,
            share: SHARE,
            all_failed: ALL_FAILED,
            allowed_fails: None,
            allowed_fails_window: WINDOW,
            policy: [None; FailureClass::COUNT],
            slow_start: Duration::ZERO,
            seed: fastrand::u64(..),
        }
    }
}

impl Rules {
    /// The defaults of each option.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how long a cooldown lasts; the default is 5 s.
    ///
    /// With zero there are none: nothing is counted and no call is refused, whoever else asks for a cooldown.
    pub const fn cooldown_time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Lets the time double with each trial that fails, up to `max`. The default is zero: it does not grow.
    pub const fn max_time(mut self, max: Duration) -> Self {
        self.max_time = max;
        self
    }

    /// Sets how much of a longer `Retry-After` is kept to; the default is 300 s.
    ///
    /// A cooldown that begins with a failure which asked for a wait lasts so long, but not shorter than it would without.
    /// With zero, no `Retry-After` makes it longer.
    pub const fn max_retry_after(mut self, max: Duration) -> Self {
        self.max_retry_after = max;
        self
    }

    /// Begins a cooldown when more than this share of the calls within the [`window`](Self::window) has failed, if they
    /// are at least `min_calls`; the default is more than 0.5 of at least 5.
    ///
    /// A share of 1 or more, or one that is not a number, switches the rule off; a negative one counts as 0.
    pub fn failure_share(mut self, share: f64, min_calls: u32) -> Self {
        if share.is_nan() {
            tracing::warn!(target: TARGET, share, "the failure share is not a number, the rule is off");
        }
        let share = if share.is_nan() { 1.0 } else { share };
        self.share = (share.clamp(0.0, 1.0), min_calls.max(1).into());
        self
    }

    /// Begins a cooldown when all calls within the [`window`](Self::window) have failed, if they are at least `min_calls`;
    /// the default is 1000. Zero switches the rule off.
    ///
    /// It acts only where the rule of the failure share does not act before.
    pub fn all_failed(mut self, min_calls: u32) -> Self {
        self.all_failed = min_calls.into();
        self
    }

    /// Sets the time in which calls are counted for the two rules above; the default is 60 s. Zero switches both off.
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Begins a cooldown with the failure that makes them *more than* `fails` within the
    /// [`allowed_fails_window`](Self::allowed_fails_window), instead of the rules of share and number. The default is not
    /// set.
    ///
    /// With 3, the fourth failure begins one. Successes in between do not matter. A 401, 402, 404 or 429 still begins one
    /// at once.
    pub const fn allowed_fails(mut self, fails: u32) -> Self {
        self.allowed_fails = Some(fails);
        self
    }

    /// Sets the time in which failures are counted for [`allowed_fails`](Self::allowed_fails) and
    /// [`allowed_fails_for`](Self::allowed_fails_for); the default is 60 s. Zero switches both off.
    pub const fn allowed_fails_window(mut self, window: Duration) -> Self {
        self.allowed_fails_window = window;
        self
    }

    /// Gives a class of failures an allowance and a count of its own, which take the place of every other rule for that
    /// class. It holds as well for classes that otherwise count nothing, or begin a cooldown at once.
    pub const fn allowed_fails_for(mut self, class: FailureClass, fails: u32) -> Self {
        self.policy[class as usize] = Some(fails);
        self
    }

    /// Makes the deployment's share of requests grow over this time once a trial has succeeded; the default is zero: it
    /// has all of them at once.
    ///
    /// Meanwhile, `admit` refuses the others, in favour of someone else: whoever finds no one calls it all the same
    /// ([`Rejection::yields`](ziggurat_core::Rejection::yields)), and is let through. What is drawn depends on the time, to
    /// the millisecond, and on the calls so far: asking changes nothing.
    pub const fn slow_start(mut self, time: Duration) -> Self {
        self.slow_start = time;
        self
    }

    /// Draws the requests of the slow start from a generator that starts with `seed`, so that they can be foretold.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Returns the window that calls of no listed class are counted in.
    pub(crate) const fn general_window(&self) -> Duration {
        if self.allowed_fails.is_some() {
            self.allowed_fails_window
        } else {
            self.window
        }
    }

    pub(crate) const fn class_window(&self) -> Duration {
        self.allowed_fails_window
    }

    /// Returns the allowance of a class, if it has one.
    pub(crate) fn allowance(&self, class: FailureClass) -> Option<u32> {
        self.policy[class as usize]
    }

    /// Says whether failures have become too many.
    pub(crate) fn are_too_many(&self, sum: Sum) -> bool {
        if let Some(allowed) = self.allowed_fails {
            return sum.failures > allowed.into();
        }
        let (share, min_calls) = self.share;
        let calls = sum.calls();
        // Both are far below the 2^53 that a float can tell apart.
        let by_share = calls >= min_calls && sum.failures as f64 > share * calls as f64;
        let all = self.all_failed > 0 && calls >= self.all_failed && sum.successes == 0;
        by_share || all
    }

    /// Returns how long a cooldown lasts after so many failed trials in a row.
    pub(crate) fn time_after(&self, strikes: u32, retry_after: Option<Duration>) -> Duration {
        let grown = match 2_u32.checked_pow(strikes) {
            _ if self.max_time <= self.time => self.time,
            Some(factor) => self.time.saturating_mul(factor).min(self.max_time),
            None => self.max_time,
        };
        let asked = retry_after.unwrap_or_default().min(self.max_retry_after);
        grown.max(asked)
    }
}
