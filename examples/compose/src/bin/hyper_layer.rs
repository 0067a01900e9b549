//! One layer in a plain hyper server: a handler that fails now and then is asked again.
//!
//! `cargo run --bin hyper_layer`, then `curl -i http://127.0.0.1:3000/`: always a 200, although two calls of three fail.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt, util::BoxCloneSyncService};
use ziggurat::{
    core::{BoxError, Failure},
    edge::{Respond, RespondLayer},
    retry::{Retry, RetryLayer},
};

type Handler = BoxCloneSyncService<Request<Full<Bytes>>, Response<Full<Bytes>>, Infallible>;

/// Answers every third call.
fn flaky() -> Handler {
    let calls = Arc::new(AtomicU32::new(0));
    Handler::new(tower::service_fn(move |_: Request<Full<Bytes>>| {
        let works = calls.fetch_add(1, Ordering::Relaxed) % 3 == 2;
        async move {
            let mut response = Response::new(Full::from("hello"));
            if !works {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            }
            Ok(response)
        }
    }))
}

fn service() -> Respond<Retry<Handler>> {
    let retry = RetryLayer::new(2).backoff(Duration::from_millis(20), Duration::from_secs(1));
    RespondLayer::new().layer(retry.layer(flaky()))
}

/// A body from the network can be read once only: it is kept, so that it can be sent again.
async fn answer(
    request: Request<Incoming>,
    mut service: Respond<Retry<Handler>>,
) -> Result<Response<impl http_body_util::BodyExt<Data = Bytes, Error = Failure>>, BoxError> {
    let (head, body) = request.into_parts();
    let body = Full::new(body.collect().await?.to_bytes());
    let Ok(response) = service
        .ready()
        .await?
        .call(Request::from_parts(head, body))
        .await;
    Ok(response)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let service = service();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service.clone();
        tokio::spawn(async move {
            let server = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(
                    TokioIo::new(stream),
                    service_fn(move |request| answer(request, service.clone())),
                );
            if let Err(error) = server.await {
                eprintln!("a connection ended with an error: {error}");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failures_are_not_seen() {
        let service = service();
        for _ in 0..3 {
            let response = service
                .clone()
                .oneshot(Request::new(Full::default()))
                .await
                .unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()["x-litellm-attempted-retries"], "2");
        }
    }
}
