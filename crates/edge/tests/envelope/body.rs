//! Bodies in pieces, too long, broken off or not JSON; and the service below.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_core::{BoxError, FailureKind};
use ziggurat_testing::ScriptedBody;

use crate::{Seen, layer, post, refused, send};

fn chunks(
    chunks: Vec<Result<&'static [u8], BoxError>>,
) -> impl http_body::Body<Data = Bytes, Error = BoxError> {
    StreamBody::new(
        stream::iter(chunks).map(|chunk| chunk.map(|c| Frame::data(Bytes::from_static(c)))),
    )
}

#[tokio::test]
async fn bodies_come_in_pieces() {
    let body = chunks(vec![
        Ok(b"{\"mod"),
        Ok(b""),
        Ok(b"el\":\"m\","),
        Ok(b"\"n\":1}"),
    ]);
    let (req, _) = send(layer(), Request::new(body)).await.unwrap();
    assert_eq!(req.body().to_bytes(), r#"{"model":"m","n":1}"#);
}

#[tokio::test]
async fn the_limit_counts_bytes_as_they_arrive() {
    let text = br#"{"model":"m"}"#;
    assert!(
        send(
            layer().limit(text.len()),
            Request::new(chunks(vec![Ok(text)]))
        )
        .await
        .is_ok()
    );
    let kind = |limit, body| async move {
        send(layer().limit(limit), Request::new(body))
            .await
            .unwrap_err()
            .kind()
    };
    assert_eq!(
        kind(text.len() - 1, chunks(vec![Ok(text)])).await,
        FailureKind::PayloadTooLarge
    );
    // The body never ends: the refusal must not wait for it.
    let endless = StreamBody::new(stream::repeat_with(|| {
        Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"xxxx")))
    }));
    let failure = send(layer().limit(10), Request::new(endless))
        .await
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::PayloadTooLarge);
    // A known length is refused before the first byte.
    let failure = send(layer().limit(10), post("x".repeat(11)))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.kind(), failure.status().as_u16()),
        (FailureKind::PayloadTooLarge, 413)
    );
    // tower-http's and http-body-util's limit outside says the same.
    let limited = Limited::new(Full::new(Bytes::from("x".repeat(11))), 5);
    assert_eq!(
        send(layer(), Request::new(limited))
            .await
            .unwrap_err()
            .kind(),
        FailureKind::PayloadTooLarge
    );
}

#[tokio::test]
async fn a_client_that_hangs_up_is_no_server_error() {
    let body = chunks(vec![Ok(b"{\"mod"), Err("reset".into())]);
    let failure = send(layer(), Request::new(body)).await.unwrap_err();
    assert_eq!(
        (failure.kind(), failure.param()),
        (FailureKind::BadRequest, Some("request_body"))
    );
}

#[tokio::test]
async fn json_errors_name_the_place_and_quote_it_to_the_sender_only() {
    let failure = refused("{\n  \"model\": \"zephyr-beta\"\",\n  \"messages\": []\n}").await;
    assert!(
        failure.message().unwrap().contains("line 2 column 25"),
        "{failure}"
    );
    assert_eq!(failure.excerpt(), Some("\","));
    let failure = refused("{\"model\": \"m\",\n \"logit_bias\": {12481: 100}}").await;
    assert!(
        failure.message().unwrap().contains("line 2 column"),
        "{failure}"
    );
    assert_eq!(failure.excerpt(), Some("12481: 100}}"));
    assert!(!format!("{failure} {failure:?}").contains("12481"));
}

#[tokio::test]
async fn the_instance_that_was_made_ready_is_called() {
    let service = layer().layer(tower::limit::ConcurrencyLimit::new(
        service_fn(|req: Seen| async move {
            Ok::<_, BoxError>(Response::new(req.into_body().collect().await?.to_bytes()))
        }),
        1,
    ));
    for _ in 0..3 {
        let response = service
            .clone()
            .oneshot(post(r#"{"model":"m"}"#))
            .await
            .unwrap();
        assert_eq!(response.into_body(), r#"{"model":"m"}"#);
    }
}

#[tokio::test]
async fn dropping_the_future_drops_the_body_being_read() {
    let (alive, watch) = (std::sync::Arc::new(()), std::sync::Arc::downgrade);
    let watch = watch(&alive);
    let body = StreamBody::new(stream::once(async move {
        std::future::pending::<()>().await;
        drop(alive);
        Ok::<_, BoxError>(Frame::data(Bytes::new()))
    }));
    let service = layer().layer(service_fn(|_: Seen| async {
        Ok::<_, BoxError>(Response::new(()))
    }));
    let mut future = Box::pin(service.oneshot(Request::new(Box::pin(body))));
    assert!(futures_util::FutureExt::now_or_never(&mut future).is_none());
    assert!(watch.upgrade().is_some());
    drop(future);
    assert!(watch.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_is_not_waited_for() {
    let secs = Duration::from_secs;
    // Enough for 50 s more, each time.
    let spaces = || " ".repeat(25_000);
    let body = || {
        let body = ScriptedBody::new().data("{").wait(secs(50)).data(spaces());
        body.wait(secs(50)).data(spaces())
    };
    let layer = || layer().body_timeout(secs(60)).limit(60_000);
    let whole = body().wait(secs(59)).data(r#""model":"m"}"#);
    send(layer(), Request::new(whole)).await.unwrap();

    for encoding in ["identity", "gzip"] {
        let begun = Instant::now();
        // What comes of it does not count: gzip may hold back more than it is given.
        let stopped = match encoding {
            "gzip" => ScriptedBody::new().data(&[0x1f, 0x8b][..]).hang(),
            _ => body().hang(),
        };
        let mut request = Request::new(stopped);
        let value = encoding.parse().unwrap();
        request.headers_mut().insert("content-encoding", value);
        let failure = send(layer(), request).await.unwrap_err();
        assert_eq!(
            (failure.kind(), failure.param()),
            (FailureKind::Timeout, Some("request_body"))
        );
        let expected = if encoding == "gzip" { 60 } else { 160 };
        assert_eq!(begun.elapsed().as_secs(), expected, "{encoding}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_trickles_is_not_waited_for() {
    let secs = Duration::from_secs;
    let layer = || layer().body_timeout(secs(60));
    for (piece, expected) in [(" ".to_owned(), 60), (" ".repeat(500), 61)] {
        let begun = Instant::now();
        let body = (0..100).fold(ScriptedBody::new().data("{"), |body, _| {
            body.wait(secs(50)).data(piece.clone())
        });
        let failure = send(layer(), Request::new(body)).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Timeout);
        assert_eq!(begun.elapsed().as_secs(), expected);
    }
}

/// Who knows that can end the connection: the next request would be lost on it.
#[tokio::test]
async fn a_refusal_says_whether_the_body_was_read() {
    let broken = || -> BoxError { "broken framing".into() };
    for (encoding, body, unread) in [
        ("identity", vec![Ok(&b"{\"mod"[..])], false),
        ("identity", vec![Ok(b"{\"mod"), Err(broken())], true),
        ("identity", vec![Ok(&[b' '; 101])], true),
        ("br", vec![Ok(b"{}")], true),
        ("gzip", vec![Ok(&[0x1f, 0x8b])], false),
        ("gzip", vec![Ok(b"no gzip but text")], true),
    ] {
        let mut request = Request::new(chunks(body));
        let value = encoding.parse().unwrap();
        request.headers_mut().insert("content-encoding", value);
        let failure = send(layer().limit(100), request).await.unwrap_err();
        assert_eq!(failure.is_body_unread(), unread, "{encoding}: {failure}");
    }
}
