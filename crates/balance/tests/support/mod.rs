//! A leaf that does as told and watches how it is used.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use std::{
    future::{Ready, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use tower::{Service, ServiceExt};
use ziggurat_balance::{Balance, Endpoint, Pick};
use ziggurat_core::{
    Admit, Attempt, BoxError, Classify, DeploymentId, Failure, FailureKind, Outcome, Rejection,
    Tried,
};

type Answer = Arc<dyn Fn(&Request<()>) -> Result<Response<()>, BoxError> + Send + Sync>;

/// How a leaf answers `poll_ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    Pending,
    Broken,
}

/// A strict leaf: it panics if it is called without having been made ready, and its clones are not ready.
pub struct Leaf {
    state: Arc<State>,
    rejection: Option<Rejection>,
    answer: Answer,
    ready: bool,
}

struct State {
    readiness: Mutex<(Readiness, Vec<Waker>)>,
    alive: AtomicUsize,
    calls: AtomicUsize,
    asked: AtomicUsize,
}

/// Changes a leaf from outside.
#[derive(Clone)]
pub struct Handle(Arc<State>);

impl Leaf {
    pub fn new() -> Self {
        Self {
            state: Arc::new(State {
                readiness: Mutex::new((Readiness::Ready, Vec::new())),
                alive: AtomicUsize::new(1),
                calls: AtomicUsize::new(0),
                asked: AtomicUsize::new(0),
            }),
            rejection: None,
            answer: Arc::new(|_| Ok(Response::new(()))),
            ready: false,
        }
    }

    pub fn rejecting(mut self, rejection: Rejection) -> Self {
        self.rejection = Some(rejection);
        self
    }

    pub fn with(self, readiness: Readiness) -> Self {
        self.handle().set(readiness);
        self
    }

    pub fn answering(
        mut self,
        answer: impl Fn(&Request<()>) -> Result<Response<()>, BoxError> + Send + Sync + 'static,
    ) -> Self {
        self.answer = Arc::new(answer);
        self
    }

    pub fn handle(&self) -> Handle {
        Handle(self.state.clone())
    }
}

impl Handle {
    pub fn set(&self, readiness: Readiness) {
        let mut state = self.0.readiness.lock().unwrap();
        state.0 = readiness;
        state.1.drain(..).for_each(Waker::wake);
    }

    pub fn calls(&self) -> usize {
        self.0.calls.load(SeqCst)
    }

    /// How often it was asked whether it takes a request.
    pub fn asked(&self) -> usize {
        self.0.asked.load(SeqCst)
    }

    /// How many clones there are, the one in the balance included.
    pub fn alive(&self) -> usize {
        self.0.alive.load(SeqCst)
    }
}

impl Clone for Leaf {
    fn clone(&self) -> Self {
        self.state.alive.fetch_add(1, SeqCst);
        Self {
            state: self.state.clone(),
            rejection: self.rejection.clone(),
            answer: self.answer.clone(),
            ready: false,
        }
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        self.state.alive.fetch_sub(1, SeqCst);
    }
}

impl Service<Request<()>> for Leaf {
    type Response = Response<()>;
    type Error = BoxError;
    type Future = Ready<Result<Response<()>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let mut state = self.state.readiness.lock().unwrap();
        match state.0 {
            Readiness::Ready => {
                self.ready = true;
                Poll::Ready(Ok(()))
            }
            Readiness::Pending => {
                state.1.push(cx.waker().clone());
                Poll::Pending
            }
            Readiness::Broken => Poll::Ready(Err("broken".into())),
        }
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called without being ready"
        );
        self.state.calls.fetch_add(1, SeqCst);
        ready((self.answer)(&request))
    }
}

impl Admit<Request<()>> for Leaf {
    fn admit(&self, _: &Request<()>) -> Result<(), Rejection> {
        self.state.asked.fetch_add(1, SeqCst);
        self.rejection.clone().map_or(Ok(()), Err)
    }
}

pub fn endpoint(name: &str) -> Endpoint<Leaf> {
    Endpoint::new(name, Leaf::new())
}

pub fn rejecting(name: &str) -> Endpoint<Leaf> {
    let rejection = Rejection::new(FailureKind::Region);
    Endpoint::new(name, Leaf::new().rejecting(rejection))
}

/// An answer with this status.
pub fn status(status: StatusCode) -> Result<Response<()>, BoxError> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    Ok(response)
}

/// A request with a ledger.
pub fn request() -> (Tried, Request<()>) {
    let tried = Tried::new();
    let mut request = Request::new(());
    request.extensions_mut().insert(tried.clone());
    (tried, request)
}

/// Writes a failed attempt of this moment.
pub fn failed(tried: &Tried, name: &str, origin: Option<&str>, retry_after: Option<Duration>) {
    let mut attempt = Attempt::start();
    attempt.deployment = Some(name.into());
    attempt.origin = origin.map(Into::into);
    let number = tried.begin(attempt);
    let kind = FailureKind::RateLimited;
    tried.end(number, Outcome::Failed { kind, retry_after });
}

/// Sends one request and returns the name of who answered.
pub async fn ask<P, C>(balance: &Balance<Leaf, P, C>, request: Request<()>) -> String
where
    P: Pick + Clone,
    C: Classify + Clone,
{
    let response = balance.clone().oneshot(request).await.unwrap();
    name(&response)
}

pub async fn refused<P, C>(balance: &Balance<Leaf, P, C>, request: Request<()>) -> Failure
where
    P: Pick + Clone,
    C: Classify + Clone,
{
    balance.clone().oneshot(request).await.unwrap_err()
}

pub fn name<B>(response: &Response<B>) -> String {
    let id = response.extensions().get::<DeploymentId>();
    id.unwrap().to_string()
}

/// A leaf that rests until a moment.
#[derive(Clone)]
pub struct Until {
    leaf: Leaf,
    until: tokio::time::Instant,
}

impl Until {
    pub fn new(until: tokio::time::Instant) -> Self {
        Self {
            leaf: Leaf::new(),
            until,
        }
    }
}

impl Service<Request<()>> for Until {
    type Response = Response<()>;
    type Error = BoxError;
    type Future = Ready<Result<Response<()>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.leaf.poll_ready(cx)
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        self.leaf.call(request)
    }
}

impl Admit<Request<()>> for Until {
    fn admit(&self, _: &Request<()>) -> Result<(), Rejection> {
        let rest = self.until - tokio::time::Instant::now();
        if rest.is_zero() {
            return Ok(());
        }
        Err(Rejection::new(FailureKind::CoolingDown).with_retry_after(rest))
    }
}
