use std::time::Duration;

use tokio::time::Instant;

use crate::{FailureClass, Rules};

/// A window moves in steps of this part of its length.
const STEPS: usize = 12;

/// The calls of one deployment, as far as they count.
#[derive(Debug)]
pub(crate) struct Counts {
    /// All calls but the failures of classes that have an allowance.
    calls: Window,
    /// The failures of each such class, made when its first comes.
    classes: Vec<(FailureClass, Window)>,
    class_window: Duration,
}

/// Successes and failures of the last while.
#[derive(Debug)]
pub(crate) struct Window {
    base: Instant,
    /// Zero if nothing is counted.
    step: Duration,
    buckets: [Bucket; STEPS],
}

/// What happened during one step.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// The number of the step since the base.
    step: u128,
    sum: Sum,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) successes: u64,
    pub(crate) failures: u64,
}

// === impl Counts ===

impl Counts {
    pub(crate) fn new(rules: &Rules) -> Self {
        Self {
            calls: Window::new(rules.general_window()),
            classes: Vec::new(),
            class_window: rules.class_window(),
        }
    }

    pub(crate) fn calls(&mut self) -> &mut Window {
        &mut self.calls
    }

    pub(crate) fn class(&mut self, class: FailureClass) -> &mut Window {
        let found = self.classes.iter().position(|(other, _)| *other == class);
        let place = found.unwrap_or_else(|| {
            self.classes.push((class, Window::new(self.class_window)));
            self.classes.len() - 1
        });
        &mut self.classes[place].1
    }

    /// Forgets all calls.
    pub(crate) fn clear(&mut self) {
        self.calls.buckets = Default::default();
        self.classes.clear();
    }
}

// === impl Window ===

impl Window {
    fn new(length: Duration) -> Self {
        let step = length / STEPS as u32;
        Self {
            base: Instant::now(),
            // A window of a few nanoseconds has shorter steps than the clock.
            step: if length.is_zero() {
                step
            } else {
                step.max(Duration::from_nanos(1))
            },
            buckets: Default::default(),
        }
    }

    pub(crate) fn succeed(&mut self) {
        if let Some(bucket) = self.bucket() {
            bucket.sum.successes += 1;
        }
    }

    /// Counts a failure, and returns what the window holds with it.
    pub(crate) fn fail(&mut self) -> Sum {
        if let Some(bucket) = self.bucket() {
            bucket.sum.failures += 1;
        }
        self.sum()
    }

    /// Returns what the window holds: from eleven twelfths of its length ago at least, up to all of it.
    pub(crate) fn sum(&self) -> Sum {
        let Some(now) = self.now() else {
            return Sum::default();
        };
        let mut sum = Sum::default();
        let buckets = self.buckets.iter();
        for bucket in buckets.filter(|bucket| bucket.step + STEPS as u128 > now) {
            sum.successes += bucket.sum.successes;
            sum.failures += bucket.sum.failures;
        }
        sum
    }

    /// Returns the bucket of the current step.
    fn bucket(&mut self) -> Option<&mut Bucket> {
        let step = self.now()?;
        let bucket = &mut self.buckets[(step % STEPS as u128) as usize];
        if bucket.step != step {
            *bucket = Bucket {
                step,
                sum: Sum::default(),
            };
        }
        Some(bucket)
    }

    fn now(&self) -> Option<u128> {
        let step = self.step.as_nanos();
        (step > 0).then(|| self.base.elapsed().as_nanos() / step)
    }
}

// === impl Sum ===

impl Sum {
    pub(crate) const fn calls(self) -> u64 {
        self.successes + self.failures
    }
}
