//! The atomics of what is shared without locks: those of `std`, and loom's in tests that try every interleaving.

#[cfg(all(test, ziggurat_loom))]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
#[cfg(not(all(test, ziggurat_loom)))]
pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
