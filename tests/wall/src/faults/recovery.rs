//! Faults that show over several requests: who is spared, and who comes back.

use std::time::Duration;

use futures_util::{FutureExt, future::try_join_all};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    Call, Fault, Pace, Play, Row, Scene, Seen,
    answer::{FALLBACK, PRIMARY, error},
    proxy::Broken,
    stage::{BUDGET, COOLDOWN, DEFAULTS, Stage, http, is_answer},
    view::View,
};

type Told = Result<(), Broken>;

pub(super) fn all() -> Vec<Fault> {
    vec![
        Fault::story("429 with Retry-After", |pace, row| {
            retry_after(pace, row).boxed()
        }),
        Fault::story("closed while idle in the pool", |pace, row| {
            stale(pace, row, Gone::Idle).boxed()
        }),
        Fault::story("closed as the next request comes", |pace, row| {
            stale(pace, row, Gone::Closed).boxed()
        }),
        Fault::story("reset as the next request comes", |pace, row| {
            stale(pace, row, Gone::Reset).boxed()
        }),
        Fault::story("flapping: down for 60 s, twenty requests", |pace, row| {
            flapping(pace, row).boxed()
        }),
        Fault::story("a crowd when it recovers", |pace, row| {
            crowd(pace, row).boxed()
        }),
    ]
}

fn fallback() -> Play {
    Play::each(|call| FALLBACK.answer(call.streams()))
}

fn unavailable() -> Scene {
    Scene::new().send(error(
        "503 Service Unavailable",
        "",
        "overloaded",
        "try another time",
    ))
}

/// Callers that come one after the other, at even distances, until one of them has seen enough.
async fn ask_until(
    stage: &Stage,
    row: &mut Row,
    every: Duration,
    mut enough: impl FnMut(usize, &View, Option<Seen>) -> bool,
) -> Told {
    let mut arrivals = interval(every);
    arrivals.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (streams, mut number) = (row.streams, 0);
    loop {
        arrivals.tick().await;
        number += 1;
        let view = stage.ask_and_note(row, streams, &json!({})).await?;
        if enough(number, &view, row.seen.clone().ok()) {
            return Ok(());
        }
    }
}

/// The first request is limited. Nobody is sent there before the time that it asked for, then one, then all.
async fn retry_after(pace: Pace, row: &mut Row) -> Told {
    let wait = pace.whole_seconds(20.0);
    let limited = move |call: &Call| match call.number {
        0 => {
            let line = format!("retry-after: {}\r\n", wait.as_secs());
            Scene::new().send(error(
                "429 Too Many Requests",
                &line,
                "rate_limit_exceeded",
                "slow down",
            ))
        }
        _ => PRIMARY.answer(call.streams()),
    };
    let stage = Stage::set(pace, Play::each(limited), fallback(), http, DEFAULTS).await?;
    let begun = Instant::now();
    let limit = wait + pace.of(COOLDOWN) + pace.slack();
    ask_until(&stage, row, wait / 10, |_, _, seen| {
        seen != Some(Seen::Fallback) || begun.elapsed() > limit
    })
    .await?;
    stage.look_around(row).await?;
    row.holds(row.seen == Ok(Seen::Primary), "it does not come back");
    row.holds(row.primary == 2, "expected calls of the primary: 2");
    if let [first, second] = stage.asked()[..] {
        // The wait begins when the answer is read, which is later than what is measured here.
        row.holds(second - first >= wait, "asked before the wait was over");
    }
    Ok(())
}

/// A connection that served a request is gone when the next one is sent on it, or closes as that comes: not the fault of
/// the request, which has no retries left here, nor of the deployment.
async fn stale(pace: Pace, row: &mut Row, when: Gone) -> Told {
    let play = Play::each(move |call| match (call.number, when) {
        (0, Gone::Idle) => PRIMARY.answer(call.streams()).close(),
        (1, Gone::Closed) => Scene::new().close(),
        (1, Gone::Reset) => Scene::new().reset(),
        _ => PRIMARY.answer(call.streams()),
    });
    let stage = Stage::set(pace, play, fallback(), http, DEFAULTS).await?;
    for _ in 0..2 {
        let view = stage
            .ask_and_note(row, row.streams, &json!({"num_retries": 0}))
            .await?;
        row.holds(row.seen == Ok(Seen::Primary), "the other is asked");
        for (name, count) in [
            ("x-litellm-attempted-retries", "0"),
            ("x-litellm-total-attempts", "1"),
        ] {
            row.holds(
                view.header(name) == count,
                format!("{name}: {}", view.header(name)),
            );
        }
        row.holds(stage.primary.is_left(pace.slack()).await, "it does not end");
    }
    stage.look_around(row).await?;
    if when != Gone::Idle {
        row.holds(row.primary == 3, "expected calls of the primary: 3");
        let connections: Vec<_> = stage
            .primary
            .calls()
            .iter()
            .map(|call| call.connection)
            .collect();
        row.holds(
            connections.starts_with(&[0, 0]),
            "the connection is not used again",
        );
    }
    Ok(())
}

/// When a connection goes that was kept for another request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// Before that comes.
    Idle,
    /// In place of its answer, in good order.
    Closed,
    /// In place of its answer, with a reset.
    Reset,
}

/// Down at first, for so long that it rests; then up. All are answered all the time.
async fn flapping(pace: Pace, row: &mut Row) -> Told {
    let (down, every) = (pace.of(60.0), pace.of(5.0));
    let begun = Instant::now();
    let up = begun + down;
    let play = Play::each(move |call| match call.at < up {
        true => unavailable(),
        false => PRIMARY.answer(call.streams()),
    });
    let stage = Stage::set(pace, play, fallback(), http, DEFAULTS).await?;
    let mut answers = Vec::new();
    ask_until(&stage, row, every, |number, view, seen| {
        // When it was asked, at the latest.
        answers.push((Instant::now() - view.took, seen));
        number == 20
    })
    .await?;
    stage.look_around(row).await?;
    for (number, (_, seen)) in answers.iter().enumerate() {
        row.holds(is_answer(seen), format!("request {number}: {seen:?}"));
    }
    let asked = stage.asked();
    let while_down = asked.iter().filter(|at| **at < up).count();
    // Five failures make it rest; after that there is one trial for each rest. The last of the five may be the first of
    // three attempts.
    let trials = (down.as_secs_f64() / pace.of(COOLDOWN).as_secs_f64()).ceil() as usize;
    let most = 5 + BUDGET + trials;
    row.holds(
        while_down <= most,
        format!("{while_down} calls while it was down, expected at most {most}"),
    );
    let soon = up + pace.of(COOLDOWN) + every + pace.slack() / 2;
    let late = answers.iter().filter(|(at, _)| *at > soon);
    let late: Vec<_> = late
        .filter(|(_, seen)| *seen != Some(Seen::Primary))
        .collect();
    row.holds(
        late.is_empty(),
        format!("{} late requests do not go to the primary", late.len()),
    );
    row.holds(row.seen == Ok(Seen::Primary), "it does not come back");
    Ok(())
}

/// Many ask at the moment when the rest is over: one of them is the trial.
async fn crowd(pace: Pace, row: &mut Row) -> Told {
    const CALLERS: usize = 20;
    let trial = pace.of(5.0);
    // Until it rests.
    let play = Play::each(move |call| match call.number {
        0..5 => unavailable(),
        5 => Scene::new().wait(trial).and(PRIMARY.answer(call.streams())),
        _ => PRIMARY.answer(call.streams()),
    });
    let stage = Stage::set(pace, play, fallback(), http, DEFAULTS).await?;
    let begun = Instant::now();
    while stage.primary.count() < 5 && begun.elapsed() < pace.slack() {
        stage.ask_and_note(row, row.streams, &json!({})).await?;
    }
    let until = begun + pace.of(COOLDOWN) * 3 + pace.slack();
    let callers = (0..CALLERS).map(|_| until_served(&stage, row.streams, until));
    let mut last = None;
    for seen in try_join_all(callers).await? {
        for one in &seen {
            row.holds(is_answer(&one.clone().ok()), format!("{one:?}"));
        }
        last = seen.into_iter().last();
        let back = last == Some(Ok(Seen::Primary));
        row.holds(back, "a caller is never sent to the primary again");
    }
    row.seen = last.unwrap_or(Err("nobody came".to_owned()));
    stage.look_around(row).await?;
    if let [trial, rest @ ..] = stage.primary.calls().get(5..).unwrap_or_default() {
        let beside = |call: &&Call| trial.ended.is_none_or(|(end, _)| call.at < end);
        let beside = rest.iter().filter(beside).count();
        row.holds(beside == 0, format!("{beside} calls beside the trial"));
    }
    Ok(())
}

/// A caller who asks once a second until the primary answers.
async fn until_served(
    stage: &Stage,
    streams: bool,
    until: Instant,
) -> Result<Vec<Result<Seen, String>>, Broken> {
    let mut seen = Vec::new();
    let mut arrivals = interval(stage.pace.of(1.0));
    while Instant::now() < until && seen.last() != Some(&Ok(Seen::Primary)) {
        arrivals.tick().await;
        seen.push(stage.ask(streams).await?.judge());
    }
    Ok(seen)
}
