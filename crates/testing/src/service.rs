use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tower_service::Service;
use ziggurat_core::{Admit, Rejection};

use crate::{AnswerFuture, Guards};

type Answer<Req, Res, E> = dyn Fn(&Req) -> Result<Res, E> + Send + Sync;

/// A service that gives one scripted answer per call; the last one repeats. It is always ready.
///
/// Clones share the script and the record of requests.
pub struct ScriptedService<Req, Res, E> {
    state: Arc<Mutex<State<Req, Res, E>>>,
    futures: Guards,
}

struct State<Req, Res, E> {
    steps: Vec<Step<Req, Res, E>>,
    requests: Vec<Req>,
    calls: usize,
}

struct Step<Req, Res, E> {
    answer: Arc<Answer<Req, Res, E>>,
    delay: Duration,
    hangs: bool,
}

impl<Req, Res, E> ScriptedService<Req, Res, E> {
    /// Creates a service with an empty script; calling it panics.
    #[must_use]
    pub fn new() -> Self {
        let state = State {
            steps: Vec::new(),
            requests: Vec::new(),
            calls: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            futures: Guards::new(),
        }
    }

    /// Adds an answer made from the request.
    #[must_use]
    pub fn answer(self, answer: impl Fn(&Req) -> Result<Res, E> + Send + Sync + 'static) -> Self {
        self.lock().steps.push(Step {
            answer: Arc::new(answer),
            delay: Duration::ZERO,
            hangs: false,
        });
        self
    }

    /// Adds a response.
    #[must_use]
    pub fn ok(self, response: Res) -> Self
    where
        Res: Clone + Send + Sync + 'static,
    {
        self.answer(move |_| Ok(response.clone()))
    }

    /// Adds an error. Each use makes a new one, so that errors which are not `Clone` (a `BoxError`) can be made of
    /// one that is.
    #[must_use]
    pub fn err(self, error: impl Into<E> + Clone + Send + Sync + 'static) -> Self {
        self.answer(move |_| Err(error.clone().into()))
    }

    /// Makes the answer added last come after a delay.
    ///
    /// # Panics
    ///
    /// If there is no answer yet.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        self.lock().last().delay = delay;
        self
    }

    /// Makes the answer added last never come.
    ///
    /// # Panics
    ///
    /// If there is no answer yet.
    #[must_use]
    pub fn never(self) -> Self {
        self.lock().last().hangs = true;
        self
    }

    /// Returns the number of calls.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.lock().calls
    }

    /// Returns the number of response futures that have not been dropped.
    #[must_use]
    pub fn futures(&self) -> usize {
        self.futures.held()
    }

    /// Takes the requests recorded so far, oldest first.
    #[must_use]
    pub fn take_requests(&self) -> Vec<Req> {
        std::mem::take(&mut self.lock().requests)
    }

    fn lock(&self) -> MutexGuard<'_, State<Req, Res, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Req, Res, E> State<Req, Res, E> {
    fn last(&mut self) -> &mut Step<Req, Res, E> {
        self.steps
            .last_mut()
            .expect("a delay belongs to the answer before it")
    }
}

impl<Req, Res, E> Default for ScriptedService<Req, Res, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Req, Res, E> Clone for ScriptedService<Req, Res, E> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            futures: self.futures.clone(),
        }
    }
}

impl<Req, Res, E> Service<Req> for ScriptedService<Req, Res, E> {
    type Response = Res;
    type Error = E;
    type Future = AnswerFuture<Res, E>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let mut state = self.lock();
        let last = state
            .steps
            .len()
            .checked_sub(1)
            .expect("the script has an answer");
        let step = &state.steps[state.calls.min(last)];
        let future = AnswerFuture::new((step.answer)(&req), self.futures.take())
            .after(step.delay)
            .hanging(step.hangs);
        state.calls += 1;
        state.requests.push(req);
        future
    }
}

/// Admits every request.
impl<Req, Res, E> Admit<Req> for ScriptedService<Req, Res, E> {
    fn admit(&self, _: &Req) -> Result<(), Rejection> {
        Ok(())
    }
}

impl<Req, Res, E> fmt::Debug for ScriptedService<Req, Res, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedService")
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}
