//! Streams that go on after they broke, with all that stands around: limits, rests, observers, clients that leave.

mod thoughts;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tower::ServiceExt;
use ziggurat::{
    Gateway,
    core::{
        Observer,
        observe::{Ended, RequestEnd},
    },
};
use ziggurat_testing::mock::{Answer as Reply, Cut, Event, Progress, Running, Script, Step};

use crate::{
    metadata::Log,
    support::{Answer, Proxy, config, upstream},
};

const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}, model_info: {id: first}}
- {model_name: n, litellm_params: {model: openai/x, api_base: os.environ/B}, model_info: {id: second}}
- {model_name: o, litellm_params: {model: openai/x, api_base: os.environ/C}, model_info: {id: third}}
litellm_settings: {num_retries: 0, fallbacks: [{m: [n, o]}]}
router_settings: {stream_recovery: restart, SETTINGS}";

fn words() -> Reply {
    Reply::deltas(["one", " two", " three"])
}

/// Breaks after so many pieces; the first is the role.
fn cut_after(pieces: usize) -> Step {
    Step::answer(words()).cut_after(pieces, Cut::Reset)
}

fn whole() -> Step {
    Step::answer(words().usage(7, 3))
}

struct World {
    upstreams: [Running; 3],
    yaml: String,
}

impl World {
    async fn new(settings: &str, scripts: [Script; 3]) -> Self {
        let [a, b, c] = scripts;
        Self {
            upstreams: [
                upstream("a", a).await,
                upstream("b", b).await,
                upstream("c", c).await,
            ],
            yaml: YAML.replace("SETTINGS", settings),
        }
    }

    fn environment(&self) -> [(&'static str, String); 3] {
        let [a, b, c] = self.upstreams.each_ref().map(Running::url);
        [("A", a), ("B", b), ("C", c)]
    }

    async fn proxy(&self) -> Proxy {
        Proxy::start(&self.yaml, &self.environment()).await
    }

    fn counts(&self) -> [u64; 3] {
        self.upstreams.each_ref().map(Running::count)
    }
}

async fn stream(proxy: &Proxy) -> Answer {
    proxy.chat("m", &json!({"stream": true})).await
}

/// The error that a stream ends with, after this text.
#[track_caller]
fn broke_off(answer: &Answer, text: &str) -> Value {
    let events = answer.events();
    assert_eq!(answer.content(), text, "{}", answer.text);
    assert_eq!(events.last().unwrap(), "[DONE]", "{}", answer.text);
    events[events.len() - 2]["error"].clone()
}

#[track_caller]
fn assert_whole(answer: &Answer) {
    assert_eq!(answer.content(), "one two three", "{}", answer.text);
    assert!(answer.text.ends_with("data: [DONE]\n\n"), "{}", answer.text);
    assert!(!answer.text.contains("error"), "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_break_twice() {
    let scripts = [cut_after(2), cut_after(3), whole()].map(Script::from);
    let world = World::new("", scripts).await;
    assert_whole(&stream(&world.proxy().await).await);
    assert_eq!(world.counts(), [1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn hops_are_counted_while_a_stream_goes_on() {
    for (hops, counts) in [(1, [1, 1, 0]), (2, [1, 1, 1])] {
        let scripts = [cut_after(2), cut_after(3), whole()].map(Script::from);
        let world = World::new(&format!("max_fallbacks: {hops}"), scripts).await;
        let answer = stream(&world.proxy().await).await;
        match hops {
            1 => assert_eq!(broke_off(&answer, "one two")["code"], "502"),
            _ => assert_whole(&answer),
        }
        assert_eq!(world.counts(), counts);
    }
}

/// The limit of three seconds held, the second of the targets was left at it, and the third was not asked any more.
async fn assert_second_left(world: &World, started: Instant) {
    let waited = started.elapsed();
    let limit = Duration::from_secs(3)..Duration::from_millis(3500);
    assert!(limit.contains(&waited), "{waited:?}");
    assert_eq!(world.counts(), [1, 1, 0]);
    let [_, second, _] = &world.upstreams;
    assert_eq!(second.hits()[0].ended().await, Progress::ClientLeft);
}

/// The whole request has one limit, and whoever is asked when it is over is left.
#[tokio::test(start_paused = true)]
async fn the_limit_of_the_request_holds_while_a_stream_goes_on() {
    let scripts = [cut_after(2), Step::hang(), whole()].map(Script::from);
    let world = World::new("total_timeout: 3", scripts).await;
    let proxy = world.proxy().await;
    let started = Instant::now();
    let error = broke_off(&stream(&proxy).await, "one");
    assert_eq!(error["code"], "408", "{error}");
    assert_second_left(&world, started).await;
}

/// What another one repeats is no sign of life to the client, who hears nothing of it.
#[tokio::test(start_paused = true)]
async fn a_client_hears_nothing_new_for_so_long() {
    let chunk = |text: &str| {
        let choice = json!({"index": 0, "delta": {"content": text}, "finish_reason": null});
        let chunk = json!({"id": "2", "object": "chat.completion.chunk", "created": 1, "model": "x", "choices": [choice]});
        Event::data(chunk.to_string()).after(Duration::from_millis(500))
    };
    for known in ["on", "one"] {
        let events = [chunk(known)].into_iter().chain((0..90).map(|_| chunk("")));
        let scripts = [
            cut_after(2),
            Step::events(events.collect::<Vec<_>>()),
            whole(),
        ]
        .map(Script::from);
        let world = World::new("stream_timeout: 3", scripts).await;
        let proxy = world.proxy().await;
        let started = Instant::now();
        let error = broke_off(&stream(&proxy).await, "one");
        assert_eq!(error["code"], "502", "{error}");
        assert_second_left(&world, started).await;
    }
}

/// The cut is a failure of the one whose stream it was, though the client got the whole.
#[tokio::test(start_paused = true)]
async fn who_broke_a_stream_rests() {
    let scripts = [cut_after(2), whole(), whole()].map(Script::from);
    let world = World::new("allowed_fails: 0, cooldown_time: 60", scripts).await;
    let proxy = world.proxy().await;
    for counts in [[1, 1, 0], [1, 2, 0]] {
        assert_whole(&stream(&proxy).await);
        assert_eq!(world.counts(), counts);
    }
}

/// Some models say their content in a list, some gateways the arguments of a call as an object.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_compared_passes_as_without_recovery() {
    let call = json!([{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}]);
    let deltas = [
        json!({"role": "assistant", "content": "one"}),
        json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
        json!({"content": " two", "refusal": false, "tool_calls": call}),
    ];
    let chunk = |delta: &Value, end: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": end});
        let chunk = json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "x", "choices": [choice]});
        Event::data(chunk.to_string())
    };
    let mut events: Vec<_> = deltas.iter().map(|it| chunk(it, Value::Null)).collect();
    events.extend([chunk(&json!({}), "stop".into()), Event::done()]);
    let mut texts = Vec::new();
    for recovery in ["off", "restart", "continue"] {
        let script = || Script::from(Step::events(events.clone()));
        let mut world = World::new("", [script(), script(), script()]).await;
        world.yaml = world.yaml.replace("restart", recovery);
        texts.push(stream(&world.proxy().await).await.text);
        assert_eq!(world.counts(), [1, 0, 0], "{recovery}");
    }
    assert!(
        texts[0].contains("thinking") && texts[0].ends_with("data: [DONE]\n\n"),
        "{}",
        texts[0]
    );
    assert_eq!(texts[1..], [texts[0].clone(), texts[0].clone()]);
}

#[tokio::test]
async fn nothing_runs_on_for_a_client_that_leaves_while_another_is_asked() {
    let scripts = [cut_after(2), Step::hang(), whole()].map(Script::from);
    let world = World::new("", scripts).await;
    let proxy = world.proxy().await;
    let request = proxy.chat_request("m", &json!({"stream": true}));
    let mut body = proxy.send(request).await.into_body();
    body.frame().await.unwrap().unwrap();
    let [_, b, c] = &world.upstreams;
    let hits = b.wait_for(1).await;
    drop(body);
    let left = timeout(Duration::from_secs(5), hits[0].ended()).await;
    assert_eq!(left, Ok(Progress::ClientLeft));
    assert_eq!(c.count(), 0);
}

/// How a request ended, as an observer hears it: who answered, how, in how many tokens, and how often others went on.
type End = (Option<String>, Ended, Option<u64>, Option<u32>);

#[derive(Default)]
struct Ends(Mutex<Vec<End>>);

impl Observer for Ends {
    fn request_ended(&self, end: &RequestEnd<'_>) {
        let recovered = end.tried.recovery().map(|recovery| recovery.count);
        let deployment = end.deployment.map(ToString::to_string);
        let call = end.call;
        let end = (deployment, call.outcome, call.output_tokens, recovered);
        self.0.lock().unwrap().push(end);
    }
}

#[tokio::test(start_paused = true)]
async fn observers_hear_who_went_on() {
    let scripts = [cut_after(2), cut_after(3), whole()].map(Script::from);
    let world = World::new("", scripts).await;
    let ends = Arc::new(Ends::default());
    let gateway = Gateway::builder(&config(&world.yaml, &world.environment()))
        .observer(ends.clone())
        .build()
        .unwrap();
    let body = json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}, "messages": [{"role": "user", "content": "hi"}]});
    let request = Request::post("/v1/chat/completions");
    let request = request.body(Full::new(Bytes::from(body.to_string())));
    let response = gateway.oneshot(request.unwrap()).await.unwrap();
    response.into_body().collect().await.unwrap();
    let third = Some("third".to_owned());
    let ends = ends.0.lock().unwrap();
    assert_eq!(*ends, [(third, Ended::Completed, Some(3), Some(2))]);
}

/// The line of a request names who ended its stream, and says how often it went on.
#[tokio::test(start_paused = true)]
async fn the_log_says_who_went_on() {
    let (log, _listening) = Log::listen();
    let scripts = [cut_after(2), cut_after(3), whole()].map(Script::from);
    let world = World::new("", scripts).await;
    assert_whole(&stream(&world.proxy().await).await);
    let line = log.lines.lock().unwrap().pop().unwrap();
    for part in [
        "recovered=2",
        "fallbacks=2",
        "attempts=3",
        "deployment=\"third\"",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

/// A stream that is held back until it is complete gives signs of life meanwhile, and nothing of those that broke.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_held_back_gives_signs_of_life() {
    let slow = |step: Step| step.interval(Duration::from_secs(2));
    let scripts = [slow(cut_after(3)), slow(whole()), whole()].map(Script::from);
    let settings = "stream_commit: complete, timeout: 60";
    let mut world = World::new(settings, scripts).await;
    let every = ", sse_keepalive_ping_interval_seconds: 3}";
    world.yaml = world
        .yaml
        .replace("[n, o]}]}", &format!("[n, o]}}]{every}"));
    let proxy = world.proxy().await;
    let started = Instant::now();
    let response = proxy
        .send(proxy.chat_request("m", &json!({"stream": true})))
        .await;
    assert_eq!(started.elapsed().as_secs(), 3);
    let mut body = response.into_body();
    let (mut pings, mut text) = (0, String::new());
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        let data = std::str::from_utf8(&data).unwrap();
        match data.starts_with(": ping") {
            true if text.is_empty() => pings += 1,
            _ => text += data,
        }
    }
    assert!(pings >= 2, "{pings}");
    let words = ["one", " two", " three"].map(|word| text.matches(&format!("\"{word}\"")).count());
    assert_eq!(words, [1; 3], "{text}");
    assert!(
        text.ends_with("data: [DONE]\n\n") && !text.contains("error"),
        "{text}"
    );
    assert_eq!(world.counts(), [1, 1, 0]);
}
