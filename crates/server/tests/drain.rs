//! What becomes of connections on which nothing runs when a server ends.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{convert::Infallible, future::pending, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::Notify,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tower::service_fn;
use ziggurat_server::{Listener, serve};

const DRAIN: Duration = Duration::from_secs(30);

/// The preface of HTTP/2, and empty SETTINGS.
const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// GET http://h/ on the first stream, whole.
const REQUEST: &[u8] = b"\0\0\x06\x01\x05\0\0\0\x01\x82\x84\x86\x41\x01h";

/// A PING of the client's own: no answer to any of the server's.
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0notyours";

/// Hands out one connection.
struct One(Option<DuplexStream>);

impl Listener for One {
    type Io = DuplexStream;

    async fn accept(&mut self) -> io::Result<DuplexStream> {
        match self.0.take() {
            Some(stream) => Ok(stream),
            None => pending().await,
        }
    }
}

/// A server with one connection; each answer has so many bytes, and takes so long.
struct Served {
    client: DuplexStream,
    stop: Arc<Notify>,
    server: JoinHandle<Duration>,
}

impl Served {
    async fn start(opening: &[u8], takes: Duration, length: usize, buffer: usize) -> Self {
        let (mut client, stream) = duplex(buffer);
        let stop = Arc::new(Notify::new());
        let service = service_fn(move |_: Request<_>| async move {
            sleep(takes).await;
            let body = Full::new(Bytes::from(vec![b'z'; length]));
            Ok::<_, Infallible>(Response::new(body))
        });
        let asked = Arc::clone(&stop);
        let server = tokio::spawn(async move {
            let mut began = Instant::now();
            let stopped = async {
                asked.notified().await;
                began = Instant::now();
            };
            let served = serve(One(Some(stream)), service, DRAIN, stopped);
            served.await.unwrap();
            began.elapsed()
        });
        client.write_all(opening).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        Self {
            client,
            stop,
            server,
        }
    }

    /// A client that says this, and nothing more; how long the server takes to end.
    async fn ends_after(opening: &[u8]) -> Duration {
        let served = Self::start(opening, Duration::ZERO, 0, 4096).await;
        served.stop.notify_one();
        served.server.await.unwrap()
    }

    /// Reads to the end; how much of the answer came, and how long the server took to end.
    async fn rest(mut self) -> (usize, Duration) {
        let mut all = Vec::new();
        // Whoever is dropped with what it has said unread is reset.
        let _ = self.client.read_to_end(&mut all).await;
        let count = all.iter().filter(|byte| **byte == b'z').count();
        (count, self.server.await.unwrap())
    }
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

#[tokio::test(start_paused = true)]
async fn who_has_asked_for_nothing_is_soon_dropped() {
    let http2_half = [OPENING, &REQUEST[..12]].concat();
    let openings: [(&[u8], f64); 7] = [
        (b"", 1.0),
        (b"PRI * HT", 1.0),
        (b"GET / HTTP/1.1\r\n\r\n", 1.0),
        (b"GET / HT", 2.0),
        (b"GET / HTTP/1.1\r\n\r\nGET / HT", 1.0),
        (OPENING, 2.0),
        (&http2_half, 2.0),
    ];
    for (opening, expected) in openings {
        let took = seconds(Served::ends_after(opening).await);
        let opening = String::from_utf8_lossy(opening);
        assert!((took - expected).abs() < 0.05, "{took} s: {opening:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_only_keeps_talking_is_dropped_as_well() {
    for (opening, more) in [(OPENING, PING), (b"GET / HTTP/1.1\r\na: ", b"a")] {
        let served = Served::start(opening, Duration::ZERO, 0, 4096).await;
        let (mut answers, mut client) = tokio::io::split(served.client);
        tokio::spawn(async move { tokio::io::copy(&mut answers, &mut tokio::io::sink()).await });
        tokio::spawn(async move {
            while client.write_all(more).await.is_ok() {
                sleep(Duration::from_millis(300)).await;
            }
        });
        served.stop.notify_one();
        let took = seconds(served.server.await.unwrap());
        assert!((took - 6.0).abs() < 0.05, "{took} s");
    }
}

#[tokio::test(start_paused = true)]
async fn what_runs_keeps_its_time_though_nothing_is_acknowledged() {
    let opening = [OPENING, REQUEST].concat();
    let served = Served::start(&opening, Duration::from_secs(10), 100, 4096).await;
    served.stop.notify_one();
    let (count, took) = served.rest().await;
    assert_eq!(count, 100);
    assert!(
        took >= Duration::from_secs(10) && took <= Duration::from_secs(22),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn requests_on_their_way_are_served() {
    for late in [500, 1500] {
        let mut served = Served::start(OPENING, Duration::from_secs(3), 100, 4096).await;
        served.stop.notify_one();
        sleep(Duration::from_millis(late)).await;
        served.client.write_all(REQUEST).await.unwrap();
        let (count, took) = served.rest().await;
        assert_eq!(count, 100, "{late}");
        assert!(took < Duration::from_secs(16), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_said_reaches_a_client_that_reads_late() {
    let opening = [OPENING, REQUEST].concat();
    let served = Served::start(&opening, Duration::ZERO, 60_000, 1024).await;
    served.stop.notify_one();
    sleep(Duration::from_secs(15)).await;
    assert!(!served.server.is_finished());
    let (count, took) = timeout(DRAIN, served.rest()).await.unwrap();
    assert_eq!(count, 60_000);
    assert!(took < Duration::from_secs(27), "{took:?}");
}

/// The last piece of an answer waits for its window, which the client opens late.
#[tokio::test(start_paused = true)]
async fn what_waits_for_a_window_is_sent_when_it_opens() {
    const WINDOW: usize = 65_535; // RFC 9113, section 6.9.2
    let opening = [OPENING, REQUEST].concat();
    let mut served = Served::start(&opening, Duration::ZERO, WINDOW + 1, 256 * 1024).await;
    served.stop.notify_one();
    sleep(Duration::from_secs(9)).await;
    for stream in [0, 1] {
        let mut update = *b"\0\0\x04\x08\0\0\0\0\0\0\0\x10\0";
        update[8] = stream;
        served.client.write_all(&update).await.unwrap();
    }
    let (count, _) = served.rest().await;
    assert_eq!(count, WINDOW + 1);
}
