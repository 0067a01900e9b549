//! Silences after the first content, and the total.

use std::{pin::Pin, time::Duration};

use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};
use ziggurat_core::{DeploymentId, FailureKind};
use ziggurat_stream_timeout::{Limit, StreamTimeoutLayer};
use ziggurat_testing::{Guards, ScriptedBody};

use crate::support::{
    COMMENT, DONE, PING, TEXT, answering, ask, begun, body, elapsed, limit, plain, read, seconds,
    streaming, with,
};

macro_rules! poll {
    ($body:expr) => {
        $body.enter(|cx, body| body.poll_frame(cx))
    };
}

/// Returns when a stream ends, the length of what came, and which limit cut it.
async fn runs(layer: StreamTimeoutLayer, body: ScriptedBody) -> (u64, usize, Option<(Limit, u64)>) {
    let start = Instant::now();
    let response = ask(layer, &answering(body), streaming()).await.unwrap();
    let (text, failure) = read(response.into_body()).await;
    (
        start.elapsed().as_secs(),
        text.len(),
        failure.as_ref().map(elapsed),
    )
}

/// Content at once, then so many pieces with pauses before them.
fn talk(pieces: usize, pause: u64, piece: &'static str) -> ScriptedBody {
    (0..pieces).fold(body().data(TEXT), |body, _| {
        body.wait(seconds(pause)).data(piece)
    })
}

#[tokio::test(start_paused = true)]
async fn r100_each_silence_has_the_whole_limit() {
    let all = TEXT.len() * 21;
    assert_eq!(runs(limit(5), talk(20, 4, TEXT)).await, (80, all, None));
    let silent = talk(2, 4, TEXT).wait(seconds(6)).data(TEXT);
    let cut = Some((Limit::Idle, 5));
    assert_eq!(runs(limit(5), silent).await, (13, TEXT.len() * 3, cut));
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_its_own_for_silences() {
    let cut = |after| Some((Limit::Idle, after));
    let stalls = || talk(1, 1, TEXT).hang();
    let all = TEXT.len() * 2;
    assert_eq!(
        runs(limit(5).idle(seconds(2)), stalls()).await,
        (3, all, cut(2))
    );
    assert_eq!(
        runs(limit(5).idle(seconds(9)), stalls()).await,
        (10, all, cut(9))
    );
    assert_eq!(
        runs(limit(0).idle(seconds(9)), stalls()).await,
        (10, all, cut(9))
    );
    // Zero is none, as is what is too long for the clock.
    for idle in [Duration::ZERO, Duration::MAX] {
        let long = talk(1, 1 << 20, TEXT);
        assert_eq!(runs(limit(5).idle(idle), long).await, (1 << 20, all, None));
    }
}

#[tokio::test(start_paused = true)]
async fn r101_comments_and_pings_do_not_end_a_silence() {
    for piece in [
        COMMENT,
        PING,
        "\n",
        ":\r\r",
        ": a\r\n: b\r\n\r\n",
        "event:ping\n",
        "event: ping\n",
    ] {
        let (ended, _, cut) = runs(limit(5), talk(20, 2, piece)).await;
        assert_eq!((ended, cut), (5, Some((Limit::Idle, 5))), "{piece:?}");
    }
    for piece in [
        TEXT,
        DONE,
        ": a\n\ndata: b\n\n",
        "a\n",
        "event: pings\n",
        "event",
    ] {
        let (ended, _, cut) = runs(limit(5), talk(20, 2, piece)).await;
        assert_eq!((ended, cut), (40, None), "{piece:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_comment_in_pieces_is_one_and_a_colon_in_a_line_is_none() {
    let comment = |body: ScriptedBody| {
        [": half", " a comm", "ent\n\n"]
            .into_iter()
            .fold(body, |body, piece| body.wait(seconds(2)).data(piece))
    };
    let lively = comment(body().data(TEXT)).hang();
    assert_eq!(runs(limit(5), lively).await.0, 5);
    let field = body()
        .data(TEXT)
        .data("data: {\"a\"")
        .wait(seconds(4))
        .data(": 1}\n\n");
    assert_eq!(runs(limit(5), field.wait(seconds(4)).data(DONE)).await.0, 8);
    // The first content may come with half a comment, too.
    let half = body().data(format!("{TEXT}: half"));
    let other = half.wait(seconds(4)).data("of it\n").hang();
    assert_eq!(runs(limit(5), other).await.0, 5);
}

#[tokio::test(start_paused = true)]
async fn a_short_silence_may_follow_a_long_wait() {
    let layer = limit(60).idle(seconds(5));
    let scripted = body().wait(seconds(30)).data(TEXT).hang();
    let cut = Some((Limit::Idle, 5));
    assert_eq!(runs(layer, scripted).await, (35, TEXT.len(), cut));
    let scripted = body().wait(seconds(1)).data(TEXT).hang();
    let cut = Some((Limit::Idle, 60));
    assert_eq!(
        runs(limit(5).idle(seconds(60)), scripted).await,
        (61, TEXT.len(), cut)
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_never_blamed() {
    let scripted = body()
        .data(TEXT)
        .wait(seconds(1))
        .data(TEXT)
        .wait(seconds(4))
        .data(DONE);
    let mut body = begun(limit(5), scripted).await;
    // It does not even take what was held.
    tokio::time::advance(seconds(60)).await;
    assert!(assert_ready!(poll!(body)).unwrap().is_ok());
    tokio::time::advance(seconds(60)).await;
    assert_pending!(poll!(body));
    // What came meanwhile is handed out.
    tokio::time::advance(seconds(60)).await;
    assert!(assert_ready!(poll!(body)).unwrap().is_ok());
    tokio::time::advance(seconds(60)).await;
    assert_pending!(poll!(body));
    tokio::time::advance(seconds(4)).await;
    assert!(assert_ready!(poll!(body)).unwrap().is_ok());
    assert!(assert_ready!(poll!(body)).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_is_away_while_comments_come_is_not_blamed() {
    let scripted = body()
        .data(TEXT)
        .wait(seconds(1))
        .data(COMMENT)
        .wait(seconds(4))
        .data(DONE);
    let mut body = begun(limit(5), scripted).await;
    assert!(assert_ready!(poll!(body)).unwrap().is_ok());
    assert_pending!(poll!(body));
    tokio::time::advance(seconds(60)).await;
    assert!(assert_ready!(poll!(body)).unwrap().is_ok());
    // The reader was away while the limit passed: the silence begins anew.
    assert_pending!(poll!(body));
    tokio::time::advance(seconds(4)).await;
    assert!(assert_ready!(poll!(body)).unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn after_the_limit_the_inner_body_is_gone_and_nothing_follows() {
    let guards = Guards::new();
    let service = answering(body().data(TEXT).hang().guard(guards.take()));
    let script = guards.held();
    let request = with(plain(), DeploymentId::from("zephyr-1"));
    let response = ask(limit(5), &service, request).await.unwrap();
    let mut body = task::spawn(response.into_body());
    assert!(assert_ready!(poll!(body)).unwrap().is_ok());
    assert_pending!(poll!(body));
    assert_eq!(guards.held(), script + 1);
    tokio::time::advance(seconds(5)).await;
    assert!(body.is_woken());
    let failure = assert_ready!(poll!(body)).unwrap().unwrap_err();
    assert_eq!(elapsed(&failure), (Limit::Idle, 5));
    assert_eq!(failure.deployment(), Some(&"zephyr-1".into()));
    assert_eq!(guards.held(), script);
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(assert_ready!(poll!(body)).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_fails_once_and_frees_its_body() {
    let guards = Guards::new();
    let scripted = body().data(TEXT).error("reset").guard(guards.take());
    let mut body = begun(limit(5), scripted).await;
    assert!(assert_ready!(poll!(body)).unwrap().is_ok());
    let failure = assert_ready!(poll!(body)).unwrap().unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Other);
    assert_eq!(guards.held(), 0);
    assert!(assert_ready!(poll!(body)).is_none());
}

#[tokio::test(start_paused = true)]
async fn r101_the_total_begins_with_the_call() {
    let cut = Some((Limit::Total, 9));
    let layer = limit(5).total(seconds(9));
    assert_eq!(
        runs(layer, talk(20, 2, TEXT)).await,
        (9, TEXT.len() * 5, cut)
    );
    assert_eq!(
        runs(layer, talk(4, 2, TEXT)).await,
        (8, TEXT.len() * 5, None)
    );
    // The nearer limit holds.
    assert_eq!(
        runs(layer, body().data(TEXT).hang()).await.2,
        Some((Limit::Idle, 5))
    );
    // No other limit is needed.
    let layer = limit(0).total(seconds(9));
    assert_eq!(runs(layer, body().data(TEXT).hang()).await.2, cut);
    // Before the first content as well.
    let failure = ask(
        limit(20).total(seconds(9)),
        &answering(body()).never(),
        streaming(),
    )
    .await;
    assert_eq!(elapsed(&failure.unwrap_err()), (Limit::Total, 9));
}

#[tokio::test(start_paused = true)]
async fn the_total_is_looked_at_only_when_there_is_nothing_to_hand_out() {
    let scripted = body().data(TEXT).data(TEXT).data(TEXT).hang();
    let mut body = begun(limit(5).total(seconds(9)), scripted).await;
    tokio::time::advance(seconds(60)).await;
    for _ in 0..3 {
        assert!(assert_ready!(poll!(body)).unwrap().is_ok());
    }
    let failure = assert_ready!(poll!(body)).unwrap().unwrap_err();
    assert_eq!(elapsed(&failure), (Limit::Total, 9));
}

#[tokio::test(start_paused = true)]
async fn a_total_that_a_slow_reader_used_up_is_no_fault_of_the_stream() {
    // What the stream takes before its content, then between frames, and its reader between them.
    for (head, gap, reader, blameless) in [
        (0, 1, 40, true),
        (50, 10, 12, true),
        (0, 30, 0, false),
        (60, 10, 1, false),
        (91, 0, 9, false),
    ] {
        let scripted = (0..9).fold(body().wait(seconds(head)).data(TEXT), |body, _| {
            body.wait(seconds(gap)).data(TEXT)
        });
        let layer = limit(95).total(seconds(100));
        let service = answering(scripted.hang());
        let response = ask(layer, &service, streaming()).await.unwrap();
        let mut body = response.into_body();
        let failure = loop {
            match body.frame().await.unwrap() {
                Ok(_) => tokio::time::sleep(seconds(reader)).await,
                Err(failure) => break failure,
            }
        };
        assert_eq!(elapsed(&failure), (Limit::Total, 100));
        assert_eq!(failure.is_blameless(), blameless, "{head} {gap} {reader}");
    }
    // A silence is never the reader's.
    let mut body = begun(limit(5).total(seconds(100)), body().data(TEXT).hang()).await;
    tokio::time::advance(seconds(60)).await;
    assert!(assert_ready!(poll!(body)).unwrap().is_ok());
    assert_pending!(poll!(body));
    tokio::time::advance(seconds(5)).await;
    let failure = assert_ready!(poll!(body)).unwrap().unwrap_err();
    assert_eq!(elapsed(&failure), (Limit::Idle, 5));
    assert!(!failure.is_blameless());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_complete_is_not_cut() {
    let complete = || body().data(TEXT).data(DONE);
    let guards = Guards::new();
    let all = TEXT.len() + DONE.len();
    let hangs = complete().hang().guard(guards.take());
    assert_eq!(runs(limit(5), hangs).await, (5, all, None));
    assert_eq!(guards.held(), 0);
    assert_eq!(
        runs(limit(5).total(seconds(2)), complete().hang()).await,
        (2, all, None)
    );
    let comments = complete().data(COMMENT).hang();
    assert_eq!(runs(limit(5), comments).await.2, None);
    // It may be all that there is.
    assert_eq!(
        runs(limit(5), body().data(DONE).hang()).await,
        (5, DONE.len(), None)
    );
    for more in [
        TEXT,
        "data: {\"a\":\"data: [DONE]",
        "data: [DONE]",
        "xdata: [DONE]\n\n",
    ] {
        let goes_on = complete().data(more).hang();
        let (_, _, cut) = runs(limit(5), goes_on).await;
        assert_eq!(cut, Some((Limit::Idle, 5)), "{more}");
    }
}

#[tokio::test(start_paused = true)]
async fn streams_whose_events_have_names_end_with_one() {
    for end in [
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        "event:message_stop\r\ndata: {}\r\n\r\n",
        "data: {}\n\nevent: response.completed\ndata: {}\n\n",
        "event: response.incomplete\ndata: {}\n\n",
        "event: response.failed\ndata: {}\n\n",
    ] {
        let complete = body().data(TEXT).data(end).hang();
        let all = TEXT.len() + end.len();
        assert_eq!(runs(limit(5), complete).await, (5, all, None), "{end:?}");
    }
    for more in [
        "event: message_stop\ndata: {}\n",
        "event: message_stop\n\n",
        "event: message_stopped\ndata: {}\n\n",
        "data: event: message_stop\ndata: {}\n\n",
        "event: message_stop\ndata: {}\n\ndata: {}\n\n",
    ] {
        let goes_on = body().data(TEXT).data(more).hang();
        let all = TEXT.len() + more.len();
        let cut = Some((Limit::Idle, 5));
        assert_eq!(runs(limit(5), goes_on).await, (5, all, cut), "{more:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn any_byte_of_another_body_ends_a_silence() {
    let scripted = (0..9).fold(body(), |body, _| body.data(": x\n").wait(seconds(4)));
    let service = crate::support::Service::new().ok(http::Response::new(scripted));
    let response = ask(limit(5), &service, streaming()).await.unwrap();
    assert!(read(response.into_body()).await.1.is_none());
}

#[tokio::test(start_paused = true)]
async fn dropping_the_body_frees_the_inner_one() {
    let guards = Guards::new();
    let mut body = begun(limit(5), body().data(TEXT).hang().guard(guards.take())).await;
    assert!(assert_ready!(poll!(body)).unwrap().is_ok());
    assert_pending!(poll!(body));
    assert!(!Pin::new(&mut *body).is_end_stream());
    drop(body);
    assert_eq!(guards.held(), 0);
}
