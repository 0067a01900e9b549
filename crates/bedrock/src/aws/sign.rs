//! Signature version 4.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign as sign_request},
    sign::v4,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, header::CONTENT_TYPE};
use tracing::dispatcher::{Dispatch, with_default};
use ziggurat_core::Failure;

use super::{Keys, failed};

/// Signs a request: its method, address, type and body. Headers that are added later, or by proxies, are not signed.
pub(crate) fn sign<B>(
    request: &mut Request<B>,
    body: &[u8],
    keys: &Keys,
    service: &str,
    region: &str,
    now: SystemTime,
) -> Result<(), Failure> {
    let headers = signature(request, body, keys, service, region, now)
        .ok_or_else(|| failed("the request cannot be signed"))?;
    request.headers_mut().extend(headers);
    Ok(())
}

fn signature<B>(
    request: &Request<B>,
    body: &[u8],
    keys: &Keys,
    service: &str,
    region: &str,
    now: SystemTime,
) -> Option<HeaderMap> {
    let credentials = Credentials::new(
        &*keys.id,
        &*keys.secret,
        keys.token.clone(),
        None,
        "ziggurat",
    );
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .ok()?
        .into();
    let content_type = request.headers().get(CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    let uri = request.uri().to_string();
    let signable = SignableRequest::new(
        request.method().as_str(),
        uri,
        content_type
            .map(|value| ("content-type", value))
            .into_iter(),
        SignableBody::Bytes(body),
    )
    .ok()?;
    // At the level of traces it tells of keys, and of bodies if the environment says so: nobody listens meanwhile.
    let signed = with_default(&Dispatch::none(), || sign_request(signable, &params));
    let (instructions, _) = signed.ok()?.into_parts();
    let mut headers = HeaderMap::new();
    for (name, value) in instructions.headers() {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(name != "x-amz-date");
        headers.insert(HeaderName::try_from(name).ok()?, value);
    }
    Some(headers)
}
