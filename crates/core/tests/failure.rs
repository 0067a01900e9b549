//! Failures: what they say, what they hide, and how they survive boxes.

use std::{error::Error, fmt, time::Duration};

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use ziggurat_core::{
    BoxError, ByStatus, Classify, Failure, FailureKind, GrpcStatus, Head, UpstreamError, judge,
    retry_after,
};

#[derive(Debug)]
struct Foreign(Failure);
impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("foreign")
    }
}
impl Error for Foreign {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn wrap_finds_ours_in_boxes_and_source_chains() {
    let failure = Failure::new(FailureKind::Timeout).with_retry_after(Duration::from_secs(1));
    let boxed: BoxError = Box::new(failure.clone());
    assert_eq!(
        Failure::wrap(boxed).retry_after(),
        Some(Duration::from_secs(1))
    );
    assert_eq!(Failure::wrap(Foreign(failure)).kind(), FailureKind::Timeout);
    let other = Failure::wrap(std::io::Error::other("boom"));
    assert_eq!(other.kind(), FailureKind::Other);
    assert_eq!(other.source().unwrap().to_string(), "boom");
}

#[test]
fn what_the_upstream_wrote_is_not_shown() {
    let upstream = UpstreamError::new("OpenAI", "you said: secret")
        .with_code("secret")
        .with_fields("secret".into());
    let failure = Failure::new(FailureKind::BadRequest)
        .with_upstream(upstream)
        .with_excerpt("secret");
    let shown = format!("{failure} {failure:?} {:?}", failure.upstream());
    assert!(!shown.contains("secret"), "{shown}");
    assert!(shown.contains("OpenAI"));
}

#[test]
fn statuses_have_kinds_and_kinds_statuses() {
    for status in 100..400 {
        assert_eq!(
            FailureKind::from_status(StatusCode::from_u16(status).unwrap()),
            None
        );
    }
    let of = |status| FailureKind::from_status(StatusCode::from_u16(status).unwrap()).unwrap();
    for (status, kind) in [
        (400, FailureKind::BadRequest),
        (401, FailureKind::Authentication),
        (402, FailureKind::PaymentRequired),
        (403, FailureKind::PermissionDenied),
        (404, FailureKind::NotFound),
        (409, FailureKind::Conflict),
        (413, FailureKind::PayloadTooLarge),
        (429, FailureKind::RateLimited),
        (500, FailureKind::Server),
    ] {
        assert_eq!(of(status), kind);
        assert_eq!(kind.status(), status);
    }
    assert_eq!(
        (of(408), of(504), of(418), of(529)),
        (
            FailureKind::Timeout,
            FailureKind::Timeout,
            FailureKind::BadRequest,
            FailureKind::Server
        )
    );
    assert_eq!(
        Failure::new(FailureKind::Timeout)
            .with_status(StatusCode::GATEWAY_TIMEOUT)
            .status(),
        504
    );
}

fn wait(pairs: &[(&'static str, &'static str)]) -> Option<Duration> {
    let headers = pairs.iter().map(|(name, value)| {
        (
            http::HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    });
    retry_after::from_headers(&HeaderMap::from_iter(headers))
}

#[test]
fn waits_are_read_from_seconds_milliseconds_and_dates() {
    assert_eq!(wait(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
    assert_eq!(
        wait(&[("retry-after", " 0.5 ")]),
        Some(Duration::from_millis(500))
    );
    assert_eq!(
        wait(&[("retry-after", "7"), ("retry-after-ms", "250")]),
        Some(Duration::from_millis(250))
    );
    assert_eq!(
        wait(&[("retry-after", "7"), ("retry-after-ms", "soon")]),
        Some(Duration::from_secs(7))
    );
    for nonsense in [
        "",
        "-1",
        "inf",
        "nan",
        "1e3",
        "soon",
        "99999999999999999999",
        ".",
    ] {
        assert_eq!(wait(&[("retry-after", nonsense)]), None, "{nonsense}");
    }
    let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
    let parse = |text| retry_after::parse(text, now);
    assert_eq!(
        parse("Sun, 06 Nov 1994 08:49:47 GMT"),
        Some(Duration::from_secs(10))
    );
    assert_eq!(parse("Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO));
    assert_eq!(parse("Sun, 06 Nov 2094 08:49:47 GMT"), None);
}

#[test]
fn a_leafs_failure_counts_before_the_status() {
    let mut response = Response::new(());
    assert!(judge(&ByStatus, &Ok(response.clone())).is_none());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
        .headers_mut()
        .insert("retry-after", HeaderValue::from_static("3"));
    let failure = judge(&ByStatus, &Ok(response.clone())).unwrap();
    assert_eq!(
        (failure.kind(), failure.status().as_u16()),
        (FailureKind::Server, 503)
    );
    assert_eq!(failure.retry_after(), Some(Duration::from_secs(3)));
    response
        .extensions_mut()
        .insert(Failure::new(FailureKind::ContextWindow).with_message("ours"));
    let failure = judge(&ByStatus, &Ok(response)).unwrap();
    assert_eq!(
        (failure.kind(), failure.message()),
        (FailureKind::ContextWindow, Some("ours"))
    );
    let failure = judge(
        &ByStatus,
        &Err::<Response<()>, _>(Failure::new(FailureKind::Connect)),
    )
    .unwrap();
    assert_eq!(failure.kind(), FailureKind::Connect);
}

#[test]
fn grpc_failures_are_found_in_head_and_trailers() {
    let of = |status: &'static str| {
        HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            HeaderValue::from_static(status),
        )])
    };
    let mut response = Response::new(());
    assert_eq!(GrpcStatus.head(Head::of(&response)), None);
    *response.headers_mut() = of("14");
    assert_eq!(
        GrpcStatus.head(Head::of(&response)),
        Some(FailureKind::Connect)
    );
    // The HTTP status of such a failure is 200 and must not become the failure's.
    assert_eq!(judge(&GrpcStatus, &Ok(response)).unwrap().status(), 503);
    assert_eq!(GrpcStatus.end(Some(&of("0"))), None);
    assert_eq!(
        GrpcStatus.end(Some(&of("8"))),
        Some(FailureKind::RateLimited)
    );
    assert_eq!(GrpcStatus.end(None), None);
    assert_eq!(ByStatus.end(Some(&of("8"))), None);
}
