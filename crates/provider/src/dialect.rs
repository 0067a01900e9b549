use std::{fmt, future::Future, pin::Pin};

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header::CONTENT_TYPE,
    response::Parts,
};
use ziggurat_core::{
    Failure, FailureKind, JsonBody, LlmRequest, ModelGroup, Operation, Tried, json::Printed,
    overrides::Parameters,
};

use crate::{LocalAnswer, headers};

/// How a provider is spoken to: one value per deployment.
///
/// It is asked once per call, and must not block. A dialect whose credentials expire keeps them
/// [`Cached`](crate::credentials::Cached) and adds them in [`authorize`](Self::authorize), which may wait.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the dialect of a provider",
    label = "does not implement `Dialect`",
    note = "implement `provider` and `prepare`, or take a ready-made one, such as `ziggurat_openai::OpenAi`"
)]
pub trait Dialect: fmt::Debug + Send + Sync + 'static {
    /// Returns the provider's name, as OpenTelemetry's `gen_ai.provider.name` has it.
    fn provider(&self) -> &'static str;

    /// Says whether the provider has an endpoint for an operation. Calls of others are refused before
    /// [`prepare`](Self::prepare).
    ///
    /// Default: only [`Operation::Chat`].
    fn speaks(&self, operation: Operation) -> bool {
        operation == Operation::Chat
    }

    /// Says whether this very call can be made in the form that it has. One that cannot, though its operation is spoken, is
    /// translated by a dialect that stands in front of this one, if there is any.
    ///
    /// Default: whether its operation is [spoken](Self::speaks).
    fn takes(&self, call: Call<'_>) -> bool {
        self.speaks(call.operation())
    }

    /// Answers a call that needs no upstream. Asked before [`prepare`](Self::prepare), which is then left out.
    ///
    /// Default: `None`, the upstream is asked.
    fn answer(&self, _call: Call<'_>) -> Option<LocalAnswer> {
        None
    }

    /// Makes the request for the upstream.
    ///
    /// # Errors
    ///
    /// The call cannot be made; nothing is sent. A [`BadRequest`](FailureKind::BadRequest) is one that this provider has
    /// no words for: a retry layer passes over the deployment, as others of its group may have them.
    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure>;

    /// Adds to a prepared request what may have to be waited for: a token that expires, a signature made with one.
    ///
    /// Default: nothing is added.
    fn authorize(&self, request: Request<Printed>) -> Authorized {
        Authorized::Now(request)
    }
}

/// A request with its credentials.
#[allow(
    clippy::large_enum_variant,
    reason = "a box would cost every call whose key is at hand"
)]
pub enum Authorized {
    /// They were at hand.
    Now(Request<Printed>),
    /// They have to be waited for. Dropped with the call; a failure of it is the call's.
    Later(Pin<Box<dyn Future<Output = Result<Request<Printed>, Failure>> + Send>>),
}

/// One call: the other half of a [`Dialect`], which reads the answer.
///
/// Either [`excused`](Self::excused) is called once and, if it has no answer, [`refused`](Self::refused) once, or
/// [`plain`](Self::plain) once, or [`chunk`](Self::chunk) for each piece of a stream and [`end`](Self::end) at most once
/// after them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot read the answer to a call",
    label = "does not implement `Exchange`",
    note = "a `Dialect` hands out one `Exchange` per call: implement `announced`, `refused`, `plain`, `chunk` and `end`"
)]
pub trait Exchange: Send + 'static {
    /// Says what the head of a successful answer announces.
    ///
    /// # Errors
    ///
    /// It is no answer to the call.
    fn announced(&self, head: &Parts) -> Result<Answer, Failure>;

    /// Says whether a header's value holds what must not be shown, such as an echoed key. Such a value is redacted.
    ///
    /// Headers that successful answers are known to have are not asked about. Default: no.
    fn is_secret(&self, _header: &[u8]) -> bool {
        false
    }

    /// Makes the client's answer of an error answer that is no failure: some upstreams refuse what others end ordinarily.
    /// The client gets it with status 200.
    ///
    /// Default: `None`, it is a failure.
    fn excused(&mut self, _head: &Parts, _body: &Bytes) -> Option<Excused> {
        None
    }

    /// Makes a failure of an error answer. Cuts out of the body what must not be shown, such as an echoed key.
    fn refused(&mut self, head: &Parts, body: &mut Bytes) -> Failure;

    /// Makes the client's answer of a whole one. If the client asked for a stream, its events are made of that.
    ///
    /// # Errors
    ///
    /// It is no answer, or an error in its place.
    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure>;

    /// Tells in the extensions of the response what [`plain`](Self::plain) saw beside it, such as
    /// [`ContentFiltered`](ziggurat_core::ContentFiltered). Called once after it, if it made an answer.
    ///
    /// Default: nothing.
    fn tell(&self, _extensions: &mut Extensions) {}

    /// Makes the client's events of the next piece of a stream.
    fn chunk(&mut self, data: Bytes) -> Streamed;

    /// Says whether all of the answer has come, though the upstream has not marked its end. One that then stays silent with
    /// its connection open has ended all the same. `false`, the default, waits for the end.
    fn is_complete(&self) -> bool {
        false
    }

    /// Ends a stream of which no more comes; `broken` says why, if the upstream did not end it itself.
    ///
    /// The result always has an [`end`](Streamed::end).
    fn end(&mut self, broken: Option<Failure>) -> Streamed;
}

/// What an upstream announces to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// One document, to be read whole.
    Plain,
    /// A stream of events.
    Stream,
    /// It does not say: a stream if it begins like one, else one document.
    Undeclared,
}

/// What the client gets in place of an error answer that is no failure.
#[derive(Clone, Debug)]
pub enum Excused {
    /// One document.
    Plain(Printed),
    /// All events of a stream.
    Stream(Bytes),
}

/// What the client gets of a stream's next piece.
#[derive(Debug, Default)]
pub struct Streamed {
    /// The bytes for the client; may be empty.
    pub data: Bytes,
    /// Set once the stream is over: complete, or failed after `data`.
    pub end: Option<Result<(), Failure>>,
}

/// A request for an upstream, and who reads the answer to it.
pub struct Outgoing {
    /// The request, its URI absolute.
    pub request: Request<Printed>,
    /// The reader.
    pub exchange: Box<dyn Exchange>,
}

/// A client's request, as a dialect sees it.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    request: &'a Request<JsonBody>,
    forward: &'a [HeaderName],
    custom: bool,
}

// === impl Answer ===

impl Answer {
    /// Reads the announcement of an upstream that answers with JSON or with server-sent events.
    ///
    /// Only `text/event-stream` is a stream. JSON in place of one is an answer (some servers do not stream everything), of
    /// which a stream is made; a stream in place of JSON is none. A web page never is, nor an answer without content, or a part of one.
    ///
    /// # Errors
    ///
    /// [`InvalidResponse`](FailureKind::InvalidResponse).
    pub fn of(head: &Parts, stream: bool) -> Result<Self, Failure> {
        let invalid =
            |message: &str| Err(Failure::new(FailureKind::InvalidResponse).with_message(message));
        match head.status {
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT => {
                return invalid("the upstream answered without content");
            }
            StatusCode::PARTIAL_CONTENT => {
                return invalid("the upstream answered with a part of its answer");
            }
            _ => {}
        }
        let media = media_type(&head.headers);
        let is =
            |name: &str| media.is_some_and(|media| media.eq_ignore_ascii_case(name.as_bytes()));
        match stream {
            _ if is("text/html") || is("application/xhtml+xml") => {
                invalid("the upstream answered with a web page")
            }
            true if is("text/event-stream") => Ok(Self::Stream),
            false if is("text/event-stream") => {
                invalid("the upstream answered with a stream that was not asked for")
            }
            false => Ok(Self::Plain),
            true if media.is_none() || is("text/plain") => Ok(Self::Undeclared),
            true if is("application/json") || media.is_some_and(is_json) => Ok(Self::Plain),
            true => invalid("the upstream answered with neither a stream nor JSON"),
        }
    }
}

/// The type of an answer, without parameters; `None` if it is not given.
fn media_type(headers: &HeaderMap) -> Option<&[u8]> {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes)?;
    let media = content_type.split(|&byte| byte == b';').next()?;
    Some(media.trim_ascii()).filter(|media| !media.is_empty())
}

/// Says whether a type is one of those that are JSON with a name of their own.
fn is_json(media: &[u8]) -> bool {
    const SUFFIX: &[u8] = b"+json";
    let suffix = media.len().checked_sub(SUFFIX.len());
    suffix.is_some_and(|at| media[at..].eq_ignore_ascii_case(SUFFIX))
}

// === impl Authorized ===

impl fmt::Debug for Authorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Now",
            Self::Later(_) => "Later",
        })
    }
}

// === impl Outgoing ===

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("method", self.request.method())
            .field("host", &self.request.uri().host())
            .finish_non_exhaustive()
    }
}

// === impl Call ===

impl<'a> Call<'a> {
    /// Describes a call; of the request's headers only those in `forward` may go upstream.
    #[must_use]
    pub fn new(request: &'a Request<JsonBody>, forward: &'a [HeaderName]) -> Self {
        Self {
            request,
            forward,
            custom: false,
        }
    }

    /// Lets all headers of the request that begin with `x-` go upstream as well.
    #[must_use]
    pub fn with_custom_headers(mut self, custom: bool) -> Self {
        self.custom = custom;
        self
    }

    /// Describes the same call by another request, for dialects that translate it for others.
    #[must_use]
    pub fn with_request<'b>(self, request: &'b Request<JsonBody>) -> Call<'b>
    where
        'a: 'b,
    {
        Call { request, ..self }
    }

    /// Returns the request's headers, whether they may go upstream or not.
    #[must_use]
    pub fn headers(self) -> &'a HeaderMap {
        self.request.headers()
    }

    /// Returns the body.
    #[must_use]
    pub fn body(self) -> &'a JsonBody {
        self.request.body()
    }

    /// Returns the request's extensions.
    #[must_use]
    pub fn extensions(self) -> &'a Extensions {
        self.request.extensions()
    }

    /// Returns what is asked for.
    #[must_use]
    pub fn operation(self) -> Operation {
        Operation::of(self.extensions())
    }

    /// Returns the members that take the place of those of the body.
    pub fn parameters(self) -> impl Iterator<Item = (&'a str, &'a Bytes)> {
        let parameters = self.extensions().get::<Parameters>();
        let parameters = parameters.map_or(&[][..], |parameters| &parameters.0);
        parameters.iter().map(|(name, value)| (&**name, value))
    }

    /// Says whether the client wants a stream: as the edge read it, else as the body says.
    #[must_use]
    pub fn stream(self) -> bool {
        match self.extensions().get::<LlmRequest>() {
            Some(request) => request.stream(),
            None => self.body().get("stream") == Some(b"true"),
        }
    }

    /// Returns the name that answers bear: the model that the client asked for, or the group that a fallback led to.
    /// Without either, answers keep the upstream's name.
    #[must_use]
    pub fn public_model(self) -> Option<&'a str> {
        let group = self
            .extensions()
            .get::<ModelGroup>()
            .map(ModelGroup::as_str);
        let asked = self.extensions().get::<LlmRequest>().map(LlmRequest::model);
        let as_asked = self
            .extensions()
            .get::<Tried>()
            .is_some_and(|tried| tried.hops() == 0);
        match as_asked {
            true => asked.or(group),
            false => group.or(asked),
        }
    }

    /// Copies the headers that may go upstream, unless `headers` has them already. Those that say how the request itself
    /// is sent never do.
    pub fn forward(self, headers: &mut HeaderMap) {
        let from = self.request.headers();
        if from.is_empty() {
            return;
        }
        let goes = |name: &HeaderName| {
            (self.forward.contains(name) || self.custom && name.as_str().starts_with("x-"))
                && !headers::is_of_transport(name)
        };
        for name in from.keys().filter(|name| goes(name)) {
            if headers.contains_key(name) {
                continue;
            }
            // Lists may come in several lines.
            for value in from.get_all(name) {
                headers.append(name, value.clone());
            }
        }
    }
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("body", self.body())
            .finish_non_exhaustive()
    }
}
