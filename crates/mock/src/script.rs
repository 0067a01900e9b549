use std::sync::Arc;

use fastrand::Rng;

use crate::Step;

/// The steps of an upstream, one per request, in order of arrival.
///
/// After the last step that step repeats, unless [`cycle`](Self::cycle) or [`then`](Self::then) say otherwise. An
/// empty script says hello.
#[derive(Clone, Debug)]
#[must_use]
pub struct Script {
    steps: Vec<Arc<Step>>,
    cycle: bool,
    next: usize,
    failures: Option<Failures>,
}

#[derive(Clone, Debug)]
struct Failures {
    rate: f64,
    rng: Rng,
    step: Arc<Step>,
}

impl Script {
    /// Creates a script of these steps.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = steps.into_iter().map(Arc::new).collect();
        Self {
            steps,
            cycle: false,
            next: 0,
            failures: None,
        }
    }

    /// Starts again after the last step.
    pub fn cycle(mut self) -> Self {
        self.cycle = true;
        self
    }

    /// Adds a step; as the last one it is what every further request gets.
    pub fn then(mut self, step: Step) -> Self {
        self.steps.push(Arc::new(step));
        self
    }

    /// Lets a share of the requests get `step` instead, drawn with a seeded generator.
    ///
    /// `rate` is a probability: values outside of 0 to 1 are clamped, NaN is 0. Such a request does not use up a step
    /// of the script.
    pub fn fail(mut self, rate: f64, seed: u64, step: Step) -> Self {
        let rate = if rate.is_nan() {
            0.0
        } else {
            rate.clamp(0.0, 1.0)
        };
        self.failures = Some(Failures {
            rate,
            rng: Rng::with_seed(seed),
            step: Arc::new(step),
        });
        self
    }

    pub(crate) fn next(&mut self) -> Arc<Step> {
        if let Some(failures) = &mut self.failures
            && failures.rng.f64() < failures.rate
        {
            return Arc::clone(&failures.step);
        }
        let Some(step) = self.steps.get(self.next) else {
            return Arc::default();
        };
        if self.next + 1 < self.steps.len() {
            self.next += 1;
        } else if self.cycle {
            self.next = 0;
        }
        Arc::clone(step)
    }
}

impl Default for Script {
    fn default() -> Self {
        Self::new([])
    }
}

impl From<Step> for Script {
    fn from(step: Step) -> Self {
        Self::new([step])
    }
}

impl From<Vec<Step>> for Script {
    fn from(steps: Vec<Step>) -> Self {
        Self::new(steps)
    }
}

impl<const N: usize> From<[Step; N]> for Script {
    fn from(steps: [Step; N]) -> Self {
        Self::new(steps)
    }
}
