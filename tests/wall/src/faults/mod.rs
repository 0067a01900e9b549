//! The faults, in the order of the table.

mod before;
mod recovery;
mod refusals;
mod rescue;
mod streams;

use crate::Fault;

/// Returns all faults.
#[must_use]
pub fn faults() -> Vec<Fault> {
    [
        refusals::all(),
        before::all(),
        streams::all(),
        rescue::all(),
        recovery::all(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
