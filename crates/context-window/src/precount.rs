//! Counting once, before anyone has to choose.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Request;
use pin_project_lite::pin_project;
use tokio::{runtime::Handle, task::JoinHandle};
use tower_layer::Layer;
use tower_service::Service;
use ziggurat_core::{
    Admit, BoxError, Failure, LlmRequest, Rejection, TokenCount, overrides::Parameters,
};

use crate::{
    CountTokens, Prompt, Window,
    window::{count, fits},
};

/// Bodies above this are counted on a thread for blocking work. Measured: 16 KiB of English take 0.3 ms, of random
/// letters 1 ms.
const INLINE: u64 = 16 * 1024;

/// Counts the tokens of each prompt before the call goes on: see the [crate page](crate).
#[derive(Clone, Debug)]
pub struct PrecountLayer {
    plans: Arc<[Plan]>,
    inline: u64,
}

/// Counts the tokens of each prompt before the call goes on: see the [crate page](crate).
#[derive(Clone, Debug)]
pub struct Precount<S> {
    inner: S,
    layer: PrecountLayer,
}

/// One way of counting, and the windows that wait for it.
#[derive(Clone, Debug)]
struct Plan {
    counter: Arc<dyn CountTokens>,
    /// What fits here fits everywhere.
    smallest: Window,
    /// Counting ends where even this is full.
    largest: u64,
}

// === impl PrecountLayer ===

impl PrecountLayer {
    /// Counts for these windows: those of all deployments that the call may come to.
    ///
    /// Unknown ones need no count.
    #[must_use]
    pub fn new(windows: impl IntoIterator<Item = Window>) -> Self {
        let mut plans: Vec<Plan> = Vec::new();
        for window in windows {
            let Some(budget) = window.budget(0) else {
                continue;
            };
            let counter = window.counted_by();
            match plans
                .iter_mut()
                .find(|it| it.counter.name() == counter.name())
            {
                Some(plan) => plan.extend(window, budget),
                None => plans.push(Plan {
                    counter: Arc::clone(counter),
                    smallest: window,
                    largest: budget,
                }),
            }
        }
        Self {
            plans: plans.into(),
            inline: INLINE,
        }
    }

    /// Sets the size of a body, in bytes, up to which counting does not leave the async thread. Default: 16 KiB, of
    /// which counting takes at most about a millisecond.
    #[must_use]
    pub const fn inline_up_to(mut self, bytes: u64) -> Self {
        self.inline = bytes;
        self
    }

    /// Counts what has to be counted, here or elsewhere.
    fn start<B>(&self, request: &Request<B>) -> Option<Counting> {
        let prompt = Prompt::of(request.extensions())?;
        let waits = |plan: &Plan| plan.waits(&prompt);
        if !self.plans.iter().any(waits) {
            return None;
        }
        let (owned, parameters): (LlmRequest, Option<Parameters>) = (
            request.extensions().get().cloned()?,
            request.extensions().get().cloned(),
        );
        let plans = Arc::clone(&self.plans);
        let all = move || {
            let prompt = Prompt::new(&owned, parameters.as_ref());
            plans.iter().for_each(|plan| plan.count(&prompt));
        };
        match Handle::try_current() {
            // A pure function, not a task: the call waits for it, and nothing else outlives the call.
            Ok(runtime) if prompt.bytes() > self.inline => {
                Some(Counting(runtime.spawn_blocking(all)))
            }
            _ => {
                all();
                None
            }
        }
    }
}

impl<S> Layer<S> for PrecountLayer {
    type Service = Precount<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let layer = self.clone();
        Precount { inner, layer }
    }
}

// === impl Plan ===

impl Plan {
    fn extend(&mut self, window: Window, budget: u64) {
        self.largest = self.largest.max(budget);
        let shared = self.smallest.is_shared() || window.is_shared();
        if self.smallest.budget(0) > Some(budget) {
            self.smallest = window;
        }
        // One window shared is enough for the answer to count: the bound errs towards counting.
        self.smallest = self.smallest.clone().shared(shared);
    }

    /// Says whether bounds and earlier counts leave a window in doubt.
    fn waits(&self, prompt: &Prompt<'_>) -> bool {
        let output = prompt.output().filter(|_| self.smallest.is_shared());
        let smallest = self.smallest.budget(output.unwrap_or_default());
        let known = prompt.counts().get(self.counter.name(), prompt.key());
        let enough = |it: TokenCount| it.is_counted() || it.least() > self.largest;
        !known.is_some_and(enough) && !fits(&*self.counter, prompt, smallest.unwrap_or_default())
    }

    fn count(&self, prompt: &Prompt<'_>) {
        if self.waits(prompt) {
            let known = prompt.counts().get(self.counter.name(), prompt.key());
            count(&*self.counter, prompt, known, self.largest);
        }
    }
}

// === impl Precount ===

impl<S> Precount<S> {
    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B> Service<Request<B>> for Precount<S>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = Failure;
    type Future = PrecountFuture<S, B, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Failure::wrap)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.layer.start(&request) {
            None => PrecountFuture {
                state: State::Call {
                    call: self.inner.call(request),
                },
            },
            Some(counting) => {
                // The instance that was made ready goes along; a fresh one stays.
                let fresh = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, fresh);
                PrecountFuture {
                    state: State::Count {
                        counting,
                        next: Some((ready, request)),
                    },
                }
            }
        }
    }
}

impl<Req, S: Admit<Req>> Admit<Req> for Precount<S> {
    fn admit(&self, request: &Req) -> Result<(), Rejection> {
        self.inner.admit(request)
    }
}

/// Counting on another thread. Dropped, it is not begun any more, or its count stays with the request unread.
#[derive(Debug)]
struct Counting(JoinHandle<()>);

impl Drop for Counting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pin_project! {
    /// The future of [`Precount`].
    #[must_use = "futures do nothing unless polled"]
    pub struct PrecountFuture<S, B, F> {
        #[pin]
        state: State<S, B, F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F> {
        Count {
            counting: Counting,
            // `None` once counted.
            next: Option<(S, Request<B>)>,
        },
        Call {
            #[pin]
            call: F,
        },
    }
}

// === impl PrecountFuture ===

impl<S, B> Future for PrecountFuture<S, B, S::Future>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        if let StateProj::Count { counting, next } = state.as_mut().project() {
            if ready!(Pin::new(&mut counting.0).poll(cx)).is_err() {
                // The filters count for themselves.
                tracing::warn!(target: "ziggurat::context_window", "counting tokens was cut off");
            }
            let (mut service, request) = next.take().expect("called once, and not polled after");
            let call = service.call(request);
            state.set(State::Call { call });
        }
        match state.project() {
            StateProj::Call { call } => call.poll(cx).map_err(Failure::wrap),
            StateProj::Count { .. } => unreachable!("the call has begun"),
        }
    }
}

impl<S, B, F> std::fmt::Debug for PrecountFuture<S, B, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counting = matches!(self.state, State::Count { .. });
        f.debug_struct("PrecountFuture")
            .field("counting", &counting)
            .finish_non_exhaustive()
    }
}
