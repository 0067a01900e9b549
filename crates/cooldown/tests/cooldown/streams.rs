//! Trials that are streams.

use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};
use ziggurat_cooldown::CooldownLayer;
use ziggurat_core::{Failure, FailureKind, LlmRequest, json::Document, overrides, vitals::Phase};
use ziggurat_testing::ScriptedBody;

use crate::support::{Answer, Deployment, body, ok, request, rules, seconds, status, with};

fn events(body: ScriptedBody) -> Answer {
    let response = Response::builder().header("content-type", "Text/Event-Stream; charset=utf-8");
    Ok(response.body(body).unwrap())
}

fn streaming() -> Request<()> {
    let document = Document::parse(bytes::Bytes::from_static(b"{}")).unwrap();
    with(LlmRequest::new("zephyr", true, document))
}

fn strikes(deployment: &Deployment) -> u32 {
    deployment.breaker.snapshot().strikes
}

#[tokio::test(start_paused = true)]
async fn a_trial_that_streams_is_decided_by_its_first_data() {
    let talk = || ScriptedBody::new().data("").data("a").data("b").hang();
    for (answer, request) in [(events(talk()), request()), (body(talk()), streaming())] {
        let deployment = Deployment::new(rules());
        deployment.expire().await;
        let mut trial = deployment.head(answer, request).await.unwrap();
        trial.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(deployment.phase(), Phase::Trial, "there was nothing in it");
        trial.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(deployment.phase(), Phase::Closed);
        assert_eq!(deployment.breaker.calls(), 0, "the call goes on");
        // Its reader may take all the time there is.
        tokio::time::advance(seconds(900)).await;
        assert_eq!(deployment.call(ok()).await, None);
        drop(trial);
        assert_eq!(deployment.phase(), Phase::Closed);
        assert_eq!(deployment.breaker.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn it_counts_once_at_its_end() {
    let deployment = Deployment::new(rules());
    deployment.expire().await;
    deployment
        .call(events(ScriptedBody::new().data("a").data("b")))
        .await;
    assert_eq!(deployment.phase(), Phase::Closed);
    assert_eq!(
        (deployment.breaker.calls(), deployment.breaker.failures()),
        (1, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_breaks_before_its_first_data_has_failed() {
    for broken in [ScriptedBody::new(), ScriptedBody::new().data("")] {
        let deployment = Deployment::new(rules().allowed_fails(1000));
        deployment.expire().await;
        deployment.call(events(broken.error("reset"))).await;
        assert_eq!((deployment.rests(), strikes(&deployment)), (5.0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_breaks_later_has_failed_all_the_same() {
    let rules = rules().allowed_fails(1000).max_time(seconds(60));
    let deployment = Deployment::new(rules);
    // Each time the rest doubles, though others were let through.
    for (strike, rest) in [(1, 10.0), (2, 20.0), (3, 40.0)] {
        deployment.expire().await;
        let broken = ScriptedBody::new()
            .data("a")
            .wait(seconds(7))
            .error("reset");
        let mut trial = deployment.head(events(broken), request()).await.unwrap();
        trial.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(deployment.call(ok()).await, None);
        trial.body_mut().frame().await.unwrap().unwrap_err();
        assert_eq!((deployment.rests(), strikes(&deployment)), (rest, strike));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_is_no_fault_of_the_deployment_takes_nothing_back() {
    let deployment = Deployment::new(rules());
    deployment.expire().await;
    let wish = with(overrides::StreamTotalTimeout(seconds(3)));
    let asked = Failure::new(FailureKind::Timeout).with_limit(seconds(3));
    cut_stream(&deployment, asked, wish).await;
    assert_eq!(deployment.phase(), Phase::Closed);
    assert_eq!(deployment.breaker.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_for_which_the_reader_took_the_time() {
    let slow = || Failure::new(FailureKind::Timeout).with_blameless();
    let deployment = Deployment::new(rules().allowed_fails(0));
    cut_stream(&deployment, slow(), request()).await;
    assert_eq!(deployment.phase(), Phase::Closed);
    assert_eq!(deployment.breaker.calls(), 0);
    deployment.expire().await;
    cut_stream(&deployment, slow(), request()).await;
    assert_eq!(deployment.phase(), Phase::Closed);
    // A trial of which no data has come says nothing.
    deployment.expire().await;
    deployment.call(Err(slow())).await;
    assert_eq!(deployment.phase(), Phase::Waiting);
    assert_eq!(deployment.breaker.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_has_changed_since_then_stays() {
    let deployment = Deployment::new(rules());
    deployment.expire().await;
    let broken = || ScriptedBody::new().data("a").error("reset");
    let mut old = deployment.head(events(broken()), request()).await.unwrap();
    old.body_mut().frame().await.unwrap().unwrap();
    // Another cooldown comes and goes.
    tokio::time::advance(seconds(1)).await;
    deployment.call(status(429)).await;
    deployment.expire().await;
    deployment.call(ok()).await;
    old.body_mut().frame().await.unwrap().unwrap_err();
    assert_eq!(deployment.phase(), Phase::Closed, "one failure of many");
    assert_eq!(deployment.breaker.failures(), 1);
}

/// Sends a stream that is cut with this failure after its first data.
async fn cut_stream(deployment: &Deployment, failure: Failure, request: Request<()>) {
    let inner = tower::service_fn(move |_: Request<()>| {
        let failure = failure.clone();
        let frames = ScriptedBody::new().data("a").error("cut");
        let body = frames.map_err(move |_| failure.clone());
        let response = Response::builder().header("content-type", "text/event-stream");
        async { Ok::<_, Failure>(response.body(body).unwrap()) }
    });
    let layer = CooldownLayer::new(deployment.breaker.clone());
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    response.into_body().collect().await.unwrap_err();
}
