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
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use http_body_util::{Either, Full};
use pin_project_lite::pin_project;
use serde::Serialize;
use tower_service::Service;
use ziggurat::{
    core::{Board, DeploymentId, Failure, FailureKind},
    edge::{ErrorTypes, path::Endpoint, respond::error_json},
};

use crate::{MasterKey, cooldowns};

/// What the paths beside the gateway show, and who may see them.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The key that callers must show; without one every caller is served.
    pub master_key: Option<MasterKey>,
    /// How errors name themselves.
    pub error_types: ErrorTypes,
    /// Names of models, as they are listed.
    pub models: Vec<String>,
    /// The number of deployments that serve.
    pub deployments: usize,
    /// Deployments that were left out: name of the model, and why.
    pub left_out: Vec<(String, String)>,
    /// Which deployments rest.
    pub board: Board,
    /// The deployments that serve, and the groups that they are in.
    pub groups: Vec<(DeploymentId, String)>,
}

/// Answers the proxy's paths: hands model calls to the gateway, and answers the others itself. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct App<G> {
    gateway: G,
    pages: Arc<Pages>,
}

#[derive(Debug)]
struct Pages {
    master_key: Option<MasterKey>,
    error_types: ErrorTypes,
    models: Bytes,
    readiness: Bytes,
    board: Board,
    groups: Vec<(DeploymentId, String)>,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    /// A call of a model.
    Model,
    Models,
    Cooldowns,
    Liveness,
    Readiness,
}

impl Route {
    fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/models" | "/v1/models" => Self::Models,
            "/cooldowns" => Self::Cooldowns,
            "/health/liveliness" | "/health/liveness" => Self::Liveness,
            "/health/readiness" => Self::Readiness,
            _ if Endpoint::of(path).is_some() => Self::Model,
            _ => return None,
        })
    }

    const fn allow(self) -> &'static str {
        match self {
            Self::Model => "POST",
            Self::Models | Self::Cooldowns | Self::Liveness | Self::Readiness => "GET, HEAD",
        }
    }

    fn allows(self, method: &Method) -> bool {
        match self {
            Self::Model => method == Method::POST,
            Self::Models | Self::Cooldowns | Self::Liveness | Self::Readiness => {
                matches!(*method, Method::GET | Method::HEAD)
            }
        }
    }

    const fn is_open(self) -> bool {
        matches!(self, Self::Liveness | Self::Readiness)
    }
}

impl<G> App<G> {
    /// Serves a gateway and the facts beside it.
    pub fn new(gateway: G, facts: &Facts) -> Self {
        Self {
            gateway,
            pages: Arc::new(Pages::print(facts)),
        }
    }
}

impl<G, B, R> Service<Request<B>> for App<G>
where
    G: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    type Response = Response<Either<R, Full<Bytes>>>;
    type Error = Infallible;
    type Future = AppFuture<G::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.gateway.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let page = match self.pages.answer(&req) {
            Some(page) => page,
            None => {
                return AppFuture {
                    state: State::Gateway {
                        future: self.gateway.call(req),
                    },
                };
            }
        };
        AppFuture {
            state: State::Page { page: Some(page) },
        }
    }
}

impl Pages {
    fn print(facts: &Facts) -> Self {
        #[derive(Serialize)]
        struct List<'a> {
            data: Vec<Model<'a>>,
            object: &'static str,
        }
        #[derive(Serialize)]
        struct Model<'a> {
            id: &'a str,
            object: &'static str,
            /// The LiteLLM proxy's own constant: models of a configuration have no date.
            created: u64,
            owned_by: &'static str,
        }
        #[derive(Serialize)]
        struct Readiness<'a> {
            status: &'static str,
            db: &'static str,
            deployments: usize,
            left_out: Vec<LeftOut<'a>>,
        }
        #[derive(Serialize)]
        struct LeftOut<'a> {
            model_name: &'a str,
            reason: &'a str,
        }
        let model = |id| Model {
            id,
            object: "model",
            created: 1_677_610_602,
            owned_by: "openai",
        };
        let list = List {
            data: facts.models.iter().map(|id| model(id)).collect(),
            object: "list",
        };
        let left_out = facts
            .left_out
            .iter()
            .map(|(model_name, reason)| LeftOut { model_name, reason })
            .collect();
        let readiness = Readiness {
            status: "healthy",
            db: "Not connected",
            deployments: facts.deployments,
            left_out,
        };
        Self {
            master_key: facts.master_key.clone(),
            error_types: facts.error_types,
            models: serde_json::to_vec(&list)
                .expect("strings and numbers serialise")
                .into(),
            readiness: serde_json::to_vec(&readiness)
                .expect("strings and numbers serialise")
                .into(),
            board: facts.board.clone(),
            groups: facts.groups.clone(),
        }
    }

    /// Answers what is not for the gateway.
    fn answer<B>(&self, req: &Request<B>) -> Option<Response<Full<Bytes>>> {
        let Some(route) = Route::of(req.uri().path()) else {
            let failure = Failure::new(FailureKind::NotFound).with_message("no such path");
            return Some(self.refusal(req).unwrap_or_else(|| self.error(&failure)));
        };
        if !route.is_open()
            && let Some(refusal) = self.refusal(req)
        {
            return Some(refusal);
        }
        if !route.allows(req.method()) {
            let failure = Failure::new(FailureKind::BadRequest)
                .with_status(StatusCode::METHOD_NOT_ALLOWED)
                .with_message(format!("this path takes {}", route.allow()));
            let mut response = self.error(&failure);
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static(route.allow()));
            return Some(response);
        }
        match route {
            Route::Model => None,
            Route::Models => Some(json(self.models.clone())),
            Route::Cooldowns => Some(json(cooldowns::print(&self.board, &self.groups))),
            Route::Readiness => Some(json(self.readiness.clone())),
            Route::Liveness => Some(json(Bytes::from_static(br#""I'm alive!""#))),
        }
    }

    /// Refuses a request that does not show the key, if there is one.
    fn refusal<B>(&self, req: &Request<B>) -> Option<Response<Full<Bytes>>> {
        if self
            .master_key
            .as_ref()
            .is_none_or(|key| key.is_shown(req.headers()))
        {
            return None;
        }
        tracing::debug!(target: "ziggurat::server", path = req.uri().path(), "refused: no valid key");
        let failure = Failure::new(FailureKind::Authentication)
            .with_message("the API key is missing or not valid");
        let mut response = self.error(&failure);
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Some(response)
    }

    fn error(&self, failure: &Failure) -> Response<Full<Bytes>> {
        let mut response = json(error_json(failure, self.error_types));
        *response.status_mut() = failure.status();
        response
    }
}

fn json(text: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
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
        Gateway { #[pin] future: F },
        Page { page: Option<Response<Full<Bytes>>> },
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
    type Output = Result<Response<Either<R, Full<Bytes>>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Gateway { future } => {
                let Ok(response) = ready!(future.poll(cx));
                Poll::Ready(Ok(response.map(Either::Left)))
            }
            StateProj::Page { page } => {
                let page = page.take().expect("polled after completion");
                Poll::Ready(Ok(page.map(Either::Right)))
            }
        }
    }
}
