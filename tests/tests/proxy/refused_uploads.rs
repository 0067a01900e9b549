//! Clients that still send when they are refused: they get to read why, and cost no more than a little time.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use ziggurat_testing::mock::{Answer as Reply, Running, Script, Step};

use crate::{
    leaving::count,
    support::{Proxy, upstream},
};

const YAML: &str = "
model_list: [{model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}]
general_settings: {max_request_size_mb: 10}";

const CHAT: &str = "POST /v1/chat/completions";

/// Far more than the buffers of the kernel hold.
const LARGE: usize = 8 << 20;

/// How long the server waits for a client that is silent.
const SILENCE: Duration = Duration::from_secs(2);

async fn start(yaml: &str, script: impl Into<Script>) -> (Proxy, Running) {
    let up = upstream("a", script).await;
    let proxy = Proxy::start(yaml, &[("A", up.url())]).await;
    (proxy, up)
}

fn head(line: &str, extra: &str, length: usize) -> String {
    format!("{line} HTTP/1.1\r\nhost: h\r\n{extra}content-length: {length}\r\n\r\n")
}

/// Sends all of a request before it reads, as Python's `http.client` does, with rests between the pieces.
async fn upload(proxy: &Proxy, head: &str, length: usize, piece: usize, rest: Duration) -> String {
    let mut client = TcpStream::connect(proxy.address).await.unwrap();
    client.write_all(head.as_bytes()).await.unwrap();
    let body = vec![b'x'; length];
    for piece in body.chunks(piece) {
        client.write_all(piece).await.unwrap();
        sleep(rest).await;
    }
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    answer
}

fn is_refusal(answer: &str, status: &str) {
    let expected = format!("HTTP/1.1 {status} ");
    assert!(answer.starts_with(&expected), "{status}: {answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.ends_with("}}"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_reaches_whoever_reads_after_the_upload() {
    let (proxy, up) = start(YAML, Script::default()).await;
    let keyed = YAML.replace(
        "general_settings: {",
        "general_settings: {master_key: sk-1, ",
    );
    let (keyed, _up) = start(&keyed, Script::default()).await;
    for (proxy, line, extra, status) in [
        (&proxy, "POST /nowhere", "", "404"),
        (&proxy, "PUT /v1/chat/completions", "", "405"),
        (&keyed, CHAT, "", "401"),
        (&proxy, CHAT, "content-encoding: br\r\n", "415"),
        (&proxy, CHAT, "host: again\r\n", "400"),
    ] {
        let head = head(line, extra, LARGE);
        let answer = upload(proxy, &head, LARGE, LARGE, Duration::ZERO).await;
        is_refusal(&answer, status);
        let (head, rest) = (
            head.replace(&LARGE.to_string(), "300000"),
            Duration::from_millis(20),
        );
        is_refusal(&upload(proxy, &head, 300_000, 30_000, rest).await, status);
    }
    let larger = 2 * LARGE;
    let answer = upload(
        &proxy,
        &head(CHAT, "", larger),
        larger,
        larger,
        Duration::ZERO,
    )
    .await;
    is_refusal(&answer, "413");
    assert_eq!(up.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_proxy_is_heard_by_those_who_upload() {
    let yaml = YAML.replace(
        "general_settings: {",
        "general_settings: {global_max_parallel_requests: 1, ",
    );
    let slow = Step::answer(Reply::deltas(["one", " two"])).interval(Duration::from_secs(50));
    let (proxy, _up) = start(&yaml, [slow]).await;
    let _running = proxy
        .send(proxy.chat_request("m", &json!({"stream": true})))
        .await;
    let answer = upload(&proxy, &head(CHAT, "", LARGE), LARGE, LARGE, Duration::ZERO).await;
    is_refusal(&answer, "503");
    assert!(answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
}

/// The answer is whole and its end is told at once; only then the rest is waited for.
#[tokio::test(start_paused = true)]
async fn who_goes_on_sending_has_an_end() {
    let (proxy, _up) = start(YAML, Script::default()).await;
    let request = head(CHAT, "content-encoding: br\r\n", LARGE);
    for (every, least, most) in [(None, 2, 3), (Some(Duration::from_secs(1)), 30, 34)] {
        let mut client = TcpStream::connect(proxy.address).await.unwrap();
        // Else a byte waits for the one before to be acknowledged, which takes the kernel its own time.
        client.set_nodelay(true).unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let began = Instant::now();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        is_refusal(&answer, "415");
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
        let page = proxy.get("/metrics").await.text;
        assert_eq!(count(&page, "ziggurat_requests_in_flight", ""), 0);
        let gone = async {
            loop {
                sleep(every.unwrap_or(Duration::from_millis(100))).await;
                let silent = every.is_none() && began.elapsed() < SILENCE;
                if !silent && client.write_all(b"x").await.is_err() {
                    return;
                }
            }
        };
        timeout(Duration::from_secs(60), gone).await.unwrap();
        let took = began.elapsed();
        let about = Duration::from_secs(least)..Duration::from_secs(most);
        assert!(about.contains(&took), "{every:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_an_upload_that_was_refused() {
    let (proxy, _up) = start(YAML, Script::default()).await;
    let mut client = TcpStream::connect(proxy.address).await.unwrap();
    client.set_nodelay(true).unwrap();
    let request = head("POST /nowhere", "", LARGE);
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    is_refusal(&answer, "404");
    tokio::spawn(async move {
        while client.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(300)).await;
        }
    });
    let began = Instant::now();
    proxy.stop();
    proxy.ended().await;
    let took = began.elapsed();
    let about = Duration::from_millis(1900)..Duration::from_millis(2500);
    assert!(about.contains(&took), "{took:?}");
}

/// What is said of a body that was not read to its end. One that was leaves the connection to the next request.
#[tokio::test(start_paused = true)]
async fn whoever_did_not_read_the_body_to_its_end_says_so() {
    let (proxy, up) = start(YAML, Script::default()).await;
    let chunked = format!("{CHAT} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n");
    let trailers = format!(
        "{chunked}2\r\n{{}}\r\n0\r\n{}\r\n",
        "a: b\r\n".repeat(10_000)
    );
    for (sent, status) in [
        (head(CHAT, "", 100) + "{\"model\": ", "408"),
        (format!("{chunked}nonsense\r\n"), "400"),
        (trailers, "400"),
    ] {
        let mut client = TcpStream::connect(proxy.address).await.unwrap();
        client.write_all(sent.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        is_refusal(&answer, status);
    }
    assert_eq!(up.count(), 0);
    for (headers, body) in [("", "{"), ("content-encoding: gzip\r\n", "{}")] {
        let mut client = TcpStream::connect(proxy.address).await.unwrap();
        let request = head(CHAT, headers, body.len()) + body;
        for _ in 0..2 {
            client.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            while !answer.ends_with("}}") {
                let mut part = [0; 4096];
                let count = client.read(&mut part).await.unwrap();
                assert!(count > 0, "{answer}");
                answer += std::str::from_utf8(&part[..count]).unwrap();
            }
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
            assert!(!answer.contains("connection: close"), "{answer}");
        }
    }
}

/// RFC 9112, section 3.2.
#[tokio::test(start_paused = true)]
async fn one_host_is_named() {
    let (proxy, _up) = start(YAML, Script::default()).await;
    for (version, hosts, status) in [
        ("1.1", "", "400"),
        ("1.1", "host: a\r\nhost: b\r\n", "400"),
        ("1.1", "host: a\r\nhost: a\r\n", "400"),
        ("1.1", "host: a b\r\n", "400"),
        ("1.1", "host: a/b\r\n", "400"),
        ("1.1", "host: me@a\r\n", "400"),
        ("1.0", "host: a\r\nhost: b\r\n", "400"),
        ("1.0", "", "200"),
        ("1.1", "host:\r\n", "200"),
        ("1.1", "host: a_b.test:4000\r\n", "200"),
        ("1.1", "host: [::1]:4000\r\n", "200"),
    ] {
        let request = format!("GET /v1/models HTTP/{version}\r\n{hosts}connection: close\r\n\r\n");
        let mut client = TcpStream::connect(proxy.address).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        let expected = format!("HTTP/{version} {status} ");
        assert!(answer.starts_with(&expected), "{hosts:?}: {answer}");
        assert_eq!(
            answer.contains(r#""param":"host""#),
            status == "400",
            "{answer}"
        );
    }
    let anthropic = "GET /v1/messages HTTP/1.1\r\nconnection: close\r\n\r\n";
    let mut client = TcpStream::connect(proxy.address).await.unwrap();
    client.write_all(anthropic.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains(r#""type":"invalid_request_error""#),
        "{answer}"
    );
    let page = proxy
        .call(proxy.request(Method::GET, "/metrics", ""))
        .await
        .text;
    let refused = r#"ziggurat_requests_total{model="other",outcome="bad_request"} 8"#;
    assert!(page.contains(refused), "{page}");
}
