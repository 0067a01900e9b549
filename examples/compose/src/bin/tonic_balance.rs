//! A gRPC service over two backends: `Balance` picks one, `Cooldown` gives one that fails a rest, `Timeout` limits each call.
//! None knows the messages; frames and trailers pass as they are.
//!
//! `cargo run --bin tonic_balance`, then
//! `grpcurl -plaintext -proto greeter.proto -d '{"name": "you"}' 127.0.0.1:3000 demo.Greeter/Greet`, with the definition
//! that stands in `src/greeter.rs`.

use std::{sync::Arc, time::Duration};

use axum::error_handling::HandleErrorLayer;
use http::{Request, Response};
use tonic::{
    Status,
    body::Body,
    service::Routes,
    transport::{Channel, Endpoint as Address, Error},
};
use tower::ServiceBuilder;
use ziggurat::prelude::*;
use ziggurat_examples::greeter::Greeter;

type Backend = Cooldown<Timeout<Open<Channel>>, GrpcStatus>;

/// One backend, with what belongs to it alone.
fn backend(name: &'static str, url: &str) -> Result<Endpoint<Backend>, Error> {
    let channel = Address::from_shared(url.to_owned())?.connect_lazy();
    // Two failures in a row give it a rest.
    let breaker = Breaker::new(
        Arc::default(),
        Rules::new().allowed_fails(1).cooldown_time(REST),
    );
    let service = ServiceBuilder::new()
        // A failed call is an HTTP 200.
        .layer(CooldownLayer::new(breaker).classify(GrpcStatus))
        .layer(TimeoutLayer::new(Duration::from_secs(5)))
        .layer_fn(Open::new)
        .service(channel);
    Ok(Endpoint::new(name, service))
}

/// The service in front: all calls of `demo.Greeter`, whatever its methods.
fn front(backends: [Endpoint<Backend>; 2]) -> axum::Router {
    let service = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(in_grpc))
        .map_request(|request: Request<axum::body::Body>| request.map(Body::new))
        .service(Balance::new(backends).classify(GrpcStatus));
    axum::Router::new().route_service("/demo.Greeter/{method}", service)
}

/// Says in gRPC's words what no backend has answered.
async fn in_grpc(failure: Failure) -> Response<Body> {
    let status = match failure.kind() {
        FailureKind::Timeout => Status::deadline_exceeded(failure.to_string()),
        _ => Status::unavailable(failure.to_string()),
    };
    status.into_http()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut backends = Vec::new();
    for (site, up) in [("north", true), ("south", false)] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        backends.push(backend(
            site,
            &format!("http://{}", listener.local_addr()?),
        )?);
        let routes = Routes::new(Greeter { site, up }).into_axum_router();
        tokio::spawn(async { axum::serve(listener, routes).await });
    }
    let backends = <[_; 2]>::try_from(backends).expect("there are two");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, front(backends)).await?)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tonic::Code;
    use tower::service_fn;
    use ziggurat_examples::greeter::greet;
    use ziggurat_testing::wire;

    use super::*;

    async fn serve(site: &'static str, up: bool) -> wire::Served {
        let routes = Routes::new(Greeter { site, up });
        wire::serve(routes.into_axum_router()).await.unwrap()
    }

    /// Asks over a socket, and returns the greeting or the code.
    async fn ask(front: &wire::Served) -> Result<String, Code> {
        let channel = Address::from_shared(front.url()).unwrap().connect_lazy();
        greet(channel, "you").await.map_err(|status| status.code())
    }

    #[tokio::test]
    async fn a_backend_that_fails_is_left_out_after_two_failures() {
        let (north, south) = (serve("north", true).await, serve("south", false).await);
        let backends = [
            backend("north", &north.url()),
            backend("south", &south.url()),
        ];
        let front = wire::serve(front(backends.map(Result::unwrap)))
            .await
            .unwrap();
        let mut seen = Vec::new();
        for _ in 0..64 {
            seen.push(ask(&front).await);
        }
        let hello = Ok("hello you, from north".to_owned());
        let failed: Vec<_> = seen.iter().filter(|one| **one != hello).collect();
        assert_eq!(failed, [&Err(Code::Unavailable); 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_backend_that_says_nothing_is_given_up() {
        let hang = |_: Request<_>| pending::<Result<Response<Body>, Status>>();
        let silent = wire::serve(service_fn(hang)).await.unwrap();
        let backends = ["a", "b"].map(|name| backend(name, &silent.url()).unwrap());
        let front = wire::serve(front(backends)).await.unwrap();
        assert_eq!(ask(&front).await, Err(Code::DeadlineExceeded));
    }
}
