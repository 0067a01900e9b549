//! The binary under load when it is told to end or to reload: nothing that was begun is lost.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![cfg(unix)]

mod process;

use std::{
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::Notify,
    task::JoinSet,
    time::Instant,
};
use ziggurat_mock::{Answer, Progress, Running, Step, Upstream};

use crate::process::Proxy;

/// Streams that are open, each on a connection of its own.
const STREAMS: usize = 200;
/// Callers that ask one question after the other.
const CALLERS: usize = 40;
/// Reloads under load.
const RELOADS: usize = 20;

const YAML: &str = "
model_list:
- {model_name: slow, litellm_params: {model: openai/x, api_base: SLOW}}
- {model_name: fast, litellm_params: {model: openai/x, api_base: FAST}}
";

/// What became of the questions of all callers.
#[derive(Default)]
struct Tally {
    answered: AtomicUsize,
    /// Callers that have found the door closed.
    refused: AtomicUsize,
    enough: AtomicBool,
    progress: Notify,
}

struct Stage {
    slow: Running,
    fast: Running,
    proxy: Proxy,
    yaml: String,
}

impl Stage {
    async fn start(name: &str) -> Self {
        let deltas = (0..20).map(|n| format!("{n} "));
        let slow = Step::answer(Answer::deltas(deltas)).interval(Duration::from_millis(500));
        // Some answers take a moment, so that some are under way whenever anything happens.
        let later = Step::hello().delay(Duration::from_millis(30));
        let slow = Upstream::new("slow").script([slow]).start().await.unwrap();
        let fast = Upstream::new("fast").script([Step::hello(), later]);
        let fast = fast.start().await.unwrap();
        let yaml = YAML
            .replace("SLOW", &slow.url())
            .replace("FAST", &fast.url());
        let proxy = Proxy::start(name, &yaml, &[], &[]);
        Self {
            slow,
            fast,
            proxy,
            yaml,
        }
    }

    /// The streams that have not ended.
    fn running(&self) -> usize {
        let hits = self.slow.hits();
        let running = hits
            .iter()
            .filter(|hit| hit.progress() == Progress::Running);
        running.count()
    }

    fn callers(&self, tally: &Arc<Tally>) -> JoinSet<()> {
        let call = |_| call(self.proxy.address.clone(), Arc::clone(tally));
        (0..CALLERS).map(call).collect()
    }

    /// Opens the streams, and waits for the first piece of each.
    async fn streams(&self) -> Vec<BufReader<TcpStream>> {
        let mut opening: JoinSet<_> = (0..STREAMS)
            .map(|_| {
                let address = self.proxy.address.clone();
                async move {
                    let mut stream = connect(&address).await.unwrap();
                    ask(&mut stream, "slow", true).await;
                    while !line(&mut stream).await.contains("\"0 \"") {}
                    stream
                }
            })
            .collect();
        let mut streams = Vec::new();
        while let Some(stream) = opening.join_next().await {
            streams.push(stream.unwrap());
        }
        streams
    }
}

async fn connect(address: &str) -> std::io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

async fn ask(stream: &mut BufReader<TcpStream>, model: &str, streams: bool) {
    let body = json!({"model": model, "messages": [], "stream": streams}).to_string();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a question was lost");
}

/// Reads a line, which must come.
async fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await;
    assert!(read.expect("an answer was lost") > 0, "an answer was lost");
    line
}

/// Reads the streams to their ends, which must be whole.
async fn read(streams: Vec<BufReader<TcpStream>>) {
    let mut reading: JoinSet<_> = streams
        .into_iter()
        .map(async |mut stream| {
            let mut last = false;
            loop {
                let line = line(&mut stream).await;
                last |= line.contains("\"19 \"");
                if line.starts_with("data: [DONE]") {
                    break;
                }
            }
            assert!(last, "a piece was lost");
        })
        .collect();
    while let Some(read) = reading.join_next().await {
        read.unwrap();
    }
}

/// Reads an answer, and says whether its connection goes on.
async fn answer(stream: &mut BufReader<TcpStream>) -> bool {
    let status = line(stream).await;
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
    let (mut length, mut goes_on) = (0, true);
    loop {
        let header = line(stream).await.to_ascii_lowercase();
        match header.trim_end().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(("connection", "close")) => goes_on = false,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream
        .read_exact(&mut body)
        .await
        .expect("an answer was lost");
    assert!(body.ends_with(b"}"));
    goes_on
}

/// Asks one question after the other, until there is enough or the door is closed. Whatever was sent has to be answered.
async fn call(address: String, tally: Arc<Tally>) {
    while !tally.enough.load(Relaxed) {
        let mut stream = match connect(&address).await {
            Ok(stream) => stream,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
                tally.refused.fetch_add(1, Relaxed);
                return;
            }
        };
        while !tally.enough.load(Relaxed) {
            ask(&mut stream, "fast", false).await;
            let goes_on = answer(&mut stream).await;
            tally.answered.fetch_add(1, Relaxed);
            tally.progress.notify_waiters();
            if !goes_on {
                break;
            }
        }
    }
}

async fn answered(tally: &Tally, count: usize) {
    loop {
        let progress = tally.progress.notified();
        if tally.answered.load(Relaxed) >= count {
            return;
        }
        progress.await;
    }
}

async fn all(mut callers: JoinSet<()>) {
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_signal_to_end_loses_nothing() {
    let stage = Stage::start("end").await;
    let tally = Arc::<Tally>::default();
    let callers = stage.callers(&tally);
    answered(&tally, 10 * CALLERS).await;
    let streams = stage.streams().await;
    assert_eq!(stage.running(), STREAMS);
    stage.proxy.signal("-TERM");
    let told = Instant::now();
    all(callers).await;
    let closed = told.elapsed();
    read(streams).await;
    stage.proxy.ended();
    let (answered, refused) = (tally.answered.load(Relaxed), tally.refused.load(Relaxed));
    println!(
        "{STREAMS} of {STREAMS} streams whole, {answered} questions answered, 0 lost; {refused} callers refused within {closed:?}; \
         ended after {:?}",
        told.elapsed()
    );
    assert_eq!(refused, CALLERS, "the door is closed");
    assert_eq!(stage.fast.count(), answered as u64);
    assert_eq!(stage.slow.count(), STREAMS as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_signal_to_reload_loses_nothing() {
    let stage = Stage::start("reload").await;
    let tally = Arc::<Tally>::default();
    let callers = stage.callers(&tally);
    let streams = stage.streams().await;
    assert_eq!(stage.running(), STREAMS);
    let before = tally.answered.load(Relaxed);
    for n in 1..=RELOADS {
        answered(&tally, before + n * CALLERS).await;
        let retries = n % 3;
        let yaml = format!(
            "{}router_settings: {{num_retries: {retries}}}\n",
            stage.yaml
        );
        std::fs::write(&stage.proxy.config, yaml).unwrap();
        stage.proxy.signal("-HUP");
        tokio::task::block_in_place(|| stage.proxy.says("the configuration was reloaded"));
    }
    let running = stage.running();
    read(streams).await;
    tally.enough.store(true, Relaxed);
    all(callers).await;
    let answered = tally.answered.load(Relaxed);
    println!(
        "{RELOADS} reloads while {STREAMS} to {running} streams ran, all whole, {answered} questions answered, 0 lost"
    );
    assert_eq!(tally.refused.load(Relaxed), 0);
    assert_eq!(stage.fast.count(), answered as u64);
    assert_eq!(
        stage.slow.count(),
        STREAMS as u64,
        "each stream was asked for once"
    );
    stage.proxy.signal("-TERM");
    stage.proxy.ended();
}
