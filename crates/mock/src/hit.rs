use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header::AsHeaderName};
use tokio::{sync::watch, time::Instant};

use crate::receive::Request;

/// One request that an upstream has received in full.
///
/// A handle: clones see the same request and its progress. [`Debug`](fmt::Debug) shows method, path and progress, no
/// headers and no body.
#[derive(Clone)]
pub struct Hit {
    inner: Arc<Inner>,
}

struct Inner {
    request: Request,
    at: Instant,
    connection: u64,
    progress: watch::Sender<Progress>,
}

/// How far the upstream has come with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// The step is being played.
    Running,
    /// The step was played to its end, which may have been a cut.
    Done,
    /// The client closed or reset the connection before the end.
    ClientLeft,
    /// The upstream was stopped before the end.
    Stopped,
}

impl Hit {
    /// Returns the method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.inner.request.method
    }

    /// Returns the path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.uri().path()
    }

    /// Returns the query, without the question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.uri().query()
    }

    /// Returns the request target as it was sent.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.inner.request.uri
    }

    /// Returns the headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.inner.request.headers
    }

    /// Returns a header, if it is there and is text.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// Returns the body, out of its transfer encoding.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.inner.request.body
    }

    /// Parses the body.
    ///
    /// # Errors
    ///
    /// If the body is not JSON.
    pub fn json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::from_slice(self.body())
    }

    /// Returns when the last byte of the request arrived.
    #[must_use]
    pub fn at(&self) -> Instant {
        self.inner.at
    }

    /// Returns the number of the connection that the request came on, counted from 0: equal numbers mean reuse.
    #[must_use]
    pub fn connection(&self) -> u64 {
        self.inner.connection
    }

    /// Returns how far the upstream has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        *self.inner.progress.borrow()
    }

    /// Says whether the client went away before the end.
    #[must_use]
    pub fn client_left(&self) -> bool {
        self.progress() == Progress::ClientLeft
    }

    /// Waits until the step has ended, and says how. Cancelling loses nothing.
    pub async fn ended(&self) -> Progress {
        let mut progress = self.inner.progress.subscribe();
        let ended = progress.wait_for(|p| *p != Progress::Running).await;
        *ended.expect("the sender lives in `self`")
    }
}

impl fmt::Debug for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hit")
            .field("method", self.method())
            .field("path", &self.path())
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

/// Sets the progress of a hit; dropped before its end, the upstream was stopped.
#[derive(Debug)]
pub(crate) struct Recording {
    hit: Hit,
}

impl Recording {
    pub(crate) fn request(&self) -> &Request {
        &self.hit.inner.request
    }

    pub(crate) fn end(self, progress: Progress) {
        self.hit.inner.progress.send_replace(progress);
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.hit.inner.progress.send_if_modified(|progress| {
            let stopped = *progress == Progress::Running;
            if stopped {
                *progress = Progress::Stopped;
            }
            stopped
        });
    }
}

/// The latest requests, and the number of all.
#[derive(Debug)]
pub(crate) struct Log {
    keep: usize,
    kept: Mutex<VecDeque<Hit>>,
    count: watch::Sender<u64>,
}

impl Log {
    pub(crate) fn new(keep: usize) -> Self {
        Self {
            keep,
            kept: Mutex::default(),
            count: watch::Sender::new(0),
        }
    }

    /// Records a request, and returns its number, counted from 0.
    pub(crate) fn record(&self, request: Request, connection: u64) -> (u64, Recording) {
        let progress = watch::Sender::new(Progress::Running);
        let hit = Hit {
            inner: Arc::new(Inner {
                request,
                at: Instant::now(),
                connection,
                progress,
            }),
        };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if self.keep > 0 {
            if kept.len() == self.keep {
                kept.pop_front();
            }
            kept.push_back(hit.clone());
        }
        // Counted under the lock, so that whoever sees the count finds the hit.
        let mut number = 0;
        self.count.send_modify(|count| {
            number = *count;
            *count += 1;
        });
        drop(kept);
        (number, Recording { hit })
    }

    pub(crate) fn hits(&self) -> Vec<Hit> {
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }

    pub(crate) fn count(&self) -> u64 {
        *self.count.borrow()
    }

    pub(crate) async fn reached(&self, count: u64) {
        let mut counts = self.count.subscribe();
        counts
            .wait_for(|n| *n >= count)
            .await
            .expect("the sender lives in `self`");
    }
}
