use std::ops::RangeInclusive;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::{
    Pace, Play, Row, Seen,
    answer::FALLBACK,
    proxy::Broken,
    row::Expect,
    stage::{Address, BUDGET, DEFAULTS, Setting, Stage, TIMEOUT, http},
};

/// Something that goes wrong at an upstream.
#[derive(Debug)]
pub struct Fault {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// One request meets it.
    Once(Box<Once>),
    /// It shows over several requests.
    Story(Story),
}

/// Plays several requests, and fills the row.
pub(crate) type Story = for<'a> fn(Pace, &'a mut Row) -> BoxFuture<'a, Result<(), Broken>>;

#[derive(Debug)]
pub(crate) struct Once {
    primary: fn(Pace) -> Play,
    fallback: fn(Pace) -> Play,
    address: Address,
    setting: Setting,
    members: Value,
    plain: Expect,
    stream: Expect,
}

/// Seconds in which what does not wait for a time limit is done.
const AT_ONCE: RangeInclusive<f64> = 0.0..=0.0;

impl Expect {
    /// Each attempt fails at once, so all are made; then the other answers.
    pub(crate) fn fallback() -> Self {
        Self {
            seen: Seen::Fallback,
            primary: BUDGET..=BUDGET,
            fallback: 1,
            within: AT_ONCE,
        }
    }

    /// The time limit passes, once; then the other answers.
    pub(crate) fn fallback_after_silence() -> Self {
        Self::fallback().calls(1).within(TIMEOUT..=TIMEOUT)
    }

    /// The primary's answer, at once.
    pub(crate) fn primary() -> Self {
        Self {
            seen: Seen::Primary,
            primary: 1..=1,
            fallback: 0,
            within: AT_ONCE,
        }
    }

    /// What is wrong is told, and nobody else is asked.
    pub(crate) fn only(seen: Seen) -> Self {
        Self {
            seen,
            ..Self::primary()
        }
    }

    pub(crate) fn seen(self, seen: Seen) -> Self {
        Self { seen, ..self }
    }

    pub(crate) fn calls(mut self, primary: usize) -> Self {
        self.primary = primary..=primary;
        self
    }

    pub(crate) fn fallback_calls(mut self, fallback: usize) -> Self {
        self.fallback = fallback;
        self
    }

    /// Sets when the caller has everything, in seconds of an operator.
    pub(crate) fn within(mut self, within: RangeInclusive<f64>) -> Self {
        self.within = within;
        self
    }

    /// Notes in a row where it is otherwise.
    fn compare(&self, row: &mut Row, pace: Pace) {
        if let Ok(seen) = row.seen {
            row.holds(seen == self.seen, format!("expected: {}", self.seen));
        }
        row.holds(
            self.primary.contains(&row.primary),
            format!("expected calls of the primary: {:?}", self.primary),
        );
        row.holds(
            row.fallback == self.fallback,
            format!("expected calls of the fallback: {}", self.fallback),
        );
        let (from, to) = (pace.of(*self.within.start()), pace.of(*self.within.end()));
        // A timer may be early by its own grain.
        let early = row.took + std::time::Duration::from_millis(5) < from;
        row.holds(!early, format!("expected to last {from:?}"));
        row.holds(
            row.took <= to + pace.slack(),
            format!("expected to be done after {to:?}"),
        );
    }
}

// === impl Fault ===

impl Fault {
    /// One request meets a primary that behaves like this; the fallback answers as it should.
    pub(crate) fn once(name: &'static str, primary: fn(Pace) -> Play, expect: Expect) -> Self {
        let once = Once {
            primary,
            fallback: |_| Play::each(|call| FALLBACK.answer(call.streams())),
            address: http,
            setting: DEFAULTS,
            members: json!({}),
            plain: expect.clone(),
            stream: expect,
        };
        let kind = Kind::Once(Box::new(once));
        Self { name, kind }
    }

    pub(crate) fn story(name: &'static str, story: Story) -> Self {
        let kind = Kind::Story(story);
        Self { name, kind }
    }

    fn with(mut self, change: impl FnOnce(&mut Once)) -> Self {
        if let Kind::Once(once) = &mut self.kind {
            change(once);
        }
        self
    }

    /// Expects something else of a stream.
    pub(crate) fn stream(self, expect: Expect) -> Self {
        self.with(|once| once.stream = expect)
    }

    pub(crate) fn at(self, address: Address) -> Self {
        self.with(|once| once.address = address)
    }

    pub(crate) fn set(self, setting: Setting) -> Self {
        self.with(|once| once.setting = setting)
    }

    pub(crate) fn with_fallback(self, fallback: fn(Pace) -> Play) -> Self {
        self.with(|once| once.fallback = fallback)
    }

    pub(crate) fn asking(self, members: Value) -> Self {
        self.with(|once| once.members = members)
    }

    /// Returns what it is called in the table.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Lets a proxy meet it, and says what came of that.
    pub async fn play(&self, pace: Pace, streams: bool) -> Row {
        let mut row = Row::new(self.name, streams);
        let played = match &self.kind {
            Kind::Once(once) => once.play(pace, &mut row).await,
            Kind::Story(story) => story(pace, &mut row).await,
        };
        if let Err(broken) = played {
            row.problems.push(format!("the wall broke: {broken}"));
        }
        row
    }
}

// === impl Once ===

impl Once {
    async fn play(&self, pace: Pace, row: &mut Row) -> Result<(), Broken> {
        let stage = Stage::set(
            pace,
            (self.primary)(pace),
            (self.fallback)(pace),
            self.address,
            self.setting,
        )
        .await?;
        stage.ask_and_note(row, row.streams, &self.members).await?;
        stage.look_around(row).await?;
        row.exact = true;
        let expect = if row.streams {
            &self.stream
        } else {
            &self.plain
        };
        expect.compare(row, pace);
        Ok(())
    }
}
