use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderName, Request, Response};
use tower_service::Service;
use tracing::Span;
use ziggurat_core::{
    Admit, AskedKeepAlive, Failure, FailureKind, JsonBody, KeepAlive, Operation, Rejection, Served,
    overrides,
};

use crate::{Call, Dialect, HttpClient, ProviderBody, ResponseFuture, headers, mock, span, whole};

/// Largest plain answer that is read, unless said otherwise: 100 MiB, room for several images in base64.
const MAX_ANSWER: usize = 100 * 1024 * 1024;

/// Calls one deployment of a provider. See the [crate page](crate).
///
/// Cloning counts a reference.
#[derive(Clone)]
pub struct ProviderService {
    inner: Arc<Deployment>,
}

/// What all calls of a deployment share.
#[derive(Clone)]
pub(crate) struct Deployment {
    pub(crate) client: HttpClient,
    dialect: Arc<dyn Dialect>,
    forward: Vec<HeaderName>,
    forward_custom: bool,
    pub(crate) served: Served,
    pub(crate) max_answer: usize,
    mock: Option<Arc<str>>,
    pub(crate) keep_alive: Option<KeepAlive>,
}

impl ProviderService {
    /// Calls the deployment that `served` describes, in `dialect`.
    #[must_use]
    pub fn new(client: HttpClient, dialect: Arc<dyn Dialect>, served: Served) -> Self {
        let inner = Arc::new(Deployment {
            client,
            dialect,
            forward: headers::FORWARDED.to_vec(),
            forward_custom: false,
            served,
            max_answer: MAX_ANSWER,
            mock: None,
            keep_alive: None,
        });
        Self { inner }
    }

    /// Sends these headers of clients upstream too. Default: `traceparent`, `tracestate`, `openai-beta`,
    /// `anthropic-beta` and `anthropic-version`; no others.
    #[must_use]
    pub fn forward_headers(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        Arc::make_mut(&mut self.inner).forward.extend(names);
        self
    }

    /// Sends all headers of clients upstream that begin with `x-`, as far as the layers above have left them in the
    /// request. Default: no.
    #[must_use]
    pub fn forward_custom_headers(mut self, forward: bool) -> Self {
        Arc::make_mut(&mut self.inner).forward_custom = forward;
        self
    }

    /// Limits the size of plain answers; a larger one is a failure. Default: 100 MiB.
    #[must_use]
    pub fn max_answer_bytes(mut self, bytes: usize) -> Self {
        Arc::make_mut(&mut self.inner).max_answer = bytes;
        self
    }

    /// Notes in each response how long a stream may be silent before its client gets a sign of life, for the edge; and tells
    /// it so before there is a response, if it wants to know: see [`AskedKeepAlive`].
    #[must_use]
    pub fn keep_alive(mut self, every: Duration) -> Self {
        Arc::make_mut(&mut self.inner).keep_alive = Some(KeepAlive(every));
        self
    }

    /// Answers each call with this text, and asks no upstream: for tests of what stands around it. The texts
    /// `litellm.RateLimitError`, `….AuthenticationError`, `….Timeout`, `….InternalServerError`,
    /// `….ContextWindowExceededError` and `….ContentPolicyViolationError` are failures instead.
    #[must_use]
    pub fn mock_response(mut self, text: impl Into<Arc<str>>) -> Self {
        Arc::make_mut(&mut self.inner).mock = Some(text.into());
        self
    }

    /// Refuses what the provider has no endpoint for.
    fn check(&self, operation: Operation) -> Result<(), Rejection> {
        if self.inner.dialect.speaks(operation) {
            return Ok(());
        }
        let provider = self.inner.dialect.provider();
        let message = format!(
            "{provider} has no endpoint for this operation: {}",
            operation.path()
        );
        Err(Rejection::new(FailureKind::BadRequest).with_message(message))
    }

    /// Says who answers the calls.
    #[must_use]
    pub fn served(&self) -> &Served {
        &self.inner.served
    }
}

/// The end of a chain of [`Admit`]: admits what the provider has an endpoint for.
impl<B> Admit<Request<B>> for ProviderService {
    fn admit(&self, request: &Request<B>) -> Result<(), Rejection> {
        self.check(Operation::of(request.extensions()))
    }
}

impl Service<Request<JsonBody>> for ProviderService {
    type Response = Response<ProviderBody>;
    type Error = Failure;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<JsonBody>) -> ResponseFuture {
        let deployment = &self.inner;
        let call =
            Call::new(&request, &deployment.forward).with_custom_headers(deployment.forward_custom);
        let operation = call.operation();
        if let Some(keep_alive) = deployment.keep_alive
            && let Some(asked) = request.extensions().get::<AskedKeepAlive>()
        {
            asked.tell(keep_alive);
        }
        let mock = request.extensions().get::<overrides::MockResponse>();
        let mock = mock.map(|overrides::MockResponse(text)| text);
        if let Some(text) = mock.or(deployment.mock.as_ref()) {
            let model = deployment.served.model().to_str().unwrap_or_default();
            let made = mock::answer(text, call, model);
            return ResponseFuture::made(deployment.clone(), made);
        }
        let checked = self.check(operation).map_err(Failure::from);
        if checked.is_ok()
            && let Some(answer) = deployment.dialect.answer(call)
        {
            return ResponseFuture::local(deployment.clone(), answer);
        }
        match checked.and_then(|()| deployment.dialect.prepare(call)) {
            Ok(outgoing) => {
                let model = deployment.served.model().to_str().unwrap_or_default();
                let uri = outgoing.request.uri();
                let span = span::open(deployment.dialect.provider(), operation, model, uri);
                let host = uri.authority().cloned();
                let stream = whole::Asked::of(call);
                let authorized = span.in_scope(|| deployment.dialect.authorize(outgoing.request));
                ResponseFuture::new(
                    deployment.clone(),
                    authorized,
                    outgoing.exchange,
                    stream,
                    host,
                    span,
                )
            }
            Err(failure) => {
                let failure = failure
                    .with_unsent()
                    .with_deployment(deployment.served.deployment().clone());
                ResponseFuture::refused(deployment.clone(), failure, Span::none())
            }
        }
    }
}

impl fmt::Debug for ProviderService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderService")
            .field("deployment", self.inner.served.deployment())
            .field("dialect", &self.inner.dialect)
            .finish_non_exhaustive()
    }
}
