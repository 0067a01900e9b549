//! What the OpenAI SDKs say of themselves, and what they should do after an error.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use ziggurat_testing::mock::{Answer as Reply, Running, Script, Step};

use crate::support::{Answer, Proxy, upstream};

const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}
- {model_name: n, litellm_params: {model: openai/y, api_base: os.environ/B}}
litellm_settings: {num_retries: 3, fallbacks: [{m: [n]}]}
router_settings: {disable_cooldowns: true}";

async fn start(a: impl Into<Script>, b: impl Into<Script>) -> (Proxy, Running, Running) {
    let (a, b) = (upstream("a", a).await, upstream("b", b).await);
    let proxy = Proxy::start(YAML, &[("A", a.url()), ("B", b.url())]).await;
    (proxy, a, b)
}

async fn ask(proxy: &Proxy, header: (&'static str, &'static str), members: &Value) -> Answer {
    let mut request = proxy.chat_request("m", members);
    let value = HeaderValue::from_static(header.1);
    request.headers_mut().insert(header.0, value);
    proxy.call(request).await
}

const ONE_SECOND: (&str, &str) = ("x-stainless-read-timeout", "1");

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_a_second_is_answered_within_it() {
    let silent = || Step::hello().delay(Duration::from_secs(60));
    for stream in [false, true] {
        // At once, or after a failure and a fallback.
        for first in [silent(), Step::error(StatusCode::INTERNAL_SERVER_ERROR)] {
            let (proxy, a, b) = start([first], [silent()]).await;
            let started = Instant::now();
            let answer = ask(&proxy, ONE_SECOND, &json!({"stream": stream})).await;
            let elapsed = started.elapsed();
            assert!(elapsed < Duration::from_millis(950), "{elapsed:?}");
            assert_eq!(answer.status, 408, "{}", answer.text);
            assert_eq!(answer.header("x-should-retry"), "false");
            let before = (a.count(), b.count());
            sleep(Duration::from_secs(30)).await;
            assert_eq!((a.count(), b.count()), before, "nothing begins after it");
        }
    }
    // There is time for a fallback.
    let (proxy, _a, _b) = start([Step::error(StatusCode::UNAUTHORIZED)], [Step::hello()]).await;
    let answer = ask(&proxy, ONE_SECOND, &json!({})).await;
    assert_eq!(answer.content(), "hello from b");
}

#[tokio::test(start_paused = true)]
async fn a_clients_wait_is_for_the_head_of_a_stream_only() {
    let words = Reply::deltas(["one ", "two ", "three ", "four"]);
    let slow = Step::answer(words).interval(Duration::from_millis(800));
    let (proxy, _a, _b) = start([slow], [Step::hello()]).await;
    let wait = ("x-stainless-read-timeout", "1.5");
    let answer = ask(&proxy, wait, &json!({"stream": true})).await;
    assert_eq!(answer.content(), "one two three four");
    // What no SDK would send is no limit, and no error.
    for text in ["soon", "-1", "0", "nan", "inf", ""] {
        let (proxy, _a, _b) = start(
            [Step::hello().delay(Duration::from_secs(3))],
            [Step::hello()],
        )
        .await;
        let answer = ask(&proxy, ("x-stainless-read-timeout", text), &json!({})).await;
        assert_eq!(answer.content(), "hello from a", "{text}");
    }
}

/// D7: an SDK's retries and ours do not multiply.
#[tokio::test(start_paused = true)]
async fn retries_of_the_client_are_taken_off_ours() {
    for (count, attempts) in [("0", 4), ("1", 3), ("2", 2), ("3", 1), ("9", 1), ("x", 4)] {
        let (proxy, a, b) = start(
            [Step::error(StatusCode::INTERNAL_SERVER_ERROR)],
            [Step::hello()],
        )
        .await;
        let answer = ask(&proxy, ("x-stainless-retry-count", count), &json!({})).await;
        assert_eq!(answer.content(), "hello from b");
        assert_eq!((a.count(), b.count()), (attempts, 1), "{count}");
    }
}

/// D7: whether another try of the client helps.
#[tokio::test(start_paused = true)]
async fn errors_say_whether_to_ask_again() {
    let limited = || Step::error(StatusCode::TOO_MANY_REQUESTS);
    for (step, status, again, after) in [
        (Step::error(StatusCode::BAD_REQUEST), 400, "false", ""),
        (Step::error(StatusCode::UNAUTHORIZED), 401, "false", ""),
        (
            Step::error(StatusCode::INTERNAL_SERVER_ERROR),
            500,
            "false",
            "",
        ),
        (
            Step::error(StatusCode::SERVICE_UNAVAILABLE),
            503,
            "false",
            "",
        ),
        (limited(), 429, "false", ""),
        (
            limited().retry_after(Duration::from_secs(7)),
            429,
            "true",
            "7",
        ),
        (
            Step::error(StatusCode::SERVICE_UNAVAILABLE).retry_after(Duration::from_secs(7)),
            503,
            "true",
            "7",
        ),
    ] {
        let (proxy, _a, _b) = start([step], [Step::hello()]).await;
        let members = json!({"disable_fallbacks": true, "num_retries": 0});
        let answer = proxy.chat("m", &members).await;
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("x-should-retry"), again, "{status}");
        assert_eq!(answer.header("retry-after"), after, "{status}");
    }
}

/// Asks as an SDK does that asks `most` times again: with its count, and when it is told to.
async fn ask_like_an_sdk(proxy: &Proxy, members: &Value, most: u32) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    for count in 0..=most {
        let mut request = proxy.chat_request("m", members);
        let headers = request.headers_mut();
        headers.insert("x-stainless-retry-count", count.into());
        headers.insert("x-stainless-read-timeout", HeaderValue::from_static("600"));
        answers.push(proxy.call(request).await);
        let answer = &answers[answers.len() - 1];
        if answer.status == 200 || answer.header("x-should-retry") != "true" {
            break;
        }
        let wait: f64 = answer.header("retry-after").parse().unwrap();
        sleep(Duration::from_secs_f64(wait)).await;
    }
    answers
}

/// However an upstream fails, all that one call of an SDK sends stays within the retries of each group.
#[tokio::test(start_paused = true)]
async fn calls_of_an_sdk_stay_within_the_budget() {
    let failing = |status, wait| Step::error(status).retry_after(Duration::from_secs(wait));
    let limited = |wait| failing(StatusCode::TOO_MANY_REQUESTS, wait);
    let steps: [&dyn Fn() -> Step; 5] = [
        &|| limited(1),
        // Longer than there is time for.
        &|| limited(6),
        &|| failing(StatusCode::SERVICE_UNAVAILABLE, 1),
        &|| Step::error(StatusCode::TOO_MANY_REQUESTS),
        &Step::reset,
    ];
    for (at, step) in steps.into_iter().enumerate() {
        for retries in [0, 1, 3] {
            for yaml in [
                YAML.to_owned(),
                YAML.replace("disable_cooldowns: true", "cooldown_time: 2"),
            ] {
                let (a, b) = (upstream("a", [step()]).await, upstream("b", [step()]).await);
                let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
                // Without a fallback there is something to wait for.
                for alone in [true, false] {
                    let before = (a.count(), b.count());
                    let members = json!({"num_retries": retries, "total_timeout": 5, "disable_fallbacks": alone});
                    let answers = ask_like_an_sdk(&proxy, &members, 3).await;
                    let sent = (a.count() - before.0, b.count() - before.1);
                    let case = format!("{at} {retries} {alone}: {sent:?} for {}", answers.len());
                    assert!(sent.0.max(sent.1) <= retries + 1, "{case}");
                }
            }
        }
    }
}

/// What waiting helps is worth another call of the SDK, as long as the budget is not spent.
#[tokio::test(start_paused = true)]
async fn an_sdk_comes_back_when_waiting_helps() {
    let limited = Step::error(StatusCode::TOO_MANY_REQUESTS).retry_after(Duration::from_secs(30));
    let script = Script::new([limited]).then(Step::hello());
    let (proxy, a, _b) = start(script, [Step::hello()]).await;
    // It cannot be waited for here.
    let members = json!({"disable_fallbacks": true, "total_timeout": 10});
    let started = Instant::now();
    let answers = ask_like_an_sdk(&proxy, &members, 2).await;
    let [refused, answered] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!(
        (refused.status.as_u16(), refused.header("retry-after")),
        (429, "30")
    );
    assert_eq!(answered.content(), "hello from a");
    assert_eq!((a.count(), started.elapsed().as_secs()), (2, 30));
}
