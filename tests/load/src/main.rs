//! What a call and an open stream cost through the proxy, beside a bare proxy on the same hyper. Linux only.
//!
//! `ziggurat-load calls [ROUNDS]`, `instructions`, `streams [COUNT]`: see the README.

#![expect(clippy::print_stdout, reason = "the tables are what it is for")]

mod caller;
mod calls;
mod config;
mod floor;
mod instructions;
mod process;
mod streams;
mod table;
mod target;
mod upstream;

use std::{env, error::Error, process::ExitCode};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "ziggurat-load calls [ROUNDS] | instructions | streams [COUNT]";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let ran = match &*arguments {
        ["calls"] => calls::run(calls::ROUNDS),
        ["calls", rounds] => rounds.parse().map_err(Into::into).and_then(calls::run),
        ["instructions"] => instructions::run(),
        ["streams"] => streams::run(streams::COUNT),
        ["streams", count] => count.parse().map_err(Into::into).and_then(streams::run),
        // Parts of the above, each in a process of its own.
        ["upstream"] => upstream::run(),
        ["silent"] => streams::silent(),
        ["floor", upstream] => floor::run(upstream),
        ["caller", rest @ ..] => caller::run(rest),
        _ => Err(USAGE.into()),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
