//! Random calls, answers, drops and waits against a plain model.

use std::time::Duration;

use http::Response;
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::time::Instant;
use ziggurat_cooldown::ResponseBody;
use ziggurat_core::{FailureKind, vitals::Phase};
use ziggurat_testing::ScriptedBody;

use crate::support::{Answer, Deployment, body, limited, request, rules, status};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A call that ends at its head.
    Head(u16),
    /// A 429 that asks for a wait.
    Limited(u64),
    /// A call whose body is kept; it will end well or not.
    Begin(bool),
    /// The kept body at this place is read to its end, or dropped.
    End(usize, bool),
    Wait(u64),
}

#[derive(Clone, Copy, Debug)]
struct Config {
    time: u64,
    max_time: u64,
    max_retry_after: u64,
    window: u64,
    share: f64,
    min_calls: u64,
    allowed: Option<u64>,
}

/// The rules, written down as plainly as can be. All times are milliseconds.
struct Model {
    config: Config,
    now: u64,
    /// When each call ended, and whether it failed.
    calls: Vec<(u64, bool)>,
    until: Option<u64>,
    trial: bool,
    strikes: u32,
}

impl Model {
    fn new(config: Config) -> Self {
        Self {
            config,
            now: 0,
            calls: Vec::new(),
            until: None,
            trial: false,
            strikes: 0,
        }
    }

    fn is_cooling(&self) -> bool {
        self.until.is_some_and(|until| until > self.now)
    }

    /// Returns whether a call passes, and whether it is the trial.
    fn enter(&mut self) -> Option<bool> {
        match self.until {
            None => Some(false),
            Some(_) if self.is_cooling() || self.trial => None,
            Some(_) => {
                self.trial = true;
                Some(true)
            }
        }
    }

    /// Returns calls and failures in the window, which moves in twelfths.
    fn sum(&self) -> (u64, u64) {
        let step = self.config.window / 12;
        let within = |at: u64| at / step + 12 > self.now / step;
        let calls = self.calls.iter().filter(|(at, _)| within(*at));
        calls.fold((0, 0), |(calls, failures), (_, failed)| {
            (calls + 1, failures + u64::from(*failed))
        })
    }

    fn succeed(&mut self, trial: Option<u64>) {
        if let Some(seen) = trial {
            self.trial = false;
            if self.until == Some(seen) {
                (self.until, self.strikes) = (None, 0);
                self.calls.clear();
            }
        }
        self.calls.push((self.now, false));
    }

    fn fail(&mut self, trial: Option<u64>, immediate: bool, retry_after: u64) {
        self.calls.push((self.now, true));
        let (calls, failures) = self.sum();
        let config = self.config;
        let too_many = match config.allowed {
            Some(allowed) => failures > allowed,
            None => calls >= config.min_calls && failures as f64 > config.share * calls as f64,
        };
        if let Some(seen) = trial {
            self.trial = false;
            self.strikes += u32::from(self.until == Some(seen));
        }
        if trial.is_some() || immediate || too_many {
            let grown = (config.time << self.strikes).min(config.max_time.max(config.time));
            let rest = grown.max(retry_after.min(config.max_retry_after));
            let until = self.now + rest;
            self.until = Some(self.until.map_or(until, |old| old.max(until)));
        }
    }

    fn phase(&self) -> Phase {
        match self.until {
            None => Phase::Closed,
            Some(until) if until > self.now => {
                Phase::Cooling(Duration::from_millis(until - self.now))
            }
            Some(_) if self.trial => Phase::Trial,
            Some(_) => Phase::Waiting,
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop_oneof![Just(200), Just(500), Just(503), Just(408), Just(400)].prop_map(Step::Head),
        1 => prop_oneof![Just(401), Just(404), Just(402)].prop_map(Step::Head),
        1 => (0_u64..30).prop_map(Step::Limited),
        4 => any::<bool>().prop_map(Step::Begin),
        6 => (0..4_usize, prop::bool::weighted(0.7)).prop_map(|(place, read)| Step::End(place, read)),
        4 => (0_u64..12_000).prop_map(Step::Wait),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    let times = (1_u64..10_000, 0_u64..60_000, 0_u64..20_000);
    let rules = (0.0..1.0, 1_u64..8, prop::option::of(0_u64..5));
    (times, 1_u64..3_000, rules).prop_map(|(times, window, (share, min_calls, allowed))| Config {
        time: times.0,
        max_time: times.1,
        max_retry_after: times.2,
        window: window * 12,
        share,
        min_calls,
        allowed,
    })
}

fn deployment(config: Config) -> Deployment {
    let ms = Duration::from_millis;
    let rules = rules()
        .cooldown_time(ms(config.time))
        .max_time(ms(config.max_time))
        .max_retry_after(ms(config.max_retry_after))
        .window(ms(config.window))
        .allowed_fails_window(ms(config.window))
        .failure_share(config.share, config.min_calls as u32)
        .all_failed(0);
    Deployment::new(match config.allowed {
        Some(allowed) => rules.allowed_fails(allowed as u32),
        None => rules,
    })
}

fn answer(step: Step) -> Answer {
    match step {
        Step::Begin(true) => body(ScriptedBody::new().data("a")),
        Step::Begin(false) => body(ScriptedBody::new().data("a").error("reset")),
        Step::Head(200) => body(ScriptedBody::new()),
        Step::Head(code) => status(code),
        Step::Limited(seconds) => limited(&seconds.to_string()),
        Step::End(..) | Step::Wait(_) => unreachable!("no call"),
    }
}

/// A response whose body is not read yet, whether that ends well, and the end of the cooldown that it is the trial of.
type Kept = (Response<ResponseBody<ScriptedBody>>, bool, Option<u64>);

struct Run {
    deployment: Deployment,
    model: Model,
    kept: Vec<Kept>,
    calls: usize,
}

impl Run {
    async fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Wait(ms) => tokio::time::advance(Duration::from_millis(ms)).await,
            Step::End(place, _) if place >= self.kept.len() => {}
            Step::End(place, read) => {
                let (response, well, trial) = self.kept.remove(place);
                if read {
                    let read = response.into_body().collect().await;
                    prop_assert_eq!(read.is_ok(), well);
                }
                match trial {
                    _ if read && well => self.model.succeed(trial),
                    _ if read => self.model.fail(trial, false, 0),
                    Some(_) => self.model.trial = false,
                    None => {}
                }
            }
            Step::Begin(_) | Step::Head(_) | Step::Limited(_) => self.call(step).await?,
        }
        Ok(())
    }

    async fn call(&mut self, step: Step) -> Result<(), TestCaseError> {
        let model = &mut self.model;
        let seen = model.until;
        let expected = model.enter();
        prop_assert_eq!(self.deployment.admit().is_ok(), expected.is_some());
        let result = self.deployment.head(answer(step), request()).await;
        let Some(is_trial) = expected else {
            let failure = result.unwrap_err();
            prop_assert_eq!(failure.kind(), FailureKind::CoolingDown);
            prop_assert!(failure.retry_after().unwrap() >= Duration::from_millis(1));
            return Ok(());
        };
        prop_assert!(result.is_ok());
        self.calls += 1;
        let trial = seen.filter(|_| is_trial);
        match step {
            Step::Begin(well) => self.kept.push((result.unwrap(), well, trial)),
            Step::Head(200) => model.succeed(trial),
            Step::Head(400) => model.trial &= !is_trial,
            Step::Head(code) => model.fail(trial, code < 405, 0),
            Step::Limited(seconds) => model.fail(trial, true, seconds * 1000),
            Step::End(..) | Step::Wait(_) => unreachable!("no call"),
        }
        Ok(())
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        let breaker = &self.deployment.breaker;
        let sum = (breaker.calls(), breaker.failures());
        prop_assert_eq!(sum, self.model.sum());
        prop_assert_eq!(self.deployment.phase(), self.model.phase());
        prop_assert_eq!(breaker.snapshot().strikes, self.model.strikes);
        prop_assert_eq!(self.deployment.inner.calls(), self.calls);
        Ok(())
    }
}

async fn run(config: Config, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let begun = Instant::now();
    let mut run = Run {
        deployment: deployment(config),
        model: Model::new(config),
        kept: Vec::new(),
        calls: 0,
    };
    for step in steps {
        run.step(step).await?;
        run.model.now = begun.elapsed().as_millis() as u64;
        run.compare()?;
    }
    // All that is left is dropped, and no trial stays reserved.
    run.kept.clear();
    prop_assert!(run.deployment.phase() != Phase::Trial);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1000), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_course_of_events_is_that_of_the_model(
        config in config(),
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(config, steps))?;
    }
}
