//! The upstream's body as it was before the upstream encoded it.
//!
//! Upstreams are asked not to encode. One that does so anyway is decoded here, which costs a box and is no fast path.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
#[cfg(feature = "decompression")]
use http::header::CONTENT_LENGTH;
use http::{Response, header::CONTENT_ENCODING, response::Parts};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use ziggurat_core::{BoxError, Failure, FailureKind};

#[cfg(feature = "decompression")]
use crate::gunzip::Gunzip;
use crate::upload::Upload;

/// A body of an upstream.
pub(crate) struct Upstream {
    body: Encoded,
    /// The request, while it may not all be sent.
    upload: Option<Box<Upload>>,
}

enum Encoded {
    Identity(Incoming),
    #[cfg(feature = "decompression")]
    Gunzip(Box<Gunzip<Incoming>>),
    #[cfg(feature = "decompression")]
    Decoded(Pin<Box<decompression::Decoded>>),
}

impl Upstream {
    /// Takes a response apart.
    ///
    /// # Errors
    ///
    /// Its body is encoded in a way that is not understood.
    pub(crate) fn of(
        response: Response<Incoming>,
        upload: Option<Box<Upload>>,
    ) -> Result<(Parts, Self), (Parts, Failure)> {
        let (head, body) = Encoded::of(response)?;
        let mut upstream = Self { body, upload };
        upstream.look_for_end(false);
        Ok((head, upstream))
    }

    fn look_for_end(&mut self, was_last: bool) {
        if let Some(upload) = &mut self.upload
            && (was_last || self.body.is_end_stream())
        {
            upload.answered();
        }
    }
}

impl Encoded {
    fn of(response: Response<Incoming>) -> Result<(Parts, Self), (Parts, Failure)> {
        let Some(encoding) = response.headers().get(CONTENT_ENCODING) else {
            let (head, body) = response.into_parts();
            return Ok((head, Self::Identity(body)));
        };
        let encoding = encoding.as_bytes().to_ascii_lowercase();
        match &encoding[..] {
            b"" | b"identity" => {
                let (head, body) = response.into_parts();
                Ok((head, Self::Identity(body)))
            }
            #[cfg(feature = "decompression")]
            b"gzip" => {
                let (mut head, body) = response.into_parts();
                head.headers.remove(CONTENT_ENCODING);
                head.headers.remove(CONTENT_LENGTH);
                Ok((head, Self::Gunzip(Box::new(Gunzip::new(body)))))
            }
            #[cfg(feature = "decompression")]
            b"deflate" | b"br" | b"zstd" => {
                let (head, body) = decompression::decode(response).into_parts();
                Ok((head, Self::Decoded(Box::pin(body))))
            }
            _ => {
                let failure = Failure::new(FailureKind::InvalidResponse)
                    .with_message("the upstream's answer is encoded in an unknown way");
                Err((response.into_parts().0, failure))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Identity(body) => body.is_end_stream(),
            #[cfg(feature = "decompression")]
            Self::Gunzip(body) => body.is_end_stream(),
            #[cfg(feature = "decompression")]
            Self::Decoded(body) => body.is_end_stream(),
        }
    }
}

impl Body for Upstream {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let frame = ready!(match &mut this.body {
            Encoded::Identity(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            #[cfg(feature = "decompression")]
            Encoded::Gunzip(body) => Pin::new(&mut **body).poll_frame(cx),
            #[cfg(feature = "decompression")]
            Encoded::Decoded(body) => body.as_mut().poll_frame(cx),
        });
        if !matches!(frame, Some(Err(_))) {
            this.look_for_end(frame.is_none());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Encoded::Identity(body) => body.size_hint(),
            #[cfg(feature = "decompression")]
            Encoded::Gunzip(body) => body.size_hint(),
            #[cfg(feature = "decompression")]
            Encoded::Decoded(body) => body.size_hint(),
        }
    }
}

#[cfg(feature = "decompression")]
mod decompression {
    use std::{
        convert::Infallible,
        future::{Future, Ready, ready},
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use http::{Request, Response};
    use hyper::body::Incoming;
    use tower_http::decompression::{Decompression, DecompressionBody};
    use tower_service::Service;

    pub(super) type Decoded = DecompressionBody<Incoming>;

    /// A service that has its answer ready: the decoder comes as a layer only.
    struct Answered(Option<Response<Incoming>>);

    impl Service<Request<()>> for Answered {
        type Response = Response<Incoming>;
        type Error = Infallible;
        type Future = Ready<Result<Response<Incoming>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<()>) -> Self::Future {
            ready(Ok(self.0.take().expect("called once")))
        }
    }

    pub(super) fn decode(response: Response<Incoming>) -> Response<Decoded> {
        let decoding = Decompression::new(Answered(Some(response))).call(Request::new(()));
        match pin!(decoding).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(decoded)) => decoded,
            Poll::Pending => unreachable!("the answer is ready"),
        }
    }
}
