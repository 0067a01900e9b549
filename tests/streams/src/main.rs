//! Holds thousands of silent streams open through the proxy and through a bare one, and says what a stream costs.
//!
//! `ziggurat-streams [COUNT]`: ends with status 1 if a stream is lost, costs too much, or silence is not silent. Linux only.

mod caller;
mod floor;
mod process;
mod proxied;
mod upstream;

use std::{env, error::Error, process::ExitCode, time::Duration};

use self::{caller::Streams, process::Role};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// As many as two sockets each leave room for below a limit of 20,000 open files.
const COUNT: usize = 9_000;
/// What a stream may cost beyond the bare proxy's.
const ALLOWED: i64 = 8 << 10;
/// How long silence is watched.
const SILENCE: Duration = Duration::from_secs(10);
/// What silence may take of one core.
const IDLE: f64 = 0.01;

/// What the streams of one process have cost.
struct Cost {
    bytes: i64,
    /// Of one core, while nothing was sent.
    cpu: f64,
}

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let ran = match arguments.next().as_deref() {
        Some("upstream") => upstream::run(),
        Some("floor") => floor::run(&arguments.next().unwrap_or_default()),
        Some("proxy") => proxied::run(&arguments.next().unwrap_or_default()),
        count => compare(count),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn compare(count: Option<&str>) -> Result<()> {
    let count = count.map_or(Ok(COUNT), str::parse)?;
    let floor = measure("floor", count).await?;
    let proxy = measure("proxy", count).await?;
    let more = proxy.bytes - floor.bytes;
    println!("{more} bytes per stream more than the bare proxy; {ALLOWED} are allowed");
    if more > ALLOWED {
        return Err("a stream costs too much".into());
    }
    if proxy.cpu > IDLE {
        return Err("silent streams keep the proxy busy".into());
    }
    Ok(())
}

/// Opens the streams through one process, lets them be silent, and reads them to their ends.
async fn measure(name: &str, count: usize) -> Result<Cost> {
    let mut upstream = Role::start(&["upstream"]).await?;
    let middle = Role::start(&[name, &upstream.address]).await?;
    // What is made at the first request is nobody's stream.
    Streams::open(&middle.address, 1).await?.close();
    let before = middle.memory()?;
    let mut streams = Streams::open(&middle.address, count).await?;
    let bytes = (middle.memory()? - before) / i64::try_from(count)?;
    let busy = middle.cpu()?;
    tokio::time::sleep(SILENCE).await;
    let cpu = (middle.cpu()? - busy).as_secs_f64() / SILENCE.as_secs_f64();
    upstream.go_on().await?;
    let whole = streams.read().await;
    println!(
        "{name}: {whole} of {count} streams whole, {bytes} bytes each, {:.2} % of a core in silence",
        cpu * 100.0
    );
    if whole < count {
        return Err(format!("{name} has lost {} streams", count - whole).into());
    }
    Ok(Cost { bytes, cpu })
}
