//! What is logged, and how it looks.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    prelude::*,
};

use crate::{args::Logs, held::Held, lines::Lines};

/// Logs to standard error, as lines for people or as JSON, what `RUST_LOG` asks for, else the flags, else `info`.
pub(crate) fn init(logs: Logs, json: bool) {
    let wanted = std::env::var("RUST_LOG").ok().filter(|it| !it.is_empty());
    let targets = match wanted.map(|wanted| wanted.parse()) {
        None => targets(logs),
        Some(Ok(targets)) => targets,
        Some(Err(error)) => {
            eprintln!("warning: RUST_LOG is not understood ({error}); it is ignored");
            targets(logs)
        }
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(Held);
    let lines = match json {
        true => lines.json().flatten_event(true).boxed(),
        false => lines
            .event_format(Lines::default())
            .with_ansi(is_colored())
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(targets))
        .init();
}

fn targets(logs: Logs) -> Targets {
    let (others, ours) = match (logs.detailed_debug, logs.debug) {
        (true, _) => (LevelFilter::DEBUG, LevelFilter::TRACE),
        (false, true) => (LevelFilter::INFO, LevelFilter::DEBUG),
        (false, false) => (LevelFilter::INFO, LevelFilter::INFO),
    };
    Targets::new()
        .with_default(others)
        .with_target("ziggurat", ours)
}

/// As <https://no-color.org> has it.
fn is_colored() -> bool {
    let forbidden = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stderr().is_terminal() && !forbidden
}
