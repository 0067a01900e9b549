//! A whole stack over services of one's own, on a plain hyper server: two deployments of one model, and another model to
//! fall back to.
//!
//! `cargo run --bin hyper_stack`, then
//! `curl -i http://127.0.0.1:3000/ -d '{"model": "large"}'`: the headers tell who answered after what.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower::{Layer, ServiceBuilder, util::BoxCloneSyncService};
use ziggurat::{
    balance::{Balance, Endpoint},
    core::{Failure, JsonBody, Open, fallbacks::Table},
    edge::{Envelope, EnvelopeLayer, Respond, RespondLayer},
    fallback::{Fallback, FallbackLayer},
    retry::{Retry, RetryLayer},
    router::Router,
    timeout::{Timeout, TimeoutLayer},
};

type Leaf = BoxCloneSyncService<Request<JsonBody>, Response<Full<Bytes>>, Failure>;

/// Stands for a model; a real one would call something.
fn model(name: &'static str, status: StatusCode) -> Leaf {
    Leaf::new(tower::service_fn(move |_: Request<JsonBody>| async move {
        let mut response = Response::new(Full::from(name));
        *response.status_mut() = status;
        Ok(response)
    }))
}

/// One deployment: what belongs to a single upstream stands here, above the service that calls it.
fn endpoint(name: &'static str, status: StatusCode) -> Endpoint<Timeout<Open<Leaf>>> {
    let limit = TimeoutLayer::new(Duration::from_secs(10));
    Endpoint::new(name, limit.layer(Open::new(model(name, status))))
}

type Group = Retry<Balance<Timeout<Open<Leaf>>>>;

fn stack() -> Respond<Envelope<Fallback<Router<Group>>>> {
    let retry = RetryLayer::new(1);
    let large = [
        endpoint("large-1", StatusCode::SERVICE_UNAVAILABLE),
        endpoint("large-2", StatusCode::BAD_GATEWAY),
    ];
    let small = [endpoint("small-1", StatusCode::OK)];
    let groups = Router::new([
        ("large", retry.layer(Balance::new(large))),
        ("small", retry.layer(Balance::new(small))),
    ]);
    let fallbacks: Table = [("large", ["small"])].into_iter().collect();
    ServiceBuilder::new()
        .layer(RespondLayer::new())
        .layer(EnvelopeLayer::new().accept_overrides(true))
        .layer(FallbackLayer::new(fallbacks))
        .service(groups)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let service = stack();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                eprintln!("a connection ended with an error: {error}");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_model_that_is_down_is_answered_for_by_another() {
        let request = Request::new(Full::new(Bytes::from(r#"{"model": "large"}"#)));
        let response = stack().oneshot(request).await.unwrap();
        assert_eq!(response.headers()["x-litellm-attempted-fallbacks"], "1");
        assert_eq!(response.headers()["x-litellm-total-attempts"], "3");
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "small-1"
        );
    }
}
