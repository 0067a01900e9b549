//! Parts of a measurement, each a process of its own.

use std::{env, fs, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
};

use crate::Result;

/// The core of what is measured.
pub(crate) const MEASURED: &str = "0";
/// The core of everything else.
pub(crate) const OTHERS: &str = "1";

/// What the proxy says before its address.
const LISTENING: &str = "listening on http://";

/// A process that plays one part. It ends when this is dropped.
pub(crate) struct Role {
    pub(crate) address: String,
    child: Child,
    stdin: ChildStdin,
}

/// The command of another part of this program, on a core.
pub(crate) fn part(core: &str, arguments: &[&str]) -> Result<Command> {
    let mut command = on(core);
    command.arg(env::current_exe()?).args(arguments);
    Ok(command)
}

/// The beginning of a command that runs on one core.
pub(crate) fn on(core: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", core]);
    command
}

impl Role {
    /// Starts a part, and waits until it has said where it listens, on either of its outputs.
    pub(crate) async fn start(mut command: Command) -> Result<Self> {
        let pipes = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = pipes.kill_on_drop(true).spawn()?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err("a part has no pipes".into());
        };
        let address = tokio::select! {
            Some(address) = address(BufReader::new(stdout)) => address,
            Some(address) = address(BufReader::new(stderr)) => address,
            else => return Err("a part has not started".into()),
        };
        Ok(Self {
            address,
            child,
            stdin,
        })
    }

    /// Gives it a line to read.
    pub(crate) async fn go_on(&mut self) -> Result<()> {
        Ok(self.stdin.write_all(b"\n").await?)
    }

    /// Ends it as a signal does that it may answer, and waits until it has.
    pub(crate) async fn terminate(mut self) -> Result<()> {
        let id = self.id()?.to_string();
        if !Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .await?
            .success()
        {
            return Err("a part cannot be ended".into());
        }
        self.child.wait().await?;
        Ok(())
    }

    /// The memory of the process that is its own, in bytes.
    pub(crate) fn memory(&self) -> Result<i64> {
        self.status("RssAnon:")
    }

    /// All memory of the process that is resident, in bytes.
    pub(crate) fn resident(&self) -> Result<i64> {
        self.status("VmRSS:")
    }

    fn status(&self, name: &str) -> Result<i64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        Ok(kib.ok_or("no memory is told")?.parse::<i64>()? << 10)
    }

    /// The time that the process has computed, in user space and for itself in the kernel.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.id()?))? {
            let times = fs::read_to_string(task?.path().join("schedstat"))?;
            let computed = times.split_whitespace().next().ok_or("no times are told")?;
            nanoseconds += computed.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    fn id(&self) -> Result<u32> {
        Ok(self.child.id().ok_or("a part has ended")?)
    }
}

/// The address in the first line that has one. What is written later is read and dropped, so that nobody waits to write.
async fn address(output: impl AsyncBufRead + Unpin + Send + 'static) -> Option<String> {
    let mut lines = output.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let address = line.strip_prefix(LISTENING).unwrap_or(&line);
        if address.parse::<std::net::SocketAddr>().is_ok() {
            let address = address.to_owned();
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Some(address);
        }
    }
    None
}
