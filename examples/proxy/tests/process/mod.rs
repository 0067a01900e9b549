//! The binary as a process, with a configuration in a file of its own.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread::JoinHandle,
    time::Duration,
};

/// Longest wait for a line; nothing waits as long unless it fails.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Proxy {
    pub(crate) address: String,
    child: Child,
    pub(crate) config: PathBuf,
    said: Receiver<String>,
    printed: JoinHandle<String>,
}

impl Proxy {
    /// Starts it and waits until it listens.
    pub(crate) fn start(
        name: &str,
        yaml: &str,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let name = format!("ziggurat-{name}-{}.yaml", std::process::id());
        let config = std::env::temp_dir().join(name);
        fs::write(&config, yaml).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_ziggurat-proxy"))
            .env_remove("RUST_LOG")
            .args(["--port", "0", "--host", "127.0.0.1"])
            .args(flags)
            .arg("--config")
            .arg(&config)
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, said) = channel();
        let printed = std::thread::spawn(move || {
            let mut all = String::new();
            for line in lines.map(Result::unwrap) {
                all.push_str(&line);
                all.push('\n');
                // Nobody may be listening any more.
                let _ = sender.send(line);
            }
            all
        });
        let mut proxy = Self {
            address: String::new(),
            child,
            config,
            said,
            printed,
        };
        let line = proxy.says("listening on http://");
        proxy.address = line.replace("listening on http://", "");
        proxy
    }

    /// Waits for a line that holds a text.
    pub(crate) fn says(&self, text: &str) -> String {
        loop {
            let line = self.said.recv_timeout(PATIENCE).unwrap();
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([name, &pid]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end, which is a good one, and returns all that it has printed.
    pub(crate) fn ended(mut self) -> String {
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        fs::remove_file(&self.config).unwrap();
        self.printed.join().unwrap()
    }
}
