//! Connections that were kept for another request, and were gone when that came.
//!
//! An upstream may close an idle connection at the moment when a request is sent on it. Nothing is wrong then with either:
//! the request is sent once more, on a connection of its own, and nobody has to know. A connection that has not answered
//! before, or says a single byte before it breaks, is no such case.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::{self, Client};
use ziggurat_core::json::Printed;

use crate::{connect::Connector, talk::Talk, upload::Upload};

/// A request under way, which is sent once more if its connection turns out to be gone. It becomes a response, and what has to
/// be kept while that is read.
pub(crate) struct Sending {
    response: legacy::ResponseFuture,
    again: Option<Box<Again>>,
    upload: Option<Box<Upload>>,
}

struct Again {
    /// Uses each connection once.
    client: Arc<Client<Connector, Printed>>,
    /// The request but for its headers.
    request: Request<Printed>,
    /// A list: nearly all are dropped unread, and a copy of the map costs twice as much.
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Says whether a request failed because the connection that it was sent on was gone.
fn was_gone(error: &legacy::Error) -> bool {
    let Some(connected) = error.connect_info() else {
        return false;
    };
    // HTTP/2 carries several requests, and says which of them it did not take up.
    if connected.is_negotiated_h2() {
        return false;
    }
    let cause = error.source().and_then(<dyn Error>::downcast_ref);
    let ended = cause.is_some_and(hyper::Error::is_incomplete_message);
    Talk::on(connected).is_some_and(|talk| talk.is_silent(ended))
}

// === impl Sending ===

impl Sending {
    /// Sends a request. If it has to be sent again, `fresh` makes the connection for it.
    pub(crate) fn new(
        client: &Client<Connector, Printed>,
        fresh: &Arc<Client<Connector, Printed>>,
        mut request: Request<Printed>,
    ) -> Self {
        // Before the copy: what is sent again is the same upload.
        let upload = Upload::of(&mut request);
        let again = Again::new(fresh, &request);
        Self {
            response: client.request(request),
            again: Some(Box::new(again)),
            upload,
        }
    }

    /// Says whether the request was sent once more.
    pub(crate) const fn is_second(&self) -> bool {
        self.again.is_none()
    }
}

impl Future for Sending {
    type Output = Result<(Response<Incoming>, Option<Box<Upload>>), legacy::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let error = match ready!(Pin::new(&mut self.response).poll(cx)) {
                Ok(response) => return Poll::Ready(Ok((response, self.upload.take()))),
                Err(error) => error,
            };
            if !was_gone(&error) {
                return Poll::Ready(Err(error));
            }
            let Some(again) = self.again.take() else {
                return Poll::Ready(Err(error));
            };
            tracing::debug!(target: "ziggurat.provider", "an idle connection was gone, sending again");
            self.response = again.send();
        }
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}

// === impl Again ===

impl Again {
    fn new(fresh: &Arc<Client<Connector, Printed>>, request: &Request<Printed>) -> Self {
        let mut copy = Request::new(request.body().clone());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.version_mut() = request.version();
        *copy.extensions_mut() = request.extensions().clone();
        let headers = request.headers().iter();
        Self {
            client: Arc::clone(fresh),
            request: copy,
            headers: headers
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        }
    }

    fn send(mut self) -> legacy::ResponseFuture {
        let headers = self.request.headers_mut();
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        self.client.request(self.request)
    }
}
