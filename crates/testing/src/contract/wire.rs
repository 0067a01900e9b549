use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tower::{ServiceExt, service_fn};
use tower_service::Service;
use ziggurat_core::BoxError;

use super::{Inner, LayerOver, RequestBody, ok, within};
use crate::{
    Guards, ScriptedBody,
    wire::{Client, in_memory},
};

/// What the server makes of a body's size hint and end.
const FRAMING: [http::HeaderName; 3] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TRAILER,
];

/// Checks the layer behind real connections, HTTP/1.1 and HTTP/2: what arrives is framed as without the layer, frame by
/// frame and with its trailers; a body that breaks does not look whole; and a client that hangs up frees the body.
///
/// The layer gets the given request, body and extensions included, for each one that comes over the wire. The connections
/// are in memory, so that a paused clock stands still meanwhile.
///
/// # Panics
///
/// If anything differs.
pub async fn wire<L, B>(layer: &L, request: &Request<B>)
where
    B: RequestBody,
    L: LayerOver<Inner<B>, B>,
{
    for version in [Version::HTTP_11, Version::HTTP_2] {
        for (name, body) in bodies() {
            let name = format!("{version:?}, {name}");
            let bare = connect(probe(body.clone()), request, version).await;
            let layered = connect(layer.layer(probe(body)), request, version).await;
            let (want, got) = (read(&name, bare).await, read(&name, layered).await);
            same(&name, &want, &got);
        }
        breaks(layer, request, version).await;
        hangs_up(layer, request, version).await;
    }
}

/// Returns bodies that servers frame in different ways.
fn bodies() -> [(&'static str, ScriptedBody); 7] {
    let body = ScriptedBody::new;
    let trailers = || {
        let name = "grpc-status".parse().expect("a name");
        HeaderMap::from_iter([(name, HeaderValue::from_static("0"))])
    };
    // More than the window of an HTTP/2 stream: the writer has to wait for the reader.
    let large = (0..16).fold(body(), |body, _| body.data(vec![b'x'; 16 * 1024]));
    let ending = || body().data("a").pending().data("b").trailers(trailers());
    [
        ("an empty body", body()),
        ("a body of one frame", body().data("all of it")),
        (
            "a body of known length",
            body().data("all ").pending().data("of it"),
        ),
        (
            "a body of unknown length",
            body().data("a").pending().data("bc").unknown_size(),
        ),
        ("trailers", ending().unknown_size()),
        ("an end that only `None` tells", ending().silent_end()),
        ("a large body", large),
    ]
}

fn probe<B>(body: ScriptedBody) -> Inner<B> {
    ok(move || body.clone()).answer_after(1)
}

/// Puts a service behind a connection.
async fn connect<S, B, R>(service: S, request: &Request<B>, version: Version) -> Client
where
    B: RequestBody,
    S: Service<Request<B>, Response = Response<R>, Error: Into<BoxError>, Future: Send + 'static>,
    S: Clone + Send + Sync + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let request = request.clone();
    let service = service_fn(move |_: Request<Incoming>| {
        let answer = service.clone().oneshot(request.clone());
        async move {
            let mut response = answer.await.map_err(Into::into)?;
            // HTTP/1.1 sends only those trailers that are announced.
            let trailer = HeaderValue::from_static("grpc-status");
            response.headers_mut().insert(header::TRAILER, trailer);
            Ok::<_, BoxError>(response)
        }
    });
    let opening = within("the connection does not open", in_memory(service, version));
    opening.await.unwrap_or_else(|error| failed("", &error))
}

async fn send(name: &str, client: &mut Client) -> Response<Incoming> {
    let request = Request::get("/")
        .header(header::TE, "trailers")
        .body(Full::default())
        .expect("the parts are valid");
    within("the response does not come", client.send(request))
        .await
        .unwrap_or_else(|error| failed(name, &error))
}

fn failed<T>(name: &str, error: &BoxError) -> T {
    panic!("{name}: over the wire the call failed: {error:?}");
}

/// What a client sees of a response.
#[derive(Debug, PartialEq)]
struct Seen {
    status: StatusCode,
    framing: Vec<Option<HeaderValue>>,
    bytes: Bytes,
    trailers: Option<HeaderMap>,
}

async fn read(name: &str, mut client: Client) -> Seen {
    let (head, body) = send(name, &mut client).await.into_parts();
    let framing = FRAMING.map(|name| head.headers.get(name).cloned());
    let body = within("the body does not go on", body.collect())
        .await
        .unwrap_or_else(|error| failed(name, &error.into()));
    Seen {
        status: head.status,
        framing: framing.into(),
        trailers: body.trailers().cloned(),
        bytes: body.to_bytes(),
    }
}

fn same(name: &str, want: &Seen, got: &Seen) {
    assert_eq!(got.status, want.status, "{name}: the status");
    assert_eq!(
        got.framing, want.framing,
        "{name}: the headers {FRAMING:?} (got, without the layer)"
    );
    assert!(got.bytes == want.bytes, "{name}: the bytes of the body");
    assert_eq!(got.trailers, want.trailers, "{name}: the trailers");
}

async fn breaks<L, B>(layer: &L, request: &Request<B>, version: Version)
where
    B: RequestBody,
    L: LayerOver<Inner<B>, B>,
{
    // The pause lets the head out: hyper gives up a response whose body fails before that.
    let body = ScriptedBody::new()
        .data("a")
        .wait(Duration::from_millis(1))
        .error("scripted")
        .unknown_size();
    let mut client = connect(layer.layer(probe(body)), request, version).await;
    let body = send("a body that breaks", &mut client).await.into_body();
    let read = within("the body does not go on", body.collect()).await;
    assert!(read.is_err(), "{version:?}: a body that broke looks whole");
}

async fn hangs_up<L, B>(layer: &L, request: &Request<B>, version: Version)
where
    B: RequestBody,
    L: LayerOver<Inner<B>, B>,
{
    let guards = Guards::new();
    let taken = guards.clone();
    let probe = ok(move || {
        let body = ScriptedBody::new().data("a").hang().unknown_size();
        body.guard(taken.take())
    });
    let mut client = connect(layer.layer(probe), request, version).await;
    let mut body = send("a body without end", &mut client).await.into_body();
    let frame = within("the first frame is held back", body.frame()).await;
    assert!(
        matches!(frame, Some(Ok(_))),
        "{version:?}: no first frame, although there is one"
    );
    drop(body);
    // Of an HTTP/2 connection only the stream is given up.
    let _open = (version == Version::HTTP_2).then_some(client);
    let freed = async {
        while guards.held() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within("the client has hung up, and the body is not dropped", freed).await;
}
