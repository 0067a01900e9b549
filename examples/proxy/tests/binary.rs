//! The binary as people start it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Output, Stdio},
};

fn proxy(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ziggurat-proxy"));
    command
        .args(args)
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn ended(args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = proxy(args).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// A proxy that runs until the end of the test.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    /// Starts the demo on a free port and reads where it listens.
    fn demo() -> Self {
        let mut child = proxy(&["--port", "0"]).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines
            .find_map(|line| {
                Some(
                    line.unwrap()
                        .strip_prefix("listening on http://")?
                        .to_owned(),
                )
            })
            .unwrap();
        // What else it says must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address: line,
        }
    }

    fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn chat(&self, model: &str) -> String {
        let body =
            format!(r#"{{"model": "{model}", "messages": [{{"role": "user", "content": "hi"}}]}}"#);
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
        self.send(&format!(
            "{head}content-length: {}\r\n\r\n{body}",
            body.len()
        ))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already, if the test ended it.
        let _ = self.child.kill();
    }
}

#[test]
fn the_demo_balances_retries_and_falls_back() {
    let proxy = Running::demo();
    // The only zephyr that answers does so twice, then fails twice, and no call visits it more often than that.
    let answers: Vec<_> = (0..3).map(|_| proxy.chat("zephyr-beta")).collect();
    assert!(
        answers
            .iter()
            .all(|answer| answer.starts_with("HTTP/1.1 200")),
        "{answers:?}"
    );
    assert!(
        answers[0].contains("x-litellm-attempted-fallbacks: 0"),
        "{}",
        answers[0]
    );
    assert!(
        answers[2].contains("x-litellm-attempted-fallbacks: 1"),
        "{}",
        answers[2]
    );
    assert!(
        answers[2].contains("x-litellm-model-group: gpt-3.5-turbo"),
        "{}",
        answers[2]
    );
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_in_peace() {
    let mut proxy = Running::demo();
    let answer =
        proxy.send("GET /health/liveliness HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(answer.ends_with("\"I'm alive!\""), "{answer}");
    let pid = proxy.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(proxy.child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_cannot_start_says_why() {
    let (code, text) = ended(&["--nope"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("--nope"), "{text}");
    let (code, text) = ended(&["--config", "no-such-file.yaml"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("no-such-file.yaml"), "{text}");
    let (code, text) = ended(&["--port", "0", "--drain-timeout=-1"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("drain-timeout"), "{text}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, text) = ended(&["--port", &taken.local_addr().unwrap().port().to_string()]);
    assert_eq!(code, Some(1));
    assert!(text.contains("cannot listen on 127.0.0.1:"), "{text}");
}
