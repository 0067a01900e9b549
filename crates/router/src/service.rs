use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::Request;
use tower_service::Service;
use ziggurat_core::{BoxError, Failure, ModelGroup};

use crate::{
    error::{ClosedGroup, UnknownModel},
    future::ResponseFuture,
};

/// Picks the service of a request's model group. See the [crate page](crate).
///
/// Cloning counts three references, whatever the number of groups. It is `Send` and `Sync` if its services are both.
pub struct Router<S> {
    groups: Arc<HashMap<ModelGroup, S>>,
    aliases: Arc<HashMap<ModelGroup, ModelGroup>>,
    closed: Arc<HashSet<ModelGroup>>,
}

impl<S> Router<S> {
    /// Takes one service for each group; of two under one name the last stays.
    pub fn new<G: Into<ModelGroup>>(groups: impl IntoIterator<Item = (G, S)>) -> Self {
        let groups = groups
            .into_iter()
            .map(|(group, service)| (group.into(), service))
            .collect();
        Self {
            groups: Arc::new(groups),
            aliases: Arc::default(),
            closed: Arc::default(),
        }
    }

    /// Names a group that is there and serves no one: its requests are refused with 403 instead of as unknown. A group that
    /// has a service stays open.
    #[must_use]
    pub fn with_closed(mut self, group: impl Into<ModelGroup>) -> Self {
        Arc::make_mut(&mut self.closed).insert(group.into());
        self
    }

    /// Lets a group be reached under a second name, which goes before a group of that name.
    ///
    /// Aliases do not chain. One of a group that is not there is as unknown as the group.
    #[must_use]
    pub fn with_alias(
        mut self,
        alias: impl Into<ModelGroup>,
        group: impl Into<ModelGroup>,
    ) -> Self {
        Arc::make_mut(&mut self.aliases).insert(alias.into(), group.into());
        self
    }

    /// Returns the service that a name leads to.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&S> {
        self.groups.get(self.resolve(name))
    }

    /// Returns the group that a name stands for.
    fn resolve<'a>(&'a self, name: &'a str) -> &'a str {
        self.aliases.get(name).map_or(name, ModelGroup::as_str)
    }

    fn refuse(&self, name: Option<&ModelGroup>) -> Failure {
        match name.filter(|name| self.closed.contains(self.resolve(name.as_str()))) {
            Some(name) => ClosedGroup::new(name.clone()).into(),
            None => UnknownModel::new(name.cloned()).into(),
        }
    }

    /// Lists the groups in no particular order, without aliases.
    pub fn groups(&self) -> impl Iterator<Item = &ModelGroup> {
        self.groups.keys()
    }

    /// Lists the aliases in no particular order, each with its group.
    pub fn aliases(&self) -> impl Iterator<Item = (&ModelGroup, &ModelGroup)> {
        self.aliases.iter()
    }
}

impl<S, B> Service<Request<B>> for Router<S>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = Failure;
    type Future = ResponseFuture<S, Request<B>>;

    /// Always ready: the service of a request is driven ready once the request is known.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let name = request.extensions().get::<ModelGroup>();
        match name.and_then(|name| self.get(name.as_str())) {
            Some(service) => ResponseFuture::new(service.clone(), request),
            None => {
                tracing::debug!(
                    target: "ziggurat::router",
                    model_group = name.map(ModelGroup::as_str),
                    "no service for this model group",
                );
                ResponseFuture::failed(self.refuse(name))
            }
        }
    }
}

// By hand: neither asks anything of the services.
impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self {
            groups: Arc::clone(&self.groups),
            aliases: Arc::clone(&self.aliases),
            closed: Arc::clone(&self.closed),
        }
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("groups", &self.groups.len())
            .field("aliases", &self.aliases.len())
            .finish()
    }
}
