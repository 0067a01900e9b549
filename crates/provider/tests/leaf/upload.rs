//! Requests that an upstream does not take as fast as they come, or at all.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
    time::timeout,
};

use crate::*;

/// As many bytes as no buffer between holds.
const LONG: usize = 100_000;

fn ask_at_length(stream: bool) -> Request<JsonBody> {
    let content = "w".repeat(LONG);
    let message = format!(r#"{{"role":"user","content":"{content}"}}"#);
    asking(
        format!(r#"{{"model":"group","messages":[{message}],"stream":{stream}}}"#),
        stream,
    )
}

/// A leaf, and the upstream's ends of its connections.
fn leaf_and_upstream() -> (ProviderService, mpsc::UnboundedReceiver<DuplexStream>) {
    let (send, receive) = mpsc::unbounded_channel();
    let client = HttpClient::builder().dial(move |_| {
        let (ours, theirs) = duplex(1024);
        send.send(theirs).unwrap();
        async { Ok(ours) }
    });
    (dial::leaf(&client), receive)
}

/// How much of a request still comes, until its connection is closed.
async fn rest(mut connection: DuplexStream) -> usize {
    let mut rest = Vec::new();
    let read = timeout(Duration::from_secs(10), connection.read_to_end(&mut rest));
    read.await.expect("the connection is closed").unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_takes_along_what_was_not_sent() {
    let (leaf, mut connections) = leaf_and_upstream();
    let call = leaf.oneshot(ask_at_length(false));
    timeout(Duration::from_secs(1), call).await.unwrap_err();
    let connection = connections.recv().await.unwrap();
    assert!(rest(connection).await < LONG / 10);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_came_early_ends_the_request_when_it_is_read() {
    let (leaf, mut connections) = leaf_and_upstream();
    let call = tokio::spawn(leaf.oneshot(ask_at_length(false)));
    let mut connection = connections.recv().await.unwrap();
    let answer = "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}";
    connection.write_all(answer.as_bytes()).await.unwrap();
    let response = call.await.unwrap().unwrap();
    assert_eq!(failure(&response).kind(), FailureKind::PayloadTooLarge);
    assert!(rest(connection).await < LONG / 10);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_takes_along_what_was_not_sent() {
    let (leaf, mut connections) = leaf_and_upstream();
    let call = tokio::spawn(leaf.oneshot(ask_at_length(true)));
    let mut connection = connections.recv().await.unwrap();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    connection.write_all(head.as_bytes()).await.unwrap();
    let response = call.await.unwrap().unwrap();
    drop(response);
    assert!(rest(connection).await < LONG / 10);
}

#[tokio::test]
async fn a_connection_that_took_a_long_request_is_used_again() {
    let upstream = upstream(Script::new([Step::hello(), Step::hello(), Step::hello()])).await;
    let mut leaf = leaf_at(&upstream.url());
    for _ in 0..3 {
        let response = leaf.ready().await.unwrap().call(ask_at_length(false)).await;
        read(response.unwrap()).await.unwrap();
        // The connection goes back to the pool in a task of its own.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }
    let hits = upstream.hits();
    assert_eq!(hits[0].connection(), hits[1].connection());
    assert_eq!(hits[1].connection(), hits[2].connection());
}
