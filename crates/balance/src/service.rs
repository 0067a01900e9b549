use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tower_service::Service;
use ziggurat_core::{Admit, BoxError, ByStatus, Classify, Failure, Rejection};

use crate::{
    Endpoint, LimitUse, Needs, Pick, Pool, ResponseBody, Shuffle, TagMatch,
    future::ResponseFuture,
    job::Busy,
    options::Options,
    refusal::{self, Refusal},
    tags::Filter,
};

/// Picks one of several endpoints for each request.
///
/// It is always ready: the chosen endpoint is made ready by the future of the call. Cloning counts references. See the
/// [crate page](crate) for the order in which endpoints are chosen.
pub struct Balance<S, P = Shuffle, C = ByStatus> {
    group: Arc<Group<S>>,
    policy: P,
    classify: C,
    needs: Needs,
    options: Options,
}

struct Group<S> {
    endpoints: Box<[Endpoint<S>]>,
    pool: Pool,
}

impl<S> Balance<S> {
    /// Picks by [`Shuffle`], from a random seed.
    pub fn new(endpoints: impl IntoIterator<Item = Endpoint<S>>) -> Self {
        Self::with_policy(endpoints, Shuffle::new())
    }
}

impl<S, P: Pick> Balance<S, P> {
    /// Picks by a policy.
    pub fn with_policy(endpoints: impl IntoIterator<Item = Endpoint<S>>, policy: P) -> Self {
        let endpoints: Box<[Endpoint<S>]> = endpoints.into_iter().collect();
        let pool = Pool::new(endpoints.iter().map(|it| Arc::clone(it.declared())));
        let candidates: Vec<_> = pool.iter().collect();
        policy.prepare(&candidates);
        Self {
            needs: policy.needs(),
            options: Options::default(),
            group: Arc::new(Group { endpoints, pool }),
            policy,
            classify: ByStatus,
        }
    }
}

impl<S, P, C> Balance<S, P, C> {
    /// Sets what tells a failed answer from a good one in the ledger of attempts. The default is [`ByStatus`].
    #[must_use]
    pub fn classify<D: Classify>(self, classify: D) -> Balance<S, P, D> {
        Balance {
            group: self.group,
            policy: self.policy,
            classify,
            needs: self.needs,
            options: self.options,
        }
    }

    /// Refuses a request, as rate limited, if every endpoint that would take it has used up its `rpm` or `tpm`. By
    /// default it goes on as the policy picks. In either case those that have room come first; by default the others come
    /// before those that the request has tried.
    #[must_use]
    pub fn enforce_limits(mut self, enforce: bool) -> Self {
        self.options.enforce_limits = enforce;
        self
    }

    /// Lets [`Tags`](ziggurat_core::Tags) of requests choose among the endpoints by theirs. Off by default.
    #[must_use]
    pub fn tag_filtering(mut self, tags: TagMatch) -> Self {
        self.options.tags = Some(tags);
        self
    }

    /// Waits at most so long for a place if as many calls as allowed are in flight everywhere. The default is not to.
    #[must_use]
    pub fn max_parallel_wait(mut self, wait: Duration) -> Self {
        self.options.max_parallel_wait = wait;
        self
    }

    /// Waits for the first endpoint to return from its rest if all rest, it takes at most so long in all, the request's
    /// deadline allows it, and no fallback is ahead. The default is not to.
    #[must_use]
    pub fn cooldown_wait(mut self, wait: Duration) -> Self {
        self.options.cooldown_wait = wait;
        self
    }

    /// Calls the endpoint that failed longest ago if all rest, it permits that, the request has not been there before,
    /// and no fallback is ahead. Those that have a call in flight are not asked: one at a time finds out whether it answers.
    /// Off by default.
    #[must_use]
    pub fn last_resort(mut self, call: bool) -> Self {
        self.options.last_resort = call;
        self
    }

    /// Passes over endpoints whose last [health check](ziggurat_core::vitals::Health) failed less than `staleness` ago,
    /// as long as another one would take the request. Zero, the default, stands for never.
    #[must_use]
    pub fn health_routing(mut self, staleness: Duration) -> Self {
        self.options.staleness = staleness;
        self
    }

    /// Says what the declared `rpm` and `tpm` do.
    #[must_use]
    pub fn limits(&self) -> LimitUse {
        let mut endpoints = self.endpoints().iter();
        match (
            endpoints.any(|it| it.declared().limits().is_some()),
            self.options.enforce_limits,
        ) {
            (false, _) => LimitUse::None,
            (true, false) => LimitUse::Weigh,
            (true, true) => LimitUse::Enforce,
        }
    }

    /// Returns the endpoints.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint<S>] {
        &self.group.endpoints
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.group.pool
    }

    pub(crate) fn policy(&self) -> &P {
        &self.policy
    }

    pub(crate) fn classifier(&self) -> &C {
        &self.classify
    }

    pub(crate) fn needs(&self) -> Needs {
        self.needs
    }

    pub(crate) fn options(&self) -> Options {
        self.options
    }
}

impl<S, B, R, P, C> Service<Request<B>> for Balance<S, P, C>
where
    S: Service<Request<B>, Response = Response<R>> + Admit<Request<B>> + Clone,
    S::Error: Into<BoxError>,
    P: Pick + Clone,
    C: Classify + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = Failure;
    type Future = ResponseFuture<S, B, P, C>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture::new(self.clone(), request)
    }
}

/// Admits what any endpoint admits that has room for it.
impl<S, B, P, C> Admit<Request<B>> for Balance<S, P, C>
where
    S: Admit<Request<B>>,
{
    fn admit(&self, request: &Request<B>) -> Result<(), Rejection> {
        let extensions = request.extensions();
        let filter = Filter::of(self.options.tags, self.endpoints(), extensions);
        let mut refusal = Refusal::default();
        for (index, endpoint) in self.endpoints().iter().enumerate() {
            let declared = endpoint.declared();
            if !filter.allows(declared) {
                continue;
            }
            let mut admitted = endpoint.get_ref().admit(request);
            let takes = admitted.as_ref().map_or_else(Rejection::yields, |()| true);
            if takes && let Some(busy) = Busy::of(declared, self.options, extensions) {
                admitted = Err(refusal::busy(declared, busy, extensions));
            }
            match admitted {
                Ok(()) => return Ok(()),
                Err(rejection) => refusal.add(index, rejection),
            }
        }
        if refusal.rejections().is_empty() && !self.endpoints().is_empty() {
            refusal.add(0, filter.rejection(extensions));
        }
        Err(refusal.into_rejection())
    }
}

impl<S, P: Clone, C: Clone> Clone for Balance<S, P, C> {
    fn clone(&self) -> Self {
        Self {
            group: Arc::clone(&self.group),
            policy: self.policy.clone(),
            classify: self.classify.clone(),
            needs: self.needs,
            options: self.options,
        }
    }
}

impl<S, P: fmt::Debug, C: fmt::Debug> fmt::Debug for Balance<S, P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Balance")
            .field("endpoints", self.pool())
            .field("policy", &self.policy)
            .field("classify", &self.classify)
            .field("limits", &self.limits())
            .field("options", &self.options)
            .finish()
    }
}
