//! Which deployments a name leads to (R31-R37).

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use tokio::time::Instant;
use ziggurat_testing::mock::{Running, Script, Step};

use crate::support::{Proxy, upstream};

async fn start(yaml: &str, a: impl Into<Script>) -> (Proxy, Running, Running) {
    let (a, b) = (upstream("a", a).await, upstream("b", [Step::hello()]).await);
    let proxy = Proxy::start(yaml, &[("A", a.url()), ("B", b.url())]).await;
    (proxy, a, b)
}

/// The model that the last request to an upstream named.
fn sent(upstream: &Running) -> String {
    let hit = upstream.hits().pop().unwrap();
    hit.json().unwrap()["model"].as_str().unwrap().to_owned()
}

/// R35: captures fill the model; the most specific pattern counts; a bare name gets its provider.
#[tokio::test]
async fn wildcards_serve_what_they_match() {
    let yaml = "
model_list:
- {model_name: '*', litellm_params: {model: '*', api_base: os.environ/B, api_key: sk-canary}}
- {model_name: 'openai/*', litellm_params: {model: 'openai/*', api_base: os.environ/A, api_key: sk-canary}}
- {model_name: 'team-*-*', litellm_params: {model: 'openai/*:*', api_base: os.environ/A, api_key: sk-canary}}
- {model_name: 'fixed-*', litellm_params: {model: openai/one, api_base: os.environ/A, api_key: sk-canary}}
- {model_name: '*/*-x', litellm_params: {model: 'openai/*', api_base: os.environ/A, api_key: sk-canary}}
- {model_name: exact, litellm_params: {model: openai/exact-model, api_base: os.environ/A, api_key: sk-canary}}
router_settings: {model_group_alias: {alias: openai/gpt-4o}}";
    let (proxy, a, b) = start(yaml, Script::default()).await;
    for (name, expected) in [
        ("openai/gpt-4o", "gpt-4o"),
        ("alias", "gpt-4o"),
        ("team-a-b-c", "a-b:c"),
        ("fixed-whatever", "one"),
        // More captures than `*`s: the name as it was asked for, its provider cut.
        ("huggingface/m-x", "m-x"),
        ("exact", "exact-model"),
    ] {
        let before = a.count();
        let answer = proxy.chat(name, &json!({})).await;
        assert_eq!(answer.content(), "hello from a", "{name}");
        assert_eq!(
            (a.count(), sent(&a).as_str()),
            (before + 1, expected),
            "{name}"
        );
        assert_eq!(answer.json()["model"], name);
        assert_eq!(answer.header("x-litellm-model-group"), name);
    }
    let answer = proxy.chat("gpt-unheard-of", &json!({"stream": true})).await;
    assert_eq!(
        answer.status, 400,
        "no provider is known for it: {}",
        answer.text
    );
    assert_eq!(answer.json()["error"]["param"], "model");
    let answer = proxy.chat("gpt-4o-mini", &json!({"stream": true})).await;
    assert_eq!(
        (answer.content().as_str(), sent(&b).as_str()),
        ("hello from b", "gpt-4o-mini")
    );
}

/// R35: without a pattern that matches, the provider that the name leads to is put before it.
#[tokio::test]
async fn a_bare_name_matches_with_its_provider() {
    let yaml = "
model_list:
- {model_name: 'openai/*', litellm_params: {model: 'openai/*', api_base: os.environ/A, api_key: sk-canary}}
- {model_name: 'anthropic/*', litellm_params: {model: 'anthropic/*', api_base: os.environ/B, api_key: sk-canary}}";
    let (proxy, a, b) = start(yaml, Script::default()).await;
    assert_eq!(
        proxy.chat("gpt-4o", &json!({})).await.content(),
        "hello from a"
    );
    assert_eq!(sent(&a), "gpt-4o");
    assert_eq!(
        proxy
            .chat("claude-3-opus-20240229", &json!({}))
            .await
            .content(),
        "hello from b"
    );
    assert_eq!(sent(&b), "claude-3-opus-20240229");
    for name in ["zephyr", "openai/*x\u{7}"] {
        let answer = proxy.chat(name, &json!({})).await;
        assert_eq!(answer.status, 400, "{}", answer.text);
    }
    let list = proxy.get("/v1/models").await.json();
    assert_eq!(list["data"][0]["id"], "openai/*");
}

/// R111: a model behind a wildcard that fails says nothing about the others.
#[tokio::test(start_paused = true)]
async fn wildcards_do_not_rest_and_have_chains() {
    let yaml = "
model_list:
- {model_name: 'openai/*', litellm_params: {model: 'openai/*', api_base: os.environ/A, api_key: sk-canary}}
- {model_name: 'team/*', litellm_params: {model: 'openai/*', api_base: os.environ/B, api_key: sk-canary}}
litellm_settings: {num_retries: 0, fallbacks: [{'openai/*': [team/second]}]}";
    let (proxy, a, b) = start(yaml, [Step::error(StatusCode::UNAUTHORIZED)]).await;
    for n in 1..=3 {
        let answer = proxy.chat("openai/first", &json!({})).await;
        assert_eq!(answer.content(), "hello from b");
        assert_eq!(answer.json()["model"], "team/second");
        assert_eq!(sent(&b), "second", "captures are those of the hop");
        assert_eq!(a.count(), n, "it is asked each time");
    }
    assert_eq!(proxy.get("/cooldowns").await.json()["data"], json!([]));
}

/// R35b comes after wildcards; R32 before them.
#[tokio::test]
async fn ids_and_models_are_names_too() {
    let yaml = "
model_list:
- {model_name: 'openai/*', litellm_params: {model: 'openai/*', api_base: os.environ/A, api_key: sk-canary}, model_info: {id: openai/by-id}}
- {model_name: own, litellm_params: {model: openai/gpt-4o, api_base: os.environ/B, api_key: sk-canary}, model_info: {id: openai/other}}
- {model_name: own, litellm_params: {model: azure/dep, api_base: os.environ/B, api_key: sk-canary}}";
    let (proxy, a, b) = start(yaml, Script::default()).await;
    assert_eq!(
        proxy.chat("openai/gpt-4o", &json!({})).await.content(),
        "hello from a"
    );
    assert_eq!(
        proxy.chat("openai/other", &json!({})).await.content(),
        "hello from b"
    );
    assert_eq!(
        proxy.chat("azure/dep", &json!({})).await.content(),
        "hello from b"
    );
    assert_eq!((a.count(), b.count()), (1, 2));
    // A pattern itself is no model.
    let answer = proxy.chat("openai/by-id", &json!({})).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    assert!(
        answer.text.contains("serves many models"),
        "{}",
        answer.text
    );
}

/// R36, R37: one answer to an unknown name on all paths, and fallbacks apply.
#[tokio::test]
async fn an_unknown_name_is_refused_unless_a_fallback_takes_it() {
    let models = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}
";
    for (settings, status, code) in [
        ("", 400, json!("400")),
        (
            "general_settings: {compat_error_types: openai}",
            404,
            json!("model_not_found"),
        ),
    ] {
        let (proxy, a, _b) = start(&format!("{models}{settings}"), Script::default()).await;
        let mut texts = Vec::new();
        for (path, member) in [
            ("/v1/chat/completions", "messages"),
            ("/completions", "prompt"),
            ("/engines/x/embeddings", "input"),
        ] {
            let body = json!({"model": "x", member: []}).to_string();
            let answer = proxy
                .call(proxy.request(http::Method::POST, path, body))
                .await;
            assert_eq!(answer.status, status, "{path}");
            let error = answer.json()["error"].clone();
            assert_eq!(
                (&error["code"], &error["type"]),
                (&code, &json!("invalid_request_error"))
            );
            texts.push(answer.text);
        }
        assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
        // One of the request applies.
        let answer = proxy.chat("x", &json!({"fallbacks": ["m"]})).await;
        assert_eq!(answer.content(), "hello from a");
        assert_eq!(a.count(), 1);
    }
    let settings = "router_settings: {default_fallbacks: [m]}";
    let (proxy, _a, _b) = start(&format!("{models}{settings}"), Script::default()).await;
    let answer = proxy.chat("x", &json!({})).await;
    assert_eq!(
        (answer.content().as_str(), &answer.json()["model"]),
        ("hello from a", &json!("m"))
    );
}

const TWO: &str = "
model_list:
- {model_name: a, litellm_params: {model: openai/x, api_base: os.environ/A}}
- {model_name: b, litellm_params: {model: openai/y, api_base: os.environ/B}}
- {model_name: 'a,c', litellm_params: {model: openai/z, api_base: os.environ/B}}
litellm_settings: {num_retries: 0}";

/// R31: one call per name, the answers in the order of the names.
#[tokio::test(start_paused = true)]
async fn several_models_answer_in_a_list() {
    let slow = Step::hello().delay(Duration::from_secs(3));
    let (proxy, a, b) = start(TWO, [slow]).await;
    for model in [json!("a, b"), json!(["a", "b"])] {
        let answer = proxy.chat("", &json!({"model": model})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let list = answer.json();
        let texts: Vec<_> = (0..2)
            .map(|n| {
                (
                    &list[n]["model"],
                    &list[n]["choices"][0]["message"]["content"],
                )
            })
            .collect();
        let expected = [("a", "hello from a"), ("b", "hello from b")];
        assert_eq!(json!(texts), json!(expected));
    }
    assert_eq!((sent(&a).as_str(), sent(&b).as_str()), ("x", "y"));

    // A group may have a comma in its name.
    assert_eq!(proxy.chat("a,c", &json!({})).await.json()["model"], "a,c");
    assert_eq!(sent(&b), "z");

    // One that fails says so in its place; if all fail, the first one's error is the answer.
    a.set_script([Step::error(StatusCode::BAD_REQUEST)]);
    let list = proxy.chat("a,b,nobody", &json!({})).await.json();
    let codes: Vec<_> = (0..3).map(|n| &list[n]["error"]["code"]).collect();
    assert_eq!(json!(codes), json!(["400", null, "400"]));
    b.set_script([Step::error(StatusCode::UNPROCESSABLE_ENTITY)]);
    let answer = proxy.chat("b,a", &json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["code"]),
        (422, &json!("422"))
    );
}

/// R31: with `fastest_response` the first success is the answer, streams too; the others are given up.
#[tokio::test(start_paused = true)]
async fn the_fastest_of_several_models_answers() {
    let slow = Step::hello().delay(Duration::from_secs(60));
    let (proxy, a, b) = start(TWO, [slow]).await;
    for stream in [false, true] {
        let started = Instant::now();
        let members = json!({"fastest_response": true, "stream": stream});
        let answer = proxy.chat("a,b", &members).await;
        assert_eq!(answer.content(), "hello from b");
        assert!(started.elapsed() < Duration::from_secs(5));
        assert_eq!(answer.header("x-litellm-model-group"), "b");
        assert_eq!(answer.header("x-litellm-total-attempts"), "1");
    }
    assert_eq!(a.count(), 2);
    // A failure is none, however fast.
    a.set_script([Step::error(StatusCode::BAD_REQUEST)]);
    b.set_script([Step::hello().delay(Duration::from_secs(1))]);
    let answer = proxy.chat("a,b", &json!({"fastest_response": true})).await;
    assert_eq!(answer.content(), "hello from b");
    // With one model there is nothing to choose.
    let answer = proxy.chat("b", &json!({"fastest_response": true})).await;
    assert_eq!(answer.header("x-ziggurat-ignored"), "fastest_response");
}

#[tokio::test]
async fn lists_that_cannot_be_served_are_refused() {
    let (proxy, a, b) = start(TWO, Script::default()).await;
    let many = vec!["a"; 17].join(",");
    for (members, param) in [
        (json!({"model": "a,b", "stream": true}), "stream"),
        (json!({"model": "a,,b"}), "model"),
        (json!({"model": []}), "model"),
        (json!({"model": ["a", 4]}), "model"),
        (json!({"model": many}), "model"),
        (
            json!({"model": "a", "fastest_response": "yes"}),
            "fastest_response",
        ),
    ] {
        let answer = proxy.chat("", &members).await;
        assert_eq!(answer.status, 400, "{members}");
        assert_eq!(answer.json()["error"]["param"], param, "{members}");
    }
    // Elsewhere a comma is part of the name.
    let body = json!({"model": "a,b", "input": "x"}).to_string();
    let answer = proxy
        .call(proxy.request(Method::POST, "/embeddings", body))
        .await;
    assert!(answer.text.contains("`a,b`"), "{}", answer.text);
    assert_eq!((a.count(), b.count()), (0, 0));
}
