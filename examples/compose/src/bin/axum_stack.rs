//! The whole stack in an axum app, over a leaf of one's own: a struct that stands for any way to call a model.
//!
//! `cargo run --bin axum_stack`, then
//! `curl -i http://127.0.0.1:3000/v1/chat/completions -d '{"model": "large"}'`: the headers tell who answered after what.

use std::{
    future::{Ready, ready},
    task::{Context, Poll},
    time::Duration,
};

use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::ServiceBuilder;
use ziggurat::prelude::*;

/// A model in this process, or whatever else answers: it is all of a leaf that one has to write.
#[derive(Clone)]
struct Local {
    name: &'static str,
    loaded: bool,
}

impl Service<Request<JsonBody>> for Local {
    type Response = Response<Full<Bytes>>;
    type Error = Failure;
    type Future = Ready<Result<Self::Response, Failure>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<JsonBody>) -> Self::Future {
        if !self.loaded {
            let failure = Failure::new(FailureKind::Server).with_message("the model is not loaded");
            return ready(Err(failure));
        }
        let asked = request.body().get("model").unwrap_or(b"\"?\"");
        let asked = String::from_utf8_lossy(asked);
        let answer = format!(r#"{{"model":{asked},"answered_by":"{}"}}"#, self.name);
        ready(Ok(Response::new(answer.into())))
    }
}

/// One deployment: what belongs to it alone stands in its own small stack.
fn deployment(name: &'static str, loaded: bool) -> Endpoint<BoxService> {
    let service = ServiceBuilder::new()
        .layer(BoxLayer::new())
        .layer(TimeoutLayer::new(Duration::from_secs(30)))
        .layer_fn(Open::new)
        .service(Local { name, loaded });
    Endpoint::new(name, service)
}

fn app() -> axum::Router {
    let retry = RetryLayer::new(1);
    let large = Balance::new([deployment("large-1", false), deployment("large-2", false)]);
    let small = Balance::new([deployment("small-1", true)]);
    let groups = Router::new([("large", retry.layer(large)), ("small", retry.layer(small))]);
    let chat = ServiceBuilder::new()
        .layer(RespondLayer::new()) // failures become responses
        .layer(EnvelopeLayer::new()) // the JSON is read once
        .layer(FallbackLayer::new(
            [("large", ["small"])].into_iter().collect(),
        ))
        .service(groups);
    axum::Router::new()
        .route("/", get(|| async { "chat is at /v1/chat/completions" }))
        .route_service("/v1/chat/completions", chat)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app()).await
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn ask(model: &str) -> (http::response::Parts, Bytes) {
        let question = Body::from(format!(r#"{{"model": "{model}", "messages": []}}"#));
        let request = Request::post("/v1/chat/completions")
            .body(question)
            .unwrap();
        let (head, body) = app().oneshot(request).await.unwrap().into_parts();
        (head, body.collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn two_deployments_fail_and_another_group_answers() {
        let (head, body) = ask("large").await;
        assert_eq!(head.status, 200);
        assert_eq!(head.headers["x-litellm-total-attempts"], "3");
        assert_eq!(head.headers["x-litellm-attempted-fallbacks"], "1");
        assert_eq!(body, r#"{"model":"large","answered_by":"small-1"}"#);
    }

    #[tokio::test]
    async fn an_unknown_model_is_refused_in_words() {
        let (head, body) = ask("huge").await;
        assert_eq!(head.status, 400);
        assert!(body.starts_with(br#"{"error":"#));
    }
}
