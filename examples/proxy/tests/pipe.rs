//! A configuration in a pipe.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::channel,
    time::Duration,
};

const YAML: &str = "model_list: [{model_name: a, litellm_params: {model: openai/x, api_key: k, rpm: x1}}, \
     {model_name: a, litellm_params: {model: openai/x, api_key: k}}]\n";

/// Longest wait for the end; nothing waits as long unless it fails.
const PATIENCE: Duration = Duration::from_secs(30);

struct Pipe(PathBuf);

impl Pipe {
    fn new(name: &str) -> Self {
        let name = format!("ziggurat-pipe-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        Self(path)
    }

    /// Opens it; returns when the proxy has opened it too.
    fn write(&self) -> fs::File {
        let (sender, opened) = channel();
        let path = self.0.clone();
        std::thread::spawn(move || sender.send(OpenOptions::new().write(true).open(path)));
        let opened = opened.recv_timeout(PATIENCE);
        opened.expect("the proxy reads from the pipe").unwrap()
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // Gone with the directory of temporary files at the latest.
        let _ = fs::remove_file(&self.0);
    }
}

fn start(args: &[&str], path: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ziggurat-proxy"));
    let command = command.env_clear().args(args).arg(path);
    let command = command.stderr(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([name, &pid]).status().unwrap();
    assert!(sent.success());
}

/// Waits for the end in a thread of its own.
fn ends(child: Child) -> std::process::Output {
    let (sender, ended) = channel();
    let pid = child.id();
    std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    ended.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let killed = Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status();
        panic!("it does not end: {killed:?}")
    })
}

#[test]
fn a_check_reads_it_once() {
    let pipe = Pipe::new("check");
    let child = start(&["check"], &pipe.0);
    pipe.write().write_all(YAML.as_bytes()).unwrap();
    let output = ends(child);
    assert_eq!(output.status.code(), Some(2));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(
        shown.contains(":1:81: error: model_list[0].litellm_params.rpm"),
        "{shown}"
    );
}

#[test]
fn a_reload_that_waits_for_it_keeps_nobody_from_the_end() {
    let pipe = Pipe::new("reload");
    let mut child = start(&["--port", "0", "--config"], &pipe.0);
    pipe.write().write_all(YAML.as_bytes()).unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("listening on ")));
    std::thread::spawn(move || lines.for_each(drop));
    signal(&child, "-HUP");
    let open = pipe.write();
    signal(&child, "-TERM");
    assert!(ends(child).status.success());
    drop(open);
}
