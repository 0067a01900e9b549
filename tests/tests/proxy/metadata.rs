//! What callers note about their requests.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
};

use serde_json::json;
use tracing::{Event, Metadata, Subscriber, field, span};
use ziggurat_testing::mock::Step;

use crate::support::{Proxy, upstream};

/// Everything that is logged, in one text; and the lines of requests.
#[derive(Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    all: Arc<Mutex<String>>,
}

struct Text(String);

impl field::Visit for Text {
    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("ziggurat")
    }
    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.all.lock().unwrap().push_str(&text.0);
        if event.metadata().target() == "ziggurat::request" {
            self.lines.lock().unwrap().push(text.0);
        }
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut text = Text(String::new());
        span.record(&mut text);
        self.all.lock().unwrap().push_str(&text.0);
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}, model_info: {id: one}}
";

#[tokio::test(start_paused = true)]
async fn only_listed_metadata_is_logged_and_none_goes_upstream() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let a = upstream("a", [Step::hello()]).await;
    for (settings, logged) in [
        ("", "{}"),
        (
            "general_settings: {log_metadata_keys: [team, n, essay, nowhere]}",
            r#"{"team": "red", "n": 4}"#,
        ),
    ] {
        let proxy = Proxy::start(&format!("{YAML}{settings}"), &[("A", a.url())]).await;
        let members = json!({
            "metadata": {"team": "red", "person": "hidden-person", "essay": "hidden ".repeat(30)},
            "litellm_metadata": {"n": 4, "team": "blue"},
        });
        proxy.chat("m", &members).await.content();
        let sent = a.hits().pop().unwrap().json().unwrap();
        assert!(sent.get("metadata").is_none() && sent.get("litellm_metadata").is_none());
        let line = log.lines.lock().unwrap().pop().unwrap();
        for part in [
            &format!("metadata={logged}"),
            "model=\"m\"",
            "deployment=\"one\"",
            "attempts=1",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        // What is no object is no reason to refuse.
        proxy
            .chat("m", &json!({"metadata": "text"}))
            .await
            .content();
    }
    let all = log.all.lock().unwrap();
    assert!(
        !all.contains("hidden") && !all.contains("what llm are you"),
        "{all}"
    );
}
