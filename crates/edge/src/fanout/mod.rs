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
use tower_layer::Layer;
use tower_service::Service;
use ziggurat_core::{BoxError, Failure, FailureKind, JsonBody, LlmRequest, ModelGroup, Tried};

pub use self::future::ResponseFuture;
use self::{branch::Branch, future::Mode};
use crate::{ErrorTypes, Models};

/// The most models that one request may name: each is a call of its own.
pub const MOST_MODELS: usize = 16;

/// Says whether a name is that of a single model, whatever its commas.
type IsOne = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Asks several models the same. See the [crate page](crate).
#[derive(Clone, Default)]
pub struct FanoutLayer {
    types: ErrorTypes,
    is_one: Option<IsOne>,
}

impl FanoutLayer {
    /// Splits names at their commas, and names errors in answers as the LiteLLM proxy does.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
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

impl<S> Layer<S> for FanoutLayer {
    type Service = Fanout<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Fanout {
            inner,
            layer: self.clone(),
        }
    }
}

impl fmt::Debug for FanoutLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanoutLayer")
            .field("types", &self.types)
            .finish_non_exhaustive()
    }
}

/// Asks several models the same. See the [crate page](crate).
#[derive(Clone, Debug)]
pub struct Fanout<S> {
    inner: S,
    layer: FanoutLayer,
}

impl<S> Fanout<S> {
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

impl<S, R> Fanout<S>
where
    S: Service<Request<JsonBody>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    /// Makes a call for each model.
    fn branches(
        &mut self,
        request: &Request<JsonBody>,
        models: &Models,
    ) -> Result<Vec<Branch<S, R>>, Failure> {
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
        let mut branches = Vec::with_capacity(models.names.len());
        for name in &*models.names {
            let mut request = request.clone();
            let tried = Tried::new();
            let extensions = request.extensions_mut();
            extensions.remove::<Models>();
            extensions.insert(tried.clone());
            extensions.insert(name.clone());
            if let Some(asked) = asked {
                let document = asked.document().clone();
                extensions.insert(LlmRequest::new(name.clone(), stream, document));
            }
            branches.push(Branch::new(self.inner.clone(), request, tried));
        }
        Ok(branches)
    }
}

fn refused(param: &str, message: &'static str) -> Failure {
    Failure::new(FailureKind::BadRequest)
        .with_param(param)
        .with_message(message)
}

impl<S, R> Service<Request<JsonBody>> for Fanout<S>
where
    S: Service<Request<JsonBody>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    type Response = Response<Either<R, Full<Bytes>>>;
    type Error = Failure;
    type Future = ResponseFuture<S, R>;

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
                ResponseFuture::many(branches, mode)
            }
            Err(failure) => ResponseFuture::refused(failure),
        }
    }
}
