//! The scripted leaf: it does what its plan says, and tells the world.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};
use ziggurat::{core::BoxError, prelude::*};
use ziggurat_testing::{ScriptedBody, ScriptedError};

use crate::{
    plan::{Answer, Ready, Stream, StreamEnd},
    world::{End, Site, World, law},
};

/// What hangs for ever ends after this where no layer is there to end it.
const AT_LAST: Duration = Duration::from_secs(2 * 3600);

pub(crate) struct Leaf {
    site: Arc<Site>,
    world: World,
    calls: Arc<AtomicUsize>,
    ready: bool,
    polls: u8,
    sleep: Option<Pin<Box<Sleep>>>,
}

pub(crate) struct LeafBody {
    inner: ScriptedBody,
    call: Running,
    /// How many bytes all of it has, if it says so before its end.
    complete: Option<usize>,
}

/// An attempt that ends when it is dropped, if it has not ended before.
struct Running {
    world: World,
    number: usize,
}

// === impl Leaf ===

impl Leaf {
    pub(crate) fn new(site: Arc<Site>, world: World) -> Self {
        Self {
            site,
            world,
            calls: Arc::default(),
            ready: false,
            polls: 0,
            sleep: None,
        }
    }
}

/// Nothing of its readiness goes to the clone.
impl Clone for Leaf {
    fn clone(&self) -> Self {
        Self {
            site: Arc::clone(&self.site),
            world: self.world.clone(),
            calls: Arc::clone(&self.calls),
            ready: false,
            polls: 0,
            sleep: None,
        }
    }
}

type LeafFuture = Pin<Box<dyn Future<Output = Result<Response<LeafBody>, BoxError>> + Send>>;

impl Service<Request<()>> for Leaf {
    type Response = Response<LeafBody>;
    type Error = BoxError;
    type Future = LeafFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self.site.plan.ready {
            _ if self.ready => {}
            Ready::Always => {}
            Ready::AfterPolls(polls) if self.polls < polls => {
                self.polls += 1;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Ready::AfterPolls(_) => {}
            Ready::After(millis) => {
                let sleep = self
                    .sleep
                    .get_or_insert_with(|| Box::pin(self::sleep(time(millis))));
                ready!(sleep.as_mut().poll(cx));
            }
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        if !std::mem::take(&mut self.ready) {
            self.world.broken(law::READY, self.site.id.as_str());
        }
        (self.polls, self.sleep) = (0, None);
        let number = self.world.begin(&self.site, request.extensions());
        let call = Running {
            world: self.world.clone(),
            number,
        };
        let answers = &self.site.plan.answers;
        let turn = self.calls.fetch_add(1, Ordering::Relaxed) % answers.len();
        let answer = answers[turn].clone();
        let site = Arc::clone(&self.site);
        let guard = self.world.guards.take();
        let runs_away = self.world.runs_away(number);
        Box::pin(async move {
            let _guard = guard;
            if runs_away {
                // Else it might go on without time passing.
                std::future::pending::<()>().await;
            }
            answer.give(&site, call).await
        })
    }
}

impl Answer {
    async fn give(self, site: &Site, call: Running) -> Result<Response<LeafBody>, BoxError> {
        let number = call.number;
        match self {
            Self::Plain { delay, pause, cut } => {
                sleep(time(delay)).await;
                let body = ScriptedBody::new().data(format!("{{\"attempt\": {number}"));
                let body = match pause {
                    0 => body,
                    pause => body.wait(time(pause)),
                };
                let body = match cut {
                    true => body.error("cut").unknown_size(),
                    false => body.data("}"),
                };
                Ok(call.answer(Response::new(body)))
            }
            Self::Stream(stream) => {
                sleep(time(stream.delay)).await;
                Ok(stream.answer(site, call))
            }
            Self::Status {
                delay,
                code,
                retry_after,
            } => {
                sleep(time(delay)).await;
                let mut response = Response::builder().status(code);
                if let Some(wait) = retry_after {
                    response = response.header(header::RETRY_AFTER, wait);
                }
                let body = ScriptedBody::new().data(format!("failed {number}"));
                Ok(call.answer(response.body(body)?))
            }
            Self::Refused { content } => {
                let kind = match content {
                    true => FailureKind::ContentPolicy,
                    false => FailureKind::ContextWindow,
                };
                let response = Response::builder()
                    .status(400)
                    .extension(Failure::new(kind));
                Ok(call.answer(response.body(ScriptedBody::new())?))
            }
            Self::Error { delay } => {
                sleep(time(delay)).await;
                call.end(End::Failed);
                Err(ScriptedError::new("no connection").into())
            }
            Self::Hang => {
                match site.plan.timeout() {
                    Some(_) => std::future::pending().await,
                    None => sleep(AT_LAST).await,
                }
                call.end(End::Failed);
                Err(ScriptedError::new("nothing came").into())
            }
        }
    }
}

impl Stream {
    fn answer(&self, site: &Site, call: Running) -> Response<LeafBody> {
        let number = call.number;
        let mut size = 0;
        let mut data = |body: ScriptedBody, text: String| {
            size += text.len();
            body.data(text)
        };
        let content = |text: &str| format!("data: {{\"choices\": [{{\"delta\": {text}}}]}}\n\n");
        let mut body = ScriptedBody::new();
        if !self.typed {
            body = data(body, format!("{number} "));
        } else if self.comments > 0 {
            body = data(body, content(r#"{"role": "assistant"}"#));
        }
        for _ in 0..self.comments {
            body = data(body, ": ping\n\n".into()).pending();
        }
        body = body.wait(time(self.first));
        for chunk in 0..self.chunks {
            let text = format!("{{\"content\": \"{number}.{chunk}\"}}");
            body = data(body, content(&text)).wait(time(self.gap));
        }
        if matches!(
            self.end,
            StreamEnd::Done | StreamEnd::Linger | StreamEnd::Trailers
        ) {
            body = data(body, "data: [DONE]\n\n".into());
        }
        let watched = self.typed && site.plan.limits_silence();
        let body = match self.end {
            StreamEnd::Done | StreamEnd::WithoutDone => body,
            StreamEnd::Trailers => body.trailers(HeaderMap::new()),
            StreamEnd::Cut => body.error("cut"),
            StreamEnd::Stall | StreamEnd::Linger if watched => body.hang(),
            StreamEnd::Stall => body.wait(AT_LAST).error("cut at last"),
            StreamEnd::Linger => body.wait(AT_LAST),
        };
        let body = match self.silent_end {
            true => body.unknown_size().silent_end(),
            false => body.unknown_size(),
        };
        let mut response = Response::new(body);
        if self.typed {
            let kind = header::HeaderValue::from_static("text/event-stream; charset=utf-8");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            call.world.edit(number, |call| call.streams = true);
        }
        let mut response = call.answer(response);
        response.body_mut().complete = (self.end == StreamEnd::Linger).then_some(size);
        response
    }
}

fn time(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

// === impl Running ===

impl Running {
    fn answer(self, response: Response<ScriptedBody>) -> Response<LeafBody> {
        let status = response.status();
        self.world.edit(self.number, |call| {
            call.answered = Some(status.as_u16());
            if !status.is_success() {
                call.end(End::Failed);
            }
        });
        let guard = self.world.guards.take();
        response.map(|body| {
            let body = LeafBody {
                inner: body.guard(guard),
                call: self,
                complete: None,
            };
            body.look_for_end();
            body
        })
    }

    fn end(&self, end: End) {
        self.world.edit(self.number, |call| call.end(end));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end(End::Dropped);
    }
}

// === impl LeafBody ===

impl LeafBody {
    fn look_for_end(&self) {
        let world = &self.call.world;
        let complete = |sent: usize| self.complete.is_some_and(|size| sent >= size);
        world.edit(self.call.number, |call| {
            if self.inner.is_end_stream() || call.trailers || complete(call.sent.len()) {
                call.end(End::Whole);
            }
        });
    }
}

impl Body for LeafBody {
    type Data = Bytes;
    type Error = ScriptedError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ScriptedError>>> {
        let polled = ready!(Pin::new(&mut self.inner).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) => {
                self.call.world.edit(self.call.number, |call| {
                    call.sent.extend(frame.data_ref().into_iter().flatten());
                    call.trailers |= frame.is_trailers();
                });
                self.look_for_end();
            }
            Some(Err(_)) => self.call.end(End::Cut),
            None => self.call.end(End::Whole),
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
