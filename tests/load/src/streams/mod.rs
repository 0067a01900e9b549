//! Thousands of silent streams, and what one costs.

mod caller;
mod silent;

use std::time::Duration;

use self::caller::Streams;
pub(crate) use self::silent::run as silent;
use crate::{
    Result,
    config::Config,
    process::{OTHERS, Role, part},
    target::Target,
};

/// As many as two sockets each leave room for below a limit of 20,000 open files.
pub(crate) const COUNT: usize = 9_000;
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

/// Compares.
///
/// # Errors
///
/// A stream is lost, costs too much, or silence is not silent.
#[tokio::main]
pub(crate) async fn run(count: usize) -> Result<()> {
    let floor = measure(Target::Floor, count).await?;
    let proxy = measure(Target::Proxy(Config::Usual), count).await?;
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
async fn measure(target: Target, count: usize) -> Result<Cost> {
    let mut upstream = Role::start(part(OTHERS, &["silent"])?).await?;
    let middle = target.start(&upstream.address).await?.role;
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
    let name = target.name();
    println!(
        "{name}: {whole} of {count} streams whole, {bytes} bytes each, {:.2} % of a core in silence",
        cpu * 100.0
    );
    if whole < count {
        return Err(format!("{name} has lost {} streams", count - whole).into());
    }
    Ok(Cost { bytes, cpu })
}
