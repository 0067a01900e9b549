//! What a well-behaved layer does whatever else it does: checks that users run on their own layers.
//!
//! Each check puts the layer over a probe and panics with what went wrong. The layer must let the given request
//! through to its inner service. [`all`] runs the checks that every layer can pass; [`wire`] runs the layer behind real
//! connections; [`admission`] is for layers that take part in choosing among services.
//!
//! ```
//! use tower::util::MapRequestLayer;
//! use ziggurat_testing::contract;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let layer = MapRequestLayer::new(|request: http::Request<_>| request);
//! contract::all(&layer, &contract::request()).await;
//! # }
//! ```
//!
//! A service that is not made by a layer, such as one that picks among several, is checked through
//! `tower_layer::layer_fn(|inner| …)`, one check at a time, as a closure takes a single inner type.
//!
//! Give the checks a paused clock where the layer waits: `#[tokio::test(start_paused = true)]`.

mod cancellation;
mod errors;
mod pass_through;
mod readiness;
mod wire;

use std::{convert::Infallible, error::Error as StdError, future::Future, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{ServiceExt, limit::ConcurrencyLimit};
use tower_layer::Layer;
use tower_service::Service;
use ziggurat_core::{Admit, BoxError, FailureKind, Open, Rejection};

pub use self::{
    cancellation::cancellation,
    errors::{Refused, errors},
    pass_through::pass_through,
    readiness::{concurrency_limit, readiness},
    wire::wire,
};
use crate::{ScriptedBody, StrictProbe};

/// The inner service of most checks.
pub type Inner<B, E = BoxError> = StrictProbe<Request<B>, Response<ScriptedBody>, E>;

/// The inner service of [`concurrency_limit`]: one call at a time.
pub type Limited<B> = Open<ConcurrencyLimit<Inner<B>>>;

/// How long a call may take before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(30);

/// A layer whose service over `I` can be checked with requests that carry a `B`. Implemented for all that fit.
///
/// What it asks for is part of the contract: the service is `Clone + Send + Sync + 'static`, its future `Send`, and
/// its response body `Send + Unpin`, so that other layers can stand above it.
#[diagnostic::on_unimplemented(
    message = "over `{I}`, the layer `{Self}` does not make a service that can be checked",
    note = "the service must be `Service<Request<{B}>> + Clone + Send + Sync + 'static`, its future `Send + 'static`, \
            its error `Into<BoxError>`, its response body `Body<Data = Bytes> + Send + Unpin + 'static`"
)]
pub trait LayerOver<I, B>: Layer<I, Service = Self::Outer> {
    /// The layer's service.
    type Outer: Service<
            Request<B>,
            Response = Response<Self::Body>,
            Error: Into<BoxError>,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static;
    /// Its response body.
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static;
}

impl<L, I, B, S, R> LayerOver<I, B> for L
where
    L: Layer<I, Service = S>,
    S: Service<Request<B>, Response = Response<R>, Error: Into<BoxError>, Future: Send + 'static>,
    S: Clone + Send + Sync + 'static,
    R: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Outer = S;
    type Body = R;
}

/// A request body that the checks can send again and compare.
pub trait RequestBody:
    Body<Data = Bytes, Error: Into<BoxError>> + Clone + Send + Sync + 'static
{
}

impl<B> RequestBody for B where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Clone + Send + Sync + 'static
{
}

/// Returns a chat request without any extension, for layers that need nothing special.
#[must_use]
pub fn request() -> Request<Full<Bytes>> {
    Request::post("/v1/chat/completions?a=b")
        .header("content-type", "application/json")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .body(Full::from(r#"{"model":"gpt-4o","messages":[]}"#))
        .expect("the parts are valid")
}

/// Runs [`readiness`], [`concurrency_limit`], [`pass_through`], [`cancellation`] and [`errors`].
///
/// # Panics
///
/// If the layer breaks the contract.
pub async fn all<L, B>(layer: &L, request: &Request<B>)
where
    B: RequestBody,
    L: LayerOver<Inner<B>, B>
        + LayerOver<Limited<B>, B>
        + LayerOver<Inner<B, Infallible>, B>
        + LayerOver<Inner<B, Refused>, B>,
{
    readiness(layer, request).await;
    concurrency_limit(layer, request).await;
    pass_through(layer, request).await;
    cancellation(layer, request).await;
    errors(layer, request).await;
}

/// Checks that the service passes on what its inner service says to [`Admit::admit`].
///
/// # Panics
///
/// If it does not.
#[allow(clippy::unused_async, reason = "all checks are called the same way")]
pub async fn admission<L, B>(layer: &L, request: &Request<B>)
where
    B: RequestBody,
    L: LayerOver<Inner<B>, B>,
    L::Outer: Admit<Request<B>>,
{
    let rejection =
        Rejection::new(FailureKind::CoolingDown).with_retry_after(Duration::from_secs(7));
    let rejecting = layer.layer(ok(ScriptedBody::new).rejecting(rejection.clone()));
    assert_eq!(
        rejecting.admit(request),
        Err(rejection),
        "the rejection of the inner service is passed on"
    );
    assert_eq!(
        layer.layer(ok(ScriptedBody::new)).admit(request),
        Ok(()),
        "the request is admitted"
    );
}

/// Returns a probe that answers 200 with this body.
fn ok<B, E>(body: impl Fn() -> ScriptedBody + Send + Sync + 'static) -> Inner<B, E> {
    StrictProbe::new(move |_| Ok(Response::new(body())))
}

/// Calls a service once, and reads its response to the end.
async fn drive<S, B, R>(service: &mut S, request: Request<B>)
where
    S: Service<Request<B>, Response = Response<R>, Error: Into<BoxError>>,
    R: Body<Error: Into<BoxError>> + Unpin,
{
    let response = call(service, request).await;
    drain(response).await;
}

async fn call<S, B, R>(service: &mut S, request: Request<B>) -> Response<R>
where
    S: Service<Request<B>, Response = Response<R>, Error: Into<BoxError>>,
{
    within("the service does not become ready", service.ready())
        .await
        .unwrap_or_else(unready);
    let future = service.call(request);
    answer(future).await
}

async fn answer<R, E: Into<BoxError>>(future: impl Future<Output = Result<R, E>>) -> R {
    match within("the response does not come", future).await {
        Ok(response) => response,
        Err(error) => panic!(
            "the layer failed a request that its inner service answers: {:?}",
            error.into()
        ),
    }
}

async fn drain<R: Body<Error: Into<BoxError>> + Unpin>(response: Response<R>) {
    let mut body = response.into_body();
    while let Some(frame) = within("the body does not go on", body.frame()).await {
        if let Err(error) = frame {
            panic!("the body failed, the inner one did not: {:?}", error.into());
        }
    }
}

fn unready<T>(error: impl Into<BoxError>) -> T {
    panic!(
        "the service failed its readiness, the inner one did not: {:?}",
        error.into()
    );
}

/// Says whether `cause` is in the source chain.
fn caused_by<C: StdError + PartialEq + 'static>(
    error: &(dyn StdError + 'static),
    cause: &C,
) -> bool {
    error.downcast_ref() == Some(cause)
        || error
            .source()
            .is_some_and(|source| caused_by(source, cause))
}

async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("hung: {what}"),
    }
}
