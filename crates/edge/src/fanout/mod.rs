//! Asks several models the same, if a request names several.

mod branch;
mod future;

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{Either, Full};
use tower_layer::{Identity, Layer};
use tower_service::Service;
use ziggurat_core::{
    BoxError, Failure, FailureKind, JsonBody, LlmRequest, ModelGroup, Tried,
    observe::{Asked, Note},
};

pub use self::future::ResponseFuture;
use self::{branch::Branch, future::Mode};
use crate::{ErrorTypes, Models};

/// The most models that one request may name: each is a call of its own.
pub const MOST_MODELS: usize = 16;

/// The body of the answer of the one model, or of the fastest of several, or of all in a list.
pub type ResponseBody<R, T> = Either<R, Either<T, Full<Bytes>>>;

/// Says whether a name is that of a single model, whatever its commas.
type IsOne = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Asks several models the same. See the [crate page](crate).
#[derive(Clone, Default)]
pub struct FanoutLayer<L = Identity> {
    types: ErrorTypes,
    is_one: Option<IsOne>,
    each: L,
}

impl FanoutLayer {
    /// Splits names at their commas, and names errors in answers as the LiteLLM proxy does.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<L> FanoutLayer<L> {
    /// Puts a layer around each call of a list, and around no other: what observes requests observes these, for the
    /// [`Note`] that came with the list is [split](Note::split) among them. The default adds nothing.
    #[must_use]
    pub fn each<M>(self, layer: M) -> FanoutLayer<M> {
        FanoutLayer {
            types: self.types,
            is_one: self.is_one,
            each: layer,
        }
    }

    /// Sets how errors name themselves in the list of answers.
    #[must_use]
    pub fn error_types(mut self, types: ErrorTypes) -> Self {
        self.types = types;
        self
    }

    /// Takes a name with commas for one model if `is_one` says so.
    #[must_use]
    pub fn unless(mut self, is_one: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.is_one = Some(Arc::new(is_one));
        self
    }
}

impl<S, L: Clone> Layer<S> for FanoutLayer<L> {
    type Service = Fanout<S, L>;

    fn layer(&self, inner: S) -> Self::Service {
        Fanout {
            inner,
            layer: self.clone(),
        }
    }
}

impl<L> fmt::Debug for FanoutLayer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanoutLayer")
            .field("types", &self.types)
            .finish_non_exhaustive()
    }
}

/// Asks several models the same. See the [crate page](crate).
#[derive(Clone, Debug)]
pub struct Fanout<S, L = Identity> {
    inner: S,
    layer: FanoutLayer<L>,
}

impl<S, L> Fanout<S, L> {
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

impl<S, L> Fanout<S, L>
where
    S: Clone,
    L: Layer<S>,
{
    /// Makes a call for each model.
    fn branches<R>(
        &mut self,
        request: &Request<JsonBody>,
        models: &Models,
    ) -> Result<Vec<Branch<L::Service, R>>, Failure>
    where
        L::Service: Service<Request<JsonBody>, Response = Response<R>>,
        <L::Service as Service<Request<JsonBody>>>::Error: Into<BoxError>,
        R: Body<Data = Bytes> + Unpin,
        R::Error: Into<BoxError>,
    {
        let asked = request.extensions().get::<LlmRequest>();
        let stream = asked.is_some_and(LlmRequest::stream);
        if stream && !models.fastest {
            return Err(refused(
                "stream",
                "a list of answers is not streamed: set `fastest_response`",
            ));
        }
        if models.names.len() > MOST_MODELS {
            return Err(refused("model", "`model` names more than 16 models"));
        }
        let note = request.extensions().get::<Note>();
        let mut branches = Vec::with_capacity(models.names.len());
        for name in &*models.names {
            let mut request = request.clone();
            let tried = Tried::new();
            let extensions = request.extensions_mut();
            extensions.remove::<Models>();
            extensions.insert(tried.clone());
            extensions.insert(name.clone());
            if let Some(note) = note {
                extensions.insert(part(note, name));
            }
            if let Some(asked) = asked {
                let document = asked.document().clone();
                extensions.insert(LlmRequest::new(name.clone(), stream, document));
            }
            let service = self.layer.each.layer(self.inner.clone());
            branches.push(Branch::new(service, request, tried));
        }
        Ok(branches)
    }
}

/// The note of the call of one model.
fn part(note: &Note, model: &ModelGroup) -> Note {
    let asked = note.read().cloned();
    let mut asked = asked.unwrap_or_else(|| Asked::new(model.clone()));
    asked.model = model.clone();
    note.split(asked)
}

fn refused(param: &str, message: &'static str) -> Failure {
    Failure::new(FailureKind::BadRequest)
        .with_param(param)
        .with_message(message)
}

impl<S, L, R, T> Service<Request<JsonBody>> for Fanout<S, L>
where
    S: Service<Request<JsonBody>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    L: Layer<S>,
    L::Service: Service<Request<JsonBody>, Response = Response<T>>,
    <L::Service as Service<Request<JsonBody>>>::Error: Into<BoxError>,
    T: Body<Data = Bytes> + Unpin,
    T::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<R, T>>;
    type Error = Failure;
    type Future = ResponseFuture<S, L::Service, T>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.inner.poll_ready(cx).map_err(Failure::wrap)
    }

    /// The instance that was made ready serves a request for one model; of a list, each call readies its own clone.
    fn call(&mut self, request: Request<JsonBody>) -> Self::Future {
        let is_one = |models: &&Models| {
            let group = request.extensions().get::<ModelGroup>();
            let known = self.layer.is_one.as_ref();
            known.is_some_and(|is_one| group.is_some_and(|group| is_one(group.as_str())))
                || models.names.is_empty()
        };
        let models = request.extensions().get::<Models>();
        let Some(models) = models.filter(|models| !is_one(models)).cloned() else {
            return ResponseFuture::one(self.inner.call(request));
        };
        match self.branches(&request, &models) {
            Ok(branches) => {
                let mode = match models.fastest {
                    true => Mode::Fastest,
                    false => Mode::All(self.layer.types),
                };
                let outer = request.extensions().get::<Tried>().cloned();
                ResponseFuture::many(branches, mode, outer)
            }
            Err(failure) => ResponseFuture::refused(failure),
        }
    }
}
