//! A world of model groups that answer or fail as told.
#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "test code")]

pub(crate) mod streams;

use std::{
    collections::{HashMap, HashSet},
    future::{Ready, ready},
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use tower::{Layer, Service, ServiceExt};
use ziggurat_core::{
    Attempt, Classify, ContentFiltered, DeploymentId, Failure, FailureKind, ModelGroup, Tried,
    fallbacks::{Chain, Table, Target},
    overrides::{FallbackAhead, Fallbacks},
};
use ziggurat_fallback::FallbackLayer;

pub(crate) type Req = Request<Bytes>;
pub(crate) type Answer = Result<Response<String>, Failure>;

/// Every group in one service: notes what it is asked, and fails as told, with its own name as body or message.
///
/// Panics when called without readiness, which a clone does not inherit.
#[derive(Default)]
pub(crate) struct World {
    shared: Arc<Shared>,
    ready: bool,
}

#[derive(Default)]
struct Shared {
    failures: HashMap<&'static str, FailureKind>,
    /// Fails with an error, not with a response.
    as_error: bool,
    /// Answers, but with content that was held back.
    filtered: HashSet<&'static str>,
    seen: Mutex<Vec<Req>>,
}

impl World {
    /// These groups fail with responses, all others answer.
    pub(crate) fn failing(failures: impl IntoIterator<Item = (&'static str, FailureKind)>) -> Self {
        Self::with(failures, false)
    }

    /// These groups fail with errors, all others answer.
    pub(crate) fn erring(failures: impl IntoIterator<Item = (&'static str, FailureKind)>) -> Self {
        Self::with(failures, true)
    }

    /// These groups fail with a 500, all others answer.
    pub(crate) fn down(groups: impl IntoIterator<Item = &'static str>) -> Self {
        Self::failing(groups.into_iter().map(|group| (group, FailureKind::Server)))
    }

    fn with(
        failures: impl IntoIterator<Item = (&'static str, FailureKind)>,
        as_error: bool,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                failures: failures.into_iter().collect(),
                as_error,
                filtered: HashSet::new(),
                seen: Mutex::default(),
            }),
            ready: false,
        }
    }

    pub(crate) async fn ask<C: Classify + Clone>(
        &self,
        layer: &FallbackLayer<C>,
        request: Req,
    ) -> Answer {
        let (head, body) = layer
            .layer(self.clone())
            .oneshot(request)
            .await?
            .into_parts();
        let body = body.collect().await?.to_bytes();
        let body = String::from_utf8(body.into()).unwrap();
        Ok(Response::from_parts(head, body))
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<Req> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The groups asked so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.seen().iter().map(group_of).collect()
    }

    /// Whether more was ahead after an ordinary failure, for each request so far.
    pub(crate) fn ahead(&self) -> Vec<bool> {
        self.ahead_after(FailureKind::Server)
    }

    /// Whether more was ahead after a failure of this kind, for each request so far.
    pub(crate) fn ahead_after(&self, kind: FailureKind) -> Vec<bool> {
        let seen = self.seen();
        let follows = |request: &Req| {
            let extensions = request.extensions();
            let ahead = extensions.get::<FallbackAhead>();
            ahead.is_some_and(|ahead| ahead.follows(kind, extensions))
        };
        seen.iter().map(follows).collect()
    }

    /// Lets these groups answer with content that was held back.
    pub(crate) fn filtering(mut self, groups: impl IntoIterator<Item = &'static str>) -> Self {
        let shared = Arc::get_mut(&mut self.shared).unwrap();
        shared.filtered = groups.into_iter().collect();
        self
    }
}

impl Clone for World {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            ready: false,
        }
    }
}

impl Service<Req> for World {
    type Response = Response<String>;
    type Error = Failure;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without readiness");
        if let Some(tried) = request.extensions().get::<Tried>() {
            let _ = tried.begin(Attempt::start());
        }
        let group = group_of(&request);
        self.shared.seen.lock().unwrap().push(request);
        let mut response = Response::new(group.clone());
        ready(match self.shared.failures.get(&*group) {
            None => {
                if self.shared.filtered.contains(&*group) {
                    response.extensions_mut().insert(ContentFiltered);
                }
                response.extensions_mut().insert(DeploymentId::from(group));
                Ok(response)
            }
            Some(kind) if self.shared.as_error => Err(Failure::new(*kind).with_message(group)),
            Some(kind) => {
                *response.status_mut() = kind.status();
                response.extensions_mut().insert(Failure::new(*kind));
                Ok(response)
            }
        })
    }
}

pub(crate) fn group_of(request: &Req) -> String {
    let group = request.extensions().get::<ModelGroup>();
    group.map_or_else(String::new, ToString::to_string)
}

pub(crate) fn request(group: &str) -> Req {
    let mut request = Request::post("/v1/chat/completions")
        .header("x-kept", "yes")
        .body(Bytes::from_static(b"{\"model\":\"a\"}"))
        .unwrap();
    request.extensions_mut().insert(ModelGroup::from(group));
    request
}

/// A request with fallbacks of its own.
pub(crate) fn wishing(group: &str, wish: impl FnOnce(&mut Fallbacks)) -> Req {
    let mut wishes = Fallbacks::default();
    wish(&mut wishes);
    let mut request = request(group);
    request.extensions_mut().insert(wishes);
    request
}

pub(crate) fn table(chains: &[(&str, &[&str])]) -> Table {
    let chains = chains.iter().copied();
    chains
        .map(|(group, chain)| (group, chain.iter().copied()))
        .collect()
}

pub(crate) fn chain<T: Into<Target>>(targets: impl IntoIterator<Item = T>) -> Chain {
    targets.into_iter().map(Into::into).collect()
}

/// A layer with these general chains.
pub(crate) fn general(chains: &[(&str, &[&str])]) -> FallbackLayer {
    FallbackLayer::new(table(chains))
}
