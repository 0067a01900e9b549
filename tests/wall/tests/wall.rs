//! The whole wall, in short times.

use ziggurat_wall::{Pace, outcomes, play, table};

const PAGE: &str = include_str!("../../../examples/proxy/faults.md");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_comes_to_a_good_end() {
    let rows = play(Pace::brief(), "", 16).await;
    let table = table(&rows);
    println!("{table}");
    let problems = rows.iter().any(|row| !row.problems.is_empty());
    assert!(!problems, "\n{table}");
    // What operators are told comes true.
    let outcomes = outcomes(&rows);
    assert!(
        PAGE.contains(&outcomes),
        "faults.md should have\n{outcomes}"
    );
}
