use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use ziggurat_core::BoxError;

use super::{Inner, LayerOver, RequestBody, call, caused_by, within};
use crate::{ScriptedBody, StrictProbe};

/// Stands for the extensions of other layers.
#[derive(Clone, Debug, PartialEq)]
struct Marker(u8);

/// Checks that request and response pass exactly: method, URI, version, headers, foreign extensions, frames, trailers,
/// errors, and before each frame `size_hint` and `is_end_stream`.
///
/// # Panics
///
/// If anything differs.
pub async fn pass_through<L, B>(layer: &L, request: &Request<B>)
where
    B: RequestBody,
    L: LayerOver<Inner<B>, B>,
{
    for (name, body) in bodies() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (requests, answer) = (Arc::clone(&seen), body.clone());
        let mut service = layer.layer(StrictProbe::new(move |request| {
            requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(request);
            Ok(head().map(|()| answer.clone()))
        }));
        let mut sent = request.clone();
        sent.extensions_mut().insert(Marker(1));
        let (got, outer) = call(&mut service, sent).await.into_parts();

        let requests = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        let [inner] = <[Request<B>; 1]>::try_from(requests).unwrap_or_else(|all| {
            panic!(
                "{name}: the inner service was called {} times for one request",
                all.len()
            );
        });
        same_request(request, inner).await;
        same_head(name, &got);
        same_body(name, body, outer).await;
    }
}

fn head() -> Response<()> {
    Response::builder()
        .status(StatusCode::NON_AUTHORITATIVE_INFORMATION)
        .version(Version::HTTP_2)
        .header("content-type", "text/plain")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .extension(Marker(2))
        .body(())
        .expect("the parts are valid")
}

/// Returns bodies of each shape that is easily got wrong.
fn bodies() -> [(&'static str, ScriptedBody); 7] {
    let trailers = || {
        HeaderMap::from_iter([(
            "grpc-status".parse().expect("a name"),
            HeaderValue::from_static("0"),
        )])
    };
    let body = ScriptedBody::new;
    [
        ("empty", body()),
        ("one frame", body().data("all of it")),
        (
            "frames and pauses",
            body()
                .pending()
                .data("a")
                .data("")
                .pending()
                .pending()
                .data("bc"),
        ),
        (
            "unknown size and trailers",
            body()
                .data("a")
                .pending()
                .data("b")
                .trailers(trailers())
                .unknown_size(),
        ),
        ("trailers alone", body().trailers(trailers())),
        (
            "an end that only `None` tells",
            body().data("a").pending().silent_end().unknown_size(),
        ),
        (
            "an error after a frame",
            body().data("a").pending().error("scripted").unknown_size(),
        ),
    ]
}

async fn same_request<B: RequestBody>(sent: &Request<B>, inner: Request<B>) {
    assert_eq!(inner.method(), sent.method(), "the request's method");
    assert_eq!(inner.uri(), sent.uri(), "the request's URI");
    assert_eq!(inner.version(), sent.version(), "the request's version");
    assert_eq!(inner.headers(), sent.headers(), "the request's headers");
    assert_eq!(
        inner.extensions().get(),
        Some(&Marker(1)),
        "a foreign extension of the request"
    );
    let (inner, sent) = (
        bytes(inner.into_body()).await,
        bytes(sent.body().clone()).await,
    );
    assert!(
        inner == sent,
        "the request's body differs: {} bytes of {}",
        inner.len(),
        sent.len()
    );
}

async fn bytes<B: RequestBody>(body: B) -> Bytes {
    match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) => panic!("the request's body failed: {:?}", error.into()),
    }
}

fn same_head(name: &str, got: &response::Parts) {
    let (want, ()) = head().into_parts();
    assert_eq!(got.status, want.status, "{name}: the status");
    assert_eq!(got.version, want.version, "{name}: the version");
    assert_eq!(got.headers, want.headers, "{name}: the headers");
    assert_eq!(
        got.extensions.get(),
        Some(&Marker(2)),
        "{name}: a foreign extension of the response"
    );
}

/// Reads both bodies side by side.
async fn same_body<R>(name: &str, mut want: ScriptedBody, mut got: R)
where
    R: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    loop {
        same_state(name, &want, &got);
        let expected = want.frame().await;
        let frame = within("the body does not go on", got.frame()).await;
        match (expected, frame) {
            (None, None) => return,
            (Some(Ok(want)), Some(Ok(got))) => same_frame(name, want, got),
            (Some(Err(want)), Some(Err(error))) => {
                assert!(
                    caused_by(&*error.into(), &want),
                    "{name}: the body's error has lost its cause"
                );
                let after = within("the body does not end after its error", got.frame()).await;
                assert!(after.is_none(), "{name}: the body goes on after its error");
                return;
            }
            (want, got) => panic!(
                "{name}: expected {}, got {}",
                shown(want.as_ref()),
                shown(got.as_ref())
            ),
        }
    }
}

fn same_state(name: &str, want: &ScriptedBody, got: &impl Body) {
    let hint = |hint: http_body::SizeHint| (hint.lower(), hint.upper());
    assert_eq!(
        hint(got.size_hint()),
        hint(want.size_hint()),
        "{name}: the size hint (lower, upper)"
    );
    assert_eq!(
        got.is_end_stream(),
        want.is_end_stream(),
        "{name}: `is_end_stream`"
    );
}

fn same_frame(name: &str, want: Frame<Bytes>, got: Frame<Bytes>) {
    match (want.into_data(), got.into_data()) {
        (Ok(want), Ok(got)) => assert_eq!(got, want, "{name}: a data frame"),
        (Err(want), Err(got)) => assert_eq!(
            got.trailers_ref(),
            want.trailers_ref(),
            "{name}: the trailers"
        ),
        (Ok(_), Err(_)) => panic!("{name}: expected data, got trailers"),
        (Err(_), Ok(_)) => panic!("{name}: expected trailers, got data"),
    }
}

fn shown<E>(frame: Option<&Result<Frame<Bytes>, E>>) -> &'static str {
    match frame {
        None => "the end",
        Some(Err(_)) => "an error",
        Some(Ok(frame)) if frame.is_data() => "data",
        Some(Ok(_)) => "trailers",
    }
}
