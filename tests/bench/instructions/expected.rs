//! The committed figures, and how far a count may rise above them.

use std::{collections::HashMap, fs};

use crate::{cases::Kind, report::Line};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/expected.tsv");

/// How much dearer a row may become.
const SHARE: f64 = 0.05;
/// Instructions that rows of a few dozen may differ by from run to run.
const SLACK: f64 = 5.0;

/// Less than one allocation: the growth of a buffer may fall into the rounds or not.
const ALLOCATIONS: f64 = 0.5;

pub(crate) fn write(lines: &[Line]) {
    let mut text = String::from("# case\tinstructions\tallocations; written by --bless\n");
    for line in lines.iter().filter(|line| line.kind == Kind::Ours) {
        let count = line.count;
        text += &format!(
            "{}\t{:.0}\t{:.0}\n",
            line.name,
            count.instructions,
            count.allocations.abs()
        );
    }
    fs::write(PATH, text).expect("the table can be written");
}

/// Says what has become dearer, or is not in the table.
pub(crate) fn compare(lines: &[Line]) -> Vec<String> {
    let text = fs::read_to_string(PATH).expect("the table is there");
    let expected: HashMap<_, _> = text.lines().filter_map(entry).collect();
    let mut faults = Vec::new();
    for line in lines.iter().filter(|line| line.kind == Kind::Ours) {
        let Some(&(instructions, allocations)) = expected.get(line.name) else {
            faults.push(format!("`{}` is not in the table", line.name));
            continue;
        };
        let count = line.count;
        if count.instructions > instructions * (1.0 + SHARE) + SLACK {
            let now = count.instructions;
            faults.push(format!(
                "`{}`: {now:.0} instructions, expected {instructions:.0}",
                line.name
            ));
        }
        if count.allocations > allocations + ALLOCATIONS {
            let now = count.allocations;
            faults.push(format!(
                "`{}`: {now:.2} allocations, expected {allocations:.0}",
                line.name
            ));
        }
    }
    faults
}

fn entry(line: &str) -> Option<(&str, (f64, f64))> {
    let mut cells = line.split('\t');
    let name = cells.next().filter(|name| !name.starts_with('#'))?;
    Some((
        name,
        (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?),
    ))
}
