use http::{Extensions, HeaderMap, Response, StatusCode};

use crate::{Failure, FailureKind};

/// The head of a response, borrowed from it.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The extensions.
    pub extensions: &'a Extensions,
}

impl<'a> Head<'a> {
    /// Borrows the head of a response.
    pub fn of<B>(response: &'a Response<B>) -> Self {
        Self {
            status: response.status(),
            headers: response.headers(),
            extensions: response.extensions(),
        }
    }
}

/// Tells successes from failures.
///
/// Retry, fallback and cooldown each take one and differ only in which kinds they act on.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot tell a failed answer from a good one",
    label = "does not implement `Classify`",
    note = "`ziggurat_core::ByStatus` and `ziggurat_core::GrpcStatus` are ready-made ones"
)]
pub trait Classify {
    /// Judges a response by its head; `None` means that nothing is wrong so far.
    fn head(&self, head: Head<'_>) -> Option<FailureKind>;

    /// Judges the end of the body by its trailers, if it had any. `None`, the default, means that all is well.
    fn end(&self, trailers: Option<&HeaderMap>) -> Option<FailureKind> {
        let _ = trailers;
        None
    }
}

impl<C: Classify + ?Sized> Classify for &C {
    fn head(&self, head: Head<'_>) -> Option<FailureKind> {
        (**self).head(head)
    }

    fn end(&self, trailers: Option<&HeaderMap>) -> Option<FailureKind> {
        (**self).end(trailers)
    }
}

impl<C: Classify + ?Sized> Classify for std::sync::Arc<C> {
    fn head(&self, head: Head<'_>) -> Option<FailureKind> {
        (**self).head(head)
    }

    fn end(&self, trailers: Option<&HeaderMap>) -> Option<FailureKind> {
        (**self).end(trailers)
    }
}

/// The default: the [`Failure`] that a leaf put into the extensions, else the HTTP status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByStatus;

impl Classify for ByStatus {
    fn head(&self, head: Head<'_>) -> Option<FailureKind> {
        match head.extensions.get::<Failure>() {
            Some(failure) => Some(failure.kind()),
            None => FailureKind::from_status(head.status),
        }
    }
}

/// For gRPC, where a failed call is an HTTP 200 with a `grpc-status` in its trailers, or in its head if there is no body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GrpcStatus;

impl GrpcStatus {
    fn read(headers: &HeaderMap) -> Option<FailureKind> {
        // Numbers of https://grpc.github.io/grpc/core/md_doc_statuscodes.html
        match headers.get("grpc-status")?.as_bytes() {
            b"0" => None,
            b"3" | b"9" | b"11" | b"12" => Some(FailureKind::BadRequest),
            b"4" => Some(FailureKind::Timeout),
            b"5" => Some(FailureKind::NotFound),
            b"6" | b"10" => Some(FailureKind::Conflict),
            b"7" => Some(FailureKind::PermissionDenied),
            b"8" => Some(FailureKind::RateLimited),
            b"14" => Some(FailureKind::Connect),
            b"16" => Some(FailureKind::Authentication),
            _ => Some(FailureKind::Server),
        }
    }
}

impl Classify for GrpcStatus {
    fn head(&self, head: Head<'_>) -> Option<FailureKind> {
        ByStatus.head(head).or_else(|| Self::read(head.headers))
    }

    fn end(&self, trailers: Option<&HeaderMap>) -> Option<FailureKind> {
        trailers.and_then(Self::read)
    }
}

/// Returns the failure of a call, if it is one, with all that is known about it.
///
/// An error is a failure as it stands. A response is judged by `classify`; the details come from the [`Failure`] in its
/// extensions if there is one, else from its status and headers.
pub fn judge<C, B>(classify: &C, result: &Result<Response<B>, Failure>) -> Option<Failure>
where
    C: Classify + ?Sized,
{
    let response = match result {
        Ok(response) => response,
        Err(failure) => return Some(failure.clone()),
    };
    let kind = classify.head(Head::of(response))?;
    Some(match response.extensions().get::<Failure>() {
        Some(failure) if failure.kind() == kind => failure.clone(),
        Some(failure) => failure.clone().with_kind(kind),
        None => Failure::from_head(kind, response.status(), response.headers()),
    })
}
