use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::Full;
use ziggurat::{core::retry_after, edge::EnvelopeLayer, region::infer::Deployment};

use crate::envelope::pass;

/// Headers, line by line: as an upstream's wait, as a client's wishes; and their values as where a deployment is.
pub fn headers(bytes: &[u8]) {
    let lines = bytes.split(|&byte| byte == b'\n');
    let mut headers = HeaderMap::new();
    for line in lines.take(64) {
        let at = line.iter().position(|&byte| byte == b':');
        let (name, value) = line.split_at(at.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    waits(&headers);
    wishes(&headers);
    for value in headers.values().filter_map(|value| value.to_str().ok()) {
        place(value);
    }
}

fn waits(headers: &HeaderMap) {
    let wait = retry_after::from_headers(headers);
    assert!(wait.is_none_or(|wait| wait <= Duration::MAX));
    for value in headers.values().filter_map(|value| value.to_str().ok()) {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let (now, later) = (
            retry_after::parse(value, at),
            retry_after::parse(value, at + Duration::from_secs(9)),
        );
        if let (Some(now), Some(later)) = (now, later) {
            assert!(later <= now, "it gets longer as time passes: {value}");
        }
    }
}

fn wishes(headers: &HeaderMap) {
    let mut request = Request::new(Full::new(Bytes::from_static(
        br#"{"model":"m","messages":[]}"#,
    )));
    *request.headers_mut() = headers.clone();
    for overrides in [false, true] {
        let layer = EnvelopeLayer::new().accept_overrides(overrides);
        if let Err(failure) = pass(&layer, request.clone()) {
            assert!(failure.status().is_client_error(), "{failure}");
        }
    }
}

fn place(value: &str) {
    for provider in ["vertex_ai", "bedrock", "watsonx"] {
        let deployments = [
            Deployment::new(provider, value),
            Deployment::new(provider, "m").location(value),
            Deployment::new(provider, "m").url(value),
        ];
        for deployment in deployments {
            let regions = deployment.regions(|_| None);
            assert!(
                regions.len() <= 64 && regions.iter().all(|region| !region.is_empty()),
                "{regions:?}"
            );
        }
    }
}
