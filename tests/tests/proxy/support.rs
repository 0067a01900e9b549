//! Starts a proxy over a configuration, and calls it.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::{sync::Notify, task::JoinHandle};
use ziggurat::{Gateway, config::Config};
use ziggurat_server::{Handle, Options, Server};
use ziggurat_testing::{
    log_if_asked,
    mock::{Running, Script, Upstream},
};

/// A running proxy and its client.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) client: Client<HttpConnector, Full<Bytes>>,
    pub(crate) handle: Handle,
    shutdown: Arc<Notify>,
    task: JoinHandle<io::Result<()>>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

/// Starts an upstream that follows a script.
pub(crate) async fn upstream(name: &str, script: impl Into<Script>) -> Running {
    log_if_asked();
    Upstream::new(name).script(script).start().await.unwrap()
}

/// Reads a configuration in which `os.environ/NAME` are the addresses of upstreams, or other variables.
pub(crate) fn config(yaml: &str, environment: &[(&str, String)]) -> Config {
    log_if_asked();
    let environment: HashMap<_, _> = environment
        .iter()
        .map(|(k, v)| ((*k).to_owned(), v.clone()))
        .collect();
    Gateway::loader(move |name| environment.get(name).cloned())
        .from_str(yaml, "test.yaml")
        .unwrap()
}

/// Lets a paused clock move in small steps, and not much faster than the kernel works. It moves whenever every task waits, also
/// for the moment in which the kernel still has the bytes: without this, it would then jump to the next time limit, however
/// far away. It stands still while a blocking task runs, and sockets are read meanwhile.
async fn tick() {
    loop {
        let pause = || std::thread::sleep(Duration::from_micros(300));
        tokio::task::spawn_blocking(pause).await.unwrap();
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Holds a paused clock: what happens until it is dropped waits for no timer, and the kernel has the time that it takes. After
/// ten seconds of real time without that, the clock goes on.
pub(crate) struct Held {
    _hold: Sender<()>,
}

impl Held {
    pub(crate) fn new() -> Self {
        let (hold, held) = channel();
        // A paused clock stands still while a blocking task runs.
        tokio::task::spawn_blocking(move || held.recv_timeout(Duration::from_secs(10)));
        Self { _hold: hold }
    }
}

impl Proxy {
    pub(crate) async fn start(yaml: &str, environment: &[(&str, String)]) -> Self {
        Self::start_with(&config(yaml, environment), Duration::from_secs(30)).await
    }

    pub(crate) async fn start_with(config: &Config, drain: Duration) -> Self {
        tokio::spawn(tick());
        let mut options = Options::default();
        (options.port, options.drain) = (0, drain);
        options.host = Some("127.0.0.1".to_owned());
        let server = Server::bind(config, &options).await.unwrap();
        let (address, shutdown) = (server.address(), Arc::new(Notify::new()));
        let handle = server.handle();
        let asked = shutdown.clone();
        let task = tokio::spawn(server.run(async move { asked.notified().await }));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            address,
            client,
            handle,
            shutdown,
            task,
        }
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> http::Response<Incoming> {
        self.client.request(request).await.unwrap()
    }

    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Request<Full<Bytes>> {
        let uri = format!("http://{}{path}", self.address);
        Request::builder()
            .method(method)
            .uri(uri)
            .body(Full::new(body.into()))
            .unwrap()
    }

    pub(crate) async fn call(&self, request: Request<Full<Bytes>>) -> Answer {
        let (head, body) = self.send(request).await.into_parts();
        let text = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8(text.into()).unwrap(),
        }
    }

    /// Calls the chat path with members added to a question for `model`.
    pub(crate) async fn chat(&self, model: &str, members: &Value) -> Answer {
        self.call(self.chat_request(model, members)).await
    }

    pub(crate) fn chat_request(&self, model: &str, members: &Value) -> Request<Full<Bytes>> {
        let mut body = serde_json::json!({"model": model, "messages": [{"role": "user", "content": "what llm are you"}]});
        for (name, value) in members.as_object().cloned().unwrap_or_default() {
            body[name] = value;
        }
        self.request(Method::POST, "/chat/completions", body.to_string())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(self.request(Method::GET, path, "")).await
    }

    /// Asks for a shutdown.
    pub(crate) fn stop(&self) {
        self.shutdown.notify_one();
    }

    /// Waits for the end of the server.
    pub(crate) async fn ended(self) {
        self.task.await.unwrap().unwrap();
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The assistant's text.
    pub(crate) fn content(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text);
        if !self.header("content-type").starts_with("text/event-stream") {
            return self.json()["choices"][0]["message"]["content"]
                .as_str()
                .unwrap()
                .to_owned();
        }
        let events = self.events();
        let deltas = events
            .iter()
            .filter_map(|event| event["choices"][0]["delta"]["content"].as_str());
        deltas.collect()
    }

    /// The data of each event; `[DONE]` as a string.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap_or_else(|_| data.into()))
            .collect()
    }
}
