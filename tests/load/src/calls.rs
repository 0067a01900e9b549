//! Time: of the processor for a call and an event, of callers, and from the start; and memory.

use std::time::Duration;

use tokio::time::{Instant, interval};

use crate::{
    Result,
    caller::{Load, Outcome},
    process::{OTHERS, Role, part},
    table::{self, median},
    target::Target,
};

/// Each target once in a round, in an order that turns.
pub(crate) const ROUNDS: usize = 5;

const fn plain(connections: usize, calls: usize, kib: usize) -> Load {
    Load {
        connections,
        calls,
        kib,
        events: 0,
    }
}

const WARM_UP: Load = plain(8, 800, 1);
const SMALL: Load = plain(16, 16_000, 1);
const MIDDLE: Load = plain(16, 6_400, 32);
const LARGE: Load = plain(16, 1_600, 200);
const ALONE: Load = plain(1, 2_000, 1);
const CROWD: Load = plain(64, 19_200, 1);
const FIRST_TOKENS: Load = Load {
    connections: 1,
    calls: 200,
    kib: 1,
    events: 1,
};
const EVENTS: Load = Load {
    connections: 32,
    calls: 32,
    kib: 1,
    events: 200,
};

/// The figures of one target in one round, in the order of the table.
const NAMES: [&str; 10] = [
    "CPU of a call, 1 KB, µs",
    "32 KB, µs",
    "200 KB, µs",
    "CPU of an event, µs",
    "added to a call alone, p50, µs",
    "added to the first event, p50, µs",
    "calls/s, 64 connections",
    "memory at start, MiB",
    "with 64 connections, MiB",
    "start to first answer, ms",
];

/// Measures, and prints the table.
#[tokio::main]
pub(crate) async fn run(rounds: usize) -> Result<()> {
    let upstream = Role::start(part(OTHERS, &["upstream"])?).await?;
    let targets: Vec<_> = Target::all().collect();
    let mut figures = vec![Vec::new(); targets.len()];
    for round in 0..rounds {
        let direct = [
            ALONE.play(&upstream.address).await?,
            FIRST_TOKENS.play(&upstream.address).await?,
        ];
        for turn in 0..targets.len() {
            let at = (round + turn) % targets.len();
            figures[at].push(measure(targets[at], &upstream.address, direct).await?);
        }
    }
    table::head(
        &[
            &["medians (times the bare proxy's)"],
            &*targets.iter().map(|it| it.name()).collect::<Vec<_>>(),
        ]
        .concat(),
    );
    for (at, name) in NAMES.iter().enumerate() {
        let medians = figures
            .iter()
            .map(|rounds| median(rounds.iter().map(|round| round[at]).collect()));
        let medians: Vec<_> = medians.collect();
        let cells = medians
            .iter()
            .map(|figure| table::beside(*figure, medians[0], 1));
        table::row(name, &cells.collect::<Vec<_>>());
    }
    Ok(())
}

async fn measure(
    target: Target,
    upstream: &str,
    direct: [Outcome; 2],
) -> Result<[f64; NAMES.len()]> {
    let started = Instant::now();
    let running = target.start(upstream).await?;
    let role = &running.role;
    plain(1, 1, 1).play(&role.address).await?;
    let start = started.elapsed();
    let idle = role.resident()?;
    WARM_UP.play(&role.address).await?;
    let calls = [
        cpu(role, SMALL, SMALL.calls).await?,
        cpu(role, MIDDLE, MIDDLE.calls).await?,
        cpu(role, LARGE, LARGE.calls).await?,
    ];
    let event = cpu(role, EVENTS, EVENTS.calls * EVENTS.events).await?;
    let alone = ALONE.play(&role.address).await?;
    let first = FIRST_TOKENS.play(&role.address).await?;
    let (crowd, busy) = watched(role, CROWD).await?;
    let added = [(alone, direct[0]), (first, direct[1])]
        .map(|(through, direct)| micros(through.median) - micros(direct.median));
    Ok([
        calls[0],
        calls[1],
        calls[2],
        event,
        added[0],
        added[1],
        CROWD.calls as f64 / crowd.took.as_secs_f64(),
        mebibytes(idle),
        mebibytes(busy),
        start.as_secs_f64() * 1e3,
    ])
}

/// Microseconds of the processor for each of so many things.
async fn cpu(role: &Role, load: Load, things: usize) -> Result<f64> {
    let before = role.cpu()?;
    load.play(&role.address).await?;
    Ok(micros(role.cpu()? - before) / things as f64)
}

/// The most memory that is taken under a load, too.
async fn watched(role: &Role, load: Load) -> Result<(Outcome, i64)> {
    let mut most = 0;
    let mut looks = interval(Duration::from_millis(20));
    let playing = load.play(&role.address);
    tokio::pin!(playing);
    loop {
        tokio::select! {
            outcome = &mut playing => return Ok((outcome?, most)),
            _ = looks.tick() => most = most.max(role.resident()?),
        }
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn mebibytes(bytes: i64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
