use std::mem;

use http::Request;
use tower::{ServiceExt, limit::ConcurrencyLimit};
use tower_service::Service;
use ziggurat_core::Open;

use super::{Inner, LayerOver, Limited, RequestBody, answer, drain, drive, ok, unready, within};
use crate::ScriptedBody;

/// Checks tower's readiness contract: the inner service is called only where it was made ready, on the same instance,
/// each time anew.
///
/// # Panics
///
/// If the layer breaks the contract, from within [`StrictProbe`](crate::StrictProbe).
pub async fn readiness<L, B>(layer: &L, request: &Request<B>)
where
    B: RequestBody,
    L: LayerOver<Inner<B>, B>,
{
    // Readiness and answer each take a poll that is `Pending`: whoever does not wait for them is found out.
    let probe = ok(|| ScriptedBody::new().data("ok"))
        .ready_after(1)
        .answer_after(1);
    let tally = probe.tally();
    let mut service = layer.layer(probe);

    drive(&mut service, request.clone()).await;
    assert!(
        tally.calls() > 0,
        "the layer answers without its inner service"
    );
    drive(&mut service, request.clone()).await;

    // Polled ready again and again, then called once.
    for _ in 0..2 {
        ready(&mut service).await;
    }
    drain(answer(service.call(request.clone())).await).await;

    // A clone of a ready instance stands for itself.
    ready(&mut service).await;
    drive(&mut service.clone(), request.clone()).await;

    // The ready instance is taken out, as services do that move it into their future.
    let clone = service.clone();
    let mut taken = mem::replace(&mut service, clone);
    drain(answer(taken.call(request.clone())).await).await;
    drive(&mut service, request.clone()).await;

    // Two calls at once: the second is made before the first is polled, and answered first.
    ready(&mut service).await;
    let first = service.call(request.clone());
    ready(&mut service).await;
    let second = service.call(request.clone());
    drain(answer(second).await).await;
    drain(answer(first).await).await;
}

/// Checks that the layer gives back what it reserved, over a service that takes one call at a time.
///
/// # Panics
///
/// If a call hangs, as it waits for a permit that the layer itself holds.
pub async fn concurrency_limit<L, B>(layer: &L, request: &Request<B>)
where
    B: RequestBody,
    L: LayerOver<Limited<B>, B>,
{
    let probe = ok(|| ScriptedBody::new().data("ok")).answer_after(1);
    let mut service = layer.layer(Open::new(ConcurrencyLimit::new(probe, 1)));
    for _ in 0..3 {
        drive(&mut service, request.clone()).await;
    }

    let (mut a, mut b, mut c) = (service.clone(), service.clone(), service.clone());
    tokio::join!(
        drive(&mut a, request.clone()),
        drive(&mut b, request.clone()),
        drive(&mut c, request.clone())
    );

    // Made ready, and dropped without a call.
    let mut unused = service.clone();
    ready(&mut unused).await;
    drop(unused);
    // Called, and dropped without an answer.
    ready(&mut service).await;
    drop(service.call(request.clone()));
    drive(&mut service.clone(), request.clone()).await;
}

async fn ready<S, B>(service: &mut S)
where
    S: Service<Request<B>, Error: Into<ziggurat_core::BoxError>>,
{
    within("the service does not become ready", service.ready())
        .await
        .map(drop)
        .unwrap_or_else(unready);
}
