//! What is told. In a process of its own: elsewhere, tests without a subscriber switch the events off for a moment.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

#[path = "cooldown/support.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod support;

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
};

use tracing::{Event, Metadata, Subscriber, field, span};
use ziggurat_cooldown::Group;
use ziggurat_core::{DeploymentId, Failure, FailureKind, Vitals};

use crate::support::{Deployment, ok, rules, status, with};

/// Writes every event of the layer into a line.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl field::Visit for Line {
    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "ziggurat::cooldown"
    }
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_is_told_from_its_beginning_to_its_end() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let take = || std::mem::take(&mut *lines.0.lock().unwrap());
    let named = || with(DeploymentId::from("zephyr-1"));
    let deployment = Deployment::new(rules().allowed_fails(1));

    deployment.send(ok(), named()).await;
    deployment.send(status(400), named()).await;
    assert!(take().is_empty());
    let secret = Failure::new(FailureKind::Server).with_message("sk-secret");
    deployment
        .send(Err(secret.with_source("sk-secret")), named())
        .await;
    deployment.send(status(500), named()).await;
    assert_eq!(
        take(),
        [
            r#"DEBUG message=failure counted deployment="zephyr-1" error.type="server" failures=1"#,
            r#"DEBUG message=failure counted deployment="zephyr-1" error.type="server" failures=2"#,
            r#"INFO message=cooldown began deployment="zephyr-1" seconds=5.0 error.type="server" failures=2"#,
        ]
    );
    deployment.send(ok(), named()).await;
    assert_eq!(
        take(),
        [r#"DEBUG message=call refused deployment="zephyr-1""#]
    );
    deployment.expire().await;
    deployment.send(ok(), named()).await;
    assert_eq!(
        take(),
        [r#"INFO message=cooldown ended deployment="zephyr-1""#]
    );
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_that_cannot_be_is_told() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let group = Group::new([Arc::new(Vitals::new())], 0.4);
    let deployment = Deployment::with(rules(), |layer| layer.group(group));
    deployment.call(status(429)).await;
    assert_eq!(
        lines.0.lock().unwrap()[1..],
        [
            r#"DEBUG message=no cooldown, too many others are away error.type="rate_limited" failures=1"#
        ]
    );
}
