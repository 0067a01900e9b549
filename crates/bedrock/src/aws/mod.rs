//! Credentials of AWS, and signatures made with them.

mod chain;
mod metadata;
mod profile;
mod sign;
mod sts;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use http::Response;
use serde::Serialize;
use ziggurat_core::{Failure, FailureKind};
use ziggurat_provider::{HttpClient, credentials::Cached};

pub(crate) use self::{chain::Settings, profile::Profiles, sign::sign};

/// Looks environment variables up.
pub(crate) type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Tells the time, for signatures.
pub(crate) type Clock = fn() -> SystemTime;

/// What signs requests. They are written out for nothing but the key under which those made with them are shared.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

/// The keys that signed a call, noted when it is authorized. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Signer(Arc<OnceLock<Arc<Keys>>>);

/// Where the keys of a deployment come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// They do not change.
    Fixed(Arc<Keys>),
    /// They are fetched, and expire.
    Fetched(Cached<Arc<Keys>>),
}

/// What is needed to fetch keys.
#[derive(Clone)]
pub(crate) struct Reach {
    pub(crate) client: HttpClient,
    pub(crate) environment: Lookup,
    pub(crate) region: Arc<str>,
    /// The address of the token service, if it is not the region's own.
    pub(crate) sts: Option<Arc<str>>,
    pub(crate) clock: Clock,
}

impl Reach {
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name).filter(|value| !value.trim().is_empty())
    }
}

impl Signer {
    /// Notes keys. A call is made once: the first count.
    pub(crate) fn note(&self, keys: &Arc<Keys>) {
        let _ = self.0.set(keys.clone());
    }

    /// Says whether it was these.
    pub(crate) fn is(&self, keys: &Arc<Keys>) -> bool {
        self.0.get().is_some_and(|signed| Arc::ptr_eq(signed, keys))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// No credentials: the message says what was wrong.
fn failed(message: impl Into<Box<str>>) -> Failure {
    Failure::new(FailureKind::Authentication).with_message(message)
}

/// What a server of credentials means by an error: that they are no good, unless it is in trouble itself.
fn refused<B>(response: &Response<B>, message: String) -> Failure {
    let status = response.status();
    let transient = matches!(status.as_u16(), 408 | 429 | 500..);
    match FailureKind::from_status(status).filter(|_| transient) {
        Some(kind) => {
            let failure = Failure::from_head(kind, status, response.headers());
            failure.with_message(message).with_status(kind.status())
        }
        None => failed(message),
    }
}

/// Reads a small file, which no async reader would make faster.
async fn read_file(path: String) -> Result<String, Failure> {
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path));
    match read.await {
        Ok(Ok(text)) => Ok(text),
        // The path may tell more than a client should know.
        _ => Err(failed("a file with AWS credentials cannot be read")),
    }
}
