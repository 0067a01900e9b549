//! Requests that an upstream does not take.
//!
//! hyper writes a request of HTTP/1 to its end, though nobody waits for the answer any more. An upstream that has stopped
//! reading would keep the request and the connection for as long as it likes.

use std::fmt;

use http::Request;
use http_body::Body as _;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use ziggurat_core::json::Printed;

use crate::talk::Talk;

/// Bytes of a body that a connection's send buffer takes at once, with the head and what TLS adds: half of what Linux gives
/// it at first, see `tcp_wmem` in tcp(7).
const AT_ONCE: u64 = 8 * 1024;

/// A request that may take time to send. Dropped, it ends its connection unless all was sent and answered.
pub(crate) struct Upload {
    connection: CaptureConnection,
    is_answered: bool,
}

impl Upload {
    /// Watches a request that is about to be sent; `None` if it is so short that it is sent in any case.
    pub(crate) fn of(request: &mut Request<Printed>) -> Option<Box<Self>> {
        (request.body().size_hint().lower() > AT_ONCE).then(|| {
            Box::new(Self {
                connection: capture_connection(request),
                is_answered: false,
            })
        })
    }

    /// Tells it that the answer has come to its end. The connection may serve others then, unless the upstream has answered
    /// without having taken all of the request.
    pub(crate) fn answered(&mut self) {
        self.is_answered = true;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let connected = self.connection.connection_metadata();
        // HTTP/2 resets the stream.
        let connected = connected.as_ref().filter(|it| !it.is_negotiated_h2());
        let Some(talk) = connected.and_then(Talk::on) else {
            return;
        };
        match self.is_answered {
            true => talk.abandon_if_blocked(),
            // Half an answer is read: nobody gets this connection again.
            false => talk.abandon(),
        }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").finish_non_exhaustive()
    }
}
