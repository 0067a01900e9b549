//! What is wrong with a request by its head.

use http::Request;
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
    None
}
