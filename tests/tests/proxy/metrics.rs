//! What operators count and read: `GET /metrics`, the line per request, and observers of one's own.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tower::ServiceExt;
use ziggurat::{
    Gateway,
    core::{
        Observer,
        observe::{AttemptEnd, Ended, RequestEnd},
    },
};
use ziggurat_testing::mock::{Answer as Reply, ApiError, Running, Step};

use crate::support::{Proxy, config, upstream};

const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}, model_info: {id: first}}
- {model_name: n, litellm_params: {model: openai/y, api_base: os.environ/B}, model_info: {id: second}}
- {model_name: wild/*, litellm_params: {model: openai/*, api_base: os.environ/B}, model_info: {id: third}}
router_settings: {num_retries: 1, cooldown_time: 60, model_group_alias: {alias: m}, fallbacks: [{m: [n]}]}";

/// The samples of a page by name and labels. Every line must be one that Prometheus reads.
type Samples = BTreeMap<String, f64>;

fn parse(page: &str) -> Samples {
    assert!(page.ends_with('\n'));
    let mut families: BTreeMap<&str, &str> = BTreeMap::new();
    let mut samples = Samples::new();
    for line in page.lines() {
        if let Some(meta) = line.strip_prefix("# ") {
            let mut words = meta.splitn(3, ' ');
            let (kind, name) = (words.next().unwrap(), words.next().unwrap());
            let rest = words.next().unwrap();
            match kind {
                "TYPE" => assert!(families.insert(name, rest).is_none(), "{name} comes twice"),
                "HELP" => assert!(!rest.is_empty()),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.strip_suffix('}').unwrap();
        let is_label = |label: &str| {
            let (name, value) = label.split_once('=').unwrap();
            name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
                && value.starts_with('"')
                && value.ends_with('"')
        };
        assert!(labels.split_terminator(',').all(is_label), "{line}");
        let family = families.iter().find(|(family, kind)| match **kind {
            "histogram" => name
                .strip_prefix(**family)
                .is_some_and(|rest| ["_bucket", "_sum", "_count"].contains(&rest)),
            _ => name == **family,
        });
        assert!(family.is_some(), "{line} belongs to nothing");
        let value: f64 = value.parse().unwrap();
        assert!(
            samples.insert(series.to_owned(), value).is_none(),
            "{series} comes twice"
        );
    }
    samples
}

impl Proxy {
    async fn samples(&self) -> Samples {
        let answer = self.get("/metrics").await;
        let kind = answer.headers.get(CONTENT_TYPE).unwrap();
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
        parse(&answer.text)
    }
}

fn sum(samples: &Samples, name: &str, labels: &[&str]) -> f64 {
    let begin = format!("{name}{{");
    let is_it = |series: &str| {
        series.starts_with(&begin) && labels.iter().all(|label| series.contains(label))
    };
    let found = samples.iter().filter(|(series, _)| is_it(series));
    found.map(|(_, value)| value).sum()
}

async fn start(a: Vec<Step>) -> (Proxy, Running, Running) {
    let a = upstream("a", a).await;
    let b = upstream("b", [Step::hello()]).await;
    let proxy = Proxy::start(YAML, &[("A", a.url()), ("B", b.url())]).await;
    (proxy, a, b)
}

#[tokio::test(start_paused = true)]
async fn requests_and_attempts_are_counted_by_configured_names_alone() {
    let slow = Step::answer(Reply::deltas(["one", " two"]))
        .delay(Duration::from_secs(1))
        .interval(Duration::from_secs(3));
    let overloaded = Step::error(ApiError::new(http::StatusCode::SERVICE_UNAVAILABLE));
    let (proxy, _a, _b) = start(vec![slow, overloaded]).await;
    let before = proxy.samples().await;
    assert_eq!(sum(&before, "ziggurat_requests_total", &[]), 0.0);

    assert_eq!(proxy.chat("m", &json!({"stream": true})).await.status, 200);
    assert_eq!(proxy.chat("alias", &json!({})).await.status, 200);
    assert_eq!(proxy.chat("wild/card", &json!({})).await.status, 200);
    assert_eq!(proxy.chat("second", &json!({})).await.status, 200);
    assert_eq!(proxy.chat("secret-name", &json!({})).await.status, 400);
    let broken = proxy.request(Method::POST, "/chat/completions", "{");
    assert_eq!(proxy.call(broken).await.status, 400);

    let page = proxy.get("/metrics").await.text;
    assert!(
        !page.contains("secret-name") && !page.contains("wild/card"),
        "{page}"
    );
    let samples = parse(&page);
    let requests = |labels: &[&str]| sum(&samples, "ziggurat_requests_total", labels);
    let done = r#"outcome="completed""#;
    // `second` is the id of the deployment of `n`.
    for model in ["m", "alias", "n", "wild/*"] {
        assert_eq!(
            requests(&[&format!("model=\"{model}\""), done]),
            1.0,
            "{model}"
        );
    }
    assert_eq!(
        requests(&[r#"model="other""#, r#"outcome="unknown_model""#]),
        1.0
    );
    assert_eq!(
        requests(&[r#"model="other""#, r#"outcome="bad_request""#]),
        1.0
    );
    assert_eq!(requests(&[]), 6.0);

    // `alias` asked `m` twice, and then `n`.
    let attempts = |labels: &[&str]| sum(&samples, "ziggurat_attempts_total", labels);
    let failed = r#"outcome="server""#;
    let first = r#"deployment="first",provider="openai""#;
    let tried = attempts(&[r#"model_group="m""#, first]);
    assert_eq!(
        tried,
        1.0 + attempts(&[first, failed]) + attempts(&[first, "unavailable"])
    );
    assert_eq!(attempts(&[r#"deployment="second""#, done]), 2.0);
    assert_eq!(attempts(&[r#"deployment="third""#, done]), 1.0);
    let alias = r#"model="alias""#;
    assert_eq!(
        sum(&samples, "ziggurat_request_fallbacks_total", &[alias]),
        1.0
    );
    let retries = sum(&samples, "ziggurat_request_retries_total", &[alias]);
    assert_eq!(retries, tried - 2.0);

    // Of the stream: four seconds to the first content, which comes after its role, then three more for each event.
    let m = r#"model="m""#;
    let first_chunk = sum(&samples, "ziggurat_request_first_chunk_seconds_sum", &[m]);
    assert!((4.0..4.5).contains(&first_chunk), "{first_chunk}");
    let whole = sum(&samples, "ziggurat_request_duration_seconds_sum", &[m]);
    assert!((10.0..14.0).contains(&whole), "{whole}");
    let name = "ziggurat_request_duration_seconds_bucket";
    assert_eq!(sum(&samples, name, &[m, r#"le="0.64""#]), 0.0);
    assert_eq!(sum(&samples, name, &[m, r#"le="20.48""#]), 1.0);
    let name = "ziggurat_attempt_first_chunk_seconds_count";
    assert_eq!(sum(&samples, name, &[]), 1.0);

    let used = sum(
        &samples,
        "ziggurat_input_tokens_total",
        &[r#"deployment="second""#],
    );
    assert!(used > 0.0);
    let used = sum(
        &samples,
        "ziggurat_output_tokens_total",
        &[r#"deployment="second""#],
    );
    assert!(used > 0.0);
    assert_eq!(sum(&samples, "ziggurat_deployment_in_flight", &[]), 0.0);
}

#[tokio::test(start_paused = true)]
async fn what_happens_now_is_shown() {
    let limited = Step::error(ApiError::new(http::StatusCode::TOO_MANY_REQUESTS));
    let slow = Step::answer(Reply::deltas(["one", " two"])).interval(Duration::from_secs(5));
    let (proxy, _a, _b) = start(vec![slow, limited]).await;
    let request = proxy.chat_request("m", &json!({"stream": true}));
    let mut body = proxy.send(request).await.into_body();
    body.frame().await.unwrap().unwrap();
    let first = r#"deployment="first""#;
    let samples = proxy.samples().await;
    assert_eq!(
        sum(&samples, "ziggurat_deployment_in_flight", &[first]),
        1.0
    );
    let state = |samples: &Samples, state: &str| {
        let label = format!("state=\"{state}\"");
        sum(samples, "ziggurat_deployment_state", &[first, &label])
    };
    assert_eq!(
        (state(&samples, "working"), state(&samples, "cooling")),
        (1.0, 0.0)
    );
    // The client leaves.
    drop(body);
    assert_eq!(proxy.chat("m", &json!({})).await.status, 200);
    let samples = proxy.samples().await;
    assert_eq!(
        (state(&samples, "working"), state(&samples, "cooling")),
        (0.0, 1.0)
    );
    let rest = sum(&samples, "ziggurat_deployment_cooldown_seconds", &[first]);
    assert!((50.0..=60.0).contains(&rest), "{rest}");
    assert_eq!(sum(&samples, "ziggurat_deployment_in_flight", &[]), 0.0);
    let cancelled = r#"outcome="cancelled""#;
    assert_eq!(
        sum(
            &samples,
            "ziggurat_requests_total",
            &[r#"model="m""#, cancelled]
        ),
        1.0
    );
    assert_eq!(
        sum(&samples, "ziggurat_attempts_total", &[first, cancelled]),
        1.0
    );
}

#[tokio::test(start_paused = true)]
async fn counts_survive_a_reload() {
    let (proxy, a, b) = start(vec![Step::hello()]).await;
    let variables = [("A", a.url()), ("B", b.url())];
    proxy.chat("m", &json!({})).await.content();
    let yaml = YAML.replace("model_name: n", "model_name: new");
    let yaml = yaml.replace("fallbacks: [{m: [n]}]", "fallbacks: [{m: [new]}]");
    proxy
        .handle
        .reload(config(&yaml, &variables))
        .await
        .unwrap();
    proxy.chat("m", &json!({})).await.content();
    let samples = proxy.samples().await;
    assert_eq!(
        sum(&samples, "ziggurat_requests_total", &[r#"model="m""#]),
        2.0
    );
    assert_eq!(
        sum(
            &samples,
            "ziggurat_attempts_total",
            &[r#"deployment="first""#]
        ),
        2.0
    );
    let gone = samples.keys().any(|series| series.contains(r#"model="n""#));
    assert!(!gone, "{samples:?}");
}

#[tokio::test]
async fn the_page_asks_for_the_key_unless_told_otherwise() {
    let up = upstream("a", [Step::hello()]).await;
    let variables = [("A", up.url()), ("B", up.url())];
    let yaml = format!("{YAML}\ngeneral_settings: {{master_key: sk-1}}");
    let proxy = Proxy::start(&yaml, &variables).await;
    assert_eq!(proxy.get("/metrics").await.status, 401);
    let yaml = format!("{yaml}\nlitellm_settings: {{require_auth_for_metrics_endpoint: false}}");
    proxy
        .handle
        .reload(config(&yaml, &variables))
        .await
        .unwrap();
    assert_eq!(proxy.get("/metrics").await.status, 200);
    // Prometheus' examples end with a slash.
    assert_eq!(proxy.get("/metrics/").await.status, 200);
    assert_eq!(proxy.get("/models").await.status, 401);
}

/// Keeps one line per call.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Observer for Told {
    fn attempt_ended(&self, end: &AttemptEnd<'_>) {
        let deployment = end.deployment.map(|id| id.as_str());
        let line = format!("attempt {deployment:?} {}", end.call.outcome.as_str());
        self.0.lock().unwrap().push(line);
    }

    fn request_ended(&self, end: &RequestEnd<'_>) {
        let metadata = end.asked.and_then(|asked| asked.metadata.as_ref());
        let metadata = metadata.and_then(|it| it.get("team"));
        assert_eq!(end.call.outcome, Ended::Completed);
        let id = end.id.map(|id| id.to_str().unwrap());
        let line = format!("request {id:?} {metadata:?} {}", end.tried.attempts());
        self.0.lock().unwrap().push(line);
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_of_ones_own_hears_of_everything() {
    let failing = Step::error(ApiError::new(http::StatusCode::UNAUTHORIZED));
    let (a, b) = (
        upstream("a", [failing]).await,
        upstream("b", [Step::hello()]).await,
    );
    let config = config(YAML, &[("A", a.url()), ("B", b.url())]);
    let told = Arc::new(Told::default());
    let gateway = Gateway::builder(&config).observer(told.clone());
    let gateway = gateway.build().unwrap();
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "metadata": {"team": 7}});
    let request = Request::post("/v1/chat/completions").header("x-litellm-call-id", "call-1");
    let body = Full::new(Bytes::from(body.to_string()));
    let request = request.body(body).unwrap();
    let response = gateway.oneshot(request).await.unwrap();
    assert_eq!(
        told.0.lock().unwrap().len(),
        1,
        "the answer has not been read"
    );
    response.into_body().collect().await.unwrap();
    let told = told.0.lock().unwrap();
    let expected = [
        r#"attempt Some("first") authentication"#,
        r#"attempt Some("second") completed"#,
        r#"request Some("call-1") Some("7") 2"#,
    ];
    assert_eq!(*told, expected);
    let sent = b.hits().pop().unwrap().json().unwrap();
    assert_eq!(sent.get("metadata"), None);
}

/// R31: a list of models is as many requests, each under its own name.
#[tokio::test(start_paused = true)]
async fn each_model_of_a_list_is_counted() {
    let unauthorized = Step::error(ApiError::new(http::StatusCode::UNAUTHORIZED));
    let (proxy, _a, _b) = start(vec![unauthorized, Step::hang()]).await;
    let answer = proxy.chat("m,n", &json!({})).await;
    assert_eq!(answer.json().as_array().unwrap().len(), 2);
    // `m` was asked, and then `n` for it and for itself.
    assert_eq!(answer.header("x-litellm-total-attempts"), "3");
    let samples = proxy.samples().await;
    let requests = |samples: &Samples, model: &str, outcome: &str| {
        let labels = [
            format!("model=\"{model}\""),
            format!("outcome=\"{outcome}\""),
        ];
        sum(
            samples,
            "ziggurat_requests_total",
            &[&labels[0], &labels[1]],
        )
    };
    for (model, hops) in [("m", 1.0), ("n", 0.0), ("other", 0.0)] {
        let done = if model == "other" { 0.0 } else { 1.0 };
        assert_eq!(requests(&samples, model, "completed"), done, "{model}");
        let label = format!("model=\"{model}\"");
        let fallbacks = sum(&samples, "ziggurat_request_fallbacks_total", &[&label]);
        assert_eq!(fallbacks, hops, "{model}");
    }
    // What is not waited for is given up; what is refused as a whole is one request.
    let members = json!({"fastest_response": true, "fallbacks": []});
    let answer = proxy.chat("alias,n", &members).await;
    assert_eq!(answer.content(), "hello from b");
    let many = vec!["m"; 17].join(",");
    assert_eq!(proxy.chat(&many, &json!({})).await.status, 400);
    let samples = proxy.samples().await;
    assert_eq!(requests(&samples, "n", "completed"), 2.0);
    assert_eq!(requests(&samples, "other", "bad_request"), 1.0);
    assert_eq!(sum(&samples, "ziggurat_requests_total", &[]), 5.0);
}

#[tokio::test(start_paused = true)]
async fn the_calls_of_a_list_have_the_id_of_their_request() {
    let (a, b) = (
        upstream("a", [Step::hello()]).await,
        upstream("b", [Step::hello()]).await,
    );
    let config = config(YAML, &[("A", a.url()), ("B", b.url())]);
    let told = Arc::new(Told::default());
    let gateway = Gateway::builder(&config).observer(told.clone());
    let gateway = gateway.build().unwrap();
    let body = json!({"model": ["m", "n"], "messages": [], "metadata": {"team": 7}});
    let request = Request::post("/v1/chat/completions").header("x-litellm-call-id", "call-1");
    let request = request.body(Full::new(Bytes::from(body.to_string())));
    let response = gateway.oneshot(request.unwrap()).await.unwrap();
    response.into_body().collect().await.unwrap();
    let told = told.0.lock().unwrap();
    let requests = told.iter().filter(|line| line.starts_with("request"));
    let expected = r#"request Some("call-1") Some("7") 1"#;
    assert_eq!(requests.collect::<Vec<_>>(), [expected, expected]);
}
