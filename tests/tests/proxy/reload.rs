//! Another configuration for a proxy that runs: whole or not at all, and no request is lost.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use http::{HeaderValue, Method, header::AUTHORIZATION};
use http_body_util::BodyExt;
use serde_json::json;
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{sleep, timeout},
};
use ziggurat::Gateway;
use ziggurat_server::{Follow, Options, ReloadError, Server};
use ziggurat_testing::mock::{Answer as Reply, ApiError, Step};

use crate::{
    metadata::Log,
    support::{Proxy, config, upstream},
};

const YAML: &str =
    "model_list: [{model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}]";

fn with(settings: &str) -> String {
    format!("{YAML}\n{settings}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_under_load() {
    const CALLERS: usize = 16;
    const CALLS: usize = 25;
    let up = upstream("a", [Step::hello()]).await;
    let variables = [("A", up.url())];
    let proxy = Arc::new(Proxy::start(YAML, &variables).await);
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let proxy = Arc::clone(&proxy);
        callers.spawn(async move {
            for call in 0..CALLS {
                let stream = json!({"stream": call % 2 == 0});
                let answer = proxy.chat("m", &stream).await;
                assert_eq!(answer.content(), "hello from a");
            }
        });
    }
    // As many as there is time for, each another one.
    let mut reloads = 0;
    while !callers.is_empty() {
        let yaml = with(&format!(
            "router_settings: {{num_retries: {}}}",
            reloads % 7
        ));
        let reloaded = proxy
            .handle
            .reload(config(&yaml, &variables))
            .await
            .unwrap();
        assert_eq!((reloaded.added.len(), reloaded.removed.len()), (0, 0));
        reloads += 1;
        while let Some(ended) = callers.try_join_next() {
            ended.unwrap();
        }
    }
    assert!(reloads > 2, "{reloads}");
    assert_eq!(up.hits().len(), CALLERS * CALLS);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_where_it_began() {
    let slow = Step::answer(Reply::deltas(["one", " two"])).interval(Duration::from_secs(3));
    let (a, b) = (
        upstream("a", [slow]).await,
        upstream("b", [Step::hello()]).await,
    );
    let proxy = Proxy::start(YAML, &[("A", a.url())]).await;
    let request = proxy.chat_request("m", &json!({"stream": true}));
    let mut body = proxy.send(request).await.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let reloaded = proxy.handle.reload(config(YAML, &[("A", b.url())])).await;
    let reloaded = reloaded.unwrap();
    assert_eq!((reloaded.added.len(), reloaded.removed.len()), (1, 1));
    assert_eq!(proxy.chat("m", &json!({})).await.content(), "hello from b");
    let rest = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8([first, rest].concat()).unwrap();
    assert!(
        text.contains(" two") && text.ends_with("[DONE]\n\n"),
        "{text}"
    );
    assert_eq!((a.hits().len(), b.hits().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_deployments_survives() {
    let limited = Step::error(ApiError::new(http::StatusCode::TOO_MANY_REQUESTS));
    let up = upstream("a", [limited]).await;
    let variables = [("A", up.url())];
    // Two deployments, of which the second has no weight: the first rests, the second goes away.
    let list = YAML.replace(
        "]",
        ", {model_name: m, litellm_params: {model: openai/y, api_base: os.environ/A, weight: 0}}]",
    );
    let list = list.replacen("os.environ/A}", "os.environ/A, weight: 1}", 1);
    let settings = "router_settings: {num_retries: 0, cooldown_time: 60}";
    let proxy = Proxy::start(&format!("{list}\n{settings}"), &variables).await;
    assert_eq!(proxy.chat("m", &json!({})).await.status, 429);
    let before = proxy.get("/cooldowns").await.json();
    assert_eq!(before["data"].as_array().unwrap().len(), 1, "{before}");
    let yaml = YAML.replace("os.environ/A}", "os.environ/A, weight: 1}");
    let reloaded = proxy.handle.reload(config(&yaml, &variables)).await;
    let reloaded = reloaded.unwrap();
    assert_eq!((reloaded.added.len(), reloaded.removed.len()), (0, 1));
    let after = proxy.get("/cooldowns").await.json();
    assert_eq!(
        after["data"][0]["deployment"],
        before["data"][0]["deployment"]
    );
    assert_eq!(after["data"][0]["cause"], "rate_limited");
    // What is gone is forgotten.
    let other = [("A", "http://127.0.0.1:9".to_owned())];
    proxy.handle.reload(config(YAML, &other)).await.unwrap();
    proxy
        .handle
        .reload(config(&yaml, &variables))
        .await
        .unwrap();
    assert_eq!(proxy.get("/cooldowns").await.json()["data"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn failures_go_on_to_count_over_a_reload() {
    let failing = Step::error(ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR));
    let up = upstream("a", [failing]).await;
    let variables = [("A", up.url())];
    // A second deployment, never asked, so that the first may rest.
    let list = "model_list: [{model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A, weight: 1}}, \
                {model_name: m, litellm_params: {model: openai/y, api_base: os.environ/A, weight: 0}}]";
    let yaml = |retries: u8| {
        format!(
            "{list}\nrouter_settings: {{allowed_fails: 2, cooldown_time: 60, num_retries: 0, retry_after: {retries}}}"
        )
    };
    let proxy = Proxy::start(&yaml(0), &variables).await;
    for call in 1..=3 {
        assert_eq!(proxy.get("/cooldowns").await.json()["data"], json!([]));
        assert_eq!(proxy.chat("m", &json!({})).await.status, 500);
        let reloaded = proxy.handle.reload(config(&yaml(call), &variables)).await;
        assert_eq!(reloaded.unwrap().deployments, 2);
    }
    let resting = proxy.get("/cooldowns").await.json();
    assert_eq!(resting["data"][0]["cause"], "server", "{resting}");
}

/// What two good answers have paid in is there for one retry; a reload neither takes it nor fills it up.
#[tokio::test(start_paused = true)]
async fn a_retry_budget_survives_unless_it_changes() {
    let settings = |ratio: f32, retries: u8| {
        with(&format!(
            "router_settings: {{num_retries: {retries}, \
             retry_budget: {{ratio: {ratio}, min_per_second: 0, ttl: 60}}}}"
        ))
    };
    for (ratio, attempts) in [(0.5, 2), (0.4, 1)] {
        let failing = Step::error(ApiError::new(http::StatusCode::INTERNAL_SERVER_ERROR));
        let up = upstream("a", [Step::hello(), Step::hello(), failing]).await;
        let variables = [("A", up.url())];
        let proxy = Proxy::start(&settings(0.5, 5), &variables).await;
        for _ in 0..2 {
            assert_eq!(proxy.chat("m", &json!({})).await.status, 200);
        }
        let other = config(&settings(ratio, 3), &variables);
        proxy.handle.reload(other).await.unwrap();
        assert_eq!(proxy.chat("m", &json!({})).await.status, 500);
        assert_eq!(up.count() - 2, attempts, "{ratio}");
    }
}

#[tokio::test]
async fn a_new_key_acts_at_once_also_on_open_connections() {
    let up = upstream("a", [Step::hello()]).await;
    let variables = [("A", up.url())];
    let key = |key: &str| with(&format!("general_settings: {{master_key: {key}}}"));
    let proxy = Proxy::start(&key("sk-1"), &variables).await;
    let status = async |key: &str| {
        let mut request = proxy.request(Method::GET, "/models", "");
        let value = HeaderValue::from_str(&format!("Bearer {key}")).unwrap();
        request.headers_mut().insert(AUTHORIZATION, value);
        proxy.call(request).await.status.as_u16()
    };
    assert_eq!([status("sk-1").await, status("sk-2").await], [200, 401]);
    let config = config(&key("sk-2"), &variables);
    proxy.handle.reload(config).await.unwrap();
    assert_eq!([status("sk-1").await, status("sk-2").await], [401, 200]);
}

#[tokio::test]
async fn what_needs_another_listener_is_named_or_refused() {
    let up = upstream("a", [Step::hello()]).await;
    let variables = [("A", up.url())];
    let open = config(YAML, &variables);
    let closed = config(&with("general_settings: {master_key: sk-1}"), &variables);
    let mut options = Options::default();
    options.port = 0;
    for (first, then) in [(&open, &closed), (&closed, &open)] {
        let server = Server::bind(first, &options).await.unwrap();
        let (handle, stop) = (server.handle(), Arc::new(Notify::new()));
        let stopped = Arc::clone(&stop);
        let running = tokio::spawn(server.run(async move { stopped.notified().await }));
        match handle.reload(then.clone()).await {
            Ok(reloaded) => {
                let note = "the host: with a master key it is 0.0.0.0 from the next start on";
                assert_eq!(reloaded.needs_restart, [note]);
                assert!(then.general.master_key.is_some());
            }
            Err(error) => {
                assert!(matches!(error, ReloadError::NoKey), "{error}");
                assert!(then.general.master_key.is_none());
            }
        }
        stop.notify_one();
        running.await.unwrap().unwrap();
        let late = handle.reload(first.clone()).await;
        assert!(matches!(late, Err(ReloadError::NotRunning)));
    }
}

/// Whoever chose the host is not refused, but told.
#[tokio::test]
async fn a_key_that_goes_is_warned_of_where_everyone_is_served() {
    let (log, _listening) = Log::listen();
    let up = upstream("a", [Step::hello()]).await;
    let variables = [("A", up.url())];
    let open = config(YAML, &variables);
    let closed = config(&with("general_settings: {master_key: sk-1}"), &variables);
    for (host, warns) in [("0.0.0.0", true), ("127.0.0.1", false)] {
        let mut options = Options::default();
        (options.port, options.host) = (0, Some(host.to_owned()));
        let server = Server::bind(&closed, &options).await.unwrap();
        assert!(!server.is_open());
        let handle = server.handle();
        let running = tokio::spawn(server.run(std::future::pending()));
        for (config, warns) in [(&closed, false), (&open, warns), (&open, false)] {
            log.all.lock().unwrap().clear();
            handle.reload(config.clone()).await.unwrap();
            let warned = log.all.lock().unwrap().contains("no master key any more");
            assert_eq!(warned, warns, "{host}");
        }
        running.abort();
        let server = Server::bind(&open, &options).await.unwrap();
        assert_eq!(server.is_open(), warns, "{host}");
    }
}

/// A configuration in a file of its own.
struct File(PathBuf);

impl File {
    fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Gone with the directory of temporary files at the latest.
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_file_is_followed() {
    let up = upstream("a", [Step::hello()]).await;
    let address = up.url();
    let name = format!("ziggurat-follow-{}.yaml", std::process::id());
    let file = File(std::env::temp_dir().join(name));
    file.write(YAML);
    let loader = Gateway::loader(move |name| (name == "A").then(|| address.clone()));
    let config = loader.from_path(&file.0).unwrap();
    let proxy = Proxy::start_with(&config, Duration::from_secs(1)).await;
    let asked = Arc::new(Notify::new());
    let path = file.0.clone();
    let load = move || loader.from_path(&path);
    let follow = Follow::new(proxy.handle.clone(), load, &config).on(Arc::clone(&asked));
    let following = tokio::spawn(follow.run());
    let serves = async |name: &str| {
        let listed = async {
            while !proxy.get("/models").await.text.contains(name) {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(30), listed).await.unwrap();
    };
    file.write(&YAML.replace("name: m", "name: second"));
    serves("second").await;
    // What cannot be used changes nothing, and does not end the following.
    file.write("model_list: 7");
    asked.notify_one();
    sleep(Duration::from_secs(10)).await;
    serves("second").await;
    file.write(&YAML.replace("name: m", "name: third"));
    serves("third").await;
    // Asked for, it does not wait to see whether the file still changes.
    file.write(&YAML.replace("name: m", "name: fourth"));
    asked.notify_one();
    serves("fourth").await;
    assert!(!following.is_finished());
}
