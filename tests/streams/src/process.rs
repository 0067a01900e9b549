//! Parts of the comparison that run in a process of their own.

use std::{env, fs, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
};

use crate::Result;

/// Ticks of a second in `/proc`, on every Linux since 2.6.
const TICKS: u64 = 100;

/// A process that plays one part. It ends when this is dropped.
pub(crate) struct Role {
    pub(crate) address: String,
    child: Child,
    stdin: ChildStdin,
}

impl Role {
    /// Starts this program with other arguments, and waits until it has said where it listens.
    pub(crate) async fn start(arguments: &[&str]) -> Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a part has no pipes".into());
        };
        let line = BufReader::new(stdout).lines().next_line().await?;
        let address = line.ok_or("a part has not started")?;
        Ok(Self {
            address,
            child,
            stdin,
        })
    }

    /// Ends the silence.
    pub(crate) async fn go_on(&mut self) -> Result<()> {
        Ok(self.stdin.write_all(b"\n").await?)
    }

    /// The memory of the process that is its own, in bytes.
    pub(crate) fn memory(&self) -> Result<i64> {
        let status = self.read("status")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(kib.ok_or("no memory is told")?.parse::<i64>()? << 10)
    }

    /// The time that the process has computed.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = self.read("stat")?;
        // The name may hold anything but the last parenthesis; the times are the 14th and the 15th field.
        let (_, rest) = stat.rsplit_once(')').ok_or("no times are told")?;
        let ticks = rest.split_whitespace().skip(11).take(2);
        let ticks = ticks.map(str::parse::<u64>);
        let ticks = ticks.sum::<std::result::Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * 1000 / TICKS))
    }

    fn read(&self, file: &str) -> Result<String> {
        let id = self.child.id().ok_or("a part has ended")?;
        Ok(fs::read_to_string(format!("/proc/{id}/{file}"))?)
    }
}
