//! Deployments that fail are left alone for a while.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tokio::time::{Instant, sleep};
use ziggurat_testing::mock::{Running, Script, Step};

use crate::{
    support::{Answer, Proxy, upstream},
    zephyrs::{SETTINGS, zephyrs},
};

const PAIR: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/B}}
";

const SOLE: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}
- {model_name: n, litellm_params: {model: openai/x, api_base: os.environ/B}}
";

async fn start(
    yaml: &str,
    settings: &str,
    a: impl Into<Script>,
    b: impl Into<Script>,
) -> (Proxy, Running, Running) {
    let (a, b) = (upstream("a", a).await, upstream("b", b).await);
    let environment = [("A", a.url()), ("B", b.url())];
    let proxy = Proxy::start(&format!("{yaml}{settings}"), &environment).await;
    (proxy, a, b)
}

fn error(status: u16) -> Step {
    Step::error(StatusCode::from_u16(status).unwrap())
}

async fn ask(proxy: &Proxy) -> Answer {
    proxy.chat("m", &json!({})).await
}

/// The seed's `allowed_fails: 3` beside fallbacks, retries and a timeout: the fourth failure of a deployment within a
/// minute takes it out. Successful fallbacks go on meanwhile, and cost no call of the group that is out.
#[tokio::test(start_paused = true)]
async fn more_failures_than_allowed_take_a_deployment_out() {
    let z = zephyrs(SETTINGS, error(500)).await;
    for _ in 0..6 {
        let answer = z.proxy.chat("zephyr-beta", &json!({})).await;
        assert_eq!(answer.content(), "hello from gpt");
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
    }
    assert_eq!(z.tried(), [4, 4, 4]);
    assert_eq!((z.gpt.count(), z.gpt16k.count()), (6, 0));
    // After its cooldown, which is 5 s by default, each has a single trial.
    sleep(Duration::from_secs(6)).await;
    for _ in 0..3 {
        z.proxy.chat("zephyr-beta", &json!({})).await;
    }
    assert_eq!(z.tried(), [5, 5, 5]);
    for zephyr in &z.zephyrs {
        zephyr.set_script([Step::hello()]);
    }
    sleep(Duration::from_secs(6)).await;
    let answer = z.proxy.chat("zephyr-beta", &json!({})).await;
    assert!(answer.content().starts_with("hello from z"));
}

/// R114, R117, R113: what the next call would fail with as well counts at once.
#[tokio::test(start_paused = true)]
async fn some_failures_count_at_once() {
    for status in [429, 401, 402, 404] {
        let settings = "router_settings: {num_retries: 0, cooldown_time: 30, allowed_fails: 5}";
        let (proxy, a, b) = start(PAIR, settings, [error(status)], [Step::hello()]).await;
        for _ in 0..40 {
            ask(&proxy).await;
        }
        assert_eq!((a.count(), b.count()), (1, 39), "{status}");
    }
    for status in [400, 403, 422] {
        let settings = "router_settings: {num_retries: 0, cooldown_time: 30}";
        let (proxy, a, _b) = start(PAIR, settings, [error(status)], [Step::hello()]).await;
        for _ in 0..40 {
            ask(&proxy).await;
        }
        // 2 in 10^9 runs would have 3 or fewer of 40.
        assert!(a.count() > 3, "{status}");
    }
}

/// R119 BETTER: an upstream's own wait holds, as long as it is not absurd.
#[tokio::test(start_paused = true)]
async fn a_wait_that_was_asked_for_is_kept_to() {
    for (asked, kept) in [(20, 20), (1, 5), (4000, 300)] {
        let limited = error(429).retry_after(Duration::from_secs(asked));
        let settings = "router_settings: {num_retries: 0}";
        let script = Script::new([limited, Step::hello()]);
        let (proxy, a, _b) = start(PAIR, settings, script, [Step::hello()]).await;
        while a.count() == 0 {
            ask(&proxy).await;
        }
        sleep(Duration::from_millis(kept * 1000 - 200)).await;
        for _ in 0..20 {
            ask(&proxy).await;
        }
        assert_eq!(a.count(), 1, "{asked}");
        sleep(Duration::from_millis(300)).await;
        for _ in 0..40 {
            ask(&proxy).await;
        }
        assert!(a.count() > 1, "{asked}");
    }
}

/// R125-R126 BETTER: a group that is out says so, with the time that remains, and asks no upstream.
#[tokio::test(start_paused = true)]
async fn a_group_that_is_out_tells_when_to_come_back() {
    let settings = "router_settings: {num_retries: 0, cooldown_time: 30}";
    let (proxy, a, b) = start(PAIR, settings, [error(429)], [error(429)]).await;
    while a.count() == 0 || b.count() == 0 {
        ask(&proxy).await;
    }
    sleep(Duration::from_millis(9500)).await;
    let counts = (a.count(), b.count());
    for stream in [false, true] {
        let answer = proxy.chat("m", &json!({"stream": stream})).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("retry-after")),
            (429, "21")
        );
        assert_eq!(answer.header("x-should-retry"), "true");
        let error = &answer.json()["error"];
        assert_eq!(error["type"], "all_deployments_in_cooldown");
        let message = error["message"].as_str().unwrap();
        assert!(
            message.contains("No deployments available")
                && message.contains("Try again in 21 seconds"),
            "{message}"
        );
    }
    assert_eq!((a.count(), b.count()), counts);
}

/// The only deployment of a group without a chain is never taken away; with a chain it is.
#[tokio::test(start_paused = true)]
async fn the_sole_deployment_of_a_group_stays_unless_another_group_can_answer() {
    let retries = "router_settings: {num_retries: 0}";
    let (proxy, a, _b) = start(SOLE, retries, [error(401)], [Step::hello()]).await;
    for _ in 0..10 {
        assert_eq!(ask(&proxy).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(a.count(), 10);
    let chain = "router_settings: {num_retries: 0, fallbacks: [{m: [n]}]}";
    let (proxy, a, b) = start(SOLE, chain, [error(401)], [Step::hello()]).await;
    for _ in 0..10 {
        assert_eq!(ask(&proxy).await.content(), "hello from b");
    }
    assert_eq!((a.count(), b.count()), (1, 10));
}

/// R133 BETTER: after a cooldown one call is the trial; the others go elsewhere until it has ended.
#[tokio::test(start_paused = true)]
async fn one_trial_at_a_time() {
    let slow = Step::hello().delay(Duration::from_secs(2));
    let settings = "router_settings: {num_retries: 0, cooldown_time: 5}";
    let (proxy, a, b) = start(
        PAIR,
        settings,
        Script::new([error(429), slow]),
        [Step::hello()],
    )
    .await;
    while a.count() == 0 {
        ask(&proxy).await;
    }
    sleep(Duration::from_secs(6)).await;
    let before = b.count();
    let calls: Vec<_> = (0..50).map(|_| ask(&proxy)).collect();
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!((a.count(), b.count() - before), (2, 49));
}

/// R107, R106: neither a client that leaves nor a limit that the request itself set says anything of the deployment.
#[tokio::test(start_paused = true)]
async fn what_clients_do_counts_nothing() {
    let settings = "router_settings: {num_retries: 0, allowed_fails: 0, cooldown_time: 60}";
    let slow = || Step::hello().delay(Duration::from_secs(3));
    let (proxy, a, b) = start(PAIR, settings, [slow()], [slow()]).await;
    for _ in 0..10 {
        let answer = proxy.chat("m", &json!({"timeout": 1})).await;
        assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
        let leaves = tokio::time::timeout(Duration::from_secs(1), ask(&proxy));
        leaves.await.unwrap_err();
    }
    assert_eq!(a.count() + b.count(), 20);
    assert_eq!(ask(&proxy).await.status, StatusCode::OK);
}

/// R110, R119: no cooldowns at all, or a time of its own for one deployment.
#[tokio::test(start_paused = true)]
async fn cooldowns_can_be_switched_off_and_set_per_deployment() {
    let off = "router_settings: {num_retries: 0, disable_cooldowns: true}";
    let (proxy, a, b) = start(PAIR, off, [error(429)], [error(429)]).await;
    for _ in 0..20 {
        ask(&proxy).await;
    }
    assert_eq!(a.count() + b.count(), 20);

    let own = PAIR.replace("os.environ/A}", "os.environ/A, cooldown_time: 2}");
    let settings = "router_settings: {num_retries: 0, cooldown_time: 30}";
    let (proxy, a, _b) = start(&own, settings, [error(429)], [Step::hello()]).await;
    let started = Instant::now();
    while a.count() < 2 {
        ask(&proxy).await;
        sleep(Duration::from_millis(100)).await;
    }
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
}

/// R132 BETTER: who rests, for how long, and why.
#[tokio::test(start_paused = true)]
async fn the_page_shows_who_rests() {
    let slow = Step::hello().delay(Duration::from_secs(2));
    let yaml = PAIR.replacen(
        "os.environ/A}",
        "os.environ/A, api_key: sk-a}, model_info: {id: one}",
        1,
    );
    let settings = "\
router_settings: {num_retries: 0, cooldown_time: 30}\ngeneral_settings: {master_key: sk-master}\n";
    let script = Script::new([error(429), slow]);
    let (proxy, a, _b) = start(&yaml, settings, script, [Step::hello()]).await;
    let with_key = |mut request: http::Request<_>| {
        let key = http::HeaderValue::from_static("Bearer sk-master");
        request.headers_mut().insert("authorization", key);
        request
    };
    let page = || proxy.call(with_key(proxy.request(http::Method::GET, "/cooldowns", "")));
    let ask = || proxy.call(with_key(proxy.chat_request("m", &json!({}))));
    assert_eq!(
        proxy.get("/cooldowns").await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(page().await.json(), json!({"data": [], "object": "list"}));
    while a.count() == 0 {
        ask().await;
    }
    sleep(Duration::from_secs(10)).await;
    let mut expected = json!({
        "deployment": "one", "model_groups": ["m"], "state": "cooling", "seconds_remaining": 20.0,
        "cause": "rate_limited", "last_status": 429, "strikes": 0, "trial_running": false,
    });
    let answer = page().await;
    let mut found = answer.json()["data"][0].clone();
    let remaining = found["seconds_remaining"].as_f64().unwrap();
    assert!((19.9..=20.0).contains(&remaining), "{remaining}");
    found["seconds_remaining"] = json!(20.0);
    assert_eq!(found, expected);
    assert!(!answer.text.contains("sk-") && !answer.text.contains("127.0.0.1"));
    assert_eq!(answer.header("content-type"), "application/json");

    sleep(Duration::from_secs(21)).await;
    expected["state"] = json!("waiting_for_trial");
    expected["seconds_remaining"] = json!(0.0);
    assert_eq!(page().await.json()["data"], json!([expected]));
    let calls: Vec<_> = (0..50).map(|_| ask()).collect();
    let look = async {
        sleep(Duration::from_secs(1)).await;
        page().await.json()
    };
    let (_, seen) = tokio::join!(futures_util::future::join_all(calls), look);
    expected["state"] = json!("trial_running");
    expected["trial_running"] = json!(true);
    assert_eq!(seen["data"], json!([expected]));
    assert_eq!(page().await.json()["data"], json!([]));
    let answer = proxy
        .call(with_key(proxy.request(
            http::Method::POST,
            "/cooldowns",
            "",
        )))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("allow")),
        (405, "GET, HEAD")
    );
}
