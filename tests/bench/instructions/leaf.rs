//! The services under the layers: they answer at once and do nothing else.

use std::{
    convert::Infallible,
    future::Future,
    hint::black_box,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::{Body, Frame, SizeHint};
use tower_service::Service;

/// A completion of 601 bytes, as the other measurements of this project use.
static PLAIN: [u8; 601] = [b'x'; 601];

/// A chunk of a chat stream with content.
static CHUNK: &[u8] = br#"data: {"id":"chatcmpl-123","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":"Hello"},"logprobs":null,"finish_reason":null}]}

"#;

/// Answers each request alike.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaf {
    /// Polls of the future that come to nothing, as with an upstream that is not there yet.
    pending: bool,
    /// Every second answer, counted over all clones, is 503.
    fails: Option<Arc<AtomicU32>>,
    streams: bool,
}

impl Leaf {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn pending(mut self) -> Self {
        self.pending = true;
        self
    }

    pub(crate) fn failing_first(mut self) -> Self {
        self.fails = Some(Arc::default());
        self
    }

    /// Answers with a stream that never ends.
    pub(crate) fn streaming(mut self) -> Self {
        self.streams = true;
        self
    }

    fn response(&self) -> Response<Chunks> {
        let (kind, body) = if self.streams {
            ("text/event-stream", Chunks::new(CHUNK, u32::MAX))
        } else {
            ("application/json", Chunks::new(&PLAIN, 1))
        };
        let mut response = Response::new(body);
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        if let Some(count) = &self.fails
            && count.fetch_add(1, Relaxed).is_multiple_of(2)
        {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        response
    }
}

impl<B> Service<Request<B>> for Leaf {
    type Response = Response<Chunks>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        drop(black_box(request));
        Answer {
            response: Some(self.response()),
            pending: self.pending,
        }
    }
}

/// The future of a leaf.
#[derive(Debug)]
pub(crate) struct Answer {
    response: Option<Response<Chunks>>,
    pending: bool,
}

impl Future for Answer {
    type Output = Result<Response<Chunks>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        if self.pending {
            // No waker is kept: whoever measures polls until it is done.
            self.pending = false;
            return Poll::Pending;
        }
        let response = self.response.take().expect("polled once after its end");
        Poll::Ready(Ok(black_box(response)))
    }
}

/// A body of equal frames.
#[derive(Clone, Debug)]
pub(crate) struct Chunks {
    chunk: Bytes,
    left: u32,
}

impl Chunks {
    const fn new(chunk: &'static [u8], left: u32) -> Self {
        Self {
            chunk: Bytes::from_static(chunk),
            left,
        }
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(self.chunk.clone()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::from(self.left) * self.chunk.len() as u64)
    }
}
