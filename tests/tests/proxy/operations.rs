//! Legacy completions and embeddings: the same layers, and every spelling of the paths (R171, R172).

mod whole;

use std::time::Duration;

use http::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;
use ziggurat_testing::mock::{Answer as Reply, Cut, Event, Running, Step};

use crate::support::{Answer, Proxy, upstream};

const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A, stream_timeout: 2}}
- {model_name: n, litellm_params: {model: openai/y, api_base: os.environ/B}}
- {model_name: both, litellm_params: {model: anthropic/claude-3-opus-20240229, api_key: sk-canary, api_base: os.environ/A}}
- {model_name: both, litellm_params: {model: openai/y, api_base: os.environ/B}}
- {model_name: claude, litellm_params: {model: anthropic/claude-3-opus-20240229, api_key: sk-canary, api_base: os.environ/A}}
- {model_name: legacy, litellm_params: {model: text-completion-openai/instruct, api_base: os.environ/B}}
- {model_name: a/b, litellm_params: {model: azure/dep, api_base: os.environ/B, api_key: sk-canary, api_version: 2024-02-01}}
litellm_settings: {num_retries: 0, fallbacks: [{m: [n]}]}";

async fn start<const N: usize>(steps: [Step; N]) -> (Proxy, Running, Running) {
    let (a, b) = (
        upstream("a", steps).await,
        upstream("b", [Step::hello()]).await,
    );
    let proxy = Proxy::start(YAML, &[("A", a.url()), ("B", b.url())]).await;
    (proxy, a, b)
}

async fn post(proxy: &Proxy, path: &str, body: &Value) -> Answer {
    proxy
        .call(proxy.request(Method::POST, path, body.to_string()))
        .await
}

#[tokio::test]
async fn every_spelling_leads_to_its_endpoint() {
    let (proxy, _a, b) = start([Step::hello()]).await;
    let operations = [
        (
            "/chat/completions",
            "messages",
            json!([{"role": "user", "content": "hi"}]),
        ),
        ("/completions", "prompt", json!("hi")),
        ("/embeddings", "input", json!(["hi", "there"])),
    ];
    for (path, member, prompt) in operations {
        for before in ["", "/v1", "/engines/n", "/openai/deployments/n"] {
            // The path wins over the body.
            let model = if before.len() > 3 {
                json!("nobody")
            } else {
                json!("n")
            };
            let body = json!({"model": model, member: prompt});
            let answer = post(&proxy, &format!("{before}{path}"), &body).await;
            assert_eq!(answer.status, 200, "{before}{path}: {}", answer.text);
            assert_eq!(answer.json()["model"], "n", "{before}{path}");
            let hit = b.hits().pop().unwrap();
            let sent = hit.json().unwrap();
            assert_eq!(
                (hit.path(), &sent["model"]),
                (path, &json!("y")),
                "{before}{path}"
            );
            assert_eq!(sent[member], prompt);
        }
    }
    // Slashes in the name, plain or encoded; Azure's URL takes the operation.
    for name in ["a/b", "a%2Fb"] {
        let path = format!("/openai/deployments/{name}/embeddings?api-version=2024-02-01");
        let answer = post(&proxy, &path, &json!({"input": "hi"})).await;
        assert_eq!(
            answer.json()["data"][0]["object"],
            "embedding",
            "{}",
            answer.text
        );
        let hit = b.hits().pop().unwrap();
        let uri = hit.uri().to_string();
        assert!(
            uri.ends_with("/openai/deployments/dep/embeddings?api-version=2024-02-01"),
            "{uri}"
        );
    }
    for path in [
        "/engines//completions",
        "/engines/m",
        "/v2/embeddings",
        "/openai/embeddings",
    ] {
        assert_eq!(post(&proxy, path, &json!({})).await.status, 404, "{path}");
    }
    let answer = proxy.get("/v1/embeddings").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, "POST")
    );
}

#[tokio::test]
async fn a_request_without_its_prompt_is_refused() {
    let (proxy, a, b) = start([Step::hello()]).await;
    for (path, param) in [
        ("/chat/completions", "messages"),
        ("/completions", "prompt"),
        ("/v1/embeddings", "input"),
    ] {
        let answer = post(&proxy, path, &json!({"model": "n"})).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.json()["error"]["param"], param);
    }
    assert_eq!((a.count(), b.count()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn fallbacks_and_cooldowns_hold_for_all() {
    for (path, body) in [
        ("/embeddings", json!({"model": "m", "input": "hi"})),
        ("/completions", json!({"model": "m", "prompt": "hi"})),
    ] {
        let (proxy, a, b) = start([Step::error(StatusCode::UNAUTHORIZED)]).await;
        for attempts in ["2", "1"] {
            let answer = post(&proxy, path, &body).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            assert_eq!(answer.json()["model"], "n");
            assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
            // The 401 began a cooldown.
            assert_eq!(
                answer.header("x-litellm-total-attempts"),
                attempts,
                "{path}"
            );
        }
        assert_eq!((a.count(), b.count()), (1, 2));
    }
}

/// The text of a stream of legacy completions.
fn text(answer: &Answer) -> String {
    let events = answer.events();
    let texts = events
        .iter()
        .filter_map(|event| event["choices"][0]["text"].as_str());
    texts.collect()
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_texts_is_held_until_its_first_text() {
    let body = json!({"model": "m", "prompt": "hi", "stream": true});
    let (proxy, _a, _b) = start([Step::answer(Reply::deltas(["one", " two"]))]).await;
    let answer = post(&proxy, "/completions", &body).await;
    assert_eq!(text(&answer), "one two", "{}", answer.text);
    assert!(answer.text.ends_with("data: [DONE]\n\n"), "{}", answer.text);
    assert!(
        answer
            .events()
            .iter()
            .all(|event| event == "[DONE]" || event["model"] == "m")
    );

    // An empty text is none: silence after it is a timeout, and the fallback answers.
    let empty = r#"{"id":"c","object":"text_completion","created":1,"model":"x","choices":[{"index":0,"text":"","finish_reason":null}]}"#;
    let silent = [
        Event::data(empty),
        Event::done().after(Duration::from_secs(60)),
    ];
    let (proxy, a, b) = start([Step::events(silent)]).await;
    let started = Instant::now();
    let answer = post(&proxy, "/completions", &body).await;
    assert_eq!(text(&answer), "hello from b", "{}", answer.text);
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    assert_eq!((a.count(), b.count()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_of_texts_says_so() {
    let body = json!({"model": "m", "prompt": "hi", "stream": true});
    let step = Step::answer(Reply::deltas(["one", " two"])).cut_after(1, Cut::Reset);
    let (proxy, _a, b) = start([step]).await;
    let events = post(&proxy, "/completions", &body).await.events();
    assert_eq!(events.last().unwrap(), "[DONE]");
    assert!(
        events[events.len() - 2]["error"]["message"].is_string(),
        "{events:?}"
    );
    assert_eq!(
        b.count(),
        0,
        "nothing is asked again once something was shown"
    );

    // `[DONE]` without a finish reason: it is added, in the form of the endpoint.
    let one = r#"{"id":"c","object":"text_completion","created":1,"model":"x","choices":[{"index":0,"text":"one"}]}"#;
    let (proxy, _a, _b) = start([Step::events([Event::data(one), Event::done()])]).await;
    let events = post(&proxy, "/completions", &body).await.events();
    let last = &events[events.len() - 2];
    let choice = json!({"index": 0, "text": "", "finish_reason": "stop"});
    assert_eq!(
        (&last["object"], &last["choices"][0]),
        (&json!("text_completion"), &choice)
    );
}

#[tokio::test]
async fn who_has_no_such_endpoint_is_passed_over() {
    let (proxy, a, b) = start([Step::hello()]).await;
    for _ in 0..8 {
        let answer = post(
            &proxy,
            "/embeddings",
            &json!({"model": "both", "input": "hi"}),
        )
        .await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("x-litellm-total-attempts"), "1");
    }
    assert_eq!((a.count(), b.count()), (0, 8));

    let answer = post(
        &proxy,
        "/embeddings",
        &json!({"model": "claude", "input": "hi"}),
    )
    .await;
    assert_eq!(answer.status, 400);
    assert!(answer.text.contains("embeddings"), "{}", answer.text);
    assert_eq!(answer.header("x-should-retry"), "false");
    let answer = proxy.chat("legacy", &json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), b.count()),
        (400, 8),
        "{}",
        answer.text
    );
    let answer = post(
        &proxy,
        "/completions",
        &json!({"model": "legacy", "prompt": "hi"}),
    )
    .await;
    assert_eq!(
        answer.json()["choices"][0]["text"],
        "hello from b",
        "{}",
        answer.text
    );
}

/// Who cannot serve a request at all does not hide that all who can are resting.
#[tokio::test(start_paused = true)]
async fn who_has_no_such_endpoint_is_no_reason() {
    let (a, b) = (
        upstream("a", [Step::hello()]).await,
        upstream("b", [Step::error(StatusCode::UNAUTHORIZED)]).await,
    );
    let proxy = Proxy::start(YAML, &[("A", a.url()), ("B", b.url())]).await;
    let body = json!({"model": "both", "input": "hi"});
    assert_eq!(post(&proxy, "/embeddings", &body).await.status, 401);
    let answer = post(&proxy, "/embeddings", &body).await;
    let error = &answer.json()["error"];
    assert_eq!(
        (answer.status.as_u16(), &error["type"]),
        (429, &json!("all_deployments_in_cooldown"))
    );
    assert_eq!((a.count(), b.count()), (0, 1));
    assert_eq!(
        proxy.chat("both", &json!({})).await.content(),
        "hello from a"
    );
}

#[tokio::test]
async fn a_prompt_that_is_too_long_goes_to_the_larger_window() {
    let (a, b) = (
        upstream("a", [Step::hello()]).await,
        upstream("b", [Step::hello()]).await,
    );
    let yaml = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}, model_info: {max_input_tokens: 20}}
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/B}, model_info: {max_input_tokens: 9000}}
router_settings: {enable_pre_call_checks: true}";
    let proxy = Proxy::start(yaml, &[("A", a.url()), ("B", b.url())]).await;
    let long = "many words ".repeat(50);
    for (path, member) in [("/completions", "prompt"), ("/embeddings", "input")] {
        for _ in 0..4 {
            let answer = post(&proxy, path, &json!({"model": "m", member: long})).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    }
    assert_eq!((a.count(), b.count()), (0, 8));
}

/// R191: who answered, and how long it took.
#[tokio::test(start_paused = true)]
async fn headers_tell_how_an_answer_came_to_be() {
    let slow = Step::hello().delay(Duration::from_secs(2));
    let (proxy, _a, _b) = start([slow]).await;
    for body in [
        ("/chat/completions", json!({"model": "m", "messages": []})),
        ("/completions", json!({"model": "m", "prompt": "x"})),
        ("/embeddings", json!({"model": "m", "input": "x"})),
    ] {
        let answer = post(&proxy, body.0, &body.1).await;
        let number = |name| answer.header(name).parse::<f64>().unwrap();
        let took = number("x-litellm-response-duration-ms");
        assert!((2000.0..2500.0).contains(&took), "{took}");
        assert!(number("x-litellm-overhead-duration-ms") < 500.0);
        assert_eq!(
            answer.header("x-litellm-version"),
            env!("CARGO_PKG_VERSION")
        );
        for (name, value) in [
            ("x-litellm-model-name", "openai/x"),
            ("x-litellm-model-group", "m"),
            ("x-litellm-attempted-retries", "0"),
            ("x-litellm-attempted-fallbacks", "0"),
        ] {
            assert_eq!(answer.header(name), value, "{name}");
        }
        assert!(!answer.header("x-litellm-model-id").is_empty());
        assert!(!answer.header("x-litellm-call-id").is_empty());
        assert!(
            answer
                .header("x-litellm-model-api-base")
                .starts_with("http://")
        );
    }
    // An error does not tell.
    let answer = post(
        &proxy,
        "/completions",
        &json!({"model": "nobody", "prompt": "x"}),
    )
    .await;
    assert_eq!(answer.header("x-litellm-response-duration-ms"), "");
    assert!(!answer.header("x-litellm-call-id").is_empty());
}

/// R183: nobody but the operator chooses where calls go, and with which key, on any path.
#[tokio::test]
async fn a_body_does_not_redirect_a_call() {
    let (proxy, a, _b) = start([Step::hello()]).await;
    for (path, member) in [
        ("/chat/completions", "messages"),
        ("/completions", "prompt"),
        ("/embeddings", "input"),
    ] {
        for name in ["api_base", "base_url", "user_config", "custom_llm_provider"] {
            let body = json!({"model": "m", member: [], name: "http://evil.example"});
            let answer = post(&proxy, path, &body).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json()["error"]["param"]),
                (400, &json!(name))
            );
        }
        let before = a.count();
        let body = json!({"model": "m", member: [], "api_key": "sk-of-caller"});
        let answer = post(&proxy, path, &body).await;
        assert_eq!(answer.header("x-ziggurat-ignored"), "api_key");
        let hit = a.hits().pop().unwrap();
        assert_eq!(a.count(), before + 1);
        assert!(hit.json().unwrap().get("api_key").is_none());
        assert_eq!(hit.header("authorization"), None);
    }
}

/// R192-R202: `type` and `code` by status, in both words, the same on every path.
#[tokio::test(start_paused = true)]
async fn errors_have_the_words_that_were_chosen() {
    for (status, litellm, openai) in [
        (400, "invalid_request_error", "invalid_request_error"),
        (401, "authentication_error", "authentication_error"),
        (403, "permission_error", "permission_error"),
        (404, "invalid_request_error", "invalid_request_error"),
        (408, "invalid_request_error", "timeout_error"),
        (422, "invalid_request_error", "invalid_request_error"),
        (429, "throttling_error", "rate_limit_error"),
        (500, "internal_server_error", "server_error"),
        (502, "internal_server_error", "server_error"),
        (503, "internal_server_error", "server_error"),
        (504, "internal_server_error", "timeout_error"),
    ] {
        for (settings, kind) in [("litellm", litellm), ("openai", openai)] {
            let body = Response::builder().status(status).body("{}").unwrap();
            let a = upstream("a", [Step::respond(body)]).await;
            let yaml = format!(
                "
model_list: [{{model_name: m, litellm_params: {{model: openai/x, api_base: os.environ/A}}}}]
general_settings: {{compat_error_types: {settings}}}
router_settings: {{num_retries: 0, disable_cooldowns: true}}"
            );
            let proxy = Proxy::start(&yaml, &[("A", a.url())]).await;
            for (path, member) in [
                ("/v1/chat/completions", "messages"),
                ("/v1/completions", "prompt"),
                ("/v1/embeddings", "input"),
            ] {
                let answer = post(&proxy, path, &json!({"model": "m", member: []})).await;
                assert_eq!(answer.status, status, "{settings} {path}");
                let error = &answer.json()["error"];
                assert_eq!(error["type"], kind, "{settings} {path} {status}");
                let message = error["message"].as_str().unwrap();
                match settings {
                    "litellm" => assert_eq!(error["code"], status.to_string()),
                    _ => assert_ne!(error["code"], status.to_string()),
                }
                assert_eq!(
                    message.starts_with("litellm."),
                    settings == "litellm",
                    "{message}"
                );
            }
        }
    }
}
