//! Streams through the proxy.

use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::Instant;
use ziggurat_testing::mock::{Answer as Reply, Cut, Event, Progress, Running, Step};

use crate::support::{Answer, Proxy, upstream};

const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A, timeout: 3, stream_timeout: 2}}
- {model_name: n, litellm_params: {model: openai/x, api_base: os.environ/B}}
litellm_settings: {num_retries: 0, fallbacks: [{m: [n]}]}";

fn words() -> Step {
    Step::answer(Reply::deltas(["one", " two", " three"]))
}

async fn start(step: Step) -> (Proxy, Running, Running) {
    let (a, b) = (
        upstream("a", [step]).await,
        upstream("b", [Step::hello()]).await,
    );
    let proxy = Proxy::start(YAML, &[("A", a.url()), ("B", b.url())]).await;
    (proxy, a, b)
}

#[tokio::test(start_paused = true)]
async fn chunks_pass_as_they_come_under_the_public_name() {
    let interval = Duration::from_millis(250);
    let (proxy, _a, _b) = start(words().interval(interval)).await;
    let request = proxy.chat_request("m", &json!({"stream": true}));
    let started = Instant::now();
    let response = proxy.send(request).await;
    assert_eq!(response.headers()["x-litellm-model-group"], "m");
    let mut body = response.into_body();
    let mut times = Vec::new();
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        let data = std::str::from_utf8(&data).unwrap();
        // The first chunk of a stream, which brings the role, comes with the first content.
        if data.contains("\"content\"") && !data.contains("\"content\":\"\"") {
            times.push(started.elapsed());
        }
        text.push_str(data);
    }
    let gaps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        gaps.len() >= 2 && gaps.iter().all(|gap| *gap >= interval),
        "{gaps:?}"
    );
    assert!(times[0] < Duration::from_millis(600), "{:?}", times[0]);
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    let models = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: {"))
        .map(|rest| rest.contains("\"model\":\"m\""));
    assert!(
        models.clone().count() >= 4 && models.into_iter().all(|named| named),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_begin_falls_back() {
    let (proxy, a, _b) = start(words().delay(Duration::from_secs(6))).await;
    let started = Instant::now();
    let answer = proxy.chat("m", &json!({"stream": true})).await;
    assert_eq!((answer.content().as_str(), a.count()), ("hello from b", 1));
    assert_eq!(started.elapsed().as_secs(), 2);
    assert_eq!(answer.events().first().unwrap()["model"], "n");
}

/// A stream may take longer than any limit of an attempt once it has begun, unless the request itself set one.
#[tokio::test(start_paused = true)]
async fn a_stream_that_began_goes_on() {
    let (proxy, _a, _b) = start(words().interval(Duration::from_millis(1500))).await;
    let started = Instant::now();
    let answer = proxy.chat("m", &json!({"stream": true})).await;
    assert_eq!(answer.content(), "one two three");
    assert!(started.elapsed() > Duration::from_secs(4));
    let answer = proxy
        .chat("m", &json!({"stream": true, "timeout": 4}))
        .await;
    assert_eq!(broken_off(&answer)["code"], "408");
}

/// R100-R102: a silence that is too long ends the stream with an error of its own, then the end marker.
#[tokio::test(start_paused = true)]
async fn a_silence_ends_a_stream_with_an_error() {
    let (proxy, a, b) = start(words().interval(Duration::from_millis(1500))).await;
    let started = Instant::now();
    let answer = proxy
        .chat(
            "m",
            &json!({"stream": true, "stream_timeout": 1.6, "stream_idle_timeout": 1}),
        )
        .await;
    assert_eq!(answer.content(), "one");
    assert_eq!(broken_off(&answer)["code"], "408");
    assert_eq!(started.elapsed().as_millis() / 100, 25);
    assert_eq!((a.count(), b.count()), (1, 0));
}

/// A configured target has limits of its own for streams.
#[tokio::test(start_paused = true)]
async fn a_fallback_target_limits_its_streams() {
    for (limit, shown) in [
        ("stream_idle_timeout: 0.5", "one"),
        ("stream_total_timeout: 2", "one two"),
    ] {
        let (a, b) = (
            upstream("a", [Step::reset()]).await,
            upstream("b", [words().interval(Duration::from_millis(800))]).await,
        );
        let yaml = YAML.replace("[{m: [n]}]", &format!("[{{m: [{{model: n, {limit}}}]}}]"));
        let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
        let answer = proxy.chat("m", &json!({"stream": true})).await;
        assert_eq!((answer.content().as_str(), b.count()), (shown, 1));
        assert_eq!(broken_off(&answer)["code"], "408");
    }
}

/// R93b: a stream that dies or stays silent before its first content is an ordinary failed attempt.
#[tokio::test(start_paused = true)]
async fn a_stream_without_content_is_retried_then_answered_for() {
    for (dead, status) in [
        (words().cut_after(1, Cut::Reset), 502),
        (words().interval(Duration::from_secs(6)), 408),
    ] {
        let (proxy, a, b) = start(dead).await;
        let answer = proxy
            .chat(
                "m",
                &json!({"stream": true, "num_retries": 1, "stream_timeout": 1}),
            )
            .await;
        assert_eq!(answer.content(), "hello from b");
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
        // A timeout is not worth a second visit while another group can answer.
        let visits = if status == 408 { 1 } else { 2 };
        assert_eq!((a.count(), b.count()), (visits, 1));
        let alone = json!({"stream": true, "disable_fallbacks": true, "stream_timeout": 1});
        let answer = proxy.chat("m", &alone).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/json");
    }
}

pub(crate) fn broken_off(answer: &Answer) -> Value {
    let events = answer.events();
    assert_eq!(events.last().unwrap(), "[DONE]", "{}", answer.text);
    events[events.len() - 2]["error"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_cut_stream_is_not_shown_as_a_whole_one() {
    for cut in [Cut::Eof, Cut::Close, Cut::Reset] {
        let (proxy, _a, b) = start(
            words()
                .interval(Duration::from_millis(50))
                .cut_after(3, cut),
        )
        .await;
        let answer = proxy.chat("m", &json!({"stream": true})).await;
        assert!(
            answer.content().starts_with("one"),
            "{cut:?}: {}",
            answer.text
        );
        let events = answer.events();
        let error = &events[events.len() - 2]["error"];
        assert_eq!(events.last().unwrap(), "[DONE]", "{cut:?}: {}", answer.text);
        assert_eq!(
            (&error["type"], &error["code"]),
            (&json!("internal_server_error"), &json!("502")),
            "{cut:?}"
        );
        assert_eq!(
            b.count(),
            0,
            "nothing is retried after the client saw a part"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_before_the_stream_is_a_plain_one() {
    let (proxy, _a, b) = start(Step::error(http::StatusCode::SERVICE_UNAVAILABLE)).await;
    b.set_script([Step::error(http::StatusCode::SERVICE_UNAVAILABLE)]);
    let answer = proxy.chat("m", &json!({"stream": true})).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (503, "application/json")
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_ends_the_upstreams_work() {
    let endless = Step::answer(Reply::deltas((0..1000).map(|n| format!("{n} "))))
        .interval(Duration::from_millis(100));
    let (proxy, a, _b) = start(endless).await;
    let mut body = proxy
        .send(proxy.chat_request("m", &json!({"stream": true})))
        .await
        .into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(a.hits()[0].ended().await, Progress::ClientLeft);

    // The same before there is an answer.
    a.set_script([Step::hang()]);
    let call = proxy
        .client
        .request(proxy.chat_request("m", &json!({"timeout": 1000})));
    assert!(
        tokio::time::timeout(Duration::from_secs(1), call)
            .await
            .is_err()
    );
    assert_eq!(a.hits()[1].ended().await, Progress::ClientLeft);
}

/// D10: a stream whose choices have all ended is complete, even if its upstream keeps the connection open.
#[tokio::test(start_paused = true)]
async fn a_finished_stream_ends_though_its_connection_stays_open() {
    let chunk = |delta: Value, reason: Value| {
        Event::data(
            json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "x",
                "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
            .to_string(),
        )
    };
    let events = [
        chunk(json!({"role": "assistant", "content": "all"}), Value::Null),
        chunk(json!({}), json!("stop")),
        Event::pause(Duration::from_secs(60)),
        Event::done(),
    ];
    let (proxy, _a, b) = start(Step::events(events)).await;
    let started = Instant::now();
    let answer = proxy.chat("m", &json!({"stream": true})).await;
    assert_eq!(answer.content(), "all");
    assert_eq!(answer.events().last().unwrap(), "[DONE]");
    assert!(!answer.text.contains("error"), "{}", answer.text);
    assert!(started.elapsed() < Duration::from_millis(1500));
    assert_eq!(b.count(), 0);
}

/// The end of the upstream's answer is waited for, so that its connection can be kept; a limit that passes meanwhile says nothing
/// to a client that has all.
#[tokio::test(start_paused = true)]
async fn no_limit_passes_after_the_end_marker() {
    // The last is too long to be recovered.
    let long = "x".repeat(2 << 20);
    for (recovery, text) in [("off", "all"), ("restart", "all"), ("restart", &long)] {
        let events = [
            Event::data(
                json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "x",
                    "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": "stop"}]})
                .to_string(),
            ),
            Event::done().after(Duration::from_millis(800)),
            Event::pause(Duration::from_secs(60)),
        ];
        let (a, b) = (
            upstream("a", [Step::events(events)]).await,
            upstream("b", [Step::hello()]).await,
        );
        let settings =
            format!("router_settings: {{total_timeout: 1, stream_recovery: {recovery}}}");
        let yaml = format!("{YAML}\n{settings}");
        let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
        let answer = proxy.chat("m", &json!({"stream": true})).await;
        assert!(answer.content() == text, "{recovery}");
        assert_eq!(answer.events().last().unwrap(), "[DONE]");
        assert!(
            !answer.text.contains("error"),
            "{recovery}: {}",
            answer.text
        );
        let page = proxy.get("/metrics").await.text;
        assert!(
            page.contains("outcome=\"completed\"} 1"),
            "{recovery}: {page}"
        );
    }
}

/// What a stream used counts in the minute of its deployment, whether or not the upstream tells.
#[tokio::test(start_paused = true)]
async fn the_tokens_of_streams_count() {
    let up = upstream("a", [Step::answer(Reply::deltas(vec!["x"; 100]))]).await;
    let yaml = "
model_list: [{model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A, tpm: 150}}]
router_settings: {enable_pre_call_checks: true, num_retries: 0}";
    let proxy = Proxy::start(yaml, &[("A", up.url())]).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let answer = proxy.chat("m", &json!({"stream": true})).await;
        statuses.push(answer.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
}

/// With `stream_recovery`, another group goes on with a stream that was cut, stalled or said an error.
#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_is_gone_on_with() {
    let slow = Duration::from_millis(2500);
    let error = "{\"error\":{\"message\":\"overloaded\",\"code\":500}}";
    let broken = [
        words().cut_after(3, Cut::Reset),
        words().cut_after(3, Cut::Close),
        words().interval(slow),
        Step::events([
            Event::data(r#"{"id":"x","choices":[{"index":0,"delta":{"content":"one"}}]}"#),
            Event::data(error),
        ]),
    ];
    for (number, step) in broken.into_iter().enumerate() {
        let again = Step::answer(Reply::deltas(["on", "e two thr", "ee"]));
        let (a, b) = (upstream("a", [step]).await, upstream("b", [again]).await);
        let yaml = format!("{YAML}\nrouter_settings: {{stream_recovery: restart}}").replace(
            "stream_timeout: 2",
            "stream_timeout: 9, stream_idle_timeout: 2",
        );
        let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
        let answer = proxy.chat("m", &json!({"stream": true})).await;
        assert_eq!(
            answer.content(),
            "one two three",
            "{number}: {}",
            answer.text
        );
        assert!(answer.text.ends_with("data: [DONE]\n\n"), "{}", answer.text);
        let mut events = answer.events();
        events.retain(|event| event.is_object());
        let id = &events[0]["id"];
        assert!(
            events.iter().all(|event| event["id"] == *id),
            "{}",
            answer.text
        );
        let models: Vec<_> = events.iter().map(|event| &event["model"]).collect();
        assert_eq!(models.last().unwrap().as_str(), Some("n"));
        assert_eq!(answer.header("x-litellm-model-group"), "m");
        assert_eq!((a.count(), b.count()), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_says_something_else_ends_a_stream_with_its_error() {
    let (a, b) = (
        upstream("a", [words().cut_after(3, Cut::Reset)]).await,
        upstream("b", [Step::hello()]).await,
    );
    let yaml = format!("{YAML}\nrouter_settings: {{stream_recovery: restart}}");
    let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
    let answer = proxy.chat("m", &json!({"stream": true})).await;
    let error = broken_off(&answer);
    assert_eq!((&error["code"], b.count()), (&json!("502"), 1), "{error}");
    assert!(
        error["message"].as_str().unwrap().contains("repeats"),
        "{error}"
    );
}

/// With `stream_commit: complete`, a stream that breaks at any time is an ordinary failed attempt.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_held_until_it_is_complete_is_retried_and_falls_back() {
    let yaml = format!("{YAML}\nrouter_settings: {{stream_commit: complete}}")
        .replace("num_retries: 0", "num_retries: 1")
        .replace(
            "stream_timeout: 2",
            "stream_timeout: 9, stream_idle_timeout: 2",
        );
    let cut = || words().cut_after(3, Cut::Reset);
    let slow = words().interval(Duration::from_millis(2500));
    for (steps, shown, counts) in [
        (vec![cut(), words()], "one two three", (2, 0)),
        (vec![cut(), cut()], "hello from b", (2, 1)),
        (vec![slow], "hello from b", (1, 1)),
    ] {
        let (a, b) = (
            upstream("a", steps).await,
            upstream("b", [Step::hello()]).await,
        );
        let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
        let answer = proxy.chat("m", &json!({"stream": true})).await;
        assert_eq!(answer.content(), shown, "{}", answer.text);
        assert_eq!((a.count(), b.count()), counts);
        assert!(answer.text.ends_with("data: [DONE]\n\n"), "{}", answer.text);
    }
}

/// With `stream_recovery: continue`, a fallback goes on from what was said if it is known to, and repeats it if it refuses.
#[tokio::test(start_paused = true)]
async fn a_fallback_goes_on_from_what_was_said() {
    let rest = || Step::answer(Reply::deltas([" thr", "ee"]));
    let refusal = || {
        let body = r#"{"error":{"message":"no prefill","type":"invalid_request_error"}}"#;
        Step::respond(http::Response::builder().status(400).body(body).unwrap())
    };
    for (steps, takes, calls) in [
        (vec![rest()], true, 1),
        (vec![refusal(), words()], true, 2),
        (vec![words()], false, 1),
    ] {
        let a = upstream("a", [words().cut_after(3, Cut::Reset)]).await;
        let b = upstream("b", steps).await;
        let info = format!("B}}, model_info: {{supports_assistant_prefill: {takes}}}");
        let yaml = YAML.replace("B}", &info);
        let yaml = format!("{yaml}\nrouter_settings: {{stream_recovery: continue}}");
        let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
        let answer = proxy.chat("m", &json!({"stream": true})).await;
        assert_eq!(answer.content(), "one two three", "{}", answer.text);
        assert_eq!((a.count(), b.count()), (1, calls));
        let first = b.hits()[0].json().unwrap();
        let last = first["messages"].as_array().unwrap().last().unwrap();
        assert_eq!(last["content"] == "one two", takes, "{last}");
    }
}
