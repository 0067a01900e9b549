//! What callers note about their requests.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
};

use http::Method;
use serde_json::json;
use tracing::{
    Dispatch, Event, Metadata, Subscriber, field, span,
    subscriber::{DefaultGuard, set_default},
};
use ziggurat_testing::mock::Step;

use crate::support::{Proxy, upstream};

/// Everything that is logged, in one text; and the lines of requests.
#[derive(Clone, Default)]
pub(crate) struct Log {
    pub(crate) lines: Arc<Mutex<Vec<String>>>,
    pub(crate) all: Arc<Mutex<String>>,
}

impl Log {
    /// Listens on this thread, until the second value is dropped.
    pub(crate) fn listen() -> (Self, (Dispatch, DefaultGuard)) {
        let log = Self::default();
        // With a single subscriber, tests on other threads, which have none, would decide what is logged where.
        let second = Dispatch::new(log.clone());
        let guard = set_default(log.clone());
        (log, (second, guard))
    }
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
    let (log, _listening) = Log::listen();
    let a = upstream("a", [Step::hello()]).await;
    for (settings, logged) in [
        ("", ""),
        (
            "general_settings: {log_metadata_keys: [team, n, essay, nowhere]}",
            r#"metadata={"team": "red", "n": 4}"#,
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
        for part in [logged, "model=\"m\"", "deployment=\"one\"", "attempts=1"] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert_eq!(line.contains("metadata="), !logged.is_empty(), "{line}");
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

/// Whatever a client notes or calls its request.
#[tokio::test]
async fn a_request_is_one_line_of_bounded_length() {
    let (log, _listening) = Log::listen();
    let a = upstream("a", [Step::hello()]).await;
    let yaml = format!("{YAML}general_settings: {{log_metadata_keys: [team]}}");
    let proxy = Proxy::start(&yaml, &[("A", a.url())]).await;
    let team = "[\n\"it's\\n\u{9b}31m\", \r\n\t\"\u{2028}\u{202e}\"]";
    let body = format!(r#"{{"model": "m", "messages": [], "metadata": {{"team": {team}}}}}"#);
    let mut request = proxy.request(Method::POST, "/v1/chat/completions", body);
    let id = "i".repeat(1000).parse().unwrap();
    request.headers_mut().insert("x-litellm-call-id", id);
    assert_eq!(proxy.call(request).await.status, 200);
    let line = log.lines.lock().unwrap().pop().unwrap();
    assert!(!line.contains(char::is_control), "{line:?}");
    let team = r#"metadata={"team": ["it's\n\u{9b}31m", "\u{2028}\u{202e}"]}"#;
    assert!(line.contains(team), "{line}");
    let id = format!("call_id=\"{}\"", "i".repeat(128));
    assert!(line.contains(&id), "{line}");
}

/// What never reaches the gateway is counted and logged, too: by method and path, without the query.
#[tokio::test]
async fn refusals_have_a_line_of_their_own() {
    let (log, _listening) = Log::listen();
    let a = upstream("a", [Step::hello()]).await;
    let yaml = format!("{YAML}general_settings: {{master_key: sk-1}}");
    let proxy = Proxy::start(&yaml, &[("A", a.url())]).await;
    let long = format!("/{}", "x".repeat(500));
    for (method, path, key, status, outcome) in [
        (
            Method::POST,
            "/v1/chat/completions",
            "sk-0",
            401,
            "authentication",
        ),
        (
            Method::GET,
            "/v1/nowhere?key=sk-query",
            "sk-1",
            404,
            "not_found",
        ),
        (
            Method::PUT,
            "/v1/chat/completions",
            "sk-1",
            405,
            "bad_request",
        ),
        (Method::GET, &long, "sk-1", 404, "not_found"),
    ] {
        let mut request = proxy.request(method.clone(), path, "");
        let headers = request.headers_mut();
        headers.insert("api-key", key.parse().unwrap());
        headers.insert("x-litellm-call-id", "call-1".parse().unwrap());
        assert_eq!(proxy.call(request).await.status, status);
        let line = log.lines.lock().unwrap().pop().unwrap();
        let shown = path.split_once('?').map_or(path, |(path, _)| path);
        for part in [
            format!("status={status}"),
            format!("outcome=\"{outcome}\""),
            format!("method={method}"),
            format!("path=\"{}", &shown[..shown.len().min(128)]),
            "call_id=\"call-1\"".to_owned(),
        ] {
            assert!(line.contains(&part), "{part} is not in {line}");
        }
        assert!(!line.contains("sk-") && line.len() < 400, "{line}");
    }
    assert_eq!(log.lines.lock().unwrap().len(), 0);
    let mut request = proxy.request(Method::GET, "/metrics", "");
    request
        .headers_mut()
        .insert("api-key", "sk-1".parse().unwrap());
    let page = proxy.call(request).await.text;
    for (outcome, count) in [("authentication", 1), ("not_found", 2), ("bad_request", 1)] {
        let line = format!("requests_total{{model=\"other\",outcome=\"{outcome}\"}} {count}\n");
        assert!(page.contains(&line), "{page}");
    }
}
