//! A policy is no `Pick`.

use ziggurat_balance::{Balance, Candidate, Endpoint};

struct First;

#[cfg(not(broken))]
impl ziggurat_balance::Pick for First {
    fn pick(&self, _: &[Candidate<'_>]) -> usize {
        0
    }
}

fn main() {
    drop(Balance::with_policy([Endpoint::new("a", ())], First));
}

#[cfg(broken)]
fn _used(_: Candidate<'_>) {}
