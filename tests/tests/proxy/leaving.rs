//! Clients that leave: whatever the request is at, the upstream is left at once, and nobody is blamed.

mod others;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use ziggurat_testing::mock::{Answer as Reply, ApiError, Progress, Running, Script, Step};

use crate::support::{Held, Proxy, upstream};

/// How long after the upstream was asked clients leave: every step of a phase goes on for longer.
const AT: Duration = Duration::from_millis(500);

const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}, model_info: {id: first}}
- {model_name: claude, litellm_params: {model: anthropic/claude-3-opus-20240229, api_key: sk-canary, api_base: os.environ/A}}
router_settings: {num_retries: 2, cooldown_time: 60, SETTINGS}";

/// What a request is at when its client leaves.
struct Phase {
    name: &'static str,
    script: Script,
    settings: &'static str,
    path: &'static str,
    members: Value,
    /// Requests that the upstream has seen by then, and how the last of them ends.
    asked: u64,
    last: Progress,
    /// Failures that the upstream itself has told.
    failures: u64,
}

impl Phase {
    fn new(name: &'static str, script: impl Into<Script>) -> Self {
        Self {
            name,
            script: script.into(),
            settings: "",
            path: "/v1/chat/completions",
            members: json!({}),
            asked: 1,
            last: Progress::ClientLeft,
            failures: 0,
        }
    }

    fn stream(mut self) -> Self {
        self.members["stream"] = json!(true);
        self
    }

    fn to(mut self, path: &'static str, members: Value) -> Self {
        (self.path, self.members) = (path, members);
        self
    }

    /// Nothing is asked at the moment: the last request has failed.
    fn waiting(mut self, settings: &'static str, last: Progress) -> Self {
        (self.settings, self.last, self.failures) = (settings, last, 1);
        self
    }
}

fn phases() -> Vec<Phase> {
    let long = Duration::from_secs(10);
    let eight = std::num::NonZeroUsize::new(8).unwrap();
    let deltas = || Step::answer(Reply::deltas(["one", " two", " three"]));
    let busy = || Step::error(ApiError::new(StatusCode::SERVICE_UNAVAILABLE));
    let anthropic = json!({"model": "claude", "max_tokens": 5, "stream": true});
    vec![
        Phase::new("before the head", [Step::hang()]),
        Phase::new("before the head of a stream", [Step::hang()]).stream(),
        Phase::new("before a body", [Step::hello().body_delay(long)]),
        Phase::new(
            "in a body",
            [Step::hello()
                .trickle(eight)
                .interval(Duration::from_millis(100))],
        ),
        Phase::new(
            "before the content of a stream",
            [deltas().body_delay(long)],
        )
        .stream(),
        Phase::new("in a stream", [deltas().interval(long)]).stream(),
        Phase::new("after a head that went out early", [Step::hang()]).to(
            "/v1/chat/completions",
            json!({"stream": true, "keepalive_seconds": 1}),
        ),
        Phase::new("of embeddings", [Step::hang()]).to("/v1/embeddings", json!({"input": "hi"})),
        Phase::new("of completions", [Step::hang()]).to("/v1/completions", json!({"prompt": "hi"})),
        Phase::new("of responses", [Step::hang()]).to("/v1/responses", json!({"input": "hi"})),
        Phase::new("of messages", [Step::hang()]).to("/v1/messages", anthropic),
        Phase::new(
            "between two attempts",
            [busy().retry_after(long), Step::hello()],
        )
        .waiting("disable_cooldowns: true", Progress::Done),
        Phase::new(
            "in the wait for a deployment",
            [busy().retry_after(long), Step::hello()],
        )
        .waiting("cooldown_wait: 30, allowed_fails: 0", Progress::Done),
        Phase {
            asked: 2,
            failures: 1,
            ..Phase::new("in a second attempt", [busy(), Step::hang()])
        }
        .stream(),
    ]
}

/// A client that asks and leaves.
struct Client {
    connection: JoinHandle<()>,
    call: JoinHandle<()>,
    version: Version,
}

impl Client {
    async fn ask(proxy: &Proxy, phase: &Phase, version: Version) -> Self {
        let mut body = json!({"model": "m", "messages": []});
        for (name, value) in phase.members.as_object().unwrap() {
            body[name] = value.clone();
        }
        let request = Request::post(format!("http://h{}", phase.path)).version(version);
        let request = request
            .header("host", "h")
            .body(Full::<Bytes>::from(body.to_string()));
        let request = request.unwrap();
        let stream = TcpStream::connect(proxy.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let stream = TokioIo::new(stream);
        let (connection, call) = if version == Version::HTTP_2 {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
                .await
                .unwrap();
            let call = async move { sender.send_request(request).await?.collect().await };
            (
                tokio::spawn(async { drop(connection.await) }),
                tokio::spawn(async { drop(call.await) }),
            )
        } else {
            let (mut sender, connection) = http1::handshake(stream).await.unwrap();
            let call = async move { sender.send_request(request).await?.collect().await };
            (
                tokio::spawn(async { drop(connection.await) }),
                tokio::spawn(async { drop(call.await) }),
            )
        };
        Self {
            connection,
            call,
            version,
        }
    }

    /// The streams of HTTP/2 end one by one; with HTTP/1.1 it is the connection that ends.
    fn leave(&self) {
        assert!(!self.call.is_finished(), "the call has ended before");
        match self.version {
            Version::HTTP_2 => self.call.abort(),
            _ => self.connection.abort(),
        }
    }
}

async fn start(phase: &Phase) -> (Proxy, Running) {
    let up = upstream("a", phase.script.clone()).await;
    let yaml = YAML.replace("SETTINGS", phase.settings);
    let proxy = Proxy::start(&yaml, &[("A", up.url())]).await;
    (proxy, up)
}

/// The time from when a client leaves: the clock is held, so whatever waits for a timer is late.
struct Left {
    at: Instant,
    _held: Held,
}

impl Left {
    fn when(leave: impl FnOnce()) -> Self {
        let (at, held) = (Instant::now(), Held::new());
        leave();
        Self { at, _held: held }
    }

    /// Waits until as many requests are under way.
    async fn remain(&self, proxy: &Proxy, requests: u64, name: &str) -> String {
        loop {
            let page = proxy.get("/metrics").await.text;
            assert_eq!(self.at.elapsed(), Duration::ZERO, "{name}: late");
            if under_way(&page) == requests {
                return page;
            }
        }
    }
}

/// Adds up the samples whose lines begin and end so.
pub(crate) fn count(page: &str, name: &str, label: &str) -> u64 {
    let lines = page
        .lines()
        .filter(|line| line.starts_with(name) && line.contains(label));
    lines
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
        .sum()
}

fn under_way(page: &str) -> u64 {
    count(page, "ziggurat_requests_in_flight ", "")
}

async fn assert_left(phase: &Phase, version: Version) {
    let name = format!("{} ({version:?})", phase.name);
    let (proxy, up) = start(phase).await;
    let client = Client::ask(&proxy, phase, version).await;
    let last = up.wait_for(phase.asked).await.pop().unwrap();
    sleep(AT).await;
    assert_eq!(up.count(), phase.asked, "{name}");
    if phase.last == Progress::ClientLeft {
        assert_eq!(last.progress(), Progress::Running, "{name}");
    }
    let left = Left::when(|| client.leave());
    assert_eq!(last.ended().await, phase.last, "{name}");
    let page = left.remain(&proxy, 0, &name).await;
    drop(left);

    let cancelled = r#"outcome="cancelled""#;
    assert_eq!(
        count(&page, "ziggurat_requests_total{", "outcome="),
        1,
        "{name}: {page}"
    );
    assert_eq!(
        count(&page, "ziggurat_requests_total{", cancelled),
        1,
        "{name}: {page}"
    );
    let attempts = count(&page, "ziggurat_attempts_total{", "outcome=");
    assert_eq!(attempts, phase.asked, "{name}: {page}");
    let failed = attempts - count(&page, "ziggurat_attempts_total{", cancelled);
    assert_eq!(failed, phase.failures, "{name}: {page}");
    assert_eq!(
        count(&page, "ziggurat_deployment_in_flight{", ""),
        0,
        "{name}: {page}"
    );
    if phase.failures == 0 {
        let resting = proxy.get("/cooldowns").await.json();
        assert_eq!(resting["data"], json!([]), "{name}");
    }
    // Whatever was planned for later is not done.
    sleep(Duration::from_secs(15)).await;
    assert_eq!(up.count(), phase.asked, "{name}");
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_takes_the_upstream_along() {
    for phase in phases() {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            assert_left(&phase, version).await;
        }
    }
}

/// What has not come whole was no request.
#[tokio::test(start_paused = true)]
async fn whoever_leaves_while_it_asks_is_forgotten() {
    let phase = Phase::new("while it asks", [Step::hello()]);
    let (proxy, up) = start(&phase).await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n";
    let body = format!("{head}\r\n{{\"model\": \"m\", ");
    for (sent, calls) in [("", 0), ("POST /v1/ch", 0), (head, 0), (&*body, 1)] {
        let mut client = TcpStream::connect(proxy.address).await.unwrap();
        client.write_all(sent.as_bytes()).await.unwrap();
        sleep(AT).await;
        let arrived = async { while under_way(&proxy.get("/metrics").await.text) != calls {} };
        timeout(Duration::from_secs(30), arrived).await.expect(sent);
        let left = Left::when(|| drop(client));
        let page = left.remain(&proxy, 0, sent).await;
        assert_eq!(
            count(&page, "ziggurat_requests_total{", "outcome=\"cancelled\""),
            calls
        );
        assert_eq!(
            count(&page, "ziggurat_requests_total{", "outcome="),
            calls,
            "{page}"
        );
    }
    assert_eq!(up.accepted(), 0);
    assert_eq!(proxy.chat("m", &json!({})).await.content(), "hello from a");
}
