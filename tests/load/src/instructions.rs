//! Instructions in user space, counted by callgrind: the same on a busy machine as on an idle one.

use std::{env, fs, process};

use crate::{
    Result,
    caller::Load,
    process::{MEASURED, OTHERS, Role, on, part},
    table,
    target::Target,
};

/// Calls of the short run, which is taken off, and with it the start and what is made at the first calls.
const SHORT: usize = 200;
/// Calls of the long run.
const LONG: usize = 1200;

/// Two loads, and how many things are in the second one that are not in the first.
struct Work {
    name: &'static str,
    short: Load,
    long: Load,
    more: usize,
}

fn plain(name: &'static str, kib: usize) -> Work {
    let load = |calls| Load {
        connections: 1,
        calls,
        kib,
        events: 0,
    };
    Work {
        name,
        short: load(SHORT),
        long: load(LONG),
        more: LONG - SHORT,
    }
}

fn events(name: &'static str) -> Work {
    let load = |events| Load {
        connections: 1,
        calls: 5,
        kib: 1,
        events,
    };
    Work {
        name,
        short: load(20),
        long: load(220),
        more: 5 * 200,
    }
}

/// Counts, and prints the table.
#[tokio::main]
pub(crate) async fn run() -> Result<()> {
    let works = [
        plain("a call of 1 KB", 1),
        plain("a call of 32 KB", 32),
        plain("a call of 200 KB", 200),
        events("an event"),
    ];
    let upstream = Role::start(part(OTHERS, &["upstream"])?).await?;
    let names: Vec<_> = works.iter().map(|work| work.name).collect();
    table::head(&[&["user instructions (times the bare proxy's)"], &*names].concat());
    let mut floors: Option<Vec<f64>> = None;
    for target in Target::all() {
        let mut counts = Vec::new();
        for work in &works {
            let short = count(target, &upstream.address, work.short).await?;
            let long = count(target, &upstream.address, work.long).await?;
            counts.push((long - short) as f64 / work.more as f64);
        }
        let floors = floors.get_or_insert_with(|| counts.clone());
        let cells = counts
            .iter()
            .zip(floors)
            .map(|(count, floor)| table::beside(*count, *floor, 0));
        table::row(target.name(), &cells.collect::<Vec<_>>());
    }
    Ok(())
}

/// All instructions of a process that serves a load.
async fn count(target: Target, upstream: &str, load: Load) -> Result<u64> {
    let profile = env::temp_dir().join(format!("ziggurat-load-{}.callgrind", process::id()));
    let mut valgrind = on(MEASURED);
    valgrind.args(["valgrind", "--tool=callgrind"]);
    valgrind.arg(format!("--callgrind-out-file={}", profile.display()));
    let running = target.start_by(valgrind, upstream).await?;
    load.play(&running.role.address).await?;
    running.role.terminate().await?;
    let text = fs::read_to_string(&profile)?;
    fs::remove_file(&profile)?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.ok_or("a profile has no total")?.trim().parse()?)
}
