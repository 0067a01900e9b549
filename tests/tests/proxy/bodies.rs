//! Request bodies that are not what they should be.

use std::{io::Write, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderName, HeaderValue, Method};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use ziggurat_testing::mock::{Running, Script};

use crate::support::{Answer, Proxy, upstream};

const YAML: &str = "
model_list:
- {model_name: m, litellm_params: {model: openai/x, api_base: os.environ/A}}
- {model_name: claude, litellm_params: {model: anthropic/claude-3-opus-20240229, api_base: os.environ/A, api_key: sk-canary}}
general_settings: {max_request_size_mb: 1}";

const BODY: &str = r#"{"model": "m", "messages": [{"role": "user", "content": "hi"}]}"#;

async fn start() -> (Proxy, Running) {
    let up = upstream("a", Script::default()).await;
    let proxy = Proxy::start(YAML, &[("A", up.url())]).await;
    (proxy, up)
}

async fn post(
    proxy: &Proxy,
    headers: &[(&'static str, &'static str)],
    body: impl Into<Bytes>,
) -> Answer {
    let mut request = proxy.request(Method::POST, "/v1/chat/completions", body);
    for (name, value) in headers {
        let (name, value) = (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        request.headers_mut().append(name, value);
    }
    proxy.call(request).await
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// An error in OpenAI's shape, which names what is wrong.
fn assert_refused(answer: &Answer, status: u16, param: &str, case: &str) {
    assert_eq!(answer.status, status, "{case}: {}", answer.text);
    let error = &answer.json()["error"];
    assert_eq!(
        (&error["param"], &error["code"]),
        (&json!(param), &json!(status.to_string())),
        "{case}"
    );
    assert!(
        error["message"].is_string() && error["type"].is_string(),
        "{case}"
    );
    assert_eq!(answer.header("x-should-retry"), "false", "{case}");
}

#[tokio::test]
async fn broken_json_is_refused() {
    let (proxy, up) = start().await;
    let cases: [(&str, &[u8]); 8] = [
        ("empty", b""),
        ("spaces", b" \r\n "),
        ("cut", &BODY.as_bytes()[..BODY.len() - 5]),
        ("two", br#"{"model": "m"} {"model": "n"}"#),
        ("a list", br#"[{"model": "m"}]"#),
        ("a text", br#""model""#),
        ("no UTF-8", b"{\"model\": \"m\", \"messages\": [\"\xff\"]}"),
        ("a form", b"model=m&messages=hi"),
    ];
    for (case, body) in cases {
        let answer = post(&proxy, &[], Bytes::copy_from_slice(body)).await;
        assert_refused(&answer, 400, "request_body", case);
    }
    assert_eq!(up.count(), 0);
}

/// Depth is no one's fault as long as no one has to look inside: the bytes go on as they are. Who translates them refuses.
#[tokio::test]
async fn deep_bodies_break_nothing() {
    let (proxy, up) = start().await;
    for levels in [200, 100_000] {
        let deep = ["[".repeat(levels), "]".repeat(levels)].concat();
        for member in ["metadata", "tools", "fallbacks", "messages"] {
            for model in ["m", "claude"] {
                let messages = match member {
                    "messages" => "",
                    _ => r#""messages": [{"role": "user", "content": "hi"}],"#,
                };
                let body = format!(r#"{{"model": "{model}", {messages} "{member}": {deep}}}"#);
                let before = up.count();
                let answer = post(&proxy, &[], body).await;
                let case = format!("{levels} {member} {model}");
                let passes = member == "metadata" || model == "m" && member != "fallbacks";
                if passes {
                    assert_eq!(answer.status, 200, "{case}: {}", answer.text);
                    continue;
                }
                let error = answer.json()["error"].clone();
                let param = error["param"].as_str().unwrap_or("nothing");
                assert!(param.starts_with(member), "{case}: {error}");
                assert_refused(&answer, 400, param, &case);
                assert_eq!(up.count(), before, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn members_that_are_given_twice_are_refused() {
    let (proxy, up) = start().await;
    for (body, param) in [
        (r#"{"model": "m", "model": "n", "messages": []}"#, "model"),
        (
            r#"{"model": "m", "messages": [], "messages": []}"#,
            "messages",
        ),
        (
            r#"{"model": "m", "messages": [], "stream": true, "\u0073tream": false}"#,
            "stream",
        ),
        (
            r#"{"model": "m", "messages": [], "metadata": {}, "metadata": {}}"#,
            "metadata",
        ),
    ] {
        assert_refused(&post(&proxy, &[], body).await, 400, param, body);
    }
    assert_eq!(up.count(), 0);
}

/// Half of a surrogate pair is no text. In a name that matters it is refused; elsewhere it is the provider's to judge.
#[tokio::test]
async fn lone_surrogates_are_no_names() {
    let (proxy, up) = start().await;
    for body in [
        r#"{"model": "m\ud800", "messages": []}"#,
        r#"{"model": "\udc00", "messages": []}"#,
    ] {
        let answer = post(&proxy, &[], body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        assert_refused(&answer, 400, "model", body);
        assert!(answer.text.contains("surrogate"), "{}", answer.text);
    }
    assert_eq!(up.count(), 0);
    let content = r#"{"model": "m", "messages": [{"role": "user", "content": "\ud800"}]}"#;
    let answer = post(&proxy, &[], content).await;
    assert!(
        answer.status == 200 || answer.json()["error"]["param"] == "request_body",
        "{}",
        answer.text
    );
}

/// curl sends JSON as a form unless told otherwise: what counts is the body.
#[tokio::test]
async fn the_content_type_does_not_matter() {
    let (proxy, _up) = start().await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "no type",
    ] {
        let answer = post(&proxy, &[("content-type", kind)], BODY).await;
        assert_eq!(answer.content(), "hello from a", "{kind}");
    }
}

#[tokio::test]
async fn gzip_is_read_and_bounded() {
    let (proxy, up) = start().await;
    let whole = gzip(BODY.as_bytes());
    for encoding in ["gzip", "GZIP", "x-gzip"] {
        let answer = post(&proxy, &[("content-encoding", encoding)], whole.clone()).await;
        assert_eq!(answer.content(), "hello from a", "{encoding}");
    }
    assert_eq!(up.hits()[0].header("content-encoding"), None);
    let plain = post(&proxy, &[("content-encoding", "identity")], BODY).await;
    assert_eq!(plain.content(), "hello from a");

    let gzipped = [("content-encoding", "gzip")];
    let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
    assert!(bomb.len() < 1024 * 1024);
    assert_refused(
        &post(&proxy, &gzipped, bomb).await,
        413,
        "request_body",
        "bomb",
    );
    let cut = whole[..whole.len() - 9].to_vec();
    for (case, body) in [("cut", cut), ("plain", BODY.into()), ("empty", Vec::new())] {
        assert_refused(
            &post(&proxy, &gzipped, body).await,
            400,
            "request_body",
            case,
        );
    }
    for encodings in [
        &["br"][..],
        &["zstd"],
        &["gzip, gzip"],
        &["gzip", "gzip"],
        &[""],
    ] {
        let headers: Vec<_> = encodings
            .iter()
            .map(|it| ("content-encoding", *it))
            .collect();
        let answer = post(&proxy, &headers, BODY).await;
        assert_refused(&answer, 415, "content-encoding", &format!("{encodings:?}"));
    }
    assert_eq!(up.count(), 4);
}

/// Sends bytes, and reads until the connection ends or what was waited for has come.
async fn exchange(stream: &mut TcpStream, bytes: &[u8], until: &str) -> String {
    stream.write_all(bytes).await.unwrap();
    let mut text = Vec::new();
    let read = async {
        let mut part = [0; 1024];
        while !String::from_utf8_lossy(&text).contains(until) {
            match stream.read(&mut part).await.unwrap() {
                0 => break,
                n => text.extend_from_slice(&part[..n]),
            }
        }
    };
    timeout(Duration::from_secs(10), read).await.unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_told_to_go_on() {
    let (proxy, up) = start().await;
    let head = |path: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        )
    };
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    let request = head("/v1/chat/completions", BODY.len());
    let go_on = exchange(&mut stream, request.as_bytes(), "\r\n\r\n").await;
    assert!(go_on.starts_with("HTTP/1.1 100 "), "{go_on}");
    let answer = exchange(&mut stream, BODY.as_bytes(), "hello from a").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    // Refused before the body is sent.
    for (path, length, status) in [
        ("/nowhere", 10, "404"),
        ("/v1/chat/completions", 9_000_000, "413"),
    ] {
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        let answer = exchange(&mut stream, head(path, length).as_bytes(), "}}").await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.contains(r#""error""#), "{answer}");
    }
    assert_eq!(up.count(), 1);
}

/// A connection with a body that nobody reads cannot be used again: a client that pools connections has to know.
#[tokio::test]
async fn who_answers_without_reading_the_body_says_that_the_connection_ends() {
    let (proxy, up) = start().await;
    let key = "general_settings: {master_key: sk-1, ";
    let yaml = YAML.replace("general_settings: {", key);
    let closed = Proxy::start(&yaml, &[("A", up.url())]).await;
    for (proxy, line, extra, status) in [
        (&proxy, "POST /nowhere", "", "404"),
        (&proxy, "PUT /v1/chat/completions", "", "405"),
        (&closed, "POST /v1/chat/completions", "", "401"),
        (
            &proxy,
            "POST /v1/chat/completions",
            "content-encoding: br\r\n",
            "415",
        ),
        (
            &proxy,
            "POST /v1/chat/completions",
            "content-length: 9000000\r\n",
            "413",
        ),
    ] {
        let length = if status == "413" {
            ""
        } else {
            "content-length: 10\r\n"
        };
        let head = format!("{line} HTTP/1.1\r\nhost: h\r\n{extra}{length}\r\n");
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        let answer = exchange(&mut stream, head.as_bytes(), "}}").await;
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
    let mut stream = TcpStream::connect(proxy.address).await.unwrap();
    for _ in 0..2 {
        let get = b"GET /nowhere HTTP/1.1\r\nhost: h\r\n\r\n";
        let answer = exchange(&mut stream, get, "}}").await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        assert!(!answer.contains("connection: close"), "{answer}");
    }
}
