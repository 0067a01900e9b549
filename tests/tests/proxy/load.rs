//! The end of a server, and another configuration, under load: nothing that was begun is lost.
//!
//! On several threads and in real time: what gets lost is lost between a client that writes and a server that closes.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::{
    net::TcpStream,
    sync::Notify,
    task::{JoinHandle, spawn},
};
use ziggurat_testing::mock::{Answer as Reply, Running, Step};

use crate::support::{Proxy, config, upstream};

/// Streams that are open, half of them on one connection of HTTP/2.
const STREAMS: usize = 200;
/// Callers that ask one question after the other.
const CALLERS: usize = 40;

const YAML: &str = "
model_list:
- {model_name: slow, litellm_params: {model: openai/x, api_base: os.environ/A}}
- {model_name: fast, litellm_params: {model: openai/x, api_base: os.environ/B}}";

/// What became of the questions of all callers.
#[derive(Debug, Default)]
struct Tally {
    answered: AtomicUsize,
    /// Callers that have found the door closed.
    refused: AtomicUsize,
    enough: AtomicBool,
    progress: Notify,
}

async fn start() -> (Proxy, Running, Running) {
    let deltas = (0..20).map(|n| format!("{n} "));
    let slow = Step::answer(Reply::deltas(deltas)).interval(Duration::from_millis(100));
    let a = upstream("a", [slow]).await;
    // Some answers take a moment, so that some are under way whenever anything happens.
    let b = upstream(
        "b",
        [
            Step::hello(),
            Step::hello().delay(Duration::from_millis(30)),
        ],
    )
    .await;
    let proxy = Proxy::start(YAML, &[("A", a.url()), ("B", b.url())]).await;
    (proxy, a, b)
}

fn request(model: &str, stream: bool, version: Version) -> Request<Full<Bytes>> {
    let body = json!({"model": model, "messages": [], "stream": stream}).to_string();
    Request::post("http://h/v1/chat/completions")
        .version(version)
        .header("host", "h")
        .body(Full::new(body.into()))
        .unwrap()
}

async fn connect(address: SocketAddr) -> std::io::Result<http1::SendRequest<Full<Bytes>>> {
    let stream = TokioIo::new(TcpStream::connect(address).await?);
    let (sender, connection) = http1::handshake(stream).await.unwrap();
    spawn(connection);
    Ok(sender)
}

/// Opens the streams, and waits for the first piece of each.
async fn open(address: SocketAddr) -> Vec<(Vec<u8>, Incoming)> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let stream = TokioIo::new(stream);
    let (many, connection) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .unwrap();
    spawn(connection);
    let one = async |n: usize| {
        let response = if n < STREAMS / 2 {
            let mut sender = many.clone();
            sender.ready().await.unwrap();
            sender
                .send_request(request("slow", true, Version::HTTP_2))
                .await
        } else {
            let mut sender = connect(address).await.unwrap();
            sender
                .send_request(request("slow", true, Version::HTTP_11))
                .await
        };
        let mut body = response.unwrap().into_body();
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        (first.to_vec(), body)
    };
    join_all((0..STREAMS).map(one)).await
}

/// Reads the streams to their ends, which must be whole.
async fn read(streams: Vec<(Vec<u8>, Incoming)>) {
    let read = streams.into_iter().map(async |(mut text, body)| {
        text.extend_from_slice(&body.collect().await.unwrap().to_bytes());
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.contains("\"19 \"") && text.ends_with("data: [DONE]\n\n"),
            "{text}"
        );
    });
    join_all(read).await;
}

/// Asks one question after the other, on one connection for as long as it lasts, until there is enough or the door is
/// closed. Whatever was sent has to be answered.
async fn call(address: SocketAddr, tally: Arc<Tally>) {
    while !tally.enough.load(Relaxed) {
        let mut sender = match connect(address).await {
            Ok(sender) => sender,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
                tally.refused.fetch_add(1, Relaxed);
                return;
            }
        };
        // A connection that is closed before anything was sent on it costs nothing.
        while !tally.enough.load(Relaxed) && sender.ready().await.is_ok() {
            let response = match sender
                .send_request(request("fast", false, Version::HTTP_11))
                .await
            {
                Err(error) if error.is_canceled() => break,
                response => response.expect("a question was lost"),
            };
            assert_eq!(response.status(), 200);
            let body = response
                .into_body()
                .collect()
                .await
                .expect("an answer was lost");
            assert!(body.to_bytes().ends_with(b"}"));
            tally.answered.fetch_add(1, Relaxed);
            tally.progress.notify_waiters();
        }
    }
}

fn callers(address: SocketAddr, tally: &Arc<Tally>) -> Vec<JoinHandle<()>> {
    let call = |_| spawn(call(address, Arc::clone(tally)));
    (0..CALLERS).map(call).collect()
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_ends_loses_nothing() {
    let (proxy, _a, _b) = start().await;
    let tally = Arc::<Tally>::default();
    let streams = open(proxy.address).await;
    let callers = callers(proxy.address, &tally);
    answered(&tally, 10 * CALLERS).await;
    proxy.stop();
    read(streams).await;
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(tally.refused.load(Relaxed), CALLERS, "the door is closed");
    proxy.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_reloads_loses_nothing() {
    let (proxy, a, b) = start().await;
    let tally: Arc<Tally> = Arc::<Tally>::default();
    let streams = open(proxy.address).await;
    let callers = callers(proxy.address, &tally);
    for n in 1..=20 {
        answered(&tally, n * CALLERS).await;
        let yaml = format!("{YAML}\nrouter_settings: {{num_retries: {}}}", n % 3);
        let config = config(&yaml, &[("A", a.url()), ("B", b.url())]);
        proxy.handle.reload(config).await.unwrap();
    }
    read(streams).await;
    tally.enough.store(true, Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(tally.refused.load(Relaxed), 0);
    assert_eq!(a.count(), STREAMS as u64, "each stream was asked for once");
    assert_eq!(b.count(), tally.answered.load(Relaxed) as u64);
}
