//! More of what a request may be at: places where no upstream has it yet, and where several do.

#![allow(
    clippy::async_yields_async,
    reason = "where a request has come to is waited for before its client leaves, and the end after that"
)]

use std::{future::Future, time::SystemTime};

use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};
use ziggurat_testing::mock::Cut;

use super::*;

const CONFIG: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A, max_parallel_requests: 1}, model_info: {id: first}}
- {model_name: n, litellm_params: {model: openai/x, api_base: os.environ/B}, model_info: {id: second}}
- {model_name: claude, litellm_params: {model: anthropic/claude-3-opus-20240229, api_key: sk-canary, api_base: os.environ/A}}
- model_name: granite
  litellm_params: {model: watsonx/ibm/granite-3-8b-instruct, api_base: os.environ/A, api_key: sk-canary, project_id: p}
router_settings: {num_retries: 0, max_parallel_wait: 30, fallbacks: [{m: [n]}], SETTINGS}";

/// An address that no request here goes to.
const NOWHERE: &str = "http://127.0.0.1:9";

/// As many bytes as the kernel does not hold between two ends.
const LONG: usize = 20_000_000;

/// What a client asks.
fn ask(path: &'static str, mut members: Value) -> Phase {
    let question = json!([{"role": "user", "content": "what llm are you"}]);
    members["messages"] = question;
    Phase::new("", [Step::hang()]).to(path, members)
}

fn chat(members: Value) -> Phase {
    ask("/v1/chat/completions", members)
}

/// Checks that a client which leaves is gone within the time, and that nobody is blamed.
///
/// `begun` ends when the request is where it should be, and gives what ends when the upstream is left.
async fn assert_gone<F>(
    proxy: &Proxy,
    name: &str,
    asks: &Phase,
    failures: u64,
    mut begun: impl AsyncFnMut() -> F,
) where
    F: Future<Output = ()>,
{
    for (round, version) in [Version::HTTP_11, Version::HTTP_2].into_iter().enumerate() {
        let round = round as u64 + 1;
        let name = format!("{name} ({version:?})");
        let client = Client::ask(proxy, asks, version).await;
        let begun = timeout(Duration::from_secs(30), begun()).await;
        let gone = begun.unwrap_or_else(|_| panic!("{name}: it does not begin"));
        // The clock of the test is held; this one is not.
        let wall = SystemTime::now();
        let left = Left::when(|| client.leave());
        gone.await;
        let took = wall.elapsed().unwrap();
        let page = left.remain(proxy, 0, &name).await;
        println!("{name}: the upstream was left after {took:?}");
        drop(left);
        let cancelled = r#"outcome="cancelled""#;
        let requests = "ziggurat_requests_total{";
        assert_eq!(
            count(&page, requests, "outcome="),
            count(&page, requests, cancelled)
        );
        assert!(count(&page, requests, cancelled) >= round, "{name}: {page}");
        let attempts = "ziggurat_attempts_total{";
        let failed = count(&page, attempts, "outcome=") - count(&page, attempts, cancelled);
        assert_eq!(failed, failures * round, "{name}: {page}");
        assert_eq!(
            count(&page, "ziggurat_deployment_in_flight{", ""),
            0,
            "{name}"
        );
        if failures == 0 {
            assert_eq!(
                proxy.get("/cooldowns").await.json()["data"],
                json!([]),
                "{name}"
            );
        }
    }
}

async fn proxy(settings: &str, a: String, b: String) -> Proxy {
    let iam = format!("{b}/identity/token");
    let environment = [("A", a), ("B", b), ("WATSONX_IAM_URL", iam)];
    Proxy::start(&CONFIG.replace("SETTINGS", settings), &environment).await
}

/// An upstream whose connections are made by the kernel alone, or by a listener that then says nothing.
async fn silent(scheme: &str) -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("{scheme}://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// What still comes until a connection is closed.
async fn rest(mut connection: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    let _ = connection.read_to_end(&mut bytes).await;
    bytes
}

async fn is_closed(connection: TcpStream) {
    rest(connection).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_while_a_connection_is_made_takes_it_along() {
    let (listener, url) = silent("https").await;
    let proxy = proxy("disable_cooldowns: false", url, NOWHERE.to_owned()).await;
    assert_gone(&proxy, "in a handshake", &chat(json!({})), 0, async || {
        let (connection, _) = listener.accept().await.unwrap();
        // The beginning of the handshake has come.
        connection.readable().await.unwrap();
        is_closed(connection)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_before_a_connection_is_accepted_takes_it_along() {
    let (listener, url) = silent("http").await;
    let proxy = proxy("disable_cooldowns: false", url, NOWHERE.to_owned()).await;
    let listener = &listener;
    assert_gone(&proxy, "not accepted", &chat(json!({})), 0, async || {
        sleep(AT).await;
        async move { is_closed(listener.accept().await.unwrap().0).await }
    })
    .await;
}

/// What the kernel has taken for the upstream comes to it, and no more.
#[tokio::test(start_paused = true)]
async fn whoever_leaves_an_upstream_that_does_not_read_takes_the_rest_along() {
    let (listener, url) = silent("http").await;
    let proxy = proxy("disable_cooldowns: false", url, NOWHERE.to_owned()).await;
    let long = "w".repeat(LONG);
    for stream in [false, true] {
        let asks = chat(json!({"user": long, "stream": stream}));
        assert_gone(&proxy, "half sent", &asks, 0, async || {
            let (connection, _) = listener.accept().await.unwrap();
            connection.readable().await.unwrap();
            async move {
                let sent = rest(connection).await;
                assert!(
                    sent.starts_with(b"POST ") && sent.len() < LONG,
                    "{}",
                    sent.len()
                );
            }
        })
        .await;
    }
}

/// The token is for all, and goes on to be fetched.
#[tokio::test(start_paused = true)]
async fn whoever_leaves_before_there_are_credentials_is_not_waited_for() {
    let up = upstream("a", [Step::hang()]).await;
    let (listener, iam) = silent("http").await;
    let proxy = proxy("disable_cooldowns: false", up.url(), iam).await;
    let asks = chat(json!({"model": "granite"}));
    let mut fetching = None;
    assert_gone(&proxy, "without credentials", &asks, 0, async || {
        if fetching.is_none() {
            fetching = Some(listener.accept().await.unwrap());
        }
        sleep(AT).await;
        async {}
    })
    .await;
    assert_eq!(up.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_the_queue_leaves_its_place_to_others() {
    let up = upstream("a", [Step::hang(), Step::hello()]).await;
    let proxy = proxy("disable_cooldowns: false", up.url(), NOWHERE.to_owned()).await;
    let asks = chat(json!({"fallbacks": []}));
    for version in [Version::HTTP_11, Version::HTTP_2] {
        up.set_script([Step::hang(), Step::hello()]);
        let before = up.count();
        let first = Client::ask(&proxy, &asks, version).await;
        let hit = up.wait_for(before + 1).await.pop().unwrap();
        let waiting = Client::ask(&proxy, &asks, version).await;
        sleep(AT).await;
        let left = Left::when(|| waiting.leave());
        left.remain(&proxy, 1, "in the queue").await;
        let left = Left::when(|| first.leave());
        assert_eq!(hit.ended().await, Progress::ClientLeft);
        let page = left.remain(&proxy, 0, "before the queue").await;
        assert_eq!(count(&page, "ziggurat_deployment_in_flight{", ""), 0);
        // The only place is free.
        assert_eq!(proxy.chat("m", &json!({})).await.content(), "hello from a");
        assert_eq!(up.count(), before + 2);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_a_fallback_takes_it_along() {
    let failing = Step::error(ApiError::new(StatusCode::SERVICE_UNAVAILABLE));
    let one = Step::answer(Reply::deltas(["one", " two"])).cut_after(2, Cut::Close);
    let stream = json!({"stream": true});
    for (name, step, settings, asks) in [
        (
            "in a second group",
            failing,
            "disable_cooldowns: true",
            json!({}),
        ),
        (
            "in a recovery",
            one,
            "disable_cooldowns: true, stream_recovery: restart",
            stream,
        ),
    ] {
        let (a, b) = (
            upstream("a", [step]).await,
            upstream("b", [Step::hang()]).await,
        );
        let proxy = proxy(settings, a.url(), b.url()).await;
        let mut asked = 0;
        assert_gone(&proxy, name, &chat(asks), 1, async || {
            asked += 1;
            let hit = b.wait_for(asked).await.pop().unwrap();
            async move { assert_eq!(hit.ended().await, Progress::ClientLeft) }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asked_several_models_takes_all_along() {
    for fastest in [false, true] {
        let hang = || [Step::hang()];
        let (a, b) = (upstream("a", hang()).await, upstream("b", hang()).await);
        let proxy = proxy("disable_cooldowns: false", a.url(), b.url()).await;
        let asks = chat(json!({"model": "m,n", "fallbacks": [], "fastest_response": fastest}));
        let mut asked = 0;
        assert_gone(&proxy, "of several models", &asks, 0, async || {
            asked += 1;
            let first = a.wait_for(asked).await.pop().unwrap();
            let second = b.wait_for(asked).await.pop().unwrap();
            async move {
                assert_eq!(first.ended().await, Progress::ClientLeft);
                assert_eq!(second.ended().await, Progress::ClientLeft);
            }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_a_stream_of_any_form_takes_it_along() {
    let long = Duration::from_secs(60);
    let slow = || Step::answer(Reply::deltas(["one", " two", " three"])).interval(long);
    let message = json!({"model": "claude", "max_tokens": 5});
    let stream = |mut members: Value| {
        members["stream"] = json!(true);
        members
    };
    for (name, asks, step) in [
        (
            "a message",
            ask("/v1/messages", message.clone()),
            Step::hang(),
        ),
        (
            "a stream of a message",
            ask("/v1/messages", stream(message.clone())),
            slow(),
        ),
        (
            "a translated message",
            ask("/v1/messages", stream(json!({"max_tokens": 5}))),
            slow(),
        ),
        (
            "tokens of a message",
            ask("/v1/messages/count_tokens", message),
            Step::hang(),
        ),
        (
            "a stream of completions",
            ask("/v1/completions", stream(json!({"prompt": "hi"}))),
            slow(),
        ),
        (
            "a stream of responses",
            ask("/v1/responses", stream(json!({"input": "hi"}))),
            Step::hang(),
        ),
        (
            "a chat of Anthropic's",
            chat(stream(json!({"model": "claude"}))),
            slow(),
        ),
    ] {
        let up = upstream("a", [step]).await;
        let proxy = proxy("disable_cooldowns: false", up.url(), NOWHERE.to_owned()).await;
        let mut asked = 0;
        assert_gone(&proxy, name, &asks, 0, async || {
            asked += 1;
            let hit = up.wait_for(asked).await.pop().unwrap();
            sleep(AT).await;
            async move { assert_eq!(hit.ended().await, Progress::ClientLeft) }
        })
        .await;
    }
}
