//! Clients that neither speak nor listen: the time and the memory that they cost have an end.

use std::time::Duration;

use http::Response;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::Instant,
};
use ziggurat_testing::mock::{Answer as Reply, Progress, Running, Step};

use crate::support::{Proxy, upstream};

/// How long the server waits for its clients.
const PATIENCE: Duration = Duration::from_secs(60);
/// Far more than the buffers of the kernel hold.
const LARGE: usize = 64 << 20;

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
    while !proxy
        .get("/metrics")
        .await
        .text
        .contains("\nziggurat_requests_in_flight 0\n")
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
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
    assert_eq!(hit.ended().await, Progress::ClientLeft);
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
        client.read_to_end(&mut answer).await.unwrap();
        let took = began.elapsed();
        let about = PATIENCE..PATIENCE + Duration::from_secs(5);
        assert!(about.contains(&took), "{sent:?}: {took:?}");
    }
    assert_eq!(up.count(), 0);
}
