use std::{convert::Infallible, error::Error as StdError, fmt};

use http::{Request, Response};
use tower::ServiceExt;
use tower_service::Service;
use ziggurat_core::BoxError;

use super::{Inner, LayerOver, RequestBody, caused_by, drive, ok, within};
use crate::{ScriptedBody, StrictProbe};

/// The concrete error that [`errors`] lets the inner service fail with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused by the script")
    }
}

impl StdError for Refused {}

/// Checks that the layer stands over services whose error is a `BoxError`, `Infallible` or a concrete type, and that
/// an inner error, of a call or of `poll_ready`, is not lost: it is in the source chain of the layer's own, or answered
/// with a status of 400 or more.
///
/// # Panics
///
/// If the error is lost.
pub async fn errors<L, B>(layer: &L, request: &Request<B>)
where
    B: RequestBody,
    L: LayerOver<Inner<B>, B>
        + LayerOver<Inner<B, Infallible>, B>
        + LayerOver<Inner<B, Refused>, B>,
{
    let concrete: Inner<B, Refused> = StrictProbe::new(|_| Err(Refused));
    fails(layer.layer(concrete), request.clone()).await;

    let boxed: Inner<B> = StrictProbe::new(|_| Err(Refused.into()));
    fails(layer.layer(boxed), request.clone()).await;

    let unready: Inner<B> = ok(|| ScriptedBody::new().data("ok")).never_ready(|| Refused.into());
    fails(layer.layer(unready), request.clone()).await;

    let infallible: Inner<B, Infallible> = ok(|| ScriptedBody::new().data("ok"));
    drive(&mut layer.layer(infallible), request.clone()).await;
}

async fn fails<S, B, R>(mut service: S, request: Request<B>)
where
    S: Service<Request<B>, Response = Response<R>, Error: Into<BoxError>>,
{
    // A layer may keep an error of `poll_ready` for the call, where it can answer.
    let result = match within("the service does not become ready", service.ready()).await {
        Ok(service) => within("the error does not come", service.call(request)).await,
        Err(error) => Err(error),
    };
    match result {
        Ok(response) => {
            let status = response.status();
            assert!(
                status.as_u16() >= 400,
                "the inner service failed, and the layer answered {status}"
            );
        }
        Err(error) => assert!(
            caused_by(&*error.into(), &Refused),
            "the inner error is not in the source chain"
        ),
    }
}
