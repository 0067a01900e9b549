//! Together with the layer that limits plain calls, which stands below.

use http::Request;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};
use ziggurat_core::{Failure, FailureKind, overrides};
use ziggurat_testing::ScriptedBody;
use ziggurat_timeout::TimeoutLayer;

use crate::support::{
    COMMENT, ROLE, Service, TEXT, answering, body, limit, plain, seconds, streaming, with,
};

/// Calls `StreamTimeout(10) · Timeout(timeout)`; returns when it ended, how much came, and the limit that cut it.
async fn runs(timeout: u64, service: &Service, request: Request<()>) -> (u64, usize, Option<u64>) {
    let start = Instant::now();
    let below = TimeoutLayer::new(seconds(timeout)).stream(seconds(10));
    let stack = limit(10).layer(below.layer(service.clone()));
    let (text, failure) = match stack.oneshot(request).await {
        Ok(response) => {
            use http_body_util::BodyExt as _;
            let mut body = response.into_body();
            let (mut len, mut failure) = (0, None::<Failure>);
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => len += frame.into_data().unwrap().len(),
                    Err(error) => failure = Some(error),
                }
            }
            (len, failure)
        }
        Err(failure) => (0, Some(failure)),
    };
    let limit = failure.map(|failure| {
        assert_eq!(failure.kind(), FailureKind::Timeout);
        failure.limit().unwrap().as_secs()
    });
    (start.elapsed().as_secs(), text, limit)
}

fn talk(pieces: usize) -> ScriptedBody {
    (0..pieces).fold(body().data(TEXT), |body, _| {
        body.wait(seconds(1)).data(TEXT)
    })
}

#[tokio::test(start_paused = true)]
async fn a_deployments_timeout_does_not_cut_a_stream_that_has_begun() {
    for request in [streaming(), plain()] {
        let all = TEXT.len() * 21;
        assert_eq!(
            runs(5, &answering(talk(20)), request).await,
            (20, all, None)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_head_and_the_first_content_share_one_limit() {
    // The head takes four seconds; the content has what is left of the ten.
    let service = answering(body().data(ROLE).data(COMMENT).hang()).after(seconds(4));
    assert_eq!(runs(60, &service, streaming()).await, (10, 0, Some(10)));
    let never = answering(body()).never();
    assert_eq!(runs(60, &never, streaming()).await, (10, 0, Some(10)));
    let request = with(streaming(), overrides::StreamTimeout(seconds(3)));
    assert_eq!(runs(60, &never, request).await, (3, 0, Some(3)));
}

#[tokio::test(start_paused = true)]
async fn both_take_the_requests_own_timeout_for_a_total() {
    let request = || with(streaming(), overrides::Timeout(seconds(7)));
    let cut = (7, TEXT.len() * 7, Some(7));
    let (ended, text, limit) = runs(5, &answering(talk(20)), request()).await;
    // The frame of the last moment is handed out.
    assert_eq!((ended, text, limit), (cut.0, cut.1 + TEXT.len(), cut.2));
    assert_eq!(
        runs(5, &answering(body().hang()), request()).await,
        (7, 0, Some(7))
    );
}

#[tokio::test(start_paused = true)]
async fn a_plain_answer_keeps_the_limit_of_plain_answers() {
    let json = http::Response::new(talk(20));
    let service = Service::new().ok(json);
    assert_eq!(
        runs(5, &service, plain()).await,
        (5, TEXT.len() * 6, Some(5))
    );
}
