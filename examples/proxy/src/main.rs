//! A drop-in for the LiteLLM proxy: reads its YAML, serves a gateway built from ziggurat's layers.

mod check;
mod demo;
mod signals;

use std::{error::Error, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use tokio::runtime;
use tracing_subscriber::{filter::Targets, prelude::*};
use ziggurat::Gateway;
use ziggurat_server::{DEFAULT_PORT, Options, Server};

use crate::signals::Signals;

/// Balances, retries, falls back and times out over deployments of LLMs, as a LiteLLM YAML file says.
#[derive(Debug, Parser)]
#[command(
    name = "ziggurat-proxy",
    version,
    args_conflicts_with_subcommands = true
)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// The configuration; without one a demo runs, with scripted upstreams on this machine.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The address to listen on [default: 127.0.0.1, or 0.0.0.0 with a master key].
    #[arg(long)]
    host: Option<String>,

    /// The port to listen on.
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,

    /// Seconds that running requests may go on after Ctrl-C or SIGTERM.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    drain_timeout: Duration,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    /// Prints the JSON Schema of configurations, for editors.
    Schema,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let args = Args::parse();
    match &args.command {
        Some(Command::Check(check)) => return check.run(),
        Some(Command::Schema) => {
            println!("{:#}", ziggurat::config::schema());
            return ExitCode::SUCCESS;
        }
        None => {}
    }
    log();
    let outcome = start().and_then(|runtime| runtime.block_on(run(args)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut cause = error.source();
            while let Some(source) = cause {
                eprintln!("  because: {source}");
                cause = source.source();
            }
            ExitCode::FAILURE
        }
    }
}

/// Logs to standard error what `RUST_LOG` asks for (`debug`, `ziggurat=debug,warn`); by default `info`.
fn log() {
    let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
    let targets: Targets = wanted.parse().unwrap_or_else(|error| {
        eprintln!("warning: RUST_LOG is not understood ({error}); logging `info`");
        Targets::new().with_default(tracing_subscriber::filter::LevelFilter::INFO)
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(lines.with_filter(targets))
        .init();
}

/// On a single core the simpler scheduler does less work per request.
fn start() -> Result<runtime::Runtime, Box<dyn Error>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = if cores == 1 {
        runtime::Builder::new_current_thread()
    } else {
        runtime::Builder::new_multi_thread()
    };
    Ok(builder.enable_all().build()?)
}

async fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let (mut first, mut second) = (Signals::new()?, Signals::new()?);
    let (config, demo) = match &args.config {
        Some(file) => (load().from_path(file)?, None),
        None => {
            let demo = demo::Demo::start().await?;
            (demo.config()?, Some(demo))
        }
    };
    let mut options = Options::default();
    (options.host, options.port, options.drain) = (args.host, args.port, args.drain_timeout);
    let server = Server::bind(&config, &options).await?;
    eprint!("{server}");
    if demo.is_some() {
        eprint!("{}", demo::hint(server.address()));
    }
    let twice = async {
        second.next().await;
        second.next().await;
    };
    // The first signal lets running requests end, the second does not.
    tokio::select! {
        ended = server.run(async { first.next().await }) => Ok(ended?),
        () = twice => Err("a second signal came: running requests are cut".into()),
    }
}

fn load() -> ziggurat::config::Loader {
    Gateway::loader(|name| std::env::var(name).ok())
}
