//! Over a real connection.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tower::{Layer, ServiceBuilder, service_fn, util::MapRequestLayer};
use ziggurat_context_window::{ContextWindowFilterLayer, PrecountLayer};
use ziggurat_core::BoxError;
use ziggurat_testing::{ScriptedBody, wire};

use crate::support::{Words, llm, with, words};

async fn serve(tokens: u64) -> wire::Served {
    let answer = service_fn(|_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(
            ScriptedBody::new().data("all ").pending().data("of it"),
        ))
    });
    let window = Words::default().window(tokens);
    let stack = ServiceBuilder::new()
        .layer(MapRequestLayer::new(|request: Request<Incoming>| {
            with(request, llm(&words(10_000)))
        }))
        .layer(PrecountLayer::new([window.clone()]))
        .service(ContextWindowFilterLayer::new(window).layer(answer));
    wire::serve(stack).await.unwrap()
}

#[tokio::test]
async fn what_fits_passes_whole() -> Result<(), BoxError> {
    let served = serve(10_007).await;
    for mut client in [served.http1().await?, served.http2().await?] {
        let response = client.send(Request::new(Full::<Bytes>::default())).await?;
        assert_eq!(response.headers()["content-length"], "9");
        assert_eq!(
            response.into_body().collect().await?.to_bytes(),
            "all of it"
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_does_not_fit_gets_no_answer() -> Result<(), BoxError> {
    let served = serve(10_006).await;
    let mut client = served.http1().await?;
    assert!(
        client
            .send(Request::new(Full::<Bytes>::default()))
            .await
            .is_err()
    );
    Ok(())
}
