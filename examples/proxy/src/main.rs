//! A drop-in for the LiteLLM proxy: reads its YAML, serves a gateway built from ziggurat's layers.

mod args;
mod check;
mod demo;
mod held;
mod lines;
mod logs;
mod refused;
mod signals;
mod source;

use std::{error::Error, num::NonZeroUsize, process::ExitCode, sync::Arc, time::Duration};

use clap::Parser;
use tokio::{runtime, sync::Notify};
use ziggurat::config::Config;
use ziggurat_server::{Follow, Options, Server, log_panics};

use crate::{
    args::{Args, Command},
    demo::Demo,
    signals::{Hangups, Signals},
    source::Source,
};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long tasks that are cut have to end, each of which takes microseconds: nobody who signals twice waits for longer.
const CUTTING: Duration = Duration::from_millis(500);

/// The exit status of a command line that is not understood, clap's own.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let words = std::env::args_os();
    let words = words.take_while(|word| word != "--");
    if let Some(advice) = words
        .filter_map(|word| refused::advice(word.to_str()?))
        .next()
    {
        eprintln!("error: {advice}");
        return ExitCode::from(USAGE);
    }
    let args = Args::parse();
    match &args.command {
        Some(Command::Check(check)) => return check.run(),
        Some(Command::Schema) => {
            println!("{:#}", ziggurat::config::schema());
            return ExitCode::SUCCESS;
        }
        None => {}
    }
    match serve(&args) {
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

fn serve(args: &Args) -> Result<(), Box<dyn Error>> {
    let source = Source::of(&args.served);
    let config = source.load(&args.served)?;
    let json = config
        .as_ref()
        .is_some_and(|config| config.settings.json_logs);
    let json = json || args.logs.json_logs;
    logs::init(args.logs, json);
    log_panics();
    let runtime = runtime(args.run.num_workers)?;
    let ended = runtime.block_on(run(args, source, config, json));
    // What is cut ends with its line. A configuration may just be read again from what does not answer, such as a pipe that
    // nobody writes to.
    runtime.shutdown_timeout(CUTTING);
    held::flush();
    ended
}

/// On a single thread the simpler scheduler does less work per request.
fn runtime(workers: Option<NonZeroUsize>) -> std::io::Result<runtime::Runtime> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = match workers.map_or_else(cores, usize::from) {
        1 => runtime::Builder::new_current_thread(),
        threads => {
            let mut builder = runtime::Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    builder.on_thread_park(held::pause).enable_all().build()
}

async fn run(
    args: &Args,
    source: Source,
    config: Option<Config>,
    json: bool,
) -> Result<(), Box<dyn Error>> {
    // In place before anyone can know that this runs: without a handler each of them ends the process.
    let (mut first, mut second) = (Signals::new()?, Signals::new()?);
    let hangups = Hangups::new()?;
    let (config, demo) = match config {
        Some(config) => (config, None),
        None => {
            let demo = Demo::start().await?;
            (demo.config()?, Some(demo))
        }
    };
    let mut options = Options::default();
    options.host.clone_from(&args.listen.host);
    options.port = args.listen.port;
    options.drain = args.run.drain_timeout;
    options.tls = args.listen.tls();
    let server = Server::bind(&config, &options).await?;
    match json {
        true => {
            tracing::info!(address = %server.address(), "listening");
            if server.is_open() {
                tracing::warn!("no master key: everyone who reaches this address is served");
            }
        }
        false => {
            // Written at once: no line of the log gets between.
            let text = server.to_string();
            held::flush();
            eprint!("{text}");
        }
    }
    if demo.is_some() && !json {
        eprint!("{}", demo::hint(server.address()));
    }
    follow(args, source, &config, &options, &server, hangups);
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

/// Reloads when the files change, and on SIGHUP; without files a SIGHUP does nothing.
fn follow(
    args: &Args,
    source: Source,
    config: &Config,
    options: &Options,
    server: &Server,
    mut hangups: Hangups,
) {
    let asked = Arc::new(Notify::new());
    let ask = Arc::clone(&asked);
    let has_file = matches!(source, Source::File(_));
    tokio::spawn(async move {
        loop {
            hangups.next().await;
            match has_file {
                true => ask.notify_one(),
                false => tracing::warn!("SIGHUP: there is no configuration file to read again"),
            }
        }
    });
    if has_file {
        let served = args.served.clone();
        let load = move || {
            let config = source.load(&served)?;
            Ok(config.expect("a file is there to be read"))
        };
        let tls = options.tls.clone().into_iter();
        let tls = tls.flat_map(|files| [files.certificate, files.key]);
        let follow = Follow::new(server.handle(), load, config).beside(tls);
        tokio::spawn(follow.on(asked).run());
    }
}
