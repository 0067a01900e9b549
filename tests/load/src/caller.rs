//! Callers that ask again as soon as they have their answer, over connections that stay open.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::Command,
    task::JoinSet,
    time::Instant,
};

use crate::{
    Result,
    config::{KEY, MODEL},
    process::{self, OTHERS},
    upstream::EVENTS,
};

/// What is asked how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// By all connections together.
    pub(crate) calls: usize,
    /// Of a request.
    pub(crate) kib: usize,
    /// Of each answer; 0 for a plain one.
    pub(crate) events: usize,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Of a call, or to the first event of a stream.
    pub(crate) median: Duration,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
}

impl Load {
    /// The command that plays it.
    pub(crate) fn command(self, address: &str) -> Result<Command> {
        let numbers = [self.connections, self.calls, self.kib, self.events].map(|n| n.to_string());
        let mut command = process::part(OTHERS, &["caller", address])?;
        command.args(numbers);
        Ok(command)
    }

    /// Plays it in a process of its own.
    pub(crate) async fn play(self, address: &str) -> Result<Outcome> {
        let output = self.command(address)?.output().await?;
        let text = String::from_utf8(output.stdout)?;
        let said = text
            .split_whitespace()
            .map(|number| Ok(Duration::from_nanos(number.parse()?)));
        match *said.collect::<Result<Vec<_>>>()? {
            [median, took] if output.status.success() => Ok(Outcome { median, took }),
            _ => Err(format!(
                "callers failed: {}",
                String::from_utf8_lossy(&output.stderr)
            )
            .into()),
        }
    }

    fn request(self) -> Vec<u8> {
        let stream = if self.events > 0 {
            r#","stream":true"#
        } else {
            ""
        };
        let text = "Say how the tower rises, terrace upon terrace.\\n".repeat(self.kib * 1024 / 48);
        let body = format!(
            r#"{EVENTS}{}{stream},"model":"{MODEL}","temperature":0.7,"messages":[{{"role":"user","content":"{text}"}}]}}"#,
            self.events
        );
        let length = body.len();
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: load\r\nauthorization: Bearer {KEY}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

/// Plays a load that is written as arguments, and prints what came of it, in nanoseconds.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(arguments: &[&str]) -> Result<()> {
    let [address, numbers @ ..] = arguments else {
        return Err("no address".into());
    };
    let numbers: Vec<usize> = numbers
        .iter()
        .map(|number| Ok(number.parse()?))
        .collect::<Result<_>>()?;
    let [connections, calls, kib, events] = *numbers else {
        return Err("a load is four numbers".into());
    };
    let load = Load {
        connections,
        calls,
        kib,
        events,
    };
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..connections {
        callers.spawn(call((*address).to_owned(), load));
    }
    let mut times = Vec::with_capacity(calls);
    while let Some(caller) = callers.join_next().await {
        times.extend(caller??);
    }
    let took = started.elapsed();
    times.sort_unstable();
    println!("{} {}", times[times.len() / 2].as_nanos(), took.as_nanos());
    Ok(())
}

async fn call(address: String, load: Load) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let request = load.request();
    let mut answer = Vec::with_capacity(64 * 1024);
    let mut times = Vec::new();
    for _ in 0..load.calls / load.connections {
        let asked = Instant::now();
        stream.write_all(&request).await?;
        let first = receive(&mut stream, &mut answer, load.events).await?;
        times.push(first - asked);
    }
    Ok(times)
}

/// Reads an answer to its end, and returns when it was there: of a stream, its first event.
async fn receive(stream: &mut TcpStream, answer: &mut Vec<u8>, events: usize) -> Result<Instant> {
    answer.clear();
    let mut first = None;
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err("an answer is cut".into());
        }
        if events == 0 {
            if is_whole(answer)? {
                return Ok(Instant::now());
            }
            continue;
        }
        if first.is_none() && count(answer) > 0 {
            first = Some(Instant::now());
        }
        if answer.ends_with(b"\r\n0\r\n\r\n") {
            // One more says how it ended.
            return match first {
                Some(first) if count(answer) == events + 1 => Ok(first),
                _ => Err(format!("of {events} events came {}", count(answer)).into()),
            };
        }
    }
}

fn count(answer: &[u8]) -> usize {
    answer.windows(7).filter(|part| part == b"data: {").count()
}

/// Whether an answer that says its length is there. Anything but a success is an error.
fn is_whole(answer: &[u8]) -> Result<bool> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = head.parse(answer)? else {
        return Ok(false);
    };
    if head.code != Some(200) {
        return Err(format!("a call ended with {:?}", head.code).into());
    }
    let length = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.ok_or("an answer says no length")?.value;
    Ok(answer.len() - start == std::str::from_utf8(length)?.parse::<usize>()?)
}
