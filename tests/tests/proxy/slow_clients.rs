//! Clients that neither speak nor listen: the time and the memory that they cost have an end.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};
use ziggurat_testing::mock::{Answer as Reply, Progress, Running, Step};

use crate::{
    leaving::count,
    support::{Proxy, upstream},
};

/// How long the server waits for its clients.
const PATIENCE: Duration = Duration::from_secs(60);
/// Far more than the buffers of the kernel hold.
const LARGE: usize = 64 << 20;

/// Waits for what comes after the server's patience, but not for ever: a test that hangs tells nothing.
async fn in_time<T>(awaited: impl Future<Output = T>) -> T {
    let limit = timeout(10 * PATIENCE, awaited).await;
    limit.expect("the server waits for its client")
}

async fn start(step: Step) -> (Proxy, Running) {
    let up = upstream("a", [step]).await;
    let yaml =
        "model_list: [{model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}]";
    let proxy = Proxy::start(yaml, &[("A", up.url())]).await;
    (proxy, up)
}

/// Asks, and reads nothing.
async fn ask(proxy: &Proxy, stream: bool) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let mut client = socket.connect(proxy.address).await.unwrap();
    let body = json!({"model": "m", "messages": [], "stream": stream}).to_string();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(head.as_bytes()).await.unwrap();
    client
}

/// Waits for the end of the request, and returns how much of the answer there was for the client.
async fn cut(proxy: &Proxy, mut client: TcpStream) -> usize {
    in_time(async {
        while count(
            &proxy.get("/metrics").await.text,
            "ziggurat_requests_in_flight",
            "",
        ) > 0
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let mut bytes = Vec::new();
    // It may end as a reset.
    let _ = client.read_to_end(&mut bytes).await;
    bytes.len()
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_reads_ends() {
    let piece = "x".repeat(64 << 10);
    let pieces = std::iter::repeat_n(piece.clone(), LARGE / piece.len());
    let (proxy, up) = start(Step::answer(Reply::deltas(pieces))).await;
    let began = Instant::now();
    let client = ask(&proxy, true).await;
    let hit = up.wait_for(1).await.remove(0);
    assert_eq!(in_time(hit.ended()).await, Progress::ClientLeft);
    let took = began.elapsed();
    let about = PATIENCE..PATIENCE + Duration::from_secs(5);
    assert!(about.contains(&took), "{took:?}");
    let length = cut(&proxy, client).await;
    assert!((1..LARGE / 2).contains(&length), "{length}");
    // It was the client's fault.
    let metrics = proxy.get("/metrics").await.text;
    assert!(metrics.contains("outcome=\"cancelled\"} 1"), "{metrics}");
    assert!(!metrics.contains("disconnected"), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_reads_ends() {
    let text = "x".repeat(LARGE / 2);
    let json = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "x", "choices": [{"index": 0,
        "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]});
    let answer = Response::builder().header("content-type", "application/json");
    let answer = answer.body(json.to_string()).unwrap();
    let (proxy, up) = start(Step::respond(answer)).await;
    let client = ask(&proxy, false).await;
    up.wait_for(1).await;
    let began = Instant::now();
    let length = cut(&proxy, client).await;
    let took = began.elapsed();
    let about = PATIENCE..PATIENCE + Duration::from_secs(5);
    assert!(about.contains(&took), "{took:?}");
    assert!((1..LARGE / 2).contains(&length), "{length}");
}

/// Each of them waits in another place: for the version, the head, the rest of the head, the body, the next request.
#[tokio::test(start_paused = true)]
async fn clients_that_stop_speaking_are_not_waited_for() {
    let (proxy, up) = start(Step::hello()).await;
    let post = "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n";
    let with_body = format!("{post}\r\n{{\"model\": ");
    let whole = "GET /v1/models HTTP/1.1\r\nhost: h\r\n\r\n";
    let preface = "PRI * HTTP/2.0\r\n\r\n";
    for sent in ["", "P", preface, "POST /v1/ch", post, &with_body, whole] {
        let began = Instant::now();
        let mut client = TcpStream::connect(proxy.address).await.unwrap();
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let ended = in_time(client.read_to_end(&mut answer)).await;
        ended.unwrap();
        let took = began.elapsed();
        let about = PATIENCE..PATIENCE + Duration::from_secs(5);
        assert!(about.contains(&took), "{sent:?}: {took:?}");
    }
    assert_eq!(up.count(), 0);
}

/// Whoever always says a little is not waited for either.
#[tokio::test(start_paused = true)]
async fn clients_that_trickle_are_not_waited_for() {
    let (proxy, up) = start(Step::hello()).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\n";
    let with_body = format!("{head}content-length: 100\r\n\r\n{{\"model\": ");
    for (sent, status) in [(head, ""), (&with_body, "HTTP/1.1 408 ")] {
        let began = Instant::now();
        let mut client = TcpStream::connect(proxy.address).await.unwrap();
        client.write_all(sent.as_bytes()).await.unwrap();
        let (mut read, mut write) = client.into_split();
        let trickle = tokio::spawn(async move {
            let every = PATIENCE - Duration::from_secs(1);
            loop {
                tokio::time::sleep(every).await;
                if write.write_all(b"x").await.is_err() {
                    return;
                }
            }
        });
        let mut answer = Vec::new();
        // It may end as a reset.
        let _ = in_time(read.read_to_end(&mut answer)).await;
        let took = began.elapsed();
        let about = PATIENCE..PATIENCE + Duration::from_secs(5);
        assert!(about.contains(&took), "{sent:?}: {took:?}");
        assert!(
            answer.starts_with(status.as_bytes()),
            "{sent:?}: {answer:?}"
        );
        trickle.abort();
    }
    assert_eq!(up.count(), 0);
}

/// A large body over a slow line takes its time.
#[tokio::test(start_paused = true)]
async fn a_body_that_keeps_coming_is_waited_for() {
    let (proxy, _up) = start(Step::hello()).await;
    let text = "x".repeat(400 << 10);
    let body = json!({"model": "m", "messages": [{"role": "user", "content": text}]}).to_string();
    let mut client = TcpStream::connect(proxy.address).await.unwrap();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\nconnection: close\r\n";
    let head = format!("{head}content-length: {}\r\n\r\n", body.len());
    client.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();
    for piece in body.as_bytes().chunks(16 << 10) {
        tokio::time::sleep(Duration::from_secs(15)).await;
        client.write_all(piece).await.unwrap();
    }
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(began.elapsed() > 5 * PATIENCE);
}

/// The connection of HTTP/2 lives, and others are served on it: it is the stream that ends.
#[tokio::test(start_paused = true)]
async fn a_stream_of_http_2_that_nobody_reads_ends() {
    let piece = "x".repeat(64 << 10);
    let pieces = std::iter::repeat_n(piece.clone(), LARGE / piece.len());
    let whole = Reply::text("x".repeat(4 << 20));
    for (stream, reply) in [(true, Reply::deltas(pieces)), (false, whole)] {
        let (proxy, up) = start(Step::answer(reply)).await;
        let tcp = TcpStream::connect(proxy.address).await.unwrap();
        let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(1024)
            .handshake(TokioIo::new(tcp))
            .await
            .unwrap();
        tokio::spawn(connection);
        let body = json!({"model": "m", "messages": [], "stream": stream}).to_string();
        let request = Request::post("http://h/v1/chat/completions");
        let request = request.body(Full::<Bytes>::from(body)).unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        // Until then the clock may have run ahead of what large events take.
        let began = Instant::now();
        up.wait_for(1).await;
        while count(
            &proxy.get("/metrics").await.text,
            "ziggurat_requests_in_flight",
            "",
        ) > 0
        {
            assert!(began.elapsed() < 2 * PATIENCE, "it goes on");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let took = began.elapsed();
        let about = PATIENCE..PATIENCE + Duration::from_secs(5);
        assert!(about.contains(&took), "{stream}: {took:?}");
        // The upstream was not read on for a client that takes nothing.
        let last = up.hits()[0].ended().await;
        assert_eq!(last == Progress::ClientLeft, stream);
        let read = response.into_body().collect().await;
        assert!(read.is_err(), "it was reset");
        let page = proxy.get("/metrics").await.text;
        // A plain answer was the proxy's already.
        let outcome = if stream { "cancelled" } else { "completed" };
        let line = format!("outcome=\"{outcome}\"}} 1");
        assert!(page.contains(&line), "{stream}: {page}");

        up.set_script([Step::hello()]);
        let request = Request::get("http://h/v1/models").body(Full::default());
        let models = sender.send_request(request.unwrap()).await.unwrap();
        assert_eq!(models.status(), 200);
    }
}
