use std::{
    collections::HashSet,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::Request;
use tower_service::Service;
use ziggurat_core::{BoxError, Captures, Failure, ModelGroup, NameMap, Wildcard};

use crate::{
    error::{ClosedGroup, UnknownModel},
    future::ResponseFuture,
};

/// Picks the service of a request's model group. See the [crate page](crate).
///
/// Cloning counts three references, whatever the number of groups. It is `Send` and `Sync` if its services are both.
pub struct Router<S> {
    groups: Arc<NameMap<ModelGroup, S>>,
    /// The most specific first.
    wildcards: Arc<Vec<(Wildcard, S)>>,
    names: Arc<Names>,
}

/// What stands for a group, or for none.
#[derive(Clone, Default)]
struct Names {
    aliases: NameMap<ModelGroup, ModelGroup>,
    closed: HashSet<ModelGroup>,
    infer: Option<Infer>,
}

/// Another name to compare with the patterns.
type Infer = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

impl<S> Router<S> {
    /// Takes one service for each group; of two under one name the last stays.
    pub fn new<G: Into<ModelGroup>>(groups: impl IntoIterator<Item = (G, S)>) -> Self {
        let groups = groups
            .into_iter()
            .map(|(group, service)| (group.into(), service))
            .collect();
        Self {
            groups: Arc::new(groups),
            wildcards: Arc::new(Vec::new()),
            names: Arc::default(),
        }
    }

    /// Names a group that is there and serves no one: its requests are refused with 403 instead of as unknown. A group that
    /// has a service stays open.
    #[must_use]
    pub fn with_closed(mut self, group: impl Into<ModelGroup>) -> Self {
        Arc::make_mut(&mut self.names).closed.insert(group.into());
        self
    }

    /// Takes services for the names that match a pattern and are no group's. Of several patterns that match, the most
    /// specific counts, and of those the first. The request gets its [`Captures`] as an extension.
    #[must_use]
    pub fn with_wildcards(mut self, wildcards: impl IntoIterator<Item = (Wildcard, S)>) -> Self {
        let mut wildcards: Vec<_> = wildcards.into_iter().collect();
        wildcards.sort_by_key(|(pattern, _)| std::cmp::Reverse(pattern.specificity()));
        self.wildcards = Arc::new(wildcards);
        self
    }

    /// Compares a name that no pattern matches once more, under the name that `infer` has for it: one with a provider
    /// before it, for example.
    #[must_use]
    pub fn infer(mut self, infer: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.names).infer = Some(Arc::new(infer));
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
        let aliases = &mut Arc::make_mut(&mut self.names).aliases;
        aliases.insert(alias.into(), group.into());
        self
    }

    /// Returns the service that a name leads to.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&S> {
        self.find(name).map(|(service, _)| service)
    }

    fn find(&self, name: &str) -> Option<(&S, Option<Captures>)> {
        let name = self.resolve(name);
        if let Some(service) = self.groups.get(name) {
            return Some((service, None));
        }
        if self.wildcards.is_empty() || self.names.closed.contains(name) {
            return None;
        }
        let inferred = || self.matching(&self.names.infer.as_ref()?(name)?);
        self.matching(name).or_else(inferred)
    }

    fn matching(&self, name: &str) -> Option<(&S, Option<Captures>)> {
        let mut wildcards = self.wildcards.iter();
        wildcards.find_map(|(pattern, service)| Some((service, Some(pattern.matches(name)?))))
    }

    /// Returns the group that a name stands for.
    fn resolve<'a>(&'a self, name: &'a str) -> &'a str {
        self.names
            .aliases
            .get(name)
            .map_or(name, ModelGroup::as_str)
    }

    fn refuse(&self, name: Option<&ModelGroup>) -> Failure {
        match name.filter(|name| self.names.closed.contains(self.resolve(name.as_str()))) {
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
        self.names.aliases.iter()
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let name = request.extensions().get::<ModelGroup>();
        match name.and_then(|name| self.find(name.as_str())) {
            Some((service, captures)) => {
                let extensions = request.extensions_mut();
                match captures {
                    Some(captures) => drop(extensions.insert(captures)),
                    // Those of an earlier hop do not hold here.
                    None => drop(extensions.remove::<Captures>()),
                }
                ResponseFuture::new(service.clone(), request)
            }
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
            wildcards: Arc::clone(&self.wildcards),
            names: Arc::clone(&self.names),
        }
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Router")
            .field("groups", &self.groups.len())
            .field("wildcards", &self.wildcards.len())
            .field("aliases", &self.names.aliases.len())
            .finish_non_exhaustive()
    }
}
