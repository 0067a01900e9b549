//! Streams.

use crate::*;

#[tokio::test]
async fn the_first_chunk_leaves_before_the_second_comes() {
    let events = [
        chunk("one", "null"),
        chunk("two", "\"stop\"").after(Duration::from_secs(3600)),
    ];
    let upstream = upstream(stream(events)).await;
    let response = call(&upstream, true).await.unwrap();
    assert_eq!(
        response.headers()["content-type"],
        "text/event-stream; charset=utf-8"
    );
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("one"));
}

#[tokio::test]
async fn dropping_the_body_leaves_the_upstream() {
    let events = [
        chunk("one", "null"),
        Event::pause(Duration::from_secs(3600)),
        Event::done(),
    ];
    let upstream = upstream(stream(events)).await;
    let mut body = call(&upstream, true).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    left(&upstream).await;
}

#[tokio::test]
async fn dropping_the_future_leaves_the_upstream() {
    let upstream = upstream(Step::hang()).await;
    let calling = call(&upstream, false);
    tokio::select! {
        _ = calling => panic!("the upstream hangs"),
        _ = upstream.wait_for(1) => {}
    }
    left(&upstream).await;
}

async fn left(upstream: &Running) {
    while upstream.hits()[0].progress() != Progress::ClientLeft {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_fails_after_what_came() {
    for cut in [Cut::Eof, Cut::Close, Cut::Reset] {
        let events = [
            chunk("one", "null"),
            chunk("two", "\"stop\"").after(Duration::from_millis(30)),
        ];
        let upstream = upstream(stream(events).cut_after(1, cut)).await;
        let mut body = call(&upstream, true).await.unwrap().into_body();
        assert!(body.frame().await.unwrap().is_ok(), "{cut:?}");
        let failure = body.frame().await.unwrap().unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Disconnected, "{cut:?}");
        assert_eq!(failure.status(), 502);
        assert_eq!(failure.deployment().unwrap().as_str(), "one");
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test]
async fn an_upstream_that_stays_after_the_end_does_not_hold_the_client() {
    let events = [
        chunk("one", "\"stop\""),
        Event::done(),
        Event::pause(Duration::from_secs(3600)),
        Event::comment("late"),
    ];
    let upstream = upstream(stream(events)).await;
    let text = read(call(&upstream, true).await.unwrap()).await.unwrap();
    assert!(text.ends_with(b"data: [DONE]\n\n"));
}
