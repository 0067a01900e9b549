//! What compiles: auto traits, error types, and tower's mock below.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::{convert::Infallible, fmt, sync::Arc};

use http::{Request, Response};
use support::{Leaf, endpoint};
use tokio_test::{assert_pending, assert_ready_ok};
use tower::{Service, ServiceExt, service_fn};
use tower_test::mock;
use ziggurat_balance::{Balance, Endpoint, Pick, ResponseBody, Shuffle, Strategy};
use ziggurat_core::{BoxError, ByStatus, Failure, Open};

fn shared<T: Clone + Send + Sync + 'static>() {}

#[test]
fn services_are_clone_send_and_sync_if_theirs_are() {
    shared::<Balance<Leaf>>();
    shared::<Balance<Leaf, Arc<dyn Pick + Send + Sync>, ByStatus>>();
    shared::<Shuffle>();
    shared::<Balance<Leaf, Strategy>>();
    fn body<T: Send + Sync + Unpin>() {}
    body::<ResponseBody<ziggurat_testing::ScriptedBody>>();
    shared::<Endpoint<Leaf>>();
    fn sendable<T: Send>(_: &T) {}
    sendable(&Balance::new([endpoint("a")]).call(Request::new(())));
}

#[derive(Debug)]
struct Concrete;

impl fmt::Display for Concrete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("concrete")
    }
}

impl std::error::Error for Concrete {}

#[tokio::test]
async fn any_error_type_will_do() {
    async fn ask<E>(
        result: fn() -> Result<Response<()>, E>,
    ) -> Result<Response<ResponseBody<()>>, Failure>
    where
        E: Into<BoxError>,
    {
        let service = service_fn(move |_: Request<()>| async move { result() });
        let balance = Balance::new([Endpoint::new("a", Open::new(service))]);
        balance.oneshot(Request::new(())).await
    }
    ask::<Infallible>(|| Ok(Response::new(()))).await.unwrap();
    ask::<BoxError>(|| Err("boxed".into())).await.unwrap_err();
    let failure = ask(|| Err(Concrete)).await.unwrap_err();
    let source = std::error::Error::source(&failure).unwrap();
    assert!(source.is::<Concrete>());
}

#[tokio::test]
async fn requests_and_responses_pass_as_they_are() {
    let (service, mut handle) = mock::pair::<Request<&'static str>, Response<&'static str>>();
    let balance = Balance::new([Endpoint::new("a", Open::new(service))]);
    let request = Request::put("/path")
        .header("x", "1")
        .body("question")
        .unwrap();
    let mut call = tokio_test::task::spawn(balance.oneshot(request));
    assert_pending!(call.poll());
    let (request, send) = handle.next_request().await.unwrap();
    assert_eq!(
        (request.uri().path(), *request.body()),
        ("/path", "question")
    );
    assert_eq!(
        (request.method().as_str(), &request.headers()["x"]),
        ("PUT", &"1".parse().unwrap())
    );
    send.send_response(
        Response::builder()
            .status(201)
            .header("y", "2")
            .body("answer")
            .unwrap(),
    );
    let response = assert_ready_ok!(call.poll());
    assert_eq!(
        (
            response.status().as_u16(),
            response.body().get_ref().copied()
        ),
        (201, Some("answer"))
    );
    assert_eq!(response.headers()["y"], "2");
}

#[test]
fn debug_shows_names_and_numbers_only() {
    let balance = Balance::new([endpoint("a").rpm(6.0)]);
    let text = format!("{balance:?}");
    assert!(text.contains("\"a\"") && text.contains("6.0"), "{text}");
    assert_eq!(balance.endpoints()[0].id().as_str(), "a");
    assert!(!format!("{:?}", balance.clone().call(Request::new(()))).is_empty());
}
