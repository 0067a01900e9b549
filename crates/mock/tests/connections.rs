//! Requests as they come over real connections: many, in a row, in odd framings.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::*;
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use ziggurat_mock::{Script, Step};

#[tokio::test(start_paused = true)]
async fn pipelined_requests_are_answered_in_order() {
    let upstream = upstream([
        Step::error(StatusCode::INTERNAL_SERVER_ERROR),
        Step::error(StatusCode::TOO_MANY_REQUESTS),
        Step::hello(),
    ])
    .await;
    let keep = last(PLAIN).replace("connection: close\r\n", "");
    let all = [keep.as_str(), &keep, &last(PLAIN)].concat();
    let text = read_all(raw(&upstream, &all).await).await.unwrap();
    let statuses: Vec<_> = text
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &text[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["500", "429", "200"]);
    assert_eq!(upstream.accepted(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_may_come_byte_by_byte() {
    let upstream = upstream(Step::hello()).await;
    let mut stream = raw(&upstream, "").await;
    for byte in last(PLAIN).bytes() {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(
        read_all(stream)
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200 OK")
    );
    assert_eq!(upstream.hits()[0].body(), PLAIN);
}

#[tokio::test(start_paused = true)]
async fn a_chunked_request_is_put_together() {
    let upstream = upstream(Step::hello()).await;
    let head = "POST /chat/completions HTTP/1.1\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunks = "9\r\n{\"model\":\r\n4;x=y\r\n\"m\"}\r\n0\r\nx-trailer: 1\r\n\r\n";
    let text = read_all(raw(&upstream, &format!("{head}{chunks}")).await)
        .await
        .unwrap();
    assert!(text.contains(r#""model":"m""#), "{text}");
    assert_eq!(upstream.hits()[0].body(), r#"{"model":"m"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_expects_it_is_told_to_continue() {
    let upstream = upstream(Step::hello()).await;
    let head = last("{}").replace("\r\n\r\n{}", "\r\nexpect: 100-continue\r\n\r\n");
    let mut stream = raw(&upstream, &head).await;
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").await.unwrap();
    assert!(
        read_all(stream)
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200 OK")
    );
}

#[tokio::test(start_paused = true)]
async fn broken_requests_are_refused_and_not_counted() {
    let upstream = upstream(Step::hello()).await;
    let status = async |request: String| {
        let text = read_all(raw(&upstream, &request).await).await.unwrap();
        text[9..12].to_owned()
    };
    assert_eq!(status("nonsense\r\n\r\n".into()).await, "400");
    assert_eq!(
        status("POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n".into()).await,
        "400"
    );
    let both = "POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(status(both.into()).await, "400");
    let chunk = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc";
    assert_eq!(status(chunk.into()).await, "400");
    assert_eq!(
        status(format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(101))).await,
        "431"
    );
    assert_eq!(
        status("POST / HTTP/1.1\r\ncontent-length: 999999999999\r\n\r\n".into()).await,
        "413"
    );
    assert_eq!(upstream.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_hold_at_once() {
    const CLIENTS: usize = 200;
    const REQUESTS: usize = 10;
    let script =
        Script::new([Step::hello()]).fail(0.5, 1, Step::error(StatusCode::SERVICE_UNAVAILABLE));
    let upstream = upstream(script).await;
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..CLIENTS {
        let request = post(
            &upstream,
            "/chat/completions",
            if n % 2 == 0 { PLAIN } else { STREAM },
        );
        clients.spawn(async move {
            let http = client();
            for _ in 0..REQUESTS {
                let response = http.request(request.clone()).await.unwrap();
                let (frames, failed) = frames(response).await;
                assert!(!frames.is_empty() && !failed);
            }
        });
    }
    clients.join_all().await;
    assert_eq!(upstream.count(), (CLIENTS * REQUESTS) as u64);
    // The client's pool may open a second connection while the first is on its way back.
    assert!(
        upstream.accepted() < 2 * CLIENTS as u64,
        "connections are reused"
    );
}
