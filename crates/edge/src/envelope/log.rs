//! One line for each request.

use std::fmt;

use http::{Extensions, Response};
use tokio::time::Instant;
use ziggurat_core::{DeploymentId, Failure, LlmRequest, Metadata, Operation, Tried};

const TARGET: &str = "ziggurat::request";

/// The longest value of metadata that is logged, in bytes of JSON: ids are shorter, texts are not for logs.
const LONGEST: usize = 128;

/// What the line of a request says, noted while the request is there.
pub(super) struct Line {
    model: String,
    operation: Operation,
    stream: bool,
    metadata: Noted,
    tried: Tried,
    started: Instant,
}

/// The metadata that may be logged: names, and values as JSON.
struct Noted(Vec<(String, String)>);

impl Line {
    /// Notes what the line will say; `None` if no one listens.
    pub(super) fn of(extensions: &Extensions, keys: &[String]) -> Option<Self> {
        if !tracing::enabled!(target: TARGET, tracing::Level::DEBUG) {
            return None;
        }
        let request = extensions.get::<LlmRequest>()?;
        let metadata = extensions.get::<Metadata>();
        let noted = keys.iter().filter_map(|key| {
            let value = metadata?.get(key).filter(|value| value.len() <= LONGEST)?;
            Some((key.clone(), value.to_owned()))
        });
        Some(Self {
            model: request.model().to_owned(),
            operation: Operation::of(extensions),
            stream: request.stream(),
            metadata: Noted(noted.collect()),
            tried: extensions.get().cloned().unwrap_or_default(),
            started: Instant::now(),
        })
    }

    /// Writes the line, once the head of the answer is there.
    pub(super) fn write<B>(self, result: &Result<Response<B>, Failure>) {
        let failure = match result {
            Ok(response) => response.extensions().get::<Failure>(),
            Err(failure) => Some(failure),
        };
        let served = result.as_ref().ok();
        let served = served.and_then(|response| response.extensions().get::<DeploymentId>());
        tracing::debug!(
            target: TARGET,
            stream = self.stream,
            "gen_ai.operation.name" = self.operation.as_str(),
            "gen_ai.request.model" = self.model,
            deployment = served.map(DeploymentId::as_str),
            attempts = self.tried.attempts(),
            fallbacks = self.tried.hops(),
            elapsed_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "error.type" = failure.map(|failure| failure.kind().as_str()),
            metadata = ?self.metadata,
            "request"
        );
    }
}

impl fmt::Debug for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (name, value) in &self.0 {
            map.entry(name, &format_args!("{value}"));
        }
        map.finish()
    }
}
