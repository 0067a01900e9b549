//! The binary as people start it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

/// Longest wait for a line; nothing waits as long unless it fails.
const PATIENCE: Duration = Duration::from_secs(30);

fn proxy(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ziggurat-proxy"));
    let ours = [
        "RUST_LOG",
        "HOST",
        "PORT",
        "CONFIG_FILE_PATH",
        "JSON_LOGS",
        "NO_COLOR",
    ];
    for name in ours {
        command.env_remove(name);
    }
    command
        .args(args)
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
    said: Receiver<String>,
}

impl Running {
    /// Starts the demo on a free port.
    fn demo() -> Self {
        Self::start(&mut proxy(&["--port", "0"]))
    }

    /// Starts a proxy and reads where it listens.
    fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map(Result::unwrap);
        let before = "listening on http://";
        let address = lines.find_map(|line| Some(line.strip_prefix(before)?.to_owned()));
        let address = address.unwrap();
        // What else it says must not fill the pipe.
        let (sender, said) = channel();
        std::thread::spawn(move || lines.for_each(|line| sender.send(line).unwrap_or_default()));
        Self {
            child,
            address,
            said,
        }
    }

    /// Waits for a line that holds a text.
    fn says(&self, text: &str) -> String {
        loop {
            let line = self.said.recv_timeout(PATIENCE).unwrap();
            if line.contains(text) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([name, &pid]).status();
        assert!(status.unwrap().success());
    }

    fn send(&self, request: &str) -> String {
        read(self.begin(request))
    }

    fn begin(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn chat(&self, model: &str) -> String {
        read(self.begin_chat(model))
    }

    fn begin_chat(&self, model: &str) -> TcpStream {
        let body =
            format!(r#"{{"model": "{model}", "messages": [{{"role": "user", "content": "hi"}}]}}"#);
        let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
        let length = body.len();
        self.begin(&format!("{head}content-length: {length}\r\n\r\n{body}"))
    }
}

fn read(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
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
    proxy.signal("-TERM");
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
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (code, text) = ended(&["--port", &taken.local_addr().unwrap().port().to_string()]);
    assert_eq!(code, Some(1));
    assert!(text.contains("cannot listen on 127.0.0.1:"), "{text}");
}

#[test]
fn a_request_is_one_line_without_what_was_said() {
    let mut command = proxy(&["--port", "0", "--json_logs"]);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut next = |message: &str| loop {
        let line = lines.next().unwrap().unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        if line["message"] == message {
            return line;
        }
    };
    let address = next("listening")["address"].as_str().unwrap().to_owned();
    let (_sender, said) = channel();
    let proxy = Running {
        child,
        address,
        said,
    };
    proxy.chat("gpt-3.5-turbo");
    let line = next("request");
    assert_eq!(
        (&line["level"], &line["target"]),
        (&"INFO".into(), &"ziggurat::request".into())
    );
    assert_eq!(
        (&line["status"], &line["attempts"]),
        (&200.into(), &1.into())
    );
    for name in ["model", "model_group"] {
        assert_eq!(line[name], "gpt-3.5-turbo");
    }
    for name in ["deployment", "call_id", "duration_ms", "output_tokens"] {
        assert!(!line[name].is_null(), "{name}: {line}");
    }
    // Neither the question nor the answer.
    let text = line.to_string();
    assert!(
        !text.contains("hi\"") && !text.contains("filling in"),
        "{text}"
    );
}

#[test]
fn flags_of_the_reference_that_mean_nothing_here_are_refused_in_one_line() {
    for flag in ["--run_gunicorn", "--drop_params", "--max-budget=3"] {
        let (code, text) = ended(&[flag]);
        assert_eq!(code, Some(2), "{text}");
        let flag = flag.split('=').next().unwrap();
        let begin = format!("error: {flag} is not available here: ");
        assert!(
            text.starts_with(&begin) && text.lines().count() == 1,
            "{text}"
        );
    }
}

#[test]
fn flags_that_do_not_go_together_are_refused() {
    let cases: [&[&str]; 5] = [
        &["--config", "a.yaml", "--model", "openai/x"],
        &["--alias", "a"],
        &["--ssl_certfile_path", "a.pem"],
        &["--num_workers", "0"],
        &["--model", "openai/x", "--request_timeout", "0"],
    ];
    for case in cases {
        let (code, text) = ended(case);
        assert_eq!(code, Some(2), "{case:?}: {text}");
    }
}

#[test]
fn help_is_grouped_and_names_every_flag() {
    let output = proxy(&["--help"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut rest = text.as_str();
    let headings = [
        "What to serve:",
        "Where to listen:",
        "How to run:",
        "What to log:",
        "Logs:",
        "Reload:",
    ];
    for heading in headings {
        let at = rest
            .find(heading)
            .unwrap_or_else(|| panic!("{heading}: {text}"));
        rest = &rest[at..];
    }
    let flags = "-c --config --host --port --model --api_base --alias --debug --detailed_debug --num_workers \
                 --request_timeout --ssl_certfile_path --ssl_keyfile_path --drain-timeout --version --json_logs";
    for flag in flags.split_whitespace() {
        assert!(text.contains(flag), "{flag}: {text}");
    }
    assert!(
        text.lines().all(|line| line.chars().count() <= 120),
        "{text}"
    );
    let version = proxy(&["-v"]).output().unwrap();
    assert!(
        String::from_utf8(version.stdout)
            .unwrap()
            .contains(env!("CARGO_PKG_VERSION"))
    );
}

/// An upstream that says which model it was asked for, once.
fn upstream() -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&seen).contains("messages") {
            let read = stream.read(&mut buffer).unwrap();
            seen.extend_from_slice(&buffer[..read]);
        }
        let body = r#"{"id": "1", "object": "chat.completion", "model": "x", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}"#;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
        write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
        String::from_utf8(seen).unwrap()
    });
    (url, asked)
}

#[test]
fn one_model_takes_every_name() {
    let (url, asked) = upstream();
    let flags = [
        "--port",
        "0",
        "--num_workers",
        "2",
        "--model",
        "openai/x",
        "--api_base",
        &url,
        "--alias",
        "mine",
    ];
    let mut command = proxy(&flags);
    let proxy = Running::start(command.env("CONFIG_FILE_PATH", "not-this.yaml"));
    let list = proxy.send("GET /models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(list.contains(r#""id":"mine""#), "{list}");
    let answer = proxy.chat("whatever");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = asked.join().unwrap();
    assert!(
        seen.contains(r#""model": "x""#) || seen.contains(r#""model":"x""#),
        "{seen}"
    );
}

/// A configuration in a file of its own.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("ziggurat-binary-{}-{name}.yaml", std::process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        std::fs::write(&self.0, text).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // Gone with the directory of temporary files at the latest.
        let _ = std::fs::remove_file(&self.0);
    }
}

const YAML: &str = "model_list: [{model_name: first, litellm_params: {model: openai/x, api_base: 'http://127.0.0.1:9'}}]\n";

#[cfg(unix)]
#[test]
fn a_hangup_reads_the_file_again() {
    let file = File::new("hangup", YAML);
    let mut command = proxy(&[]);
    let proxy = Running::start(command.env("CONFIG_FILE_PATH", &file.0).env("PORT", "0"));
    let models = || proxy.send("GET /models HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(models().contains(r#""id":"first""#));
    file.write(&YAML.replace("first", "second"));
    proxy.signal("-HUP");
    proxy.says("the configuration was reloaded");
    assert!(models().contains(r#""id":"second""#));
    file.write("model_list:\n- 7");
    proxy.signal("-HUP");
    proxy.says("the configuration was not reloaded");
    // The place of the mistake follows.
    proxy.says(".yaml:2:3: ");
    assert!(models().contains(r#""id":"second""#));
}

/// Each request has its line, whatever ends it and on however many threads.
#[cfg(unix)]
#[test]
fn requests_that_a_second_signal_cuts_are_logged() {
    const CALLS: usize = 20;
    for workers in ["1", "2"] {
        let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
        let yaml = YAML.replace("127.0.0.1:9", &upstream.local_addr().unwrap().to_string());
        let file = File::new(&format!("cut-{workers}"), &yaml);
        let mut command = proxy(&["--port", "0", "--num_workers", workers]);
        let mut proxy = Running::start(command.env("CONFIG_FILE_PATH", &file.0));
        let _clients: Vec<_> = (0..CALLS).map(|_| proxy.begin_chat("first")).collect();
        let _asked: Vec<_> = (0..CALLS).map(|_| upstream.accept().unwrap()).collect();
        proxy.signal("-TERM");
        // The listener is closed when the first signal has been obeyed.
        while TcpStream::connect(&proxy.address).is_ok() {
            std::thread::yield_now();
        }
        proxy.signal("-TERM");
        let lines = proxy.said.iter();
        let calls = lines.filter(|line| line.contains("outcome=")).count();
        assert_eq!(proxy.child.wait().unwrap().code(), Some(1));
        assert_eq!(calls, CALLS, "on {workers} threads");
    }
}

#[test]
fn logs_are_json_where_flag_or_file_say_so() {
    let file = File::new(
        "json",
        &format!("{YAML}litellm_settings: {{json_logs: true, nonsense: 1}}\n"),
    );
    let plain = File::new("plain", YAML);
    let path = |file: &File| file.0.to_str().unwrap().to_owned();
    for flags in [
        vec![path(&file)],
        vec![path(&plain), "--json_logs".to_owned()],
    ] {
        let mut command = proxy(&["--port", "0", "--config"]);
        let mut child = command.args(&flags).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        for line in lines {
            let line: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            if line["message"] == "listening" {
                assert!(line["address"].as_str().unwrap().starts_with("127.0.0.1:"));
                break;
            }
            assert_ne!(line["level"], "ERROR", "{line}");
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
