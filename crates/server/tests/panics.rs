//! What is told of panics: alone here, for the hook is one for a whole process.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use ziggurat::Gateway;
use ziggurat_server::{Metrics, log_panics};

/// All that is logged, whatever its level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!(
            "{} {}",
            event.metadata().level(),
            event.metadata().target()
        ));
        event.record(&mut line);
        writeln!(self.0.lock().unwrap(), "{}", line.0).unwrap();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

fn page() -> String {
    let yaml = "model_list: [{model_name: a, litellm_params: {model: openai/b, api_base: 'http://127.0.0.1:1'}}]";
    let config = Gateway::loader(|_| None)
        .from_str(yaml, "config.yaml")
        .unwrap();
    let gateway = Gateway::new(&config).unwrap();
    Metrics::new(&config).print(&config, gateway.board())
}

#[test]
fn a_panic_is_counted_and_told_without_what_it_says() {
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    log_panics();
    assert!(page().contains("\nziggurat_panics_total 0\n"));
    let quotes = || {
        let prompt = String::from("a prompt \u{e9}");
        let _ = &prompt[..prompt.len() - 1];
    };
    let thread = std::thread::Builder::new().name("worker".to_owned());
    thread.spawn(quotes).unwrap().join().unwrap_err();
    assert!(page().contains("\nziggurat_panics_total 1\n"), "{}", page());

    let log = log.0.lock().unwrap();
    assert!(!log.contains("prompt"), "{log}");
    let line = log.lines().find(|line| line.contains("panicked")).unwrap();
    let begin = format!("{} ziggurat::server", Level::ERROR);
    assert!(line.starts_with(&begin), "{line}");
    for part in ["location=", "panics.rs:", "worker"] {
        assert!(line.contains(part), "{line}");
    }
}
