//! More requests than there is room for.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use serde_json::json;
use ziggurat_testing::mock::{Answer as Reply, Running, Step};

use crate::support::{Answer, Proxy, config, upstream};

const YAML: &str = "
model_list: [{model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}]
general_settings: {global_max_parallel_requests: 2}";

async fn start() -> (Proxy, Running) {
    let slow = Step::answer(Reply::deltas(["one", " two"])).interval(Duration::from_secs(5));
    let up = upstream("a", [slow]).await;
    (Proxy::start(YAML, &[("A", up.url())]).await, up)
}

fn is_refusal(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("x-should-retry"), "true");
}

#[tokio::test(start_paused = true)]
async fn more_requests_than_there_is_room_for_are_refused_at_once() {
    let (proxy, up) = start().await;
    let stream = || proxy.send(proxy.chat_request("m", &json!({"stream": true})));
    let (first, second) = tokio::join!(stream(), stream());

    let refused = proxy.chat("m", &json!({})).await;
    is_refusal(&refused);
    assert_eq!(refused.json()["error"]["type"], "internal_server_error");
    assert_eq!(refused.json()["error"]["code"], "503");
    let message = json!({"model": "m", "messages": [], "max_tokens": 5}).to_string();
    let refused = proxy.request(Method::POST, "/v1/messages", message);
    let refused = proxy.call(refused).await;
    is_refusal(&refused);
    assert_eq!(refused.json()["error"]["type"], "overloaded_error");
    assert_eq!(up.count(), 2);

    // Whoever looks after the proxy can still see how it fares.
    assert_eq!(proxy.get("/health/readiness").await.status, 200);
    assert_eq!(proxy.get("/v1/models").await.status, 200);
    let metrics = proxy.get("/metrics").await.text;
    assert!(
        metrics.contains("\nziggurat_requests_in_flight 2\n"),
        "{metrics}"
    );
    let refusals = r#"ziggurat_requests_total{model="other",outcome="overloaded"} 2"#;
    assert!(metrics.contains(refusals), "{metrics}");

    // The others are unharmed, and make room: one by its end, one by its client's leaving.
    let text = first.into_body().collect().await.unwrap().to_bytes();
    assert!(text.ends_with(b"data: [DONE]\n\n"), "{text:?}");
    assert_eq!(proxy.chat("m", &json!({})).await.content(), "one two");
    drop(second);
    let (one, two) = tokio::join!(stream(), stream());
    assert_eq!(
        (one.status(), two.status()),
        (200.try_into().unwrap(), 200.try_into().unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn a_reload_changes_the_limit_and_forgets_no_one() {
    let (proxy, up) = start().await;
    let stream = || proxy.send(proxy.chat_request("m", &json!({"stream": true})));
    let _running = tokio::join!(stream(), stream());
    is_refusal(&proxy.chat("m", &json!({})).await);
    let reload = async |limit: &str| {
        let yaml = YAML.replace("requests: 2", limit);
        let config = config(&yaml, &[("A", up.url())]);
        proxy.handle.reload(config).await.unwrap();
    };
    reload("requests: 3").await;
    let third = stream().await;
    assert_eq!(third.status(), 200);
    is_refusal(&proxy.chat("m", &json!({})).await);
    reload("requests: 1").await;
    is_refusal(&proxy.chat("m", &json!({})).await);
    reload("requests: 0").await;
    assert_eq!(proxy.chat("m", &json!({})).await.content(), "one two");
}
