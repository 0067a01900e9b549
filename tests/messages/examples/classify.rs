//! What tells failures is no `Classify`.

use ziggurat_balance::{Balance, Endpoint};
use ziggurat_core::{FailureKind, Head};

struct ByHeader;

#[cfg(not(broken))]
impl ziggurat_core::Classify for ByHeader {
    fn head(&self, _: Head<'_>) -> Option<FailureKind> {
        None
    }
}

fn main() {
    drop(Balance::new([Endpoint::new("a", ())]).classify(ByHeader));
}

#[cfg(broken)]
fn _used(_: Head<'_>, _: FailureKind) {}
