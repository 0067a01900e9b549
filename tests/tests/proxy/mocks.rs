//! `mock_response`: answers without an upstream (R184).

use http::Method;
use serde_json::{Value, json};
use ziggurat_testing::mock::{Running, Script};

use crate::support::{Answer, Proxy, upstream};

const YAML: &str = "
model_list:
- {model_name: mocked, litellm_params: {model: openai/x, api_base: os.environ/A, mock_response: two words}}
- {model_name: limited, litellm_params: {model: openai/x, api_base: os.environ/A, mock_response: litellm.RateLimitError}}
- {model_name: real, litellm_params: {model: openai/x, api_base: os.environ/A}}
- {model_name: claude, litellm_params: {model: anthropic/claude-3-opus-20240229, api_key: sk-canary, api_base: os.environ/A, mock_response: of Claude}}
router_settings: {num_retries: 0}
";

async fn start(settings: &str) -> (Proxy, Running) {
    let up = upstream("a", Script::default()).await;
    let proxy = Proxy::start(&format!("{YAML}{settings}"), &[("A", up.url())]).await;
    (proxy, up)
}

async fn post(proxy: &Proxy, path: &str, body: &Value) -> Answer {
    let request = proxy.request(Method::POST, path, body.to_string());
    proxy.call(request).await
}

#[tokio::test]
async fn a_deployment_answers_by_itself() {
    let (proxy, up) = start("").await;
    for stream in [false, true] {
        let members = json!({"stream": stream});
        let answer = proxy.chat("mocked", &members).await;
        assert_eq!(answer.content(), "two words");
        assert_eq!(proxy.chat("claude", &members).await.content(), "of Claude");
        let body = json!({"model": "mocked", "prompt": "x", "stream": stream});
        let answer = post(&proxy, "/completions", &body).await;
        match stream {
            false => assert_eq!(answer.json()["choices"][0]["text"], "two words"),
            true => assert_eq!(answer.events()[0]["choices"][0]["text"], "two "),
        }
    }
    let answer = proxy.chat("mocked", &json!({})).await;
    assert_eq!(
        (
            &answer.json()["model"],
            &answer.json()["usage"]["total_tokens"]
        ),
        (&json!("mocked"), &json!(30))
    );
    assert_eq!(answer.header("x-litellm-total-attempts"), "1");
    let body = json!({"model": "mocked", "input": "x"});
    assert!(post(&proxy, "/embeddings", &body).await.json()["data"][0]["embedding"].is_array());
    assert_eq!(up.count(), 0);
}

/// What calls of its upstream would take is not asked for.
#[tokio::test]
async fn a_deployment_that_answers_by_itself_needs_no_keys() {
    for model in [
        "openai/x",
        "gpt-4o",
        "anthropic/claude-3-opus-20240229",
        "azure/x",
        "vertex_ai/gemini-1.5-pro",
        "watsonx/ibm/granite-3-8b-instruct",
    ] {
        let of =
            |mock| format!("{{model_name: mocked, litellm_params: {{model: '{model}'{mock}}}}}");
        let yaml = format!("model_list: [{}]", of(", mock_response: two words"));
        let proxy = Proxy::start(&yaml, &[]).await;
        for stream in [false, true] {
            let answer = proxy.chat("mocked", &json!({"stream": stream})).await;
            assert_eq!(answer.content(), "two words", "{model}");
        }
        let body = json!({"model": "mocked", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        let answer = post(&proxy, "/v1/messages", &body).await;
        assert_eq!(answer.json()["content"][0]["text"], "two words", "{model}");
        // Without it they are.
        let config = crate::support::config(&format!("model_list: [{}]", of("")), &[]);
        assert!(ziggurat::Gateway::new(&config).is_err(), "{model}");
    }
}

#[tokio::test]
async fn it_answers_in_the_form_of_the_api_that_was_called() {
    let (proxy, up) = start("").await;
    let messages = json!([{"role": "user", "content": "x"}]);
    for model in ["mocked", "claude"] {
        let text = if model == "mocked" {
            "two words"
        } else {
            "of Claude"
        };
        let body = json!({"model": model, "max_tokens": 5, "messages": messages});
        let message = post(&proxy, "/v1/messages", &body).await.json();
        assert_eq!(message["content"][0]["text"], text, "{message}");
        assert_eq!(
            (&message["type"], &message["model"]),
            (&json!("message"), &json!(model))
        );
        let counted = post(&proxy, "/v1/messages/count_tokens", &body)
            .await
            .json();
        assert_eq!(counted, json!({"input_tokens": 10}));
        let body = json!({"model": model, "max_tokens": 5, "messages": messages, "stream": true});
        let events = post(&proxy, "/v1/messages", &body).await.events();
        let words = events
            .iter()
            .filter_map(|event| event["delta"]["text"].as_str());
        assert_eq!(words.collect::<String>(), text);
        assert_eq!(events.last().unwrap()["type"], "message_stop");
    }
    let body = json!({"model": "mocked", "input": "x"});
    let response = post(&proxy, "/v1/responses", &body).await.json();
    assert_eq!(
        response["output"][0]["content"][0]["text"], "two words",
        "{response}"
    );
    let body = json!({"model": "mocked", "input": "x", "stream": true});
    let events = post(&proxy, "/v1/responses", &body).await.events();
    let words = events.iter().filter_map(|event| event["delta"].as_str());
    assert_eq!(words.collect::<String>(), "two words");
    assert_eq!(events.last().unwrap()["response"]["status"], "completed");
    assert_eq!(up.count(), 0);
}

#[tokio::test]
async fn a_failure_is_one_for_the_layers_too() {
    let (proxy, up) = start("").await;
    let answer = proxy.chat("limited", &json!({})).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["type"]),
        (429, &json!("throttling_error"))
    );
    let answer = proxy
        .chat("limited", &json!({"fallbacks": ["mocked"]}))
        .await;
    assert_eq!(answer.content(), "two words");
    assert_eq!(up.count(), 0);
}

#[tokio::test]
async fn a_request_may_bring_its_answer_only_if_allowed() {
    let members = json!({"mock_response": "as asked"});
    let (proxy, up) = start("").await;
    assert_eq!(proxy.chat("real", &members).await.content(), "hello from a");
    assert!(up.hits()[0].json().unwrap().get("mock_response").is_none());
    let settings = "general_settings: {dangerously_allow_mock_testing_request_params: true}";
    let (proxy, up) = start(settings).await;
    assert_eq!(proxy.chat("real", &members).await.content(), "as asked");
    assert_eq!(up.count(), 0);
    // What else tests of LiteLLM use is not here.
    for name in ["mock_testing_rate_limit_error", "mock_delay"] {
        let answer = proxy.chat("real", &json!({name: true})).await;
        assert_refused(&answer, name);
    }
}

fn assert_refused(answer: &Answer, param: &str) {
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["param"]),
        (400, &json!(param))
    );
}

const FLAGS: [(&str, &str, &str); 3] = [
    ("mock_testing_fallbacks", "general", "error"),
    ("mock_testing_context_fallbacks", "long", "context_window"),
    (
        "mock_testing_content_policy_fallbacks",
        "refused",
        "content_policy",
    ),
];

#[tokio::test]
async fn a_request_may_try_its_fallbacks_where_that_is_allowed() {
    let chains = ", fallbacks: [{real: [general]}], context_window_fallbacks: [{real: [long]}], \
        content_policy_fallbacks: [{real: [refused]}]}";
    let groups = FLAGS.map(|(_, group, _)| {
        format!("- {{model_name: {group}, litellm_params: {{model: openai/x, api_base: os.environ/A, mock_response: {group}}}}}\n")
    });
    let yaml = YAML.replace("0}", &format!("0{chains}"));
    let yaml = yaml.replace(
        "router_settings",
        &format!("{}router_settings", groups.concat()),
    );
    let up = upstream("a", Script::default()).await;
    let variables = [("A", up.url())];
    let closed = Proxy::start(&yaml, &variables).await;
    let allowed = "general_settings: {dangerously_allow_mock_testing_request_params: true}";
    let proxy = Proxy::start(&format!("{yaml}{allowed}"), &variables).await;
    for (flag, group, reason) in FLAGS {
        assert_refused(&closed.chat("real", &json!({flag: true})).await, flag);
        for stream in [false, true] {
            let answer = proxy
                .chat("real", &json!({flag: true, "stream": stream}))
                .await;
            assert_eq!(answer.content(), group);
            assert_eq!(answer.header("x-litellm-fallback-reason"), reason);
            assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
            assert_eq!(answer.header("x-litellm-total-attempts"), "1");
        }
        let answer = proxy.chat("real", &json!({flag: "yes"})).await;
        assert_refused(&answer, flag);
        assert_eq!(up.count(), 0, "{flag}");
    }
    // Without a chain the failure is the answer; it is no one's, so that nobody rests for it.
    let members = json!({"mock_testing_fallbacks": true, "disable_fallbacks": true});
    let answer = proxy.chat("real", &members).await;
    assert_eq!(answer.status, 500, "{}", answer.text);
    assert_eq!(proxy.get("/cooldowns").await.json()["data"], json!([]));
    assert_eq!(up.count(), 0);
    let unset = json!({"mock_testing_fallbacks": false, "mock_timeout": false});
    assert_eq!(proxy.chat("real", &unset).await.content(), "hello from a");
    let sent = up.hits().pop().unwrap().json().unwrap();
    assert!(
        sent.as_object()
            .unwrap()
            .keys()
            .all(|name| !name.starts_with("mock"))
    );
}

#[tokio::test]
async fn a_request_may_bring_a_timeout_where_that_is_allowed() {
    let settings = "general_settings: {dangerously_allow_mock_testing_request_params: true}";
    let (proxy, up) = start(settings).await;
    let answer = proxy.chat("real", &json!({"mock_timeout": true})).await;
    assert_eq!(answer.status, 408, "{}", answer.text);
    let members = json!({"mock_timeout": true, "fallbacks": ["mocked"]});
    // The timeout is that of every group that is asked.
    assert_eq!(proxy.chat("real", &members).await.status, 408);
    assert_eq!(up.count(), 0);
    let (proxy, _up) = start("").await;
    let answer = proxy.chat("real", &json!({"mock_timeout": true})).await;
    assert_refused(&answer, "mock_timeout");
}
