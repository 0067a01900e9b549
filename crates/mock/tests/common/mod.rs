//! Clients for the tests: one that speaks HTTP, one that only moves bytes.
#![allow(dead_code, reason = "each test file uses its part")]

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use ziggurat_mock::{Running, Script, Upstream};

pub(crate) type Http = Client<HttpConnector, Full<Bytes>>;

pub(crate) const PLAIN: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}"#;
pub(crate) const STREAM: &str = r#"{"model":"gpt-4o","messages":[],"stream":true}"#;

pub(crate) async fn upstream(script: impl Into<Script>) -> Running {
    Upstream::new("azure-1")
        .script(script)
        .start()
        .await
        .unwrap()
}

pub(crate) fn client() -> Http {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .build_http()
}

pub(crate) fn post(upstream: &Running, path: &str, body: &str) -> Request<Full<Bytes>> {
    Request::post(format!("{}{path}", upstream.url()))
        .body(Full::from(body.to_owned()))
        .unwrap()
}

/// Asks with a client of its own, so that no pooled connection is shared.
pub(crate) async fn ask(upstream: &Running, body: &str) -> Result<Response<Incoming>, Error> {
    client()
        .request(post(upstream, "/v1/chat/completions", body))
        .await
}

pub(crate) async fn json(response: Response<Incoming>) -> Value {
    serde_json::from_slice(&bytes(response).await).unwrap()
}

pub(crate) async fn bytes(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

/// Returns the data frames up to the end or the first error, and whether there was an error.
pub(crate) async fn frames(response: Response<Incoming>) -> (Vec<Bytes>, bool) {
    let mut body = response.into_body();
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => frames.extend(frame.into_data().ok()),
            Err(_) => return (frames, true),
        }
    }
    (frames, false)
}

/// Connects and writes these bytes.
pub(crate) async fn raw(upstream: &Running, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(upstream.addr()).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    stream
}

/// Returns a request that asks the server to close afterwards.
pub(crate) fn last(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

pub(crate) async fn read_all(mut stream: TcpStream) -> std::io::Result<String> {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.map(|_| text)
}
