//! What stands around every path: ids, tracing, panics, size.

use std::{any::Any, convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Response, StatusCode, Version,
    header::{CONNECTION, CONTENT_TYPE},
};
use http_body::Body;
use http_body_util::{Either, Full};
use tower::{BoxError, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::{
    body::Limited,
    catch_panic::{CatchPanicLayer, ResponseForPanic},
    limit::RequestBodyLimitLayer,
    request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer},
    sensitive_headers::SetSensitiveRequestHeadersLayer,
    trace::TraceLayer,
};
use tracing::Span;
use ziggurat::{
    core::{Failure, FailureKind},
    edge::{ErrorForm, ErrorTypes},
};

use crate::key::KEY_HEADERS;

/// The header that carries the id of a call: taken from the client, or made here.
pub const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");

/// Puts tower-http's layers around a service: from the outside sensitive headers, call ids, tracing, panics, body limit.
///
/// Bodies over `limit` bytes are answered with 413, a panic with 500, both in the form of the API that was called and as
/// `error_types` says.
pub fn outer<S, B, R>(
    inner: S,
    limit: usize,
    error_types: ErrorTypes,
) -> impl Service<
    Request<B>,
    Response = Response<impl Body<Data = Bytes, Error = BoxError> + Send + 'static>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
+ 'static
where
    S: Service<Request<Limited<B>>, Response = Response<R>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    ServiceBuilder::new()
        .layer(SetSensitiveRequestHeadersLayer::new(KEY_HEADERS.clone()))
        .layer(SetRequestIdLayer::new(CALL_ID, CallId))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span::<B>)
                .on_request(())
                .on_response(answered)
                .on_body_chunk(())
                .on_eos(())
                .on_failure(()),
        )
        .layer(PropagateRequestIdLayer::new(CALL_ID))
        .service(service_fn(move |req: Request<B>| {
            let form = ErrorForm::of(&req, error_types);
            let on_panic = OnPanic { form: form.clone() };
            let version = req.version();
            ServiceBuilder::new()
                .layer(CatchPanicLayer::custom(on_panic))
                .map_response(move |response| {
                    let mut response = sized(response, limit, &form);
                    if may_be_unread(response.status()) {
                        close(&mut response, version);
                    }
                    response
                })
                .layer(RequestBodyLimitLayer::new(limit))
                .service(inner.clone())
                .oneshot(req)
        }))
}

/// Makes call ids: random UUIDs of version 4.
#[derive(Clone, Copy, Debug)]
struct CallId;

impl MakeRequestId for CallId {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        const HEX: [u8; 16] = *b"0123456789abcdef";
        // Ids need to be unique, not secret: no entropy of the system is spent on them.
        let mut bytes = fastrand::u128(..).to_be_bytes();
        (bytes[6], bytes[8]) = (bytes[6] & 0x0f | 0x40, bytes[8] & 0x3f | 0x80);
        let mut id = [b'-'; 36];
        let digits = (0..id.len()).filter(|at| !matches!(at, 8 | 13 | 18 | 23));
        for (n, at) in digits.enumerate() {
            let byte = bytes[n / 2];
            id[at] = HEX[usize::from(if n % 2 == 0 { byte >> 4 } else { byte & 0x0f })];
        }
        HeaderValue::from_bytes(&id).ok().map(RequestId::new)
    }
}

fn span<B>(req: &Request<B>) -> Span {
    // The path only: a query may hold a key.
    tracing::debug_span!(
        "ziggurat.request",
        http.request.method = %req.method(),
        url.path = req.uri().path(),
        call_id = req.headers().get(CALL_ID).and_then(|id| id.to_str().ok()),
    )
}

fn answered<R>(response: &Response<R>, latency: Duration, _: &Span) {
    tracing::debug!(
        target: "ziggurat::server",
        latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
        http.response.status_code = response.status().as_u16(),
        "answered"
    );
}

/// Says whether bodies are refused with this status before they are read to their end.
fn may_be_unread(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE
    )
}

/// Tells a client whose body is not read that its connection ends with this answer: the next request would be lost on it.
pub(crate) fn close<R>(response: &mut Response<R>, version: Version) {
    // The streams of HTTP/2 end one by one.
    if version <= Version::HTTP_11 {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
}

/// Gives the limit's own refusal, a line of text, the form of all other errors.
fn sized<R>(
    response: Response<R>,
    limit: usize,
    form: &ErrorForm,
) -> Response<Either<R, Full<Bytes>>> {
    let is_json = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value == "application/json");
    if response.status() != StatusCode::PAYLOAD_TOO_LARGE || is_json {
        return response.map(Either::Left);
    }
    let failure = Failure::new(FailureKind::PayloadTooLarge)
        .with_param("request_body")
        .with_message(format!("the request body is larger than {limit} bytes"));
    error(&failure, form).map(Either::Right)
}

#[derive(Clone, Debug)]
struct OnPanic {
    form: ErrorForm,
}

impl ResponseForPanic for OnPanic {
    type ResponseBody = Full<Bytes>;

    fn response_for_panic(&mut self, _: Box<dyn Any + Send + 'static>) -> Response<Full<Bytes>> {
        // What a panic says may quote a request; where it happened is in the panic hook's own line.
        tracing::error!(target: "ziggurat::server", "a request panicked");
        error(
            &Failure::new(FailureKind::Other).with_message("internal error"),
            &self.form,
        )
    }
}

fn error(failure: &Failure, form: &ErrorForm) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(form.json(failure)));
    *response.status_mut() = form.status(failure);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_ids_are_uuids_of_version_4() {
        let id = CallId.make_request_id(&Request::new(())).unwrap();
        let id = id.header_value().to_str().unwrap();
        let parts: Vec<_> = id.split('-').collect();
        assert_eq!(
            parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12],
            "{id}"
        );
        assert!(
            parts
                .iter()
                .all(|part| part.bytes().all(|b| b.is_ascii_hexdigit())),
            "{id}"
        );
        assert!(
            parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']),
            "{id}"
        );
    }
}
