//! Streams of HTTP/2 that nobody reads.
//!
//! Such a stream waits for room in its own window, while its connection lives. hyper waits for as long as the connection lasts,
//! and asks neither the service nor the body meanwhile: only whoever polls its task can see that.

use std::{
    cell::Cell,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::{rt::Executor, service::Service};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use ziggurat::core::UnreadBody;

use crate::activity::Activity;

/// The longest frame that goes to a stream of HTTP/2: its own longest frame. hyper waits for room before each, but buffers the
/// whole of it, however large, and has then nothing more to wait for.
const PIECE: usize = 16 * 1024;

thread_local! {
    /// What was told since a stream's task was polled.
    static TOLD: Cell<Option<Told>> = const { Cell::new(None) };
}

/// What a response has come to.
#[derive(Clone, Copy, PartialEq)]
enum Told {
    /// There is something for the client.
    Some,
    /// There is nothing at the moment.
    Nothing,
}

/// Spawns the tasks of streams, and ends those whose client takes nothing of what there is for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Streams {
    limit: Duration,
}

/// Tells [`Streams`] what becomes of responses, and which of them are under way.
#[derive(Debug)]
pub(crate) struct Telling<S> {
    inner: S,
    activity: Activity,
}

pin_project! {
    /// The future of [`Telling`].
    pub(crate) struct TellingFuture<F> {
        #[pin]
        future: F,
        version: Version,
        // `None` once there is a response, which has it then.
        activity: Option<Activity>,
    }
}

pin_project! {
    /// The body of a response of [`Telling`].
    pub(crate) struct TellingBody<R> {
        #[pin]
        body: R,
        // The longest frame.
        piece: usize,
        rest: Bytes,
        // Held for as long as the body is open.
        activity: Option<Activity>,
    }
}

pin_project! {
    /// The task of a stream.
    struct Stream<F> {
        #[pin]
        task: F,
        limit: Duration,
        // There is something for the client.
        is_full: bool,
        // Runs while the client takes nothing of it.
        unread: Option<Pin<Box<Sleep>>>,
    }
}

// === impl Streams ===

impl Streams {
    /// Waits for at most `limit`, each time.
    pub(crate) const fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        tokio::spawn(Stream {
            task,
            limit: self.limit,
            is_full: false,
            unread: None,
        });
    }
}

// === impl Stream ===

impl<F: Future<Output = ()>> Future for Stream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        TOLD.set(None);
        if this.task.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if let Some(told) = TOLD.get() {
            // What there was before has been taken.
            *this.is_full = told == Told::Some;
            *this.unread = None;
        }
        if !*this.is_full {
            return Poll::Pending;
        }
        let limit = *this.limit;
        let unread = this.unread.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(unread.as_mut().poll(cx));
        tracing::debug!(target: "ziggurat::server", "a stream was reset: its client took nothing of it");
        Poll::Ready(())
    }
}

// === impl Telling ===

impl<S> Telling<S> {
    pub(crate) const fn new(inner: S, activity: Activity) -> Self {
        Self { inner, activity }
    }
}

impl<S, B, R> Service<Request<B>> for Telling<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<TellingBody<R>>;
    type Error = S::Error;
    type Future = TellingFuture<S::Future>;

    fn call(&self, request: Request<B>) -> Self::Future {
        if request.version() == Version::HTTP_2 {
            self.activity.streams();
        }
        TellingFuture {
            version: request.version(),
            future: self.inner.call(request),
            activity: Some(self.activity.clone()),
        }
    }
}

impl<F, R, E> Future for TellingFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<TellingBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.future.poll(cx))?;
        TOLD.set(Some(Told::Some));
        let activity = this.activity.take();
        if *this.version <= Version::HTTP_11
            && response.extensions().get::<UnreadBody>().is_some()
            && let Some(activity) = &activity
        {
            activity.leaves_body();
        }
        let piece = match *this.version {
            Version::HTTP_2 => PIECE,
            _ => usize::MAX,
        };
        Poll::Ready(Ok(response.map(|body| TellingBody {
            body,
            piece,
            rest: Bytes::new(),
            activity,
        })))
    }
}

impl<R: Body<Data = Bytes>> Body for TellingBody<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let this = self.project();
        TOLD.set(Some(Told::Some));
        if this.rest.is_empty() {
            let Poll::Ready(frame) = this.body.poll_frame(cx) else {
                TOLD.set(Some(Told::Nothing));
                return Poll::Pending;
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) if data.len() <= *this.piece => {
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Ok(Ok(data))) => *this.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let piece = this.rest.len().min(*this.piece);
        Poll::Ready(Some(Ok(Frame::data(this.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if rest > 0 {
            if let Some(upper) = hint.upper() {
                hint.set_upper(upper + rest);
            }
            hint.set_lower(hint.lower() + rest);
        }
        hint
    }
}
