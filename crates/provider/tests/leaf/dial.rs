//! Connections that a function makes, in place of TCP.

use std::{
    future::pending,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tower::ServiceExt;
use ziggurat_core::{FailureKind, Served};
use ziggurat_openai::{Face, OpenAi};
use ziggurat_provider::{HttpClient, HttpClientBuilder, ProviderService};

use crate::{KEY, ask, read};

pub(crate) fn leaf(client: &HttpClientBuilder) -> ProviderService {
    let url = "http://somewhere.test/v1";
    let builder = OpenAi::builder(Face::OpenAi, "gpt-x").api_base(url);
    let dialect = builder.api_key(KEY).build().unwrap();
    let served = Served::new("one".into(), "openai/gpt-x", Some(url));
    ProviderService::new(client.build(), Arc::new(dialect), served)
}

/// Answers one request, whatever it asks for.
async fn answer(mut connection: DuplexStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"}") {
        assert!(connection.read_buf(&mut request).await.unwrap() > 0);
    }
    let response = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 28\r\n\r\n{\"choices\":[{\"message\":{}}]}";
    connection.write_all(response.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn requests_go_over_the_connections_that_are_handed_in() {
    let dialled = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&dialled);
    let client = HttpClient::builder().dial(move |upstream: Uri| {
        log.lock().unwrap().push(upstream.to_string());
        let (ours, theirs) = duplex(4096);
        tokio::spawn(answer(theirs));
        async { Ok(ours) }
    });
    let response = leaf(&client).oneshot(ask(false)).await.unwrap();
    let answer = read(response).await.unwrap();
    assert!(
        answer.starts_with(b"{\"choices\":[{\"message\":{}}]"),
        "{answer:?}"
    );
    let dialled = dialled.lock().unwrap();
    assert_eq!(dialled.len(), 1);
    assert!(
        dialled[0].starts_with("http://somewhere.test"),
        "{dialled:?}"
    );
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_is_a_failure_to_connect() {
    let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
    let client =
        HttpClient::builder().dial(move |_| async move { Err::<DuplexStream, _>(refused()) });
    let failure = leaf(&client).oneshot(ask(false)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Connect);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_never_made_is_given_up_in_time() {
    let client = HttpClient::builder()
        .connect_timeout(Duration::from_secs(3))
        .dial(|_| pending::<io::Result<DuplexStream>>());
    let failure = leaf(&client).oneshot(ask(false)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Timeout);
}
