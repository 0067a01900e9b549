//! OpenAI's Responses: passed through to those who speak it, over the same layers.

mod recovering;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;
use ziggurat_testing::mock::{Cut, Event, Running, Step};

use crate::support::{Answer, Proxy, upstream};

const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A, stream_timeout: 2}}
- {model_name: n, litellm_params: {model: openai/y, api_base: os.environ/B}}
- {model_name: mixed, litellm_params: {model: anthropic/claude-3-opus-20240229, api_key: sk-canary, api_base: os.environ/A}}
- {model_name: mixed, litellm_params: {model: azure/dep, api_base: os.environ/B, api_key: sk-canary, api_version: 2025-04-01-preview}}
- {model_name: pair, litellm_params: {model: openai/x, api_base: os.environ/A}}
- {model_name: pair, litellm_params: {model: openai/y, api_base: os.environ/B}}
- {model_name: claude, litellm_params: {model: anthropic/claude-3-opus-20240229, api_key: sk-canary, api_base: os.environ/A}}
- {model_name: old, litellm_params: {model: azure/dep, api_base: os.environ/B, api_key: sk-canary, api_version: 2024-10-21}}
litellm_settings: {num_retries: 0, fallbacks: [{m: [n]}]}";

const ANSWER: &str = r#"{"id":"resp_1", "object":"response","status":"completed","error":null,"incomplete_details":null,"model":"upstream","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"h\u00e9"}]}],"usage":{"input_tokens":3,"output_tokens":2},"metadata":{}}"#;

async fn start(a: Step, b: Step) -> (Proxy, Running, Running) {
    let (a, b) = (upstream("a", [a]).await, upstream("b", [b]).await);
    let proxy = Proxy::start(YAML, &[("A", a.url()), ("B", b.url())]).await;
    (proxy, a, b)
}

fn document(text: &'static str) -> Step {
    let response = Response::builder().header("content-type", "application/json");
    Step::respond(response.body(Bytes::from_static(text.as_bytes())).unwrap())
}

async fn ask(proxy: &Proxy, path: &str, model: &str, stream: bool) -> Answer {
    let body = json!({"model": model, "input": "hi", "stream": stream}).to_string();
    proxy.call(proxy.request(Method::POST, path, body)).await
}

fn named(number: u64, mut event: Value) -> Event {
    event["sequence_number"] = number.into();
    let name = event["type"].as_str().unwrap();
    Event::raw(format!("event: {name}\ndata: {event}\n\n"))
}

fn response(kind: &str, members: &Value) -> Value {
    let mut response = json!({"id": "resp_1", "model": "upstream", "status": "in_progress", "error": null, "output": []});
    for (name, value) in members.as_object().unwrap() {
        response[name] = value.clone();
    }
    json!({"type": kind, "response": response})
}

fn opening() -> Vec<Event> {
    let part =
        json!({"type": "response.content_part.added", "part": {"type": "output_text", "text": ""}});
    vec![
        named(0, response("response.created", &json!({}))),
        named(1, response("response.in_progress", &json!({}))),
        named(
            2,
            json!({"type": "response.output_item.added", "item": {"type": "message", "content": []}}),
        ),
        named(3, part),
    ]
}

fn delta(number: u64, text: &str) -> Event {
    named(
        number,
        json!({"type": "response.output_text.delta", "delta": text}),
    )
}

/// A whole stream.
fn whole(text: &str) -> Vec<Event> {
    let usage = json!({"status": "completed", "usage": {"input_tokens": 3, "output_tokens": 2}});
    let mut events = opening();
    events.extend([
        delta(4, text),
        delta(5, "!"),
        named(6, response("response.completed", &usage)),
    ]);
    events
}

/// The types of the events, and the text in them.
fn read(answer: &Answer) -> (Vec<String>, String) {
    let events = answer.events();
    let kinds = events
        .iter()
        .map(|event| event["type"].as_str().unwrap().to_owned());
    let texts = events.iter().filter_map(|event| event["delta"].as_str());
    (kinds.collect(), texts.collect())
}

#[tokio::test]
async fn bytes_pass_but_for_the_name() {
    let (proxy, a, _b) = start(document(ANSWER), Step::hello()).await;
    let body = r#"{"model":"m",  "input":[{"role":"user","content":"h\u00e9"}],"tools":[{"type":"web_search"}],"num_retries":1,"store":false}"#;
    for path in [
        "/responses",
        "/v1/responses",
        "/openai/responses",
        "/openai/v1/responses",
    ] {
        let answer = proxy.call(proxy.request(Method::POST, path, body)).await;
        assert_eq!(answer.text, ANSWER.replace("upstream", "m"), "{path}");
        let hit = a.hits().pop().unwrap();
        assert_eq!(hit.path(), "/responses");
        let sent = body
            .replace("\"m\"", "\"x\"")
            .replace(",\"num_retries\":1", "");
        assert_eq!(String::from_utf8_lossy(hit.body()), sent);
    }
}

#[tokio::test]
async fn a_stream_passes_with_the_name_of_the_group() {
    let (proxy, _a, _b) = start(Step::events(whole("hi")), Step::hello()).await;
    let answer = ask(&proxy, "/v1/responses", "m", true).await;
    let (kinds, text) = read(&answer);
    assert_eq!(text, "hi!");
    assert_eq!(kinds.last().unwrap(), "response.completed");
    let events = answer.events();
    let models: Vec<_> = events
        .iter()
        .filter_map(|event| event["response"]["model"].as_str())
        .collect();
    assert_eq!(models, ["m", "m", "m"]);
    assert!(!answer.text.contains("[DONE]"));
}

/// R91: what fallbacks went around stands after the event that clients expect first.
#[tokio::test]
async fn an_event_tells_what_a_fallback_went_around() {
    let broken = Step::error(StatusCode::INTERNAL_SERVER_ERROR);
    let (a, b) = (
        upstream("a", [broken]).await,
        upstream("b", [Step::events(whole("hi"))]).await,
    );
    let yaml = format!("{YAML}\ngeneral_settings: {{expose_fallback_errors_to_caller: true}}");
    let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
    for asked in [true, false] {
        let body =
            json!({"model": "m", "input": "hi", "stream": true, "include_fallback_errors": asked});
        let request = proxy.request(Method::POST, "/v1/responses", body.to_string());
        let answer = proxy.call(request).await;
        let (kinds, text) = read(&answer);
        assert_eq!(
            (text.as_str(), kinds[0].as_str()),
            ("hi!", "response.created")
        );
        let told = answer
            .events()
            .iter()
            .position(|event| event["type"] == "litellm_fallback");
        assert_eq!(told.is_some(), asked, "{}", answer.text);
        let Some(told) = told else { continue };
        let errors = &answer.events()[told]["litellm_fallback"]["errors"];
        assert_eq!(errors[0]["code"], "500");
        assert!(answer.text.contains("\n\nevent: litellm_fallback\ndata: {"));
    }
}

#[tokio::test(start_paused = true)]
async fn before_the_first_content_another_is_asked() {
    let failed = response(
        "response.failed",
        &json!({"status": "failed", "error": {"code": "server_error", "message": "it broke"}}),
    );
    let error = json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": null});
    let with = |event: Event| Step::events(opening().into_iter().chain([event]));
    for step in [
        Step::error(StatusCode::INTERNAL_SERVER_ERROR),
        with(Event::raw(":\n\n").after(Duration::from_secs(60))),
        with(named(4, failed)),
        with(named(4, error)),
        Step::events(opening()),
        Step::events(whole("x")).cut_after(3, Cut::Reset),
    ] {
        let (proxy, a, b) = start(step, Step::events(whole("hi"))).await;
        let started = Instant::now();
        let answer = ask(&proxy, "/v1/responses", "m", true).await;
        assert_eq!(read(&answer).1, "hi!", "{}", answer.text);
        assert_eq!(answer.events()[0]["response"]["model"], "n");
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
        assert!(started.elapsed() < Duration::from_secs(4));
        assert_eq!((a.count(), b.count()), (1, 1));
    }
    let (proxy, _a, _b) = start(
        Step::error(StatusCode::INTERNAL_SERVER_ERROR),
        document(ANSWER),
    )
    .await;
    let answer = ask(&proxy, "/v1/responses", "m", false).await;
    assert_eq!(answer.json()["model"], "n", "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn a_cut_after_the_first_content_is_an_error_event() {
    for cut in [Cut::Reset, Cut::Eof] {
        let (proxy, _a, b) =
            start(Step::events(whole("hi")).cut_after(5, cut), Step::hello()).await;
        let answer = ask(&proxy, "/v1/responses", "m", true).await;
        let (kinds, text) = read(&answer);
        assert_eq!(text, "hi");
        assert_eq!(kinds.last().unwrap(), "error", "{}", answer.text);
        let events = answer.events();
        let error = events.last().unwrap();
        assert!(
            error["message"].is_string() && error["code"].is_string(),
            "{error}"
        );
        assert_eq!(error["sequence_number"], 5);
        assert!(!answer.text.contains("[DONE]"));
        assert_eq!(b.count(), 0);
    }
}

#[tokio::test]
async fn who_does_not_speak_it_is_passed_over() {
    let (proxy, a, b) = start(Step::hello(), document(ANSWER)).await;
    for _ in 0..8 {
        let answer = ask(&proxy, "/v1/responses", "mixed", false).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("x-litellm-total-attempts"), "1");
    }
    assert_eq!((a.count(), b.count()), (0, 8));
    let uri = b.hits()[0].uri().to_string();
    assert!(
        uri.ends_with("/openai/responses?api-version=2025-04-01-preview"),
        "{uri}"
    );
    for model in ["claude", "old"] {
        let answer = ask(&proxy, "/v1/responses", model, false).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        assert!(
            answer
                .text
                .contains("no endpoint for this operation: /responses"),
            "{}",
            answer.text
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_the_endpoint_does_not_rest_for_it() {
    let missing = Response::builder()
        .status(404)
        .header("content-type", "application/json");
    let missing = Step::respond(
        missing
            .body(Bytes::from_static(br#"{"detail":"Not Found"}"#))
            .unwrap(),
    );
    let (a, b) = (
        upstream("a", [missing.clone(), missing]).await,
        upstream("b", [document(ANSWER)]).await,
    );
    let proxy = Proxy::start(
        &YAML.replace("num_retries: 0", "num_retries: 2"),
        &[("A", a.url()), ("B", b.url())],
    )
    .await;
    // Who is asked first is left to chance: before long it is the one without.
    let mut asked = 0;
    while a.count() == 0 {
        asked += 1;
        assert!(asked < 100, "it was never asked");
        let answer = ask(&proxy, "/v1/responses", "pair", false).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let cooldowns = proxy.get("/cooldowns").await.text;
    assert!(!cooldowns.contains("pair"), "{cooldowns}");
}

#[tokio::test]
async fn what_is_kept_elsewhere_is_not_served() {
    let (proxy, a, b) = start(Step::hello(), Step::hello()).await;
    for method in [Method::GET, Method::DELETE] {
        let answer = proxy
            .call(proxy.request(method, "/v1/responses/resp_1", ""))
            .await;
        assert_eq!(answer.status, 404);
        let message = answer.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(
            message.contains("stored responses are not served"),
            "{message}"
        );
    }
    let body = json!({"model": "m", "input": "hi", "background": true}).to_string();
    let answer = proxy
        .call(proxy.request(Method::POST, "/v1/responses", body))
        .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["param"]),
        (400, &json!("background"))
    );
    assert_eq!((a.count(), b.count()), (0, 0));
}

#[tokio::test]
async fn what_was_kept_back_goes_to_the_chain_for_refusals() {
    const KEPT: &str = r#"{"id":"r","object":"response","status":"incomplete","incomplete_details":{"reason":"content_filter"},"model":"u","output":[]}"#;
    let yaml = YAML.replace("fallbacks:", "content_policy_fallbacks:");
    let end = json!({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}});
    let end = named(4, response("response.incomplete", &end));
    let events = opening().into_iter().chain([end]);
    for (stream, step) in [(false, document(KEPT)), (true, Step::events(events))] {
        let (a, b) = (
            upstream("a", [step]).await,
            upstream(
                "b",
                [if stream {
                    Step::events(whole("hi"))
                } else {
                    document(ANSWER)
                }],
            )
            .await,
        );
        let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
        let answer = ask(&proxy, "/v1/responses", "m", stream).await;
        assert_eq!(
            answer.header("x-litellm-attempted-fallbacks"),
            "1",
            "{}",
            answer.text
        );
        assert_eq!(answer.status, 200);
    }
}

/// Some models are to be had by Responses alone: they are not asked by chat how they are, unless they speak nothing else.
#[tokio::test]
async fn they_are_checked_in_their_own_words() {
    let yaml = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}, model_info: {mode: responses}}
- {model_name: old, litellm_params: {model: azure/dep, api_base: os.environ/B, api_key: sk-canary, api_version: 2024-10-21}, model_info: {mode: responses}}";
    let a = upstream("a", [document(ANSWER)]).await;
    let b = upstream("b", [Step::hello()]).await;
    let proxy = Proxy::start(yaml, &[("A", a.url()), ("B", b.url())]).await;
    let page = proxy.get("/health?cached=false").await.json();
    assert_eq!(page["healthy_count"], 2, "{page}");
    let asked = a.hits().pop().unwrap();
    assert!(asked.path().ends_with("/responses"), "{}", asked.path());
    let question = json!({"model": "x", "input": "What's 1 + 1?", "max_output_tokens": 16});
    assert_eq!(asked.json().unwrap(), question);
    let asked = b.hits().pop().unwrap();
    assert!(asked.path().contains("/chat/completions"));
}
