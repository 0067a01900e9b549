//! Panics, wherever they happen: their requests are answered and counted, and all others go on.

use std::{
    convert::Infallible,
    future::pending,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::Service;
use ziggurat::{
    Gateway,
    core::{Observer, observe::AttemptEnd},
    edge::ErrorTypes,
};
use ziggurat_server::{App, CALL_ID, Facts, Metrics, outer, serve};
use ziggurat_testing::mock::{Answer as Reply, ApiError, Cut, Step};

use crate::support::{config, upstream};

const YAML: &str = "
model_list:
- {model_name: fails, litellm_params: {model: openai/x, api_base: os.environ/A}, model_info: {id: first}}
- {model_name: streams, litellm_params: {model: openai/x, api_base: os.environ/B}, model_info: {id: second}}
- {model_name: works, litellm_params: {model: openai/x, api_base: os.environ/C}, model_info: {id: third}}
router_settings: {num_retries: 0, disable_cooldowns: true}";

/// A piece of someone's own in the middle of a stack, which panics when a call of some deployments ends.
struct Panics;

impl Observer for Panics {
    fn attempt_ended(&self, end: &AttemptEnd<'_>) {
        let deployment = end.deployment.unwrap().as_str();
        assert_eq!(deployment, "third", "what a panic says");
    }
}

/// What panics as soon as it is called, or as its answer is waited for.
#[derive(Clone)]
struct Broken {
    at_once: bool,
}

impl<B> Service<Request<B>> for Broken {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        assert!(!self.at_once, "what a panic says");
        Box::pin(async { panic!("what a panic says") })
    }
}

struct Door {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Door {
    async fn ask(&self, path: &str, model: &str, stream: bool) -> (StatusCode, String) {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream,
            "max_tokens": 5});
        let request = Request::post(format!("{}{path}", self.url)).header(CALL_ID, "c1");
        let request = request.body(Full::from(body.to_string())).unwrap();
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        (head.status, String::from_utf8(text.into()).unwrap())
    }

    async fn metrics(&self) -> String {
        let request = Request::get(format!("{}/metrics", self.url)).body(Full::default());
        let response = self.client.request(request.unwrap()).await.unwrap();
        let text = response.collect().await.unwrap().to_bytes();
        String::from_utf8(text.into()).unwrap()
    }
}

/// Serves something behind what stands around every path.
macro_rules! open {
    ($service:expr) => {{
        let service = outer($service, 1 << 20, ErrorTypes::Litellm);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, service, Duration::ZERO, pending()));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Door { url, client }
    }};
}

const INTERNAL: &str = "\"message\":\"internal error\"";

fn is_internal_error(path: &str, (status, text): (StatusCode, String)) {
    assert_eq!(status, 500, "{path}: {text}");
    let text: Value = serde_json::from_str(&text).unwrap();
    let kind = match path {
        "/v1/messages" => "api_error",
        _ => "internal_server_error",
    };
    assert_eq!(text["error"]["type"], kind, "{path}: {text}");
    assert_eq!(text["error"]["message"], "internal error", "{path}: {text}");
}

#[tokio::test]
async fn a_panic_in_the_stack_is_a_failure_of_its_request() {
    let failing = upstream("a", [Step::error(ApiError::new(StatusCode::IM_A_TEAPOT))]).await;
    let deltas = || Step::answer(Reply::deltas(["one", " two"]));
    let breaking = upstream("b", [deltas().cut_after(3, Cut::Close)]).await;
    let working = upstream("c", [deltas()]).await;
    let urls = [("A", &failing), ("B", &breaking), ("C", &working)];
    let config = config(YAML, &urls.map(|(name, up)| (name, up.url())));
    let metrics = Arc::new(Metrics::new(&config));
    let gateway = Gateway::builder(&config).observer(Arc::clone(&metrics));
    let gateway = gateway.observer(Panics).build().unwrap();
    let mut facts = Facts::of(&gateway);
    facts.metrics = Some(metrics);
    let door = open!(App::new(gateway, &facts));

    let paths = ["/v1/chat/completions", "/v1/messages"];
    for path in paths {
        is_internal_error(path, door.ask(path, "fails", false).await);
        // The head of a stream that cannot begin.
        is_internal_error(path, door.ask(path, "fails", true).await);
    }
    for (path, end) in paths.into_iter().zip(["data: [DONE]\n\n", "}\n\n"]) {
        let (status, text) = door.ask(path, "streams", true).await;
        assert_eq!(status, 200, "{path}: {text}");
        assert!(
            text.contains("one") && text.contains(INTERNAL) && text.ends_with(end),
            "{path}: {text}"
        );
        assert!(
            !text.contains("\"stop\"") && !text.contains("end_turn"),
            "{text}"
        );
    }
    let (status, text) = door.ask(paths[0], "works", true).await;
    assert_eq!(status, 200);
    assert!(
        text.contains("\"stop\"") && !text.contains("error"),
        "{text}"
    );

    let page = door.metrics().await;
    for count in [
        r#"ziggurat_requests_total{model="fails",outcome="panicked"} 4"#,
        r#"ziggurat_requests_total{model="streams",outcome="panicked"} 2"#,
        r#"ziggurat_requests_total{model="works",outcome="completed"} 1"#,
        "\nziggurat_requests_in_flight 0\n",
    ] {
        assert!(page.contains(count), "{count}: {page}");
    }
    for deployment in ["first", "second", "third"] {
        let id = format!("deployment=\"{deployment}\"");
        let line = page
            .lines()
            .find(|line| line.starts_with("ziggurat_deployment_in_flight") && line.contains(&id));
        assert!(line.unwrap().ends_with(" 0"), "{page}");
    }
}

#[tokio::test]
async fn a_panic_around_the_stack_is_answered_too() {
    for at_once in [true, false] {
        let door = open!(Broken { at_once });
        for path in ["/v1/chat/completions", "/v1/messages", "/health"] {
            is_internal_error(path, door.ask(path, "any", false).await);
        }
    }
}
