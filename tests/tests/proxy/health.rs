//! Checks in the background, and where requests go then.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
    time::Duration,
};

use http::StatusCode;
use serde_json::json;
use tokio::time::{Instant, sleep};
use tracing::{Event, Level, Metadata, Subscriber, field, span};
use ziggurat_testing::mock::{Hit, Running, Script, Step};

use crate::support::{Held, Proxy, config, upstream};

const PAIR: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A, api_key: sk-a}}
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/B, rpm: 1000}}
";

async fn start(
    general: &str,
    router: &str,
    a: impl Into<Script>,
    b: impl Into<Script>,
) -> (Proxy, Running, Running) {
    let (a, b) = (upstream("a", a).await, upstream("b", b).await);
    let yaml = format!(
        "{PAIR}general_settings: {{background_health_checks: true{general}}}\n\
         router_settings: {{num_retries: 0{router}}}\n"
    );
    let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
    (proxy, a, b)
}

fn error(status: u16) -> Step {
    Step::error(StatusCode::from_u16(status).unwrap())
}

fn is_check(hit: &Hit) -> bool {
    hit.json().unwrap()["max_tokens"] == 5
}

fn checks(upstream: &Running) -> usize {
    upstream.hits().iter().filter(|hit| is_check(hit)).count()
}

/// Asks often; returns how many of the requests each upstream got.
async fn ask(proxy: &Proxy, a: &Running, b: &Running) -> (usize, usize) {
    let requests = |upstream: &Running| upstream.hits().len() - checks(upstream);
    let before = (requests(a), requests(b));
    for _ in 0..40 {
        proxy.chat("m", &json!({})).await;
    }
    (requests(a) - before.0, requests(b) - before.1)
}

const ROUTING: &str = ", enable_health_check_routing: true";
const NO_COOLDOWNS: &str = ", disable_cooldowns: true";

#[tokio::test(start_paused = true)]
async fn each_deployment_is_asked_a_small_question_once_per_interval() {
    let general = ", health_check_interval: 30";
    let (_proxy, a, b) = start(general, "", [Step::hello()], [Step::hello()]).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!((checks(&a), checks(&b)), (1, 1), "soon after the start");
    sleep(Duration::from_secs(300)).await;
    for upstream in [&a, &b] {
        let hits = upstream.hits();
        assert!((11..=12).contains(&hits.len()), "{}", hits.len());
        let body = hits[0].json().unwrap();
        assert_eq!(body["messages"].as_array().unwrap().len(), 1);
        assert_eq!(
            (&body["model"], &body["max_tokens"]),
            (&json!("x"), &json!(5))
        );
        let gaps = hits.windows(2).map(|pair| pair[1].at() - pair[0].at());
        for gap in gaps {
            let seconds = gap.as_secs_f64();
            assert!((26.9..30.1).contains(&seconds), "{seconds}");
        }
    }
    assert_eq!(a.hits()[0].header("authorization"), Some("Bearer sk-a"));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_checked_by_default() {
    let (a, b) = (
        upstream("a", [Step::hello()]).await,
        upstream("b", [Step::hello()]).await,
    );
    let _proxy = Proxy::start(PAIR, &[("A", a.url()), ("B", b.url())]).await;
    sleep(Duration::from_secs(1000)).await;
    assert_eq!(a.count() + b.count(), 0);
}

/// R129: who fails its check is passed over while the verdict is fresh, and comes back with the next that passes.
#[tokio::test(start_paused = true)]
async fn a_deployment_that_fails_its_check_is_passed_over() {
    for kind in [
        error(500),
        error(401),
        error(429),
        Step::hang(),
        Step::reset(),
    ] {
        let general = format!("{ROUTING}, health_check_interval: 30");
        let (proxy, a, b) = start(&general, NO_COOLDOWNS, [kind], [Step::hello()]).await;
        sleep(Duration::from_secs(36)).await;
        assert_eq!(ask(&proxy, &a, &b).await, (0, 40));
        a.set_script([Step::hello()]);
        sleep(Duration::from_secs(61)).await;
        let (to_a, _) = ask(&proxy, &a, &b).await;
        assert!(to_a > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn checks_alone_do_not_route() {
    let general = ", health_check_interval: 30";
    let (proxy, a, b) = start(general, NO_COOLDOWNS, [error(500)], [Step::hello()]).await;
    sleep(Duration::from_secs(6)).await;
    assert!(ask(&proxy, &a, &b).await.0 > 0);
}

#[tokio::test(start_paused = true)]
async fn if_all_fail_their_checks_all_are_asked() {
    let (proxy, a, b) = start(ROUTING, NO_COOLDOWNS, [error(500)], [error(500)]).await;
    sleep(Duration::from_secs(6)).await;
    let (to_a, to_b) = ask(&proxy, &a, &b).await;
    assert!(to_a > 0 && to_b > 0 && to_a + to_b == 40);
}

#[tokio::test(start_paused = true)]
async fn what_the_question_is_to_blame_for_says_nothing() {
    let (proxy, a, b) = start(ROUTING, NO_COOLDOWNS, [error(400)], [Step::hello()]).await;
    sleep(Duration::from_secs(6)).await;
    assert!(ask(&proxy, &a, &b).await.0 > 0);
}

#[tokio::test(start_paused = true)]
async fn transient_errors_can_be_ignored() {
    for step in [error(429), error(408), Step::hang()] {
        let general = format!("{ROUTING}, health_check_ignore_transient_errors: true");
        let (proxy, a, b) = start(&general, NO_COOLDOWNS, [step], [Step::hello()]).await;
        sleep(Duration::from_secs(66)).await;
        a.set_script([Step::hello()]);
        assert!(ask(&proxy, &a, &b).await.0 > 0);
    }
}

/// The verdict holds for the threshold and no longer, if no further check can end.
#[tokio::test(start_paused = true)]
async fn a_stale_verdict_does_not_count() {
    let general =
        format!("{ROUTING}, health_check_interval: 300, health_check_staleness_threshold: 60");
    let (proxy, a, b) = start(&general, NO_COOLDOWNS, [error(500)], [Step::hello()]).await;
    sleep(Duration::from_secs(59)).await;
    assert_eq!(ask(&proxy, &a, &b).await.0, 0);
    sleep(Duration::from_secs(7)).await;
    assert!(ask(&proxy, &a, &b).await.0 > 0);
}

const POLICY: &str = ", cooldown_time: 60, allowed_fails_policy: {InternalServerErrorAllowedFails: 2, RateLimitErrorAllowedFails: 0}, allowed_fails_window: 600";

/// R129: with a policy of the router, failed checks count like failed calls, and pass nobody over by themselves.
#[tokio::test(start_paused = true)]
async fn with_a_policy_failed_checks_feed_the_cooldown() {
    let general = format!("{ROUTING}, health_check_interval: 30");
    // The first three failures are those of checks.
    let (proxy, a, b) = start(&general, POLICY, [error(500)], [Step::hello()]).await;
    sleep(Duration::from_secs(36)).await;
    assert_eq!(proxy.get("/cooldowns").await.json()["data"], json!([]));
    sleep(Duration::from_secs(30)).await;
    let resting = proxy.get("/cooldowns").await.json();
    let resting = resting["data"].as_array().unwrap();
    assert_eq!(resting.len(), 1, "{resting:?}");
    assert_eq!(resting[0]["last_status"], 500);
    assert_eq!(ask(&proxy, &a, &b).await, (0, 40));
}

/// R129: if all rest, the cooldown is bypassed, whatever it came from.
#[tokio::test(start_paused = true)]
async fn with_a_policy_a_group_that_rests_as_a_whole_is_asked() {
    for code in [429, 401] {
        let general = format!("{ROUTING}, health_check_interval: 300");
        let (proxy, a, b) = start(&general, POLICY, [error(code)], [error(code)]).await;
        sleep(Duration::from_secs(6)).await;
        let resting = proxy.get("/cooldowns").await.json();
        assert_eq!(resting["data"].as_array().unwrap().len(), 2, "{code}");
        a.set_script([Step::hello()]);
        b.set_script([Step::hello()]);
        assert!(
            proxy
                .chat("m", &json!({}))
                .await
                .content()
                .starts_with("hello")
        );
    }
}

/// No limit of a deployment counts a check, and no operator's region keeps it from being made.
#[tokio::test(start_paused = true)]
async fn checks_pass_by_limits_and_filters() {
    let yaml = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A, rpm: 1, max_parallel_requests: 1}}
- {model_name: e, litellm_params: {model: openai/e, api_base: os.environ/B}, model_info: {mode: rerank}}
- {model_name: f, litellm_params: {model: openai/f, api_base: os.environ/B}, model_info: {disable_background_health_check: true}}
general_settings: {background_health_checks: true, health_check_interval: 10}
router_settings: {num_retries: 0, enable_pre_call_checks: true, allowed_model_region: us}
";
    let (a, b) = (
        upstream("a", [Step::hello()]).await,
        upstream("b", [Step::hello()]).await,
    );
    let yaml_of_all = yaml.replace(", allowed_model_region: us", "");
    let proxy = Proxy::start(yaml, &[("A", a.url()), ("B", b.url())]).await;
    sleep(Duration::from_secs(30)).await;
    assert!(checks(&a) >= 3);
    assert_eq!(b.count(), 0, "neither takes such questions");
    assert_eq!(
        proxy.chat("m", &json!({})).await.status,
        StatusCode::FORBIDDEN
    );
    let proxy = Proxy::start(&yaml_of_all, &[("A", a.url()), ("B", b.url())]).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(proxy.chat("m", &json!({})).await.content(), "hello from a");
}

/// A check in flight does not hold up the end.
#[tokio::test(start_paused = true)]
async fn a_check_does_not_delay_the_shutdown() {
    let a = upstream("a", [Step::hang()]).await;
    let b = upstream("b", [Step::hang()]).await;
    let yaml = format!("{PAIR}general_settings: {{background_health_checks: true}}");
    let config = config(&yaml, &[("A", a.url()), ("B", b.url())]);
    let proxy = Proxy::start_with(&config, Duration::from_secs(30)).await;
    a.wait_for(1).await;
    b.wait_for(1).await;
    let (asked, held) = (Instant::now(), Held::new());
    proxy.stop();
    proxy.ended().await;
    assert_eq!(asked.elapsed(), Duration::ZERO);
    drop(held);
    sleep(Duration::from_secs(1000)).await;
    assert_eq!(a.count() + b.count(), 2, "no more are made");
}

/// Writes every event of the checks into a line, and what any event tells into one text.
#[derive(Clone, Default)]
struct Told {
    lines: Arc<Mutex<Vec<String>>>,
    all: Arc<Mutex<String>>,
}

struct Line(String);

impl field::Visit for Line {
    fn record_debug(&mut self, field: &field::Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Told {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("ziggurat")
    }
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.all.lock().unwrap().push_str(&line.0);
        let metadata = event.metadata();
        if metadata.target() == "ziggurat::health" && *metadata.level() == Level::INFO {
            self.lines.lock().unwrap().push(line.0);
        }
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut line = Line(String::new());
        span.record(&mut line);
        self.all.lock().unwrap().push_str(&line.0);
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// A verdict is told when it changes, without keys or prompts.
#[tokio::test(start_paused = true)]
async fn a_change_is_told_once() {
    let told = Told::default();
    let _guard = tracing::subscriber::set_default(told.clone());
    let (a, b) = (
        upstream("a", [error(401)]).await,
        upstream("b", [Step::hello()]).await,
    );
    let yaml = PAIR.replacen("api_key: sk-a}", "api_key: sk-a}, model_info: {id: one}", 1);
    let yaml = format!(
        "{yaml}general_settings: {{background_health_checks: true, health_check_interval: 10}}"
    );
    let _proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
    sleep(Duration::from_secs(30)).await;
    let failed =
        "INFO message=health check failed deployment=\"one\" error.type=\"authentication\"";
    assert_eq!(*told.lines.lock().unwrap(), [failed]);
    a.set_script([Step::hello()]);
    sleep(Duration::from_secs(30)).await;
    let passes = "INFO message=health check passes again deployment=\"one\"";
    assert_eq!(*told.lines.lock().unwrap(), [failed, passes]);
    let all = told.all.lock().unwrap();
    assert!(all.contains("health check passed"));
    assert!(!all.contains("sk-a") && !all.contains("1 + 1"));
}
