//! The paths of the proxy.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{Either, Full};
use pin_project_lite::pin_project;
use tower_service::Service;
use ziggurat::{
    Gateway,
    config::Config,
    core::Board,
    edge::ErrorTypes,
    gateway::{HealthCheck, error_types},
};

use crate::{
    MasterKey, Metrics,
    in_flight::{Held, InFlight, Place},
    outer::leave_body,
    pages::{Answer, Later, Page, Pages},
};

/// What the paths beside the gateway show, and who may see them.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The key that callers must show; without one every caller is served.
    pub master_key: Option<MasterKey>,
    /// How errors name themselves.
    pub error_types: ErrorTypes,
    /// The configuration, without the deployments that cannot serve.
    pub config: Arc<Config>,
    /// Which deployments rest, and how their checks went.
    pub board: Board,
    /// Asks each deployment whether it answers.
    pub checks: Arc<[HealthCheck]>,
    /// What `/metrics` shows; without it there is no such page.
    pub metrics: Option<Arc<Metrics>>,
}

impl Facts {
    /// Takes them from a gateway.
    #[must_use]
    pub fn of(gateway: &Gateway) -> Self {
        let config = Arc::clone(gateway.config());
        let key = config.general.master_key.as_ref();
        Self {
            master_key: key.map(|key| MasterKey::new(key.expose())),
            error_types: error_types(&config),
            board: gateway.board().clone(),
            checks: gateway.probes().into(),
            metrics: None,
            config,
        }
    }
}

/// Answers the proxy's paths: hands model calls to the gateway, and answers the others itself. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct App<G> {
    gateway: G,
    pages: Arc<Pages>,
    in_flight: InFlight,
    limit: Option<u32>,
}

impl<G> App<G> {
    /// Serves a gateway and the facts beside it.
    pub fn new(gateway: G, facts: &Facts) -> Self {
        let in_flight = facts.metrics.as_ref().map(|metrics| metrics.in_flight());
        Self {
            gateway,
            pages: Arc::new(Pages::print(facts)),
            in_flight: in_flight.cloned().unwrap_or_default(),
            limit: facts.config.general.max_in_flight,
        }
    }
}

impl<G, B, R> Service<Request<B>> for App<G>
where
    G: Service<Request<B>, Response = Response<R>, Error = Infallible>,
    B: Body,
{
    type Response = Response<Either<Held<R>, Full<Bytes>>>;
    type Error = Infallible;
    type Future = AppFuture<G::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.gateway.poll_ready(cx)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        let state = match self.pages.answer(&req) {
            Answer::Now(page) => State::page(page, &req),
            Answer::Later(page) => State::Later { page },
            Answer::Gateway(shown) => match self.in_flight.enter(self.limit) {
                Some(place) => {
                    shown.remove(req.headers_mut());
                    State::Gateway {
                        future: self.gateway.call(req),
                        place: Some(place),
                    }
                }
                None => State::page(self.pages.overloaded(&req), &req),
            },
        };
        AppFuture { state }
    }
}

pin_project! {
    /// The future of [`App`].
    pub struct AppFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Gateway { #[pin] future: F, place: Option<Place> },
        Page { page: Option<Page> },
        Later { page: Later },
    }
}

impl<F> State<F> {
    /// Answers without having read the request's body.
    fn page<B: Body>(mut page: Page, req: &Request<B>) -> Self {
        if !req.body().is_end_stream() {
            leave_body(&mut page, req.version());
        }
        Self::Page { page: Some(page) }
    }
}

impl<F> fmt::Debug for AppFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppFuture").finish_non_exhaustive()
    }
}

impl<F, R> Future for AppFuture<F>
where
    F: Future<Output = Result<Response<R>, Infallible>>,
{
    type Output = Result<Response<Either<Held<R>, Full<Bytes>>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Gateway { future, place } => {
                let Ok(response) = ready!(future.poll(cx));
                let place = place.take().expect("polled after completion");
                Poll::Ready(Ok(response.map(|body| Either::Left(place.hold(body)))))
            }
            StateProj::Later { page } => {
                let page = ready!(page.as_mut().poll(cx));
                Poll::Ready(Ok(page.map(Either::Right)))
            }
            StateProj::Page { page } => {
                let page = page.take().expect("polled after completion");
                Poll::Ready(Ok(page.map(Either::Right)))
            }
        }
    }
}
