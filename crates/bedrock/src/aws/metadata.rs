//! Keys of the machine or the container that this process runs in.

use std::{net::IpAddr, time::Duration};

use aws_smithy_types::date_time::{DateTime, Format};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header::AUTHORIZATION};
use serde::Deserialize;
use tokio::time::timeout;
use ziggurat_core::{Failure, FailureKind};
use ziggurat_provider::credentials::Fresh;

use super::{Clock, Keys, Reach, failed, read_file, refused};

/// Where containers of ECS find their keys.
const CONTAINERS: &str = "http://169.254.170.2";
/// Where machines of EC2 do.
const MACHINES: &str = "http://169.254.169.254";

/// How long a machine's own address may take: it is near, or not there. AWS's own clients wait as long.
const NEAR: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
    expiration: Option<String>,
}

/// Whether a container's environment names a source of keys.
pub(super) fn is_in_container(reach: &Reach) -> bool {
    reach
        .variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
        .is_some()
        || reach
            .variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")
            .is_some()
}

pub(super) async fn of_container(reach: &Reach) -> Result<Fresh<Keys>, Failure> {
    let relative = reach.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let address = match relative {
        Some(path) => format!("{CONTAINERS}{path}"),
        None => reach
            .variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")
            .unwrap_or_default(),
    };
    let uri: Uri = address
        .parse()
        .map_err(|_| failed("AWS_CONTAINER_CREDENTIALS_FULL_URI is no URL"))?;
    if !may_be_told(&uri) {
        return Err(failed(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an address of this machine",
        ));
    }
    let token = match reach.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(read_file(path).await?.trim().to_owned()),
        None => reach.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    let mut request = get(uri);
    if let Some(token) = token {
        let value = HeaderValue::try_from(token)
            .map_err(|_| failed("the container's authorization token is no header value"))?;
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    let answer = near(reach, request).await?;
    document(&answer, reach.clock)
}

/// Whether a machine may be asked: not if its environment says no.
pub(super) fn may_ask_machine(reach: &Reach) -> bool {
    let disabled = reach.variable("AWS_EC2_METADATA_DISABLED");
    !disabled.is_some_and(|disabled| disabled.eq_ignore_ascii_case("true"))
}

/// Asks the machine, by version 2 of its protocol.
pub(super) async fn of_machine(reach: &Reach) -> Result<Fresh<Keys>, Failure> {
    const TTL: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token-ttl-seconds");
    const TOKEN: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");
    let base = reach.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    let base = base.unwrap_or_else(|| MACHINES.to_owned());
    let base = base.trim_end_matches('/');
    let at = |path: &str| {
        let uri = format!("{base}/latest/{path}").parse();
        uri.map_err(|_| failed("AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL"))
    };
    let mut request = get(at("api/token")?);
    *request.method_mut() = Method::PUT;
    request
        .headers_mut()
        .insert(TTL, HeaderValue::from_static("21600"));
    let token = near(reach, request).await?;
    let token = HeaderValue::from_bytes(token.trim_ascii())
        .map_err(|_| failed("the machine's metadata token is no header value"))?;
    let read = async |path: String| {
        let mut request = get(at(&path)?);
        request.headers_mut().insert(TOKEN, token.clone());
        near(reach, request).await
    };
    const ROLES: &str = "meta-data/iam/security-credentials/";
    let roles = read(ROLES.to_owned()).await?;
    let roles = String::from_utf8_lossy(&roles).into_owned();
    let role = roles.lines().next().unwrap_or_default().trim();
    document(&read(format!("{ROLES}{role}")).await?, reach.clock)
}

fn get(uri: Uri) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = uri;
    request
}

async fn near(reach: &Reach, request: Request<Bytes>) -> Result<Bytes, Failure> {
    let late = || Failure::new(FailureKind::Timeout).with_limit(NEAR);
    let response = timeout(NEAR, reach.client.fetch(request)).await;
    let response = response.map_err(|_| late())??;
    match response.status().is_success() {
        true => Ok(response.into_body()),
        false => {
            let status = response.status();
            let message = format!("the source of AWS credentials answered with status {status}");
            Err(refused(&response, message))
        }
    }
}

fn document(answer: &[u8], clock: Clock) -> Result<Fresh<Keys>, Failure> {
    let document: Document = serde_json::from_slice(answer)
        .map_err(|_| failed("the answer of the source of AWS credentials has none"))?;
    let keys = Keys {
        id: document.access_key_id,
        secret: document.secret_access_key,
        token: document.token,
    };
    fresh(keys, document.expiration.as_deref(), clock)
}

/// Notes until when keys are good. Those that are over already are refused.
pub(super) fn fresh(
    keys: Keys,
    expiration: Option<&str>,
    clock: Clock,
) -> Result<Fresh<Keys>, Failure> {
    let Some(expiration) = expiration else {
        return Ok(Fresh::new(keys));
    };
    let end = DateTime::from_str(expiration, Format::DateTimeWithOffset)
        .map_err(|_| failed("the end of AWS credentials is no date"))?;
    let end = Duration::from_secs(end.secs().try_into().unwrap_or(0));
    let now = clock()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    match end.checked_sub(now) {
        Some(left) if !left.is_zero() => Ok(Fresh::new(keys).expires_in(left)),
        _ => Err(failed("the AWS credentials that came are over already")),
    }
}

/// Whether an address may be told a container's token: over TLS, or on this machine.
fn may_be_told(uri: &Uri) -> bool {
    if uri.scheme_str() == Some("https") {
        return true;
    }
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    if host == "localhost" {
        return true;
    }
    let of_agents = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
    let address: Option<IpAddr> = host.parse().ok();
    address.is_some_and(|address| {
        address.is_loopback() || of_agents.iter().any(|agent| agent.parse() == Ok(address))
    })
}
