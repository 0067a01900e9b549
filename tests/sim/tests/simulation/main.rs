//! The proxy between callers and upstreams in a simulated network.

mod answer;
mod caller;
mod ledger;
mod network;
mod plan;
mod proxy;
mod scene;
mod upstream;

use std::{env, ops::Range, panic::catch_unwind};

use self::scene::play;

/// Seeds of a run without `SEEDS`.
const SEEDS: u64 = 50;

fn number(name: &str) -> Option<u64> {
    let number = env::var(name).ok()?;
    Some(number.parse().expect("a number"))
}

/// The seeds to play: one, or the first so many.
fn seeds() -> Range<u64> {
    match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(SEEDS),
    }
}

/// Plays a seed, and returns what is wrong with it, and how many requests were served.
fn problems(seed: u64) -> (Vec<String>, usize) {
    match catch_unwind(|| play(seed)) {
        Ok(played) => {
            if !played.problems.is_empty() || env::var("SEED").is_ok() {
                played.trace.iter().for_each(|line| println!("{line}"));
            }
            (played.problems, played.whole)
        }
        Err(_) => (vec!["the simulation itself panics".to_owned()], 0),
    }
}

#[test]
fn every_seed_ends_well() {
    let (mut failed, mut whole) = (0, 0);
    for seed in seeds() {
        let (problems, served) = problems(seed);
        whole += served;
        if problems.is_empty() {
            continue;
        }
        failed += 1;
        println!("seed {seed}:");
        problems.iter().for_each(|problem| println!("  {problem}"));
        println!(
            "  again: SEED={seed} cargo test --package ziggurat-sim every_seed -- --nocapture"
        );
    }
    println!("{whole} requests were served whole");
    assert!(failed == 0, "{failed} seeds went wrong");
    assert!(whole > 0, "nothing was served");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let [first, second] = [7, 7].map(play);
    assert_eq!(first.trace, second.trace);
    assert!(first.trace.len() > 100, "hardly a story");
    assert_ne!(first.trace, play(8).trace);
}
