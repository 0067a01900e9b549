//! The layer through its public API.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::time::advance;
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_core::{
    BoxError, DeploymentId, Failure, FailureKind, LlmRequest, Metadata, Meter, ModelGroup,
    Observer,
    json::Document,
    observe::{Asked, AttemptEnd, CallEnd, Ended, Note, RequestEnd},
};
use ziggurat_observe::{Observe, ObserveLayer};
use ziggurat_testing::{ScriptedBody, contract};

const SECOND: Duration = Duration::from_secs(1);

/// Keeps what it was told.
#[derive(Default)]
struct Seen(Mutex<Vec<(String, CallEnd)>>);

impl Observer for Seen {
    fn attempt_ended(&self, end: &AttemptEnd<'_>) {
        let text = format!("{:?} {:?}", end.deployment, end.group);
        self.0.lock().unwrap().push((text, end.call.clone()));
    }

    fn request_ended(&self, end: &RequestEnd<'_>) {
        let model = end.asked.map(|asked| asked.model.as_str());
        let text = format!("{model:?} {:?} {:?}", end.id, end.deployment);
        self.0.lock().unwrap().push((text, end.call.clone()));
    }
}

impl Seen {
    fn take(&self) -> Vec<(String, CallEnd)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn only(&self) -> (String, CallEnd) {
        let mut all = self.take();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }
}

fn both() -> (Arc<Seen>, [ObserveLayer; 2]) {
    let seen = Arc::new(Seen::default());
    let layers = [
        ObserveLayer::attempts(seen.clone()),
        ObserveLayer::requests(seen.clone()),
    ];
    (seen, layers)
}

fn request() -> Request<Full<Bytes>> {
    Request::default()
}

fn streaming() -> Request<Full<Bytes>> {
    let mut request = request();
    let document = Document::parse(Bytes::from_static(b"{}")).unwrap();
    let asks = LlmRequest::new(ModelGroup::from("m"), true, document);
    request.extensions_mut().insert(asks);
    request
}

#[tokio::test(start_paused = true)]
async fn the_common_contract_holds() {
    let (_, layers) = both();
    for layer in layers.into_iter().chain([ObserveLayer::none()]) {
        contract::all(&layer, &contract::request()).await;
        contract::admission(&layer, &contract::request()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_last_byte() {
    let (seen, layers) = both();
    for layer in layers {
        let body = ScriptedBody::new().data("a").wait(SECOND * 2).data("b");
        let service = layer.layer(answering(body));
        let response = service.oneshot(streaming()).await.unwrap();
        advance(SECOND).await;
        assert!(seen.take().is_empty(), "it has not ended");
        response.into_body().collect().await.unwrap();
        let (_, call) = seen.only();
        assert_eq!((call.outcome, call.stream), (Ended::Completed, true));
        assert_eq!(call.first_chunk, Some(SECOND));
        assert!(call.elapsed >= SECOND * 2, "{call:?}");
        assert_eq!(call.status, Some(StatusCode::OK));
    }
}

/// Answers once, with this body.
fn answering(
    body: ScriptedBody,
) -> impl tower::Service<Request<Full<Bytes>>, Response = Response<ScriptedBody>, Error = BoxError>
{
    let mut body = Some(body);
    service_fn(move |_| {
        let body = body.take().expect("it is called once");
        async { Ok::<_, BoxError>(Response::new(body)) }
    })
}

#[tokio::test(start_paused = true)]
async fn failures_end_where_they_come() {
    let (seen, layers) = both();
    for layer in layers {
        let refused = service_fn(|_: Request<Full<Bytes>>| async {
            advance(SECOND).await;
            Err::<Response<ScriptedBody>, _>(Failure::new(FailureKind::Connect))
        });
        layer.layer(refused).oneshot(request()).await.unwrap_err();
        let (_, call) = seen.only();
        assert_eq!(call.outcome, Ended::Failed(FailureKind::Connect));
        assert_eq!((call.elapsed, call.first_chunk), (SECOND, None));
        assert_eq!(call.status, Some(FailureKind::Connect.status()));

        let limited = service_fn(|_: Request<Full<Bytes>>| async {
            let response = Response::builder().status(429).body(ScriptedBody::new());
            Ok::<_, BoxError>(response.unwrap())
        });
        let response = layer.layer(limited).oneshot(request()).await.unwrap();
        let (_, call) = seen.only();
        assert_eq!(call.outcome, Ended::Failed(FailureKind::RateLimited));
        assert_eq!(call.status, Some(StatusCode::TOO_MANY_REQUESTS));
        drop(response);
        assert!(seen.take().is_empty(), "nothing is told twice");

        let breaks = ScriptedBody::new().data("a").error("cut");
        let response = layer.layer(answering(breaks)).oneshot(request()).await;
        response.unwrap().into_body().collect().await.unwrap_err();
        let (_, call) = seen.only();
        assert!(matches!(call.outcome, Ended::Failed(_)), "{call:?}");
        assert_eq!(call.status, Some(StatusCode::OK));
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_early_is_told_of_at_once() {
    let (seen, layers) = both();
    for layer in layers {
        let silent = service_fn(|_: Request<Full<Bytes>>| {
            std::future::pending::<Result<Response<ScriptedBody>, BoxError>>()
        });
        let mut waiting = tokio_test::task::spawn(layer.layer(silent).oneshot(request()));
        assert!(waiting.poll().is_pending());
        drop(waiting);
        assert_eq!(seen.only().1.outcome, Ended::Cancelled);

        let body = ScriptedBody::new().data("a").data("b");
        let response = layer.layer(answering(body)).oneshot(streaming()).await;
        let mut body = response.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        drop(body);
        assert_eq!(seen.only().1.outcome, Ended::Cancelled);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_of_known_length_need_not_be_polled_to_its_end() {
    let (seen, layers) = both();
    for layer in layers {
        let plain = service_fn(|_: Request<Full<Bytes>>| async {
            Ok::<_, BoxError>(Response::new(Full::new(Bytes::from_static(b"whole"))))
        });
        let response = layer.layer(plain).oneshot(request()).await.unwrap();
        response.into_body().frame().await.unwrap().unwrap();
        let (_, call) = seen.only();
        assert_eq!((call.outcome, call.first_chunk), (Ended::Completed, None));
    }
}

#[tokio::test(start_paused = true)]
async fn extensions_tell_who_was_asked_for_what() {
    let (seen, [attempts, requests]) = both();
    // As in a stack: the edge writes the note, the balance the names, the leaf the tokens.
    let leaf = service_fn(|request: Request<Full<Bytes>>| async move {
        let meter: &Meter = request.extensions().get().unwrap();
        meter.record(Some(3), Some(5));
        let mut response = Response::new(Full::<Bytes>::default());
        response.extensions_mut().insert(DeploymentId::from("d"));
        Ok::<_, BoxError>(response)
    });
    let attempt: Observe<_> = attempts.layer(leaf);
    let edge = attempt.map_request(|mut request: Request<Full<Bytes>>| {
        let note: &Note = request.extensions().get().unwrap();
        let mut asked = Asked::new(ModelGroup::from("alias"));
        let noted = Document::parse(r#"{"user": "someone"}"#.into()).unwrap();
        asked.metadata = Some(Metadata::new([noted]));
        assert!(!format!("{asked:?}").contains("someone"));
        note.write(asked);
        request.extensions_mut().insert(DeploymentId::from("d"));
        request.extensions_mut().insert(ModelGroup::from("group"));
        request
    });
    let id = HeaderName::from_static("x-id");
    let service = requests.id_header(id.clone()).layer(edge);
    let mut request = request();
    request.headers_mut().insert(id, "7".parse().unwrap());
    service.oneshot(request).await.unwrap();
    let all = seen.take();
    let texts: Vec<_> = all.iter().map(|(text, _)| text.as_str()).collect();
    let (deployment, group) = (DeploymentId::from("d"), ModelGroup::from("group"));
    let attempt = format!("{:?} {:?}", Some(&deployment), Some(&group));
    let request = format!("Some(\"alias\") Some(\"7\") {:?}", Some(&deployment));
    assert_eq!(texts, [attempt, request]);
    for (_, call) in &all {
        assert_eq!((call.input_tokens, call.output_tokens), (Some(3), Some(5)));
    }
}
