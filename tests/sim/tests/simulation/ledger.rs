//! What happened, as all hosts of a simulation tell it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::sync::Notify;

use crate::plan::Conduct;

/// A record that all hosts write. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Shared>);

#[derive(Default)]
struct Shared {
    record: Mutex<Record>,
    /// Asks the proxy to end.
    stop: Notify,
    /// The proxy has ended.
    stopped: Notify,
}

/// All that happened.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) now: Duration,
    pub(crate) calls: Vec<Call>,
    /// When each request ended for its caller.
    pub(crate) ends: HashMap<usize, Duration>,
    pub(crate) problems: Vec<String>,
    pub(crate) trace: Vec<String>,
}

/// A call as an upstream saw it.
pub(crate) struct Call {
    pub(crate) upstream: &'static str,
    pub(crate) request: usize,
    pub(crate) conduct: Conduct,
    pub(crate) begun: Duration,
    /// When nothing of it ran any more.
    pub(crate) ended: Option<Duration>,
}

/// Something that runs at an upstream until it is dropped.
pub(crate) struct Running {
    ledger: Ledger,
    call: usize,
}

// === impl Ledger ===

impl Ledger {
    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.0.record.lock().expect("nobody panics with the record")
    }

    /// Writes a line of the trace.
    pub(crate) fn tell(&self, line: impl fmt::Display) {
        let mut record = self.record();
        let line = format!("{:>6} {line}", record.now.as_millis());
        record.trace.push(line);
    }

    /// Writes down what must not be.
    pub(crate) fn problem(&self, problem: impl fmt::Display) {
        self.tell(format_args!("PROBLEM {problem}"));
        self.record().problems.push(problem.to_string());
    }

    /// How often a request was sent to an upstream so far.
    pub(crate) fn count(&self, upstream: &str, request: usize) -> usize {
        let record = self.record();
        let calls = record.calls.iter();
        calls
            .filter(|call| call.upstream == upstream && call.request == request)
            .count()
    }

    pub(crate) fn call(&self, upstream: &'static str, request: usize, conduct: Conduct) -> Running {
        self.tell(format_args!("{upstream} is asked {request}: {conduct:?}"));
        let mut record = self.record();
        let begun = record.now;
        record.calls.push(Call {
            upstream,
            request,
            conduct,
            begun,
            ended: None,
        });
        Running {
            ledger: self.clone(),
            call: record.calls.len() - 1,
        }
    }

    pub(crate) fn end(&self, request: usize, outcome: impl fmt::Display) {
        self.tell(format_args!("request {request} ends: {outcome}"));
        let mut record = self.record();
        let now = record.now;
        record.ends.insert(request, now);
    }

    /// Asks the proxy to end, and waits until it has.
    pub(crate) async fn stop(&self) {
        self.0.stop.notify_one();
        self.0.stopped.notified().await;
    }

    pub(crate) async fn told_to_stop(&self) {
        self.0.stop.notified().await;
    }

    pub(crate) fn has_stopped(&self) {
        self.0.stopped.notify_one();
    }
}

// === impl Running ===

impl Drop for Running {
    fn drop(&mut self) {
        let mut record = self.ledger.record();
        let now = record.now;
        let call = &mut record.calls[self.call];
        call.ended = Some(now);
        let line = format!("{} has ended {}", call.upstream, call.request);
        drop(record);
        self.ledger.tell(line);
    }
}
