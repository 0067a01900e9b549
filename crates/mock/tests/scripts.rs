//! The order of steps, what is recorded, how an upstream stops.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::*;
use http::StatusCode;
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use ziggurat_mock::{Progress, Script, Step, Upstream};

fn fail(status: u16) -> Step {
    Step::error(StatusCode::from_u16(status).unwrap())
}

/// Returns the statuses of `count` requests in a row.
async fn statuses(script: impl Into<Script>, count: usize) -> Vec<u16> {
    let upstream = upstream(script).await;
    let http = client();
    let mut statuses = Vec::new();
    for _ in 0..count {
        let response = http
            .request(post(&upstream, "/chat/completions", PLAIN))
            .await
            .unwrap();
        statuses.push(response.status().as_u16());
        bytes(response).await;
    }
    statuses
}

#[tokio::test(start_paused = true)]
async fn the_last_step_repeats() {
    assert_eq!(
        statuses([fail(500), fail(429), Step::hello()], 5).await,
        [500, 429, 200, 200, 200]
    );
    assert_eq!(
        statuses(Script::new([fail(500)]).then(Step::hello()), 3).await,
        [500, 200, 200]
    );
    assert_eq!(statuses([], 2).await, [200, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_cycle_starts_again() {
    assert_eq!(
        statuses(Script::new([fail(500), Step::hello()]).cycle(), 5).await,
        [500, 200, 500, 200, 500]
    );
}

#[tokio::test(start_paused = true)]
async fn failures_by_rate_follow_their_seed() {
    let script = |rate, seed| Script::new([fail(503), Step::hello()]).fail(rate, seed, fail(500));
    let first = statuses(script(0.3, 1), 200).await;
    assert_eq!(first, statuses(script(0.3, 1), 200).await);
    assert_ne!(first, statuses(script(0.3, 2), 200).await);
    let failed = first.iter().filter(|status| **status == 500).count();
    assert!(
        (40..=80).contains(&failed),
        "{failed} of 200 at a rate of 0.3"
    );
    // A failure by rate leaves the script's own step for the next request.
    assert_eq!(first.iter().find(|status| **status != 500), Some(&503));
    assert_eq!(first.iter().filter(|status| **status == 503).count(), 1);

    assert_eq!(statuses(script(f64::NAN, 1), 2).await, [503, 200]);
    assert_eq!(statuses(script(7.0, 1), 2).await, [500, 500]);
}

#[tokio::test(start_paused = true)]
async fn a_script_can_be_changed_while_it_runs() {
    let upstream = upstream(fail(500)).await;
    assert_eq!(ask(&upstream, PLAIN).await.unwrap().status(), 500);
    upstream.set_script(Step::hello());
    assert_eq!(ask(&upstream, PLAIN).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn requests_are_recorded() {
    let upstream = upstream(Step::hello()).await;
    let http = client();
    for key in ["one", "two"] {
        let mut request = post(&upstream, "/v1/chat/completions?a=b", PLAIN);
        request
            .headers_mut()
            .insert("authorization", key.parse().unwrap());
        bytes(http.request(request).await.unwrap()).await;
    }
    let hits = upstream.wait_for(2).await;
    let hit = &hits[1];
    assert_eq!(
        (hit.method().as_str(), hit.path(), hit.query()),
        ("POST", "/v1/chat/completions", Some("a=b"))
    );
    assert_eq!(hit.header("authorization"), Some("two"));
    assert_eq!(hit.body(), PLAIN);
    assert_eq!(hit.json().unwrap()["model"], "gpt-4o");
    assert_eq!(hit.ended().await, Progress::Done);
    assert_eq!(
        hits[0].connection(),
        hit.connection(),
        "the connection is kept alive"
    );
    assert_eq!((upstream.connections(), upstream.accepted()), (1, 1));
    let shown = format!("{hit:?}");
    assert!(!shown.contains("two") && !shown.contains("gpt"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn only_the_latest_requests_are_kept() {
    let upstream = Upstream::new("a").keep(2).start().await.unwrap();
    for body in ["1", "2", "3"] {
        ask(&upstream, body).await.unwrap();
    }
    let bodies: Vec<Bytes> = upstream
        .hits()
        .iter()
        .map(|hit| hit.body().clone())
        .collect();
    assert_eq!(bodies, ["2", "3"]);
    assert_eq!(upstream.count(), 3);

    let upstream = Upstream::new("a").keep(0).start().await.unwrap();
    ask(&upstream, "1").await.unwrap();
    assert_eq!((upstream.hits().len(), upstream.count()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn dropping_it_closes_everything_at_once() {
    let upstream = upstream(Step::hang()).await;
    let addr = upstream.addr();
    let mut waiting = raw(&upstream, &last(PLAIN)).await;
    let hit = upstream.wait_for(1).await.remove(0);
    drop(upstream);
    assert_eq!(hit.ended().await, Progress::Stopped);
    assert_eq!(waiting.read(&mut [0]).await.unwrap(), 0);
    TcpStream::connect(addr).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_lets_running_steps_end() {
    let upstream = upstream(Step::hello().delay(Duration::from_secs(60))).await;
    let addr = upstream.addr();
    let mut idle = TcpStream::connect(addr).await.unwrap();
    let running = raw(&upstream, &last(PLAIN)).await;
    let hit = upstream.wait_for(1).await.remove(0);
    let stopping = tokio::spawn(upstream.shutdown());
    assert_eq!(
        timeout(Duration::from_secs(1), idle.read(&mut [0]))
            .await
            .unwrap()
            .unwrap(),
        0
    );
    TcpStream::connect(addr).await.unwrap_err();
    assert!(
        read_all(running)
            .await
            .unwrap()
            .contains("hello from azure-1")
    );
    assert_eq!(hit.progress(), Progress::Done);
    stopping.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_upstream_can_come_back_where_it_was() {
    let first = upstream(Step::hello()).await;
    let addr = first.addr();
    first.shutdown().await;
    let second = Upstream::new("back").bind(addr).start().await.unwrap();
    assert_eq!(second.addr(), addr);
}
