//! Counts the instructions and allocations of each layer by callgrind: see the crate's README.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod callgrind;
mod cases;
mod expected;
mod leaf;
mod report;
mod round;

use std::{env, process::ExitCode};

use cases::{Build, Kind, Row};

/// For each round before the count begins, so that one-time work and the first growth of buffers are over, so many after.
const AFTER: u32 = 5;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    match &*arguments {
        [flag, case] if flag == callgrind::CASE => {
            let (build, rounds) = find(case).expect("the name of a case");
            run(build, rounds / AFTER, rounds);
            ExitCode::SUCCESS
        }
        _ if !has("--bench") => smoke(),
        _ if !callgrind::is_installed() => {
            println!("!!! SKIPPED: valgrind is not installed, no instruction was counted. !!!");
            ExitCode::SUCCESS
        }
        _ => {
            let words = arguments.iter().filter(|word| !word.starts_with("--"));
            measure(
                &words.cloned().collect::<Vec<_>>(),
                has("--check"),
                has("--bless"),
            )
        }
    }
}

/// Runs every case once, uncounted.
fn smoke() -> ExitCode {
    for (case, _) in names(&cases::rows()) {
        let (build, _) = find(&case).expect("it is listed");
        run(build, 0, 1);
    }
    println!("every case ran once; `cargo bench` counts");
    ExitCode::SUCCESS
}

fn measure(words: &[String], check: bool, bless: bool) -> ExitCode {
    let mut rows = cases::rows();
    let wanted =
        |row: &Row| words.is_empty() || words.iter().any(|word| row.name.contains(&**word));
    rows.retain(|row| row.kind == Kind::Base || wanted(row));
    let counts = callgrind::count_all(&names(&rows));
    let lines = report::lines(&rows, &counts);
    report::print(&lines);
    if bless {
        expected::write(&lines);
    }
    if !check {
        return ExitCode::SUCCESS;
    }
    let faults = expected::compare(&lines);
    for fault in &faults {
        println!("FAILED: {fault}");
    }
    if faults.is_empty() {
        println!("all counts are as expected");
        ExitCode::SUCCESS
    } else {
        println!("if that is meant: cargo bench -p ziggurat-benches -- --bless");
        ExitCode::FAILURE
    }
}

fn run(build: Build, warm_up: u32, rounds: u32) {
    // Timers need a clock to register with; nothing is spawned.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without I/O");
    let _context = runtime.enter();
    let mut round = build();
    for _ in 0..warm_up {
        round();
    }
    collected_by_callgrind(&mut round, rounds);
}

/// The only part that is counted: callgrind knows it by its name.
#[inline(never)]
fn collected_by_callgrind(round: &mut dyn FnMut(), rounds: u32) {
    for _ in 0..rounds {
        round();
    }
}

const PEER: &str = " | peer";

/// The names of all cases, with their rounds.
fn names(rows: &[Row]) -> Vec<(String, u32)> {
    let names = rows.iter().flat_map(|row| {
        let peer = row.peer.is_some().then(|| format!("{}{PEER}", row.name));
        [Some(row.name.to_owned()), peer].map(|name| Some((name?, row.rounds)))
    });
    names.flatten().collect()
}

fn find(case: &str) -> Option<(Build, u32)> {
    let rows = cases::rows();
    let (name, of_peer) = match case.strip_suffix(PEER) {
        Some(name) => (name, true),
        None => (case, false),
    };
    let row = rows.into_iter().find(|row| row.name == name)?;
    if of_peer {
        return row.peer.map(|(_, build)| (build, row.rounds));
    }
    Some((row.build, row.rounds))
}
