//! The whole wall, in short times.

use ziggurat_wall::{Pace, play, table};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_comes_to_a_good_end() {
    let rows = play(Pace::brief(), "", 16).await;
    let table = table(&rows);
    println!("{table}");
    let problems = rows.iter().any(|row| !row.problems.is_empty());
    assert!(!problems, "\n{table}");
}
