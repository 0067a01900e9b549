//! The pages beside the calls: what is served, how it is routed, how it fares (R173-R181).

use http::{Method, StatusCode};
use serde_json::{Value, json};
use ziggurat_testing::mock::{Running, Step};

use crate::support::{Proxy, upstream};

const YAML: &str = "
model_list:
- model_name: gpt-4o
  litellm_params: {model: openai/gpt-4o, api_base: os.environ/A, api_key: sk-upstream-secret, rpm: 10, temperature: 0.5,
    extra_body: {some_api_key: sk-hidden-secret, max_tokens: 7}, extra_headers: {x-token: sk-header-secret}}
  model_info: {id: one, description: fast, metadata: {password: sk-info-secret, team: a}}
- model_name: gpt-4o
  litellm_params: {model: openai/gpt-4o, api_base: 'http://localhost:1/v1?key=sk-query-secret', rpm: 5}
- {model_name: emb, litellm_params: {model: openai/text-embedding-3-small, api_base: os.environ/B}, model_info: {mode: embedding}}
- {model_name: org/odd, litellm_params: {model: openai/unheard-of, api_base: os.environ/B}}
- {model_name: broken, litellm_params: {model: unknown-provider/x}}
router_settings:
  model_group_alias: {alias: gpt-4o, hidden: {model: gpt-4o, hidden: true}}
  routing_groups: [{group_name: all, models: [gpt-4o, emb], routing_strategy: simple-shuffle}]
  fallbacks: [{gpt-4o: [emb, org/odd]}, {'*': [gpt-4o]}]
  context_window_fallbacks: [{gpt-4o: [org/odd]}]
  cooldown_time: 60
  num_retries: 0
";

async fn start(a: Step, b: Step) -> (Proxy, Running, Running) {
    let (a, b) = (upstream("a", [a]).await, upstream("b", [b]).await);
    let proxy = Proxy::start(YAML, &[("A", a.url()), ("B", b.url())]).await;
    (proxy, a, b)
}

fn names<'a>(page: &'a Value, list: &str, name: &str) -> Vec<&'a str> {
    let entries = page[list].as_array().unwrap();
    entries
        .iter()
        .map(|entry| entry[name].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn models_are_listed_and_found() {
    let (proxy, ..) = start(Step::hello(), Step::hello()).await;
    let list = proxy.get("/models").await.json();
    assert_eq!(
        names(&list, "data", "id"),
        ["gpt-4o", "emb", "org/odd", "alias", "all"]
    );
    assert_eq!(list["object"], "list");
    for (id, path) in [
        ("gpt-4o", "gpt-4o"),
        ("org/odd", "org/odd"),
        ("org/odd", "org%2Fodd"),
        ("alias", "alias"),
    ] {
        for before in ["/v1/models/", "/models/"] {
            let entry = proxy.get(&format!("{before}{path}")).await.json();
            assert_eq!(
                (&entry["id"], &entry["object"]),
                (&json!(id), &json!("model"))
            );
            assert_eq!(
                (&entry["created"], &entry["owned_by"]),
                (&json!(1_677_610_602), &json!("openai"))
            );
        }
    }
    let entry = proxy.get("/v1/models/alias").await.json();
    assert_eq!(
        (&entry["mode"], &entry["max_input_tokens"]),
        (&json!("chat"), &json!(128_000))
    );
    assert_eq!(
        proxy.get("/v1/models/emb").await.json()["mode"],
        "embedding"
    );
    assert!(
        proxy
            .get("/v1/models/org/odd")
            .await
            .json()
            .get("max_input_tokens")
            .is_none()
    );
    for name in ["hidden", "nobody", "%FF"] {
        let answer = proxy.get(&format!("/v1/models/{name}")).await;
        let status = if name == "%FF" { 400 } else { 404 };
        assert_eq!(answer.status, status, "{name}");
        assert!(answer.json()["error"]["message"].is_string());
    }
}

#[tokio::test]
async fn model_info_shows_no_secret() {
    let (proxy, ..) = start(Step::hello(), Step::hello()).await;
    for path in [
        "/model/info",
        "/v1/model/info",
        "/model_group/info",
        "/health",
        "/router/settings",
    ] {
        let answer = proxy.get(path).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text.contains("secret"), "{path}: {}", answer.text);
    }
    let page = proxy.get("/model/info").await.json();
    assert_eq!(
        names(&page, "data", "model_name"),
        ["gpt-4o", "gpt-4o", "emb", "org/odd"]
    );
    let page = proxy
        .get("/v1/model/info?litellm_model_id=one")
        .await
        .json();
    let entry = &page["data"][0];
    assert_eq!(page["data"].as_array().unwrap().len(), 1);
    let params = json!({"model": "openai/gpt-4o", "api_base": entry["litellm_params"]["api_base"],
        "rpm": 10.0, "temperature": 0.5, "max_tokens": 7});
    assert_eq!(entry["litellm_params"], params);
    let info = &entry["model_info"];
    assert_eq!(
        (&info["id"], &info["description"], &info["metadata"]),
        (&json!("one"), &json!("fast"), &json!({"team": "a"}))
    );
    assert_eq!(
        (&info["max_input_tokens"], &info["supports_vision"]),
        (&json!(128_000), &json!(true))
    );
    let answer = proxy.get("/model/info?litellm_model_id=two").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["param"]),
        (404, &json!("litellm_model_id"))
    );
}

#[tokio::test]
async fn group_info_sums_up() {
    let (proxy, ..) = start(Step::hello(), Step::hello()).await;
    let page = proxy.get("/model_group/info").await.json();
    assert_eq!(
        names(&page, "data", "model_group"),
        ["gpt-4o", "emb", "org/odd"]
    );
    let group = &proxy
        .get("/model_group/info?model_group=gpt-4o")
        .await
        .json()["data"][0];
    assert_eq!(
        (&group["rpm"], &group["providers"]),
        (&json!(15.0), &json!(["openai"]))
    );
    assert_eq!(
        (&group["supports_vision"], &group["mode"]),
        (&json!(true), &json!("chat"))
    );
    assert_eq!(
        proxy.get("/model_group/info?model_group=x").await.status,
        404
    );
}

#[tokio::test]
async fn routing_is_shown() {
    let (proxy, ..) = start(Step::hello(), Step::hello()).await;
    let settings = &proxy.get("/router/settings").await.json()["current_values"];
    assert_eq!(
        (&settings["num_retries"], &settings["cooldown_time"]),
        (&json!(0), &json!(60.0))
    );
    assert_eq!(
        settings["fallbacks"][0],
        json!({"gpt-4o": ["emb", "org/odd"]})
    );
    assert_eq!(settings["model_group_alias"], json!({"alias": "gpt-4o"}));
    for (path, models, kind) in [
        ("gpt-4o", json!(["emb", "org/odd"]), "general"),
        ("alias", json!(["emb", "org/odd"]), "general"),
        ("org%2Fodd", json!(["gpt-4o"]), "general"),
        (
            "gpt-4o?fallback_type=context_window",
            json!(["org/odd"]),
            "context_window",
        ),
    ] {
        let page = proxy.get(&format!("/fallback/{path}")).await.json();
        assert_eq!(
            (&page["fallback_models"], &page["fallback_type"]),
            (&models, &json!(kind)),
            "{path}"
        );
    }
    assert_eq!(
        proxy
            .get("/fallback/emb?fallback_type=context_window")
            .await
            .status,
        404
    );
    let answer = proxy.get("/fallback/emb?fallback_type=none").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["param"]),
        (400, &json!("fallback_type"))
    );
    let routes = proxy.get("/routes").await.json();
    assert!(names(&routes, "routes", "path").contains(&"/fallback/{model}"));
}

#[tokio::test(start_paused = true)]
async fn health_asks_only_when_told() {
    let (proxy, a, b) = start(Step::error(StatusCode::UNAUTHORIZED), Step::hello()).await;
    let page = proxy.get("/health").await.json();
    assert_eq!(
        (&page["healthy_count"], &page["unhealthy_count"]),
        (&json!(4), &json!(0))
    );
    assert_eq!((a.count(), b.count()), (0, 0), "a look costs nothing");

    let page = proxy.get("/health?cached=false&model=one").await.json();
    assert_eq!(
        (&page["healthy_count"], &page["unhealthy_count"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(page["unhealthy_endpoints"][0]["error"], "authentication");
    assert_eq!((a.count(), b.count()), (1, 0));

    let page = proxy.get("/health?cached=false").await.json();
    assert_eq!(
        (&page["healthy_count"], &page["unhealthy_count"]),
        (&json!(2), &json!(2)),
        "{page}"
    );
    assert_eq!((a.count(), b.count()), (2, 2));
    let hits = b.hits();
    let mut paths: Vec<_> = hits.iter().map(|hit| hit.path()).collect();
    paths.sort_unstable();
    assert_eq!(
        paths,
        ["/chat/completions", "/embeddings"],
        "each is asked for what it does"
    );

    // The answers are remembered.
    let page = proxy.get("/health").await.json();
    assert_eq!((&page["unhealthy_count"], b.count()), (&json!(2), 2));
    for name in ["alias", "hidden"] {
        let page = proxy.get(&format!("/health?model={name}")).await.json();
        assert_eq!(page["unhealthy_count"], 2, "{name}: {page}");
    }
    let answer = proxy.get("/health?model=nobody").await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["error"]["param"]),
        (404, &json!("model"))
    );
    assert_eq!(proxy.get("/health?cached=maybe").await.status, 400);
}

#[tokio::test]
async fn errors_of_paths_have_openais_shape() {
    let (proxy, ..) = start(Step::hello(), Step::hello()).await;
    for (method, path, status, allow) in [
        (Method::GET, "/nowhere", 404, ""),
        (Method::POST, "/v1/models", 405, "GET, HEAD"),
        (Method::DELETE, "/health", 405, "GET, HEAD"),
        (Method::PUT, "/engines/m/completions", 405, "POST"),
    ] {
        let answer = proxy.call(proxy.request(method, path, "")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("allow")),
            (status, allow),
            "{path}"
        );
        let error = &answer.json()["error"];
        assert_eq!(error["code"], status.to_string());
        assert_eq!(error["type"], "invalid_request_error");
    }
    let answer = proxy
        .call(proxy.request(Method::HEAD, "/v1/models", ""))
        .await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
}
