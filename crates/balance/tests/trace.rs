//! The span around each call, and the events.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use http::Request;
use support::{Leaf, ask, endpoint};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::with_default,
};
use ziggurat_balance::{Balance, Endpoint, Shuffle};
use ziggurat_core::ModelGroup;

/// Writes down spans, their entries and events of this crate, one line each.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Lines {
    fn write(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Fields)) {
        let mut fields = Fields(format!("{} {}", metadata.level(), metadata.target()));
        record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "ziggurat::balance"
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.write(span.metadata(), |fields| {
            fields.0.push_str(" span ");
            fields.0.push_str(span.metadata().name());
            span.record(fields);
        });
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.write(event.metadata(), |fields| event.record(fields));
    }

    fn enter(&self, _: &Id) {
        self.0.lock().unwrap().push("enter".into());
    }

    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().push("exit".into());
    }
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

#[test]
fn each_call_runs_in_a_span_of_its_attempt() {
    let lines = Lines::default();
    let seen = lines.clone();
    let leaf = Leaf::new().answering(move |_| {
        seen.0.lock().unwrap().push("called".into());
        support::status(http::StatusCode::BAD_GATEWAY)
    });
    let balance = Balance::new([Endpoint::new("a", leaf)]);
    let (_, mut request) = support::request();
    request.extensions_mut().insert(ModelGroup::from("group"));
    with_default(lines.clone(), || run(ask(&balance, request)));
    assert_eq!(
        lines.take(),
        [
            r#"DEBUG ziggurat::balance message=deployment chosen deployment="a" model_group="group" class="untried""#,
            r#"DEBUG ziggurat::balance span ziggurat.attempt attempt=0 deployment="a" model_group="group""#,
            "enter",
            "called",
            "exit",
            "enter", // the poll
            "exit",
            r#"DEBUG ziggurat::balance message=attempt failed deployment="a" error.type="server""#,
            "enter", // the drop
            "exit",
        ]
    );
}

#[test]
fn fields_that_are_not_known_are_left_out() {
    let lines = Lines::default();
    let balance = Balance::new([endpoint("a")]);
    let response = with_default(lines.clone(), || {
        run(tower::ServiceExt::oneshot(balance, Request::new(()))).unwrap()
    });
    drop(response);
    let span = &lines.take()[1];
    assert_eq!(
        span,
        r#"DEBUG ziggurat::balance span ziggurat.attempt deployment="a""#
    );
}

#[test]
fn r40_a_group_that_mixes_declared_and_undeclared_is_told_once() {
    let lines = Lines::default();
    with_default(lines.clone(), || {
        let endpoints = [
            endpoint("a").rpm(6.0),
            endpoint("b"),
            endpoint("c").tpm(1.0),
        ];
        let balance = Balance::with_policy(endpoints, Shuffle::seeded(1));
        drop(balance.clone());
    });
    assert_eq!(
        lines.take(),
        ["b", "c"].map(|name| format!(
            "INFO ziggurat::balance message=metric not declared, taken as the mean of the others \
             deployment={name} metric=\"rpm\""
        ))
    );
    with_default(lines.clone(), || {
        Balance::new([endpoint("a"), endpoint("b")]);
        Balance::new([endpoint("a").tpm(1.0), endpoint("b").tpm(2.0)]);
    });
    assert!(lines.take().is_empty());
}

#[test]
fn a_number_out_of_range_is_warned_of() {
    let lines = Lines::default();
    with_default(lines.clone(), || endpoint("a").weight(-1.0));
    let lines = lines.take();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("WARN ziggurat::balance"), "{lines:?}");
    assert!(lines[0].contains("value=-1.0"), "{lines:?}");
}
