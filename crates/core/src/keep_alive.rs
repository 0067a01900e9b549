use std::time::Duration;

/// How long a stream may be silent before its client gets a sign of life: a response extension, put by the leaf, read by the
/// edge. Zero: it gets none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeepAlive(pub Duration);
