//! What the gRPC examples share: see `src/bin` for the examples themselves.

pub mod greeter;
