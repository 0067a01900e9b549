//! Plays the wall and shows its table: briefly, or with `--full` in the times of an operator, which takes some minutes.
//!
//! `--outcomes` shows less: what is the same each time.
//!
//! A word as an argument plays the faults that have it in their name. Ends with status 1 if something is not as it should be.

use std::{env, process::ExitCode};

use ziggurat_wall::{Pace, outcomes, play, table};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let full = arguments.iter().any(|argument| argument == "--full");
    let words = arguments
        .iter()
        .filter(|argument| !argument.starts_with("--"));
    let name = words.map(String::as_str).collect::<Vec<_>>().join(" ");
    let (pace, at_once) = if full {
        (Pace::full(), 32)
    } else {
        (Pace::brief(), 16)
    };
    let rows = play(pace, &name, at_once).await;
    let short = arguments.iter().any(|argument| argument == "--outcomes");
    let show = if short { outcomes } else { table };
    println!("{}", show(&rows));
    match rows.iter().all(|row| row.problems.is_empty()) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
