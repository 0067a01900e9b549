//! What an upstream does when it misbehaves.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::{io::ErrorKind, time::Duration};

use common::*;
use http::{Response, StatusCode};
use tokio::{io::AsyncReadExt, time::timeout};
use ziggurat_mock::{Answer, ApiError, Closed, Cut, Event, Progress, Step};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_hanging_step_ends_when_the_client_leaves() {
    let upstream = upstream(Step::hang()).await;
    timeout(SECOND, ask(&upstream, PLAIN)).await.unwrap_err();
    let hit = upstream.hits().remove(0);
    assert_eq!(hit.ended().await, Progress::ClientLeft);
    assert!(hit.client_left());
}

#[tokio::test(start_paused = true)]
async fn a_reset_comes_before_the_head() {
    let upstream = upstream(Step::reset()).await;
    let error = read_all(raw(&upstream, &last(PLAIN)).await)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(upstream.hits()[0].ended().await, Progress::Done);
}

#[tokio::test(start_paused = true)]
async fn a_reset_comes_after_the_head() {
    // The pause lets the client read the head: a reset discards what was not read.
    let upstream = upstream(Step::hello().body_delay(SECOND).cut_after(0, Cut::Reset)).await;
    let response = ask(&upstream, PLAIN).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(frames(response).await, (vec![], true));
}

#[tokio::test(start_paused = true)]
async fn a_body_ends_short_of_its_promise() {
    let upstream =
        upstream(Step::respond(Response::new("0123456789")).cut_after(4, Cut::Close)).await;
    let text = read_all(raw(&upstream, &last(PLAIN)).await).await.unwrap();
    assert_eq!(text, "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n0123");
}

#[tokio::test(start_paused = true)]
async fn a_clean_end_promises_no_more_than_it_delivers() {
    let upstream =
        upstream(Step::respond(Response::new("0123456789")).cut_after(4, Cut::Eof)).await;
    assert_eq!(bytes(ask(&upstream, PLAIN).await.unwrap()).await, "0123");
}

#[tokio::test(start_paused = true)]
async fn a_cut_beyond_the_end_is_none() {
    let upstream = upstream(Step::respond(Response::new("0123")).cut_after(4, Cut::Close)).await;
    assert_eq!(bytes(ask(&upstream, PLAIN).await.unwrap()).await, "0123");
}

#[tokio::test(start_paused = true)]
async fn a_header_of_the_response_may_lie() {
    let lie = Response::builder()
        .header("content-length", "99")
        .body("short")
        .unwrap();
    let upstream = upstream(Step::respond(lie).then_close()).await;
    let (got, failed) = frames(ask(&upstream, PLAIN).await.unwrap()).await;
    assert_eq!((got, failed), (vec!["short".into()], true));
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_cleanly_without_its_end() {
    let upstream = upstream(Step::answer(Answer::deltas(["a", "b"])).cut_after(2, Cut::Eof)).await;
    let (frames, failed) = frames(ask(&upstream, STREAM).await.unwrap()).await;
    assert_eq!((frames.len(), failed), (2, false));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_aborted() {
    for cut in [Cut::Close, Cut::Reset] {
        let upstream = upstream(Step::answer("a b c").interval(SECOND).cut_after(3, cut)).await;
        let (frames, failed) = frames(ask(&upstream, STREAM).await.unwrap()).await;
        assert!(failed, "{cut:?}");
        // A reset may overtake the last chunk, since it follows at once.
        assert!(
            frames.len() == 3 || cut == Cut::Reset,
            "{cut:?}: {}",
            frames.len()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_falls_silent() {
    let upstream = upstream(Step::answer("a b c").cut_after(1, Cut::Hang)).await;
    let response = ask(&upstream, STREAM).await.unwrap();
    timeout(SECOND, frames(response)).await.unwrap_err();
    assert_eq!(upstream.hits()[0].ended().await, Progress::ClientLeft);
}

#[tokio::test(start_paused = true)]
async fn scripted_events_go_out_chunk_by_chunk() {
    let step = Step::events([
        Event::comment("ping"),
        Event::raw("data: {\"a\""),
        Event::raw(":1}\n\n"),
        Event::pause(SECOND),
        Event::error(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR)),
        Event::done().after(SECOND),
    ]);
    let upstream = upstream(step).await;
    let start = tokio::time::Instant::now();
    let (frames, failed) = frames(ask(&upstream, PLAIN).await.unwrap()).await;
    assert!(!failed);
    assert_eq!(start.elapsed(), 2 * SECOND);
    let error = r#"{"error":{"message":"The server had an error.","type":"server_error","param":null,"code":null}}"#;
    let error = format!("data: {error}\n\n");
    assert_eq!(
        frames,
        [
            ": ping\n\n",
            "data: {\"a\"",
            ":1}\n\n",
            &error,
            "data: [DONE]\n\n"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn garbage_is_not_http() {
    let upstream = upstream(Step::garbage("\u{1}\u{2} not http")).await;
    ask(&upstream, PLAIN).await.unwrap_err();
    assert_eq!(
        read_all(raw(&upstream, &last(PLAIN)).await).await.unwrap(),
        "\u{1}\u{2} not http"
    );
}

#[tokio::test(start_paused = true)]
async fn an_endless_head_never_becomes_a_response() {
    let upstream = upstream(Step::endless_head(SECOND)).await;
    timeout(30 * SECOND, ask(&upstream, PLAIN))
        .await
        .unwrap_err();

    let mut stream = raw(&upstream, &last(PLAIN)).await;
    let mut start = [0; 47];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(
        &start,
        b"HTTP/1.1 200 OK\r\nx-filler-0: 0\r\nx-filler-1: 0\r\n".as_slice()
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_closes_unannounced_after_the_response() {
    let upstream = upstream(Step::hello().then_close()).await;
    let keep_alive = last(PLAIN).replace("connection: close\r\n", "");
    let text = read_all(raw(&upstream, &keep_alive).await).await.unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200 OK\r\n") && !text.contains("connection"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_closed_address_refuses() {
    let closed = Closed::new().unwrap();
    let error = tokio::net::TcpStream::connect(closed.addr())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}
