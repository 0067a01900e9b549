#![doc = include_str!("../README.md")]

mod config;
mod credentials;
mod envelope;
mod frames;
mod headers;
mod providers;
mod reader;
mod recovery;
mod requests;
mod sse;
mod upstream;
mod wire;

pub use self::{
    config::config,
    credentials::credentials,
    envelope::envelope,
    headers::headers,
    providers::{anthropic, bedrock, openai, vertex, watsonx},
    recovery::recovery,
    requests::requests,
    sse::sse,
    upstream::upstream,
};

/// What reads bytes, and panics if a promise about them is broken.
pub type Target = fn(&[u8]);

/// All targets, each under the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("anthropic", anthropic),
    ("bedrock", bedrock),
    ("config", config),
    ("credentials", credentials),
    ("envelope", envelope),
    ("headers", headers),
    ("openai", openai),
    ("recovery", recovery),
    ("requests", requests),
    ("sse", sse),
    ("upstream", upstream),
    ("vertex", vertex),
    ("watsonx", watsonx),
];

/// The whole of a target's program: under `cargo fuzz` the fuzzer's, else one that reads the files named to it.
#[macro_export]
macro_rules! target {
    ($target:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ziggurat_fuzz::$target(bytes));

        #[cfg(not(fuzzing))]
        fn main() -> std::io::Result<()> {
            for file in std::env::args_os().skip(1) {
                ziggurat_fuzz::$target(&std::fs::read(file)?);
            }
            Ok(())
        }
    };
}
