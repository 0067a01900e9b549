//! The table of results.

use std::collections::HashMap;

use crate::{
    PEER,
    callgrind::Count,
    cases::{Kind, Row},
};

/// The figures of a row, those of the leaf taken off.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) count: Count,
    pub(crate) peer: Option<(&'static str, Count)>,
}

pub(crate) fn lines(rows: &[Row], counts: &HashMap<String, Count>) -> Vec<Line> {
    let line = |row: &Row| {
        let base = counts.get(row.over);
        assert!(
            base.is_some() || row.over.is_empty(),
            "`{}` stands over nothing",
            row.name
        );
        let over = |name: &str| less(counts[name], base.copied());
        let peer = |(peer, _)| (peer, over(&format!("{}{PEER}", row.name)));
        Line {
            name: row.name,
            kind: row.kind,
            count: over(row.name),
            peer: row.peer.map(peer),
        }
    };
    rows.iter().map(line).collect()
}

fn less(count: Count, base: Option<Count>) -> Count {
    let Some(base) = base else {
        return count;
    };
    Count {
        instructions: count.instructions - base.instructions,
        allocations: count.allocations - base.allocations,
    }
}

pub(crate) fn print(lines: &[Line]) {
    println!("Instructions and allocations of a round, without those of the leaf.\n");
    println!("| case | instr. | alloc. | beside | instr. | alloc. | ours / theirs |");
    println!("|---|---:|---:|---|---:|---:|---:|");
    for line in lines {
        let Line { name, count, .. } = line;
        let ours = cells(*count);
        match (line.kind, &line.peer) {
            (Kind::Peer, _) => println!("| {name} (tower) | | | itself | {ours} | |"),
            (_, Some((peer, theirs))) => {
                let ratio = count.instructions / theirs.instructions;
                println!(
                    "| {name} | {ours} | {peer} | {} | {ratio:.2} |",
                    cells(*theirs)
                );
            }
            (_, None) => println!("| {name} | {ours} | | | | |"),
        }
    }
    println!();
}

fn cells(count: Count) -> String {
    // Allocations that come once in many rounds are those of buffers that grow.
    let allocations = format!("{:.2}", count.allocations);
    let allocations = allocations.trim_end_matches('0').trim_end_matches('.');
    let allocations = if allocations == "-0" {
        "0"
    } else {
        allocations
    };
    format!("{:.0} | {allocations}", count.instructions)
}
