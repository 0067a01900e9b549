//! Requests whose credentials have to be waited for, through the leaf.

use std::{
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
};

use http::{HeaderValue, Request, header::AUTHORIZATION};
use tower::ServiceExt;
use ziggurat_core::{Failure, FailureKind, JsonBody, Served, json::Document, json::Printed};
use ziggurat_mock::{Running, Upstream};
use ziggurat_openai::{Face, OpenAi};
use ziggurat_provider::{
    Authorized, Call, Dialect, HttpClient, Outgoing, ProviderService, credentials::Cached,
};

use crate::Counting;

/// OpenAI's dialect with a token that expires.
#[derive(Debug)]
struct WithToken {
    inner: OpenAi,
    token: Cached<u32>,
}

impl Dialect for WithToken {
    fn provider(&self) -> &'static str {
        self.inner.provider()
    }

    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        self.inner.prepare(call)
    }

    fn authorize(&self, mut request: Request<Printed>) -> Authorized {
        let mut with = move |token: u32| {
            let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
            request.headers_mut().insert(AUTHORIZATION, value);
            std::mem::take(&mut request)
        };
        if let Some(token) = self.token.at_hand() {
            return Authorized::Now(with(token));
        }
        let token = self.token.get();
        Authorized::Later(Box::pin(async move { Ok(with(token.await?)) }))
    }
}

async fn leaf(source: &Counting) -> (Running, ProviderService) {
    let upstream = Upstream::new("upstream").start().await.unwrap();
    let inner = OpenAi::builder(Face::OpenAi, "m").api_base(upstream.url());
    let dialect = WithToken {
        inner: inner.api_key("unused").build().unwrap(),
        token: source.cached(),
    };
    let served = Served::new("one".into(), "openai/m", None);
    let leaf = ProviderService::new(HttpClient::new(), Arc::new(dialect), served);
    (upstream, leaf)
}

fn ask() -> Request<JsonBody> {
    let document = Document::parse(r#"{"model":"m","messages":[]}"#.into()).unwrap();
    Request::new(JsonBody::new(document))
}

#[tokio::test]
async fn the_first_call_waits_and_the_next_do_not() {
    let source = Counting::quick();
    let (upstream, leaf) = leaf(&source).await;
    for _ in 0..3 {
        let response = leaf.clone().oneshot(ask()).await.unwrap();
        assert_eq!(response.status(), 200);
    }
    assert_eq!(source.calls(), 1);
    let hits = upstream.hits();
    assert_eq!(hits.len(), 3);
    for hit in hits {
        assert_eq!(hit.header(AUTHORIZATION), Some("Bearer 1"));
    }
}

#[tokio::test]
async fn a_failing_source_fails_the_call_and_names_the_deployment() {
    let source = Counting::quick();
    source.fail(1);
    let (upstream, leaf) = leaf(&source).await;
    let failure = leaf.oneshot(ask()).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Authentication);
    assert_eq!(failure.deployment(), Some(&"one".into()));
    assert_eq!(upstream.count(), 0);
}

#[tokio::test]
async fn a_call_can_be_dropped_while_it_waits() {
    let source = Counting::quick();
    let (upstream, leaf) = leaf(&source).await;
    // Polled once, while the source has not begun.
    let mut gone = Box::pin(leaf.clone().oneshot(ask()));
    let polled = poll_fn(|cx| Poll::Ready(gone.as_mut().poll(cx).is_pending()));
    assert!(polled.await);
    drop(gone);
    let response = leaf.oneshot(ask()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!((source.calls(), upstream.count()), (1, 1));
}
