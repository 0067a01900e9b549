//! A group of scripted deployments that keeps the ledger as a balance does.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt};
use ziggurat_core::{
    Attempt, ByStatus, Classify, DeploymentId, Failure, FailureKind, FailureKinds, Outcome, Tried,
    judge, overrides::FallbackAhead,
};
use ziggurat_retry::{Retry, RetryLayer};

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;
pub(crate) type Result = std::result::Result<Response<()>, Failure>;

/// One deployment of a [`Group`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) origin: Option<&'static str>,
    pub(crate) max_retries: Option<u32>,
}

/// What a deployment does with a call.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    after: Duration,
    status: u16,
    retry_after: Option<u32>,
    failure: Option<Failure>,
}

/// Deployments behind one name. With none it is a service without names that keeps no ledger.
#[derive(Clone)]
pub(crate) struct Group {
    members: Arc<[Member]>,
    script: Arc<dyn Fn(&'static str, usize) -> Reply + Send + Sync>,
    calls: Arc<Mutex<Vec<(&'static str, Instant)>>>,
    opened: Instant,
}

pub(crate) const fn member(name: &'static str) -> Member {
    Member {
        name,
        origin: None,
        max_retries: None,
    }
}

pub(crate) fn status(status: u16) -> Reply {
    Reply {
        after: Duration::ZERO,
        status,
        retry_after: None,
        failure: None,
    }
}

pub(crate) fn fail(failure: impl Into<Failure>) -> Reply {
    Reply {
        failure: Some(failure.into()),
        ..status(200)
    }
}

pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

pub(crate) fn request() -> Request<()> {
    Request::new(())
}

pub(crate) fn with<T: Clone + Send + Sync + 'static>(extension: T) -> Request<()> {
    let mut request = request();
    request.extensions_mut().insert(extension);
    request
}

/// Another group would be asked after any failure.
pub(crate) fn ahead() -> FallbackAhead {
    FallbackAhead::after(FailureKinds::ALL)
}

/// A layer whose waits are exactly those that deployments ask for.
pub(crate) fn exact(max_retries: u32) -> RetryLayer {
    RetryLayer::new(max_retries).backoff(Duration::ZERO, Duration::ZERO)
}

/// The same with a backoff of one second.
pub(crate) fn one_second(max_retries: u32) -> RetryLayer {
    exact(max_retries).min_delay(Duration::from_secs(1))
}

/// Replies in turn to the visits of all, by name and visit number.
pub(crate) fn script<const N: usize>(
    lines: [(&'static str, usize, Reply); N],
) -> impl Fn(&'static str, usize) -> Reply + Send + Sync {
    move |name, visit| {
        let line = lines.iter().find(|line| (line.0, line.1) == (name, visit));
        line.unwrap_or_else(|| panic!("{name} was visited {} times", visit + 1))
            .2
            .clone()
    }
}

impl Member {
    pub(crate) const fn origin(self, origin: &'static str) -> Self {
        Self {
            origin: Some(origin),
            ..self
        }
    }

    pub(crate) const fn max_retries(self, max_retries: u32) -> Self {
        Self {
            max_retries: Some(max_retries),
            ..self
        }
    }
}

impl Reply {
    pub(crate) fn after(self, after: f64) -> Self {
        Self {
            after: seconds(after),
            ..self
        }
    }

    pub(crate) fn retry_after(self, seconds: u32) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }

    async fn play(self) -> Result {
        sleep(self.after).await;
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let mut response = Response::builder().status(self.status);
        if let Some(value) = self.retry_after {
            response = response.header("retry-after", value);
        }
        Ok(response.body(()).unwrap())
    }
}

impl Group {
    /// Opens a group; `script` says what each deployment does at each of its visits, counted from 0.
    pub(crate) fn new<M: IntoIterator<Item = Member>>(
        members: M,
        script: impl Fn(&'static str, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self {
            members: members.into_iter().collect(),
            script: Arc::new(script),
            calls: Arc::default(),
            opened: Instant::now(),
        }
    }

    /// Opens a service without a name; `script` goes by the number of the call.
    pub(crate) fn nameless(script: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::new([], move |_, visit| script(visit))
    }

    /// Sends one request through the layer.
    pub(crate) async fn ask<C: Classify + Clone>(
        &self,
        layer: &RetryLayer<C>,
        request: Request<()>,
    ) -> Result {
        let retry: Retry<_, C> = layer.layer(self.clone());
        retry.oneshot(request).await
    }

    /// Returns who was called, in order.
    pub(crate) fn visits(&self) -> Vec<&'static str> {
        self.calls
            .lock()
            .unwrap()
            .iter()
            .map(|call| call.0)
            .collect()
    }

    /// Returns when the calls came, in milliseconds since the group was opened.
    pub(crate) fn times(&self) -> Vec<u128> {
        let calls = self.calls.lock().unwrap();
        let since = |call: &(_, Instant)| (call.1 - self.opened).as_millis();
        calls.iter().map(since).collect()
    }

    /// Picks like a balance: untried ones, then those whose origin rests, then of the tried those that do not rest or rest
    /// the shortest, the one tried longest ago first.
    fn pick(&self, attempts: &[Attempt]) -> Option<Attempt> {
        let last = |member: &Member| {
            let id = Some(DeploymentId::from(member.name));
            attempts.iter().rposition(|it| it.deployment == id)
        };
        let rests_until = |member: &Member| {
            let shares = |it: &&Attempt| {
                member.origin.is_some() && it.origin.as_deref() == member.origin
                    || it.deployment == Some(member.name.into())
            };
            let waits = attempts.iter().filter(shares);
            let until = waits.filter_map(Attempt::not_before).max();
            until.filter(|until| *until > Instant::now())
        };
        let rank = |member: &&Member| match last(member) {
            None => (0, rests_until(member).map(|_| Instant::now()), 0),
            Some(n) => (1, rests_until(member), n),
        };
        let picked = *self.members.iter().min_by_key(rank)?;

        let mut attempt = Attempt::start();
        attempt.deployment = Some(picked.name.into());
        attempt.origin = picked.origin.map(Into::into);
        attempt.max_retries = picked.max_retries;
        let others = self.members.iter().filter(|it| it.name != picked.name);
        let (tried, untried): (Vec<&Member>, Vec<_>) = others.partition(|it| last(it).is_some());
        attempt.tried_others = tried.into_iter().filter_map(last).collect();
        attempt.tried_others.sort_unstable();
        let (here, elsewhere): (Vec<&Member>, Vec<_>) = untried
            .into_iter()
            .partition(|it| picked.origin.is_some() && it.origin == picked.origin);
        attempt.untried_here = !here.is_empty();
        let rests: Vec<_> = elsewhere.into_iter().map(rests_until).collect();
        attempt.untried_elsewhere = rests.iter().any(Option::is_none);
        attempt.resting_until = rests.into_iter().flatten().min();
        Some(attempt)
    }
}

impl Service<Request<()>> for Group {
    type Response = Response<()>;
    type Error = Failure;
    type Future = BoxFuture<Result>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let tried = request
            .extensions()
            .get::<Tried>()
            .cloned()
            .unwrap_or_default();
        let picked = tried.read(|attempts| self.pick(attempts));
        let name = picked.as_ref().map_or("", |attempt| {
            let named = |member: &&Member| attempt.deployment == Some(member.name.into());
            self.members.iter().find(named).unwrap().name
        });
        let visit = {
            let mut calls = self.calls.lock().unwrap();
            calls.push((name, Instant::now()));
            calls.iter().filter(|call| call.0 == name).count() - 1
        };
        let number = picked.map(|attempt| tried.begin(attempt));
        let reply = (self.script)(name, visit);
        Box::pin(async move {
            let result = reply.play().await;
            if let Some(number) = number {
                tried.end(
                    number,
                    Outcome::of(&result, judge(&ByStatus, &result).as_ref()),
                );
            }
            result
        })
    }
}

/// Returns the status of a response, or of a failure.
pub(crate) fn code(result: &Result) -> u16 {
    match result {
        Ok(response) => response.status().as_u16(),
        Err(failure) => failure.status().as_u16(),
    }
}

pub(crate) const EVERY_KIND: [FailureKind; 21] = [
    FailureKind::BadRequest,
    FailureKind::PayloadTooLarge,
    FailureKind::Authentication,
    FailureKind::PaymentRequired,
    FailureKind::PermissionDenied,
    FailureKind::NotFound,
    FailureKind::Conflict,
    FailureKind::RateLimited,
    FailureKind::QuotaExceeded,
    FailureKind::ContextWindow,
    FailureKind::ContentPolicy,
    FailureKind::Timeout,
    FailureKind::Server,
    FailureKind::Connect,
    FailureKind::Disconnected,
    FailureKind::InvalidResponse,
    FailureKind::Region,
    FailureKind::CoolingDown,
    FailureKind::NoCandidate,
    FailureKind::UnknownModel,
    FailureKind::Other,
];
