//! Paths, keys, and requests that cannot be served.

use http::{HeaderValue, Method};
use serde_json::json;
use ziggurat_testing::mock::{Running, Script};

use crate::support::{Proxy, config, upstream};

const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A, api_key: sk-upstream-secret}}
- {model_name: m, litellm_params: {model: unknown-provider/x}}
router_settings: {model_group_alias: {alias: m, hidden: {model: m, hidden: true}}}
general_settings: {max_request_size_mb: 1}";

async fn start(more: &str) -> (Proxy, Running) {
    let up = upstream("a", Script::default()).await;
    let proxy = Proxy::start(&format!("{YAML}{more}"), &[("A", up.url())]).await;
    (proxy, up)
}

#[tokio::test]
async fn paths_methods_and_listings() {
    let (proxy, up) = start("").await;
    assert_eq!(proxy.get("/health/liveliness").await.text, "\"I'm alive!\"");
    let readiness = proxy.get("/health/readiness").await.json();
    assert_eq!(
        (&readiness["status"], &readiness["deployments"]),
        (&json!("healthy"), &json!(1))
    );
    assert_eq!(readiness["left_out"][0]["model_name"], "m");
    let models = proxy.get("/v1/models").await.json();
    let ids: Vec<_> = models["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["m", "alias"]);
    let answer = proxy.get("/chat/completions").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, "POST")
    );
    assert_eq!(answer.json()["error"]["code"], "405");
    assert_eq!(
        proxy.get("/v1/chat/completion").await.json()["error"]["code"],
        "404"
    );
    assert_eq!(up.count(), 0);

    // R33: the answer bears the alias. R32: an id is a name as well.
    for name in ["m", "alias", "hidden"] {
        let answer = proxy.chat(name, &json!({})).await;
        assert_eq!(
            (
                &answer.json()["model"],
                answer.header("x-litellm-model-group")
            ),
            (&json!(name), name)
        );
    }
    let id = proxy
        .chat("m", &json!({}))
        .await
        .header("x-litellm-model-id")
        .to_owned();
    assert_eq!(proxy.chat(&id, &json!({})).await.content(), "hello from a");
}

#[tokio::test]
async fn a_master_key_is_asked_for() {
    let up = upstream("a", Script::default()).await;
    let yaml = format!("{YAML}\n").replace(
        "general_settings: {",
        "general_settings: {master_key: sk-master-secret, ",
    );
    let proxy = Proxy::start(&yaml, &[("A", up.url())]).await;
    let ask = |name: &'static str, value: &'static str| {
        let mut request = proxy.chat_request("m", &json!({}));
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
        proxy.call(request)
    };
    assert_eq!(proxy.chat("m", &json!({})).await.status, 401);
    let refused = ask("authorization", "Bearer sk-wrong").await;
    assert_eq!(
        (refused.status.as_u16(), &refused.json()["error"]["type"]),
        (401, &json!("authentication_error"))
    );
    assert!(!refused.text.contains("secret"));
    assert_eq!(
        (
            proxy.get("/v1/models").await.status,
            proxy.get("/nowhere").await.status
        ),
        (401.try_into().unwrap(), 401.try_into().unwrap())
    );
    assert_eq!(proxy.get("/health/liveliness").await.status, 200);
    assert_eq!(up.count(), 0);
    assert_eq!(
        ask("authorization", "Bearer sk-master-secret")
            .await
            .content(),
        "hello from a"
    );
    assert_eq!(
        ask("api-key", "sk-master-secret").await.content(),
        "hello from a"
    );
    // Neither the caller's key nor any other header of theirs goes upstream; the deployment's does.
    assert_eq!(
        up.hits()[0].header("authorization"),
        Some("Bearer sk-upstream-secret")
    );
    assert!(
        up.hits()
            .iter()
            .all(|hit| !format!("{:?}", hit.headers()).contains("master"))
    );
}

/// Headers that an operator lets pass go upstream, but the key of this server is nothing for upstreams.
#[tokio::test]
async fn a_master_key_goes_nowhere_in_headers_that_are_passed_on() {
    let up = upstream("a", Script::default()).await;
    let yaml = format!("{YAML}\n").replace(
        "general_settings: {",
        "general_settings: {master_key: sk-master-secret, forward_client_headers_to_llm_api: [x-api-key, x-litellm-api-key, x-mine], ",
    );
    let proxy = Proxy::start(&yaml, &[("A", up.url())]).await;
    let mut request = proxy.chat_request("m", &json!({}));
    for (name, value) in [
        ("x-api-key", "sk-master-secret"),
        ("x-litellm-api-key", "sk-other"),
        ("x-mine", "1"),
    ] {
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    assert_eq!(proxy.call(request).await.content(), "hello from a");
    let hits = up.hits();
    assert_eq!(hits[0].header("x-api-key"), None);
    assert_eq!(hits[0].header("x-litellm-api-key"), Some("sk-other"));
    assert_eq!(hits[0].header("x-mine"), Some("1"));
}

#[tokio::test]
async fn bodies_that_are_no_json_are_refused_with_their_place() {
    let (proxy, up) = start("").await;
    let post =
        |body: &'static str| proxy.call(proxy.request(Method::POST, "/chat/completions", body));
    let answer = post("{\n  \"model\": \"zephyr-beta\"\",\n  \"messages\": []\n}").await;
    let error = &answer.json()["error"];
    assert_eq!(
        (answer.status.as_u16(), &error["type"], &error["param"]),
        (400, &json!("invalid_request_error"), &json!("request_body"))
    );
    let message = error["message"].as_str().unwrap();
    assert!(
        message.contains("line 2 column 25") && message.contains("`\",`"),
        "{message}"
    );
    let answer =
        post("{\n  \"model\": \"m\",\n  \"logit_bias\": {12481: 100},\n  \"timeout\": 1\n}").await;
    let message = answer.json()["error"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.contains("line 3 column 18") && message.contains("12481"),
        "{message}"
    );
    assert_eq!(up.count(), 0);
    let fixed =
        post(r#"{"model": "m", "messages": [], "logit_bias": {"12481": 100}, "timeout": 1}"#).await;
    assert_eq!(fixed.content(), "hello from a");
    assert_eq!(
        up.hits()[0].json().unwrap()["logit_bias"],
        json!({"12481": 100})
    );
}

#[tokio::test]
async fn wrong_members_are_named() {
    let (proxy, up) = start("").await;
    for (members, param) in [
        (json!({"model": null}), "model"),
        (json!({"messages": null}), "messages"),
        (json!({"timeout": "soon"}), "timeout"),
        (json!({"timeout": -1}), "timeout"),
        (json!({"num_retries": "abc"}), "num_retries"),
        (json!({"num_retries": -1}), "num_retries"),
        (json!({"fallbacks": 7}), "fallbacks"),
        (json!({"stream": "yes"}), "stream"),
    ] {
        let answer = proxy.chat("m", &members).await;
        let error = &answer.json()["error"];
        assert_eq!(
            (answer.status.as_u16(), &error["param"]),
            (400, &json!(param)),
            "{members}"
        );
        assert_eq!(answer.header("x-should-retry"), "false");
    }
    let unknown = proxy.chat("no-such-model", &json!({})).await;
    assert_eq!(unknown.status, 400);
    assert!(
        unknown.json()["error"]["message"]
            .as_str()
            .unwrap()
            .contains("no-such-model")
    );
    assert_eq!(up.count(), 0);
    let rescued = proxy
        .chat("no-such-model", &json!({"fallbacks": ["m"]}))
        .await;
    assert_eq!(rescued.content(), "hello from a");
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_whether_its_length_is_told_or_not() {
    let (proxy, up) = start("").await;
    let long = json!({"messages": [{"role": "user", "content": "x".repeat(1_100_000)}]});
    let answer = proxy.chat("m", &long).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["code"]),
        (413, &json!("413"))
    );
    let chunks = proxy.chat_request("m", &long);
    let (head, body) = chunks.into_parts();
    let mut request = http::Request::from_parts(
        head,
        ziggurat_testing::ScriptedBody::new()
            .data(
                http_body_util::BodyExt::collect(body)
                    .await
                    .unwrap()
                    .to_bytes(),
            )
            .unknown_size(),
    );
    request
        .headers_mut()
        .insert("transfer-encoding", HeaderValue::from_static("chunked"));
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http();
    assert_eq!(client.request(request).await.unwrap().status(), 413);
    assert_eq!(up.count(), 0);
    // Both count, and both are in the log.
    let page = proxy.get("/metrics").await.text;
    let refusals = r#"ziggurat_requests_total{model="other",outcome="payload_too_large"} 2"#;
    assert!(page.contains(refusals), "{page}");
    assert_eq!(proxy.chat("m", &json!({})).await.content(), "hello from a");
}

#[tokio::test]
async fn keys_do_not_show() {
    let yaml = format!("{YAML}\n").replace(
        "general_settings: {",
        "general_settings: {master_key: sk-master-secret, ",
    );
    let config = config(
        &yaml,
        &[("A", "http://127.0.0.1:1/v1?key=query-secret".to_owned())],
    );
    let mut options = ziggurat_server::Options::default();
    (options.port, options.host) = (0, Some("127.0.0.1".to_owned()));
    let server = ziggurat_server::Server::bind(&config, &options)
        .await
        .unwrap();
    let shown = format!("{config:?} {server:?} {server} {:?}", server.gateway());
    assert!(!shown.contains("secret"), "{shown}");
}
