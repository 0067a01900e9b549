//! What is told about a walk.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
};

use common::{World, chain, general, request, wishing};
use tracing::{Event, Metadata, Subscriber, field, span};
use ziggurat_core::{
    FailureKind::{ContextWindow, Server},
    fallbacks::Target,
};

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
        metadata.target() == "ziggurat::fallback"
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

#[tokio::test]
async fn each_hop_and_the_end_are_told() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let take = || std::mem::take(&mut *lines.0.lock().unwrap());

    let world = World::failing([("a", ContextWindow), ("b", Server)]);
    let secret = Target::new("b").with_parameter("messages", "\"secret\"");
    let wish = wishing("a", |wishes| {
        wishes.chain = Some(chain([secret, "c".into()]))
    });
    world.ask(&general(&[]), wish).await.unwrap();
    assert_eq!(
        take(),
        [
            r#"DEBUG message=asking another model group from="a" to="b" reason="context_window" error.type="context_window""#,
            r#"DEBUG message=asking another model group from="b" to="c" reason="context_window" error.type="server""#,
        ]
    );

    let world = World::down(["a", "b"]);
    world
        .ask(&general(&[("a", &["b"])]), request("a"))
        .await
        .unwrap();
    assert_eq!(
        take()[1..],
        [r#"WARN message=no fallback answered model_group="a" hops=1 error.type="server""#]
    );

    let world = World::failing([("a", ziggurat_core::FailureKind::ContentPolicy)]);
    world
        .ask(&general(&[("a", &["b"])]), request("a"))
        .await
        .unwrap();
    assert_eq!(
        take(),
        [
            r#"DEBUG message=no other model group to ask model_group="a" error.type="content_policy""#
        ]
    );
}
