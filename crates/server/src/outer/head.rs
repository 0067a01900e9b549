//! What is wrong with a request by its head.

use http::{Request, Version, header::HOST};
use http_body::Body;
use ziggurat::core::{Failure, FailureKind};

/// Why a request is refused before anyone looks at what it is for.
pub(super) fn refused<B: Body>(req: &Request<B>, limit: usize) -> Option<Failure> {
    if req.body().size_hint().lower() > limit as u64 {
        let failure = Failure::new(FailureKind::PayloadTooLarge)
            .with_param("request_body")
            .with_message(format!("the request body is larger than {limit} bytes"));
        return Some(failure.with_unread_body());
    }
    if names_its_host(req) {
        return None;
    }
    let failure = Failure::new(FailureKind::BadRequest)
        .with_param("host")
        .with_message("the request needs one header `host`, with the host that it is for");
    Some(match req.body().is_end_stream() {
        true => failure,
        false => failure.with_unread_body(),
    })
}

/// Says whether the host is named as RFC 9112 wants it, in section 3.2. With HTTP/2 it is a part of the request's URI.
fn names_its_host<B>(req: &Request<B>) -> bool {
    if req.version() > Version::HTTP_11 {
        return true;
    }
    let mut hosts = req.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => req.version() < Version::HTTP_11,
        (Some(host), None) => host.as_bytes().iter().all(is_of_a_host),
        (Some(_), Some(_)) => false,
    }
}

/// Says whether a byte may be part of a host with its port (RFC 3986, section 3.2).
fn is_of_a_host(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte)
}
