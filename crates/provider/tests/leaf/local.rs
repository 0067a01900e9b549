//! Calls that a dialect answers itself.

use std::sync::Arc;

use http::StatusCode;
use tower::ServiceExt;
use ziggurat_core::{Failure, FailureKind, Served, json::Printed};
use ziggurat_provider::{Call, Dialect, HttpClient, LocalAnswer, Outgoing, ProviderService};

use super::{ask, read};

#[derive(Debug)]
struct Knows(Result<&'static str, FailureKind>);

impl Dialect for Knows {
    fn provider(&self) -> &'static str {
        "test"
    }

    fn answer(&self, _: Call<'_>) -> Option<LocalAnswer> {
        let answer = self.0;
        Some(LocalAnswer::blocking(move || match answer {
            Ok(text) => Ok(Printed::from(bytes::Bytes::from_static(text.as_bytes()))),
            Err(kind) => Err(kind.into()),
        }))
    }

    fn prepare(&self, _: Call<'_>) -> Result<Outgoing, Failure> {
        panic!("nobody has to be asked")
    }
}

fn leaf(answer: Result<&'static str, FailureKind>) -> ProviderService {
    let served = Served::new("one".into(), "test/m", None);
    ProviderService::new(HttpClient::new(), Arc::new(Knows(answer)), served)
}

#[tokio::test]
async fn an_answer_comes_without_an_upstream() {
    let response = leaf(Ok("{}")).oneshot(ask(false)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(response.extensions().get::<Served>().is_some());
    assert_eq!(read(response).await.unwrap(), "{}");
}

#[tokio::test]
async fn a_failure_of_its_own_was_never_sent() {
    let answered = leaf(Err(FailureKind::BadRequest)).oneshot(ask(false)).await;
    let failure = answered.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::BadRequest);
    assert!(failure.is_unsent());
    assert_eq!(failure.deployment().unwrap().as_str(), "one");
}
