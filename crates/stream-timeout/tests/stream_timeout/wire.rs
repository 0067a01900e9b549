//! Over real connections.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_core::{BoxError, FailureKind};
use ziggurat_testing::{ScriptedBody, wire};

use crate::support::{DONE, ROLE, TEXT, body, events, limit, seconds};

async fn serve(body: ScriptedBody) -> wire::Served {
    let answer = service_fn(move |_: Request<Incoming>| {
        let response = events(body.clone());
        async { Ok::<_, Infallible>(response) }
    });
    wire::serve(limit(60).layer(answer)).await.unwrap()
}

fn get() -> Request<Full<Bytes>> {
    Request::new(Full::default())
}

#[tokio::test]
async fn a_stream_arrives_whole() -> Result<(), BoxError> {
    let trailers = HeaderMap::from_iter([("grpc-status".parse()?, "0".parse()?)]);
    let scripted = body().pending().data(ROLE).pending().data(TEXT);
    let served = serve(scripted.pending().data(DONE).trailers(trailers)).await;
    for (mut client, has_trailers) in [
        (served.http1().await?, false),
        (served.http2().await?, true),
    ] {
        let response = client.send(get()).await?;
        let collected = response.into_body().collect().await?;
        assert_eq!(collected.trailers().is_some(), has_trailers);
        assert_eq!(collected.to_bytes(), [ROLE, TEXT, DONE].concat());
    }
    Ok(())
}

#[tokio::test]
async fn what_is_held_is_in_the_length() -> Result<(), BoxError> {
    let served = serve(ScriptedBody::new().data(ROLE).data(TEXT)).await;
    let mut client = served.http1().await?;
    let response = client.send(get()).await?;
    let all = [ROLE, TEXT].concat();
    assert_eq!(response.headers()["content-length"], all.len().to_string());
    assert_eq!(response.into_body().collect().await?.to_bytes(), all);
    Ok(())
}

#[tokio::test]
async fn a_stream_that_is_cut_does_not_look_whole() -> Result<(), BoxError> {
    let served = serve(body().data(TEXT).hang()).await;
    let (mut first, mut second) = (served.http1().await?, served.http2().await?);
    let mut bodies = [first.send(get()).await?, second.send(get()).await?].map(Response::into_body);
    for body in &mut bodies {
        assert_eq!(body.frame().await.unwrap()?.into_data().unwrap(), TEXT);
    }
    // From here on nothing but the limit can happen.
    tokio::time::pause();
    tokio::time::advance(seconds(60)).await;
    for body in &mut bodies {
        assert!(body.frame().await.unwrap().is_err());
    }
    Ok(())
}

#[tokio::test]
async fn a_real_stream_that_breaks_before_its_content_is_a_failed_call() -> Result<(), BoxError> {
    // The upstream breaks off; the layer stands on our side of the connection.
    let upstream = wire::serve(service_fn(|_: Request<Incoming>| {
        let response = events(body().data(ROLE).pending().error("broken"));
        async { Ok::<_, Infallible>(response) }
    }));
    let upstream = upstream.await?;
    for http2 in [false, true] {
        let client = match http2 {
            false => upstream.http1().await?,
            true => upstream.http2().await?,
        };
        let mut client = Some(client);
        let leaf = service_fn(move |request: Request<Full<Bytes>>| {
            let client = client.take();
            async move { client.expect("it is called once").send(request).await }
        });
        let failure = limit(60).layer(leaf).oneshot(get()).await;
        assert_eq!(failure.map(|_| ()).unwrap_err().kind(), FailureKind::Other);
    }
    Ok(())
}
