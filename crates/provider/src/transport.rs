//! Failures of the connection itself, as failures that say no more than they must.

use std::{error::Error as StdError, io};

use http::uri::Authority;
use hyper_util::client::legacy;
use ziggurat_core::{BoxError, Failure, FailureKind};

/// Makes a failure of a request to which no answer came.
pub(crate) fn failed(error: legacy::Error, host: Option<&Authority>) -> Failure {
    if !error.is_connect() {
        return broken(error.into());
    }
    let (kind, what) = match took_too_long(&error) {
        // Whoever is silent is not asked again while someone else can be; the status is that of all such failures.
        true => (FailureKind::Timeout, "took too long"),
        false => (FailureKind::Connect, "failed"),
    };
    let failure = Failure::new(kind)
        .with_status(FailureKind::Connect.status())
        .with_source(error);
    match host {
        // Without the user and password that the authority of a URL may hold.
        Some(host) => {
            let port = host
                .port()
                .map(|port| format!(":{port}"))
                .unwrap_or_default();
            failure.with_message(format!("connecting to {}{port} {what}", host.host()))
        }
        None => failure,
    }
}

/// Whether a connection was not made in its time, by our clock or by the kernel's.
fn took_too_long(error: &legacy::Error) -> bool {
    let mut cause = error.source();
    while let Some(at) = cause {
        let timed_out = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
        if at.is::<tokio::time::error::Elapsed>() || at.downcast_ref().is_some_and(timed_out) {
            return true;
        }
        cause = at.source();
    }
    false
}

/// Makes a failure of an answer that ended before its end, or was none.
pub(crate) fn broken(error: BoxError) -> Failure {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&*error);
    let mut kind = FailureKind::Disconnected;
    while let Some(at) = cause {
        let is_unreadable = at.downcast_ref().is_some_and(hyper::Error::is_parse)
            // What a decoder says of bytes that are not encoded as announced.
            || at.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::InvalidData);
        if is_unreadable {
            kind = FailureKind::InvalidResponse;
        }
        cause = at.source();
    }
    Failure::new(kind).with_source(error)
}
