use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::Request;
use tower_service::Service;
use ziggurat_core::{BoxError, Failure, ModelGroup};

use crate::{error::UnknownModel, future::ResponseFuture};

/// Picks the service of a request's model group. See the [crate page](crate).
///
/// Cloning counts two references, whatever the number of groups. It is `Send` and `Sync` if its services are both.
pub struct Router<S> {
    groups: Arc<HashMap<ModelGroup, S>>,
    aliases: Arc<HashMap<ModelGroup, ModelGroup>>,
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
        }
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
        let group = self.aliases.get(name).map_or(name, ModelGroup::as_str);
        self.groups.get(group)
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
                ResponseFuture::failed(UnknownModel::new(name.cloned()).into())
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
