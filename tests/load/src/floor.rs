//! The least that a proxy on hyper can be: it changes the address of a request, and passes both bodies on.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{Either, Empty};
use hyper::{
    Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{HOST, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};

use crate::{Result, upstream};

/// Serves until it is killed.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(upstream: &str) -> Result<()> {
    let listener = upstream::listen().await?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    let upstream: HeaderValue = upstream.parse()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, upstream) = (client.clone(), upstream.clone());
        let service = service_fn(move |request| forward(client.clone(), upstream.clone(), request));
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // Whoever leaves ends its connection.
        tokio::spawn(async { drop(connection.await) });
    }
}

async fn forward(
    client: Client<HttpConnector, Incoming>,
    upstream: HeaderValue,
    mut request: Request<Incoming>,
) -> std::result::Result<Response<Either<Incoming, Empty<Bytes>>>, Infallible> {
    let uri = Uri::builder()
        .scheme("http")
        .authority(upstream.as_bytes())
        .path_and_query(request.uri().path())
        .build();
    *request.uri_mut() = uri.expect("an address and a path are a URL");
    request.headers_mut().insert(HOST, upstream);
    Ok(match client.request(request).await {
        Ok(response) => response.map(Either::Left),
        Err(_) => {
            let mut response = Response::new(Either::Right(Empty::new()));
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    })
}
