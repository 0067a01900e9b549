use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Request, Response, request::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;
use ziggurat_core::{
    AllowedRegions, BoxError, Failure, JsonBody, LlmRequest, ModelGroup, Operation,
    json::Document,
    observe::{Asked, Note},
    overrides,
};

use crate::{IncludeFallbackErrors, Models, path::Endpoint};

use super::{
    Settings,
    read::Read,
    stall::Stall,
    values,
    wishes::{self, Reading},
};

/// Names the members of the request that had no effect.
const IGNORED: HeaderName = HeaderName::from_static("x-ziggurat-ignored");

/// The mock response that is a timeout.
const TIMED_OUT: &str = "litellm.Timeout";

pin_project! {
    /// The future of [`Envelope`](super::Envelope): reads the body, then calls the inner service.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<JsonBody>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F> {
        Reading {
            service: S,
            head: Option<Parts>,
            #[pin]
            body: B,
            read: Read,
            stall: Stall,
            settings: Arc<Settings>,
        },
        // In a box: what it needs is many times the room of a request, and all that is around would move it with the request.
        Calling {
            future: Pin<Box<F>>,
            notes: Notes,
        },
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<JsonBody>>,
{
    pub(super) fn new(service: S, req: Request<B>, settings: Arc<Settings>) -> Self {
        let (head, body) = req.into_parts();
        let read = Read::of(&head.headers, settings.limit);
        let stall = Stall::new(settings.body_timeout);
        Self {
            state: State::Reading {
                service,
                head: Some(head),
                body,
                read,
                stall,
                settings,
            },
        }
    }
}

impl<S, B> std::fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<JsonBody>>,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("envelope::ResponseFuture")
            .finish_non_exhaustive()
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<JsonBody>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<R>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Calling { future, notes } => {
                    let mut result = ready!(future.as_mut().poll(cx)).map_err(Failure::wrap);
                    if let Ok(response) = &mut result {
                        notes.write(response);
                    }
                    return Poll::Ready(result);
                }
                StateProj::Reading {
                    service,
                    head,
                    body,
                    read,
                    stall,
                    settings,
                } => {
                    let raw = ready!(read.poll(body, settings.limit, stall, cx))?;
                    let head = head.take().expect("polled after completion");
                    let (request, notes) = address(head, raw, settings)?;
                    State::Calling {
                        future: Box::pin(service.call(request)),
                        notes,
                    }
                }
            };
            state.set(next);
        }
    }
}

/// What the response should say because of the request.
struct Notes {
    ignored: Option<HeaderValue>,
    fallback_errors: bool,
}

impl Notes {
    fn write<R>(&mut self, response: &mut Response<R>) {
        if let Some(names) = self.ignored.take() {
            response.headers_mut().insert(IGNORED, names);
        }
        if self.fallback_errors {
            response.extensions_mut().insert(IncludeFallbackErrors);
        }
    }
}

/// Makes the request that the inner service sees, and names what it leaves out.
fn address(
    mut head: Parts,
    raw: Bytes,
    settings: &Settings,
) -> Result<(Request<JsonBody>, Notes), Failure> {
    let document = Document::parse(raw).map_err(values::unreadable)?;
    let caps = settings.overrides.then_some(settings.caps);
    let endpoint = Endpoint::of(head.uri.path());
    let operation = head.extensions.get::<Operation>().copied();
    let operation = operation.or(endpoint.as_ref().map(|endpoint| endpoint.operation));
    let operation = operation.unwrap_or_default();
    let named = endpoint.and_then(|endpoint| endpoint.model);
    let Reading {
        model,
        models,
        stream,
        mut wishes,
        regions,
        mut body,
    } = wishes::read(
        &document,
        &head.headers,
        caps,
        operation,
        named,
        operation.prompt().filter(|_| settings.prompt_required),
        settings.mocks,
    )?;
    if operation.is_anthropic() {
        keep_user_id(&document, &mut body)?;
    }
    let is_list = models.is_some();
    if let Some(names) = models {
        let names = names.into_iter().map(ModelGroup::new).collect();
        let fastest = wishes.fastest;
        head.extensions.insert(Models { names, fastest });
    } else if wishes.fastest {
        wishes.ignored.push("fastest_response");
    }
    let mock = document.get("mock_response").filter(|_| settings.mocks);
    let mock = mock.and_then(|value| value.as_str());
    let mock = mock.or(wishes.mock_timeout.then_some(TIMED_OUT.into()));
    let mock = mock.map(|text| overrides::MockResponse(text.into()));
    put(&mut head.extensions, mock);
    let mock = wishes.mock_failure.map(overrides::MockFailure);
    put(&mut head.extensions, mock);
    let group = ModelGroup::new(&*model);
    let metadata = wishes.metadata();
    let extensions = &mut head.extensions;
    if let Some(note) = extensions.get::<Note>() {
        let mut asked = Asked::new(group.clone());
        (asked.operation, asked.stream) = (operation, stream);
        asked.metadata.clone_from(&metadata);
        note.write(asked);
    }
    // Only what is asked for a list is split further on. Each copy of any other request is an entry smaller without.
    if !is_list {
        extensions.remove::<Note>();
    }
    put(extensions, metadata);
    extensions.insert(LlmRequest::new(group.clone(), stream, document));
    extensions.insert(group);
    // Chat is meant where there is none: each copy of the request is an entry smaller then.
    match operation {
        Operation::Chat => drop(extensions.remove::<Operation>()),
        other => drop(extensions.insert(other)),
    }
    put(extensions, wishes.timeout.map(overrides::Timeout));
    put(
        extensions,
        wishes.stream_timeout.map(overrides::StreamTimeout),
    );
    put(
        extensions,
        wishes.stream_idle.map(overrides::StreamIdleTimeout),
    );
    put(
        extensions,
        wishes.stream_total.map(overrides::StreamTotalTimeout),
    );
    put(extensions, wishes.total.map(overrides::TotalTimeout));
    put(extensions, wishes.keep_alive.map(overrides::KeepAlive));
    put(extensions, wishes.retries.map(overrides::MaxRetries));
    put(
        extensions,
        wishes.client_retries.map(overrides::ClientRetries),
    );
    let waits = wishes.client_timeout.map(overrides::ClientTimeout);
    put(extensions, waits);
    put(extensions, wishes.tags());
    put(extensions, wishes.fallbacks);

    // Whoever stands outside may have allowed less already.
    let outer: Option<&AllowedRegions> = extensions.get();
    let regions =
        regions.map(|regions| outer.map_or_else(|| regions.clone(), |outer| outer.and(&regions)));
    put(extensions, regions);
    head.headers = forwarded(&head.headers, settings);
    let ignored = (!wishes.ignored.is_empty()).then(|| wishes.ignored.join(", "));
    if let Some(names) = &ignored {
        tracing::debug!(target: "ziggurat::envelope", members = %names, "members of the request have no effect");
    }
    let ignored = ignored.and_then(|names| HeaderValue::try_from(names).ok());
    let notes = Notes {
        ignored,
        fallback_errors: wishes.fallback_errors,
    };
    Ok((Request::from_parts(head, body), notes))
}

/// Keeps the one member of `metadata` that is for Anthropic.
fn keep_user_id(document: &Document, body: &mut JsonBody) -> Result<(), Failure> {
    let Some(metadata) = document.get("metadata").filter(|value| !value.is_null()) else {
        return Ok(());
    };
    let raw = document.raw().slice_ref(metadata.as_bytes());
    let metadata =
        Document::parse(raw).map_err(|_| values::wrong_type("metadata", "an object", metadata))?;
    if metadata.get("user_id").is_none() {
        return Ok(());
    }
    let mut kept = JsonBody::new(metadata.clone());
    for (name, _) in metadata.members().filter(|(name, _)| name != "user_id") {
        kept.remove(name.into_owned());
    }
    body.set("metadata", kept.to_bytes());
    Ok(())
}

fn put<T: Clone + Send + Sync + 'static>(extensions: &mut Extensions, wish: Option<T>) {
    if let Some(wish) = wish {
        extensions.insert(wish);
    }
}

/// The headers that go on. The rest is dropped here, so that copies of the request stay cheap.
fn forwarded(headers: &HeaderMap, settings: &Settings) -> HeaderMap {
    let goes = |name: &HeaderName| {
        settings.headers.contains(name) || settings.custom_headers && is_custom(name.as_str())
    };
    let mut kept = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| goes(name)) {
        kept.append(name, value.clone());
    }
    kept
}

fn is_custom(name: &str) -> bool {
    let ours = ["x-litellm-", "x-stainless-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || name == "x-api-key";
    name.starts_with("x-") && !ours
}
