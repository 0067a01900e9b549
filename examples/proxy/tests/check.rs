//! `ziggurat-proxy check`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output},
};

const GOOD: &str = "model_list:
  - model_name: a
    litellm_params: {model: openai/gpt-4o, api_key: sk-1234567}
general_settings: {master_key: sk-1234567}
";

/// A file that goes when the test ends.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("ziggurat-check-{}-{name}.yaml", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        Self(path)
    }

    /// The exit status and the output, the file's name cut down to `c.yaml`.
    fn check(&self, flags: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ziggurat-proxy"));
        command.env_clear().arg("check").args(flags).arg(&self.0);
        let Output { status, stdout, .. } = command.output().unwrap();
        let text = String::from_utf8(stdout).unwrap();
        let name = self.0.display().to_string();
        (status.code().unwrap(), text.replace(&name, "c.yaml"))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

#[test]
fn a_good_file() {
    let file = File::new("good", GOOD);
    let counts = "c.yaml: 0 errors, 0 warnings, 0 settings without effect, 0 notes\n";
    assert_eq!(file.check(&["--strict"]), (0, counts.to_owned()));
}

#[test]
fn a_finding_shows_its_line_without_keys() {
    let text = GOOD.replace("api_key: sk", "api_kye: sk") + "router_settings:\n  num_retires: 3\n";
    let file = File::new("findings", &text);
    let (status, shown) = file.check(&[]);
    assert_eq!(status, 0);
    assert_eq!(
        shown,
        "\
c.yaml:3:22: warning: model_list[0].litellm_params.model: api_key: missing; set it, or OPENAI_API_KEY; without, deployment `a` is left out at the start
     3 |     litellm_params: {model: openai/gpt-4o, api_kye: …}
       |                      ^
c.yaml:3:44: warning: model_list[0].litellm_params.api_kye: sent to the provider as it is; did you mean `api_key`?
     3 |     litellm_params: {model: openai/gpt-4o, api_kye: …}
       |                                            ^
c.yaml:6:3: warning: router_settings.num_retires: unknown setting; did you mean `num_retries`?
     6 |   num_retires: 3
       |   ^
c.yaml: 0 errors, 3 warnings, 0 settings without effect, 0 notes
"
    );
    assert_eq!(file.check(&["--strict"]), (1, shown));
}

#[test]
fn an_error_ends_with_two() {
    let text = GOOD.replace("api_key: sk-1234567", "api_key: sk-1234567, rpm: six");
    let file = File::new("error", &text);
    let (status, shown) = file.check(&[]);
    assert_eq!(status, 2);
    let wrong =
        "c.yaml:3:70: error: model_list[0].litellm_params.rpm: expected a number, found text";
    assert!(shown.contains(wrong), "{shown}");
    // Without any deployment that is left, one error more.
    let none = "c.yaml:1:1: error: model_list: no deployment can be used";
    assert!(shown.starts_with(none), "{shown}");
    let file = File::new("grammar", "a: b: sk-1234567\n");
    let (status, shown) = file.check(&["--strict"]);
    assert_eq!(status, 2);
    assert!(
        shown.starts_with("c.yaml:1:5: error: not readable as YAML"),
        "{shown}"
    );
    assert!(!shown.contains("sk-"), "{shown}");
}

#[test]
fn a_file_that_is_not_there() {
    let Output { status, stdout, .. } = Command::new(env!("CARGO_BIN_EXE_ziggurat-proxy"))
        .args(["check", "/no/such/file.yaml"])
        .output()
        .unwrap();
    assert_eq!(status.code(), Some(2));
    let text = String::from_utf8(stdout).unwrap();
    assert!(
        text.starts_with("error: /no/such/file.yaml: cannot be read"),
        "{text}"
    );
}

#[test]
fn no_variable_needs_to_be_set() {
    let file = File::new(
        "unset",
        "model_list:
  - {model_name: a, litellm_params: {model: azure/x, api_base: os.environ/BASE, api_key: os.environ/KEY}}
  - {model_name: b, litellm_params: {model: os.environ/MODEL}}
  - {model_name: d, litellm_params: {model: watsonx/ibm/granite-13b-chat-v2}}
  - {model_name: e, litellm_params: {model: gemini/gemini-2.0-flash}}
  - {model_name: f, litellm_params: {model: anthropic/claude-3-haiku-20240307}}
general_settings: {master_key: os.environ/MASTER_KEY}
router_settings: {allowed_model_region: os.environ/REGION, fallbacks: [{a: [b]}]}
",
    );
    let (status, shown) = file.check(&[]);
    assert_eq!(status, 0, "{shown}");
    let base = "environment variable `BASE` is not set, for deployment `a`";
    let model = "environment variable `MODEL` is not set, for deployment `b`";
    for said in [
        base,
        model,
        "`KEY`",
        "`MASTER_KEY`",
        "`REGION`",
        "WATSONX",
        "GEMINI_API_KEY",
        "ANTHROPIC_API_KEY",
    ] {
        assert!(shown.contains(said), "{said} in {shown}");
    }
    assert!(!shown.contains("no usable deployment"), "{shown}");
}

/// What needs no variable to be wrong is wrong without one.
#[test]
fn a_provider_that_is_not_supported_is_an_error_in_any_environment() {
    let text = GOOD.replace(
        "general",
        "  - {model_name: b, litellm_params: {model: cohere/x, api_key: os.environ/K}}\ngeneral",
    );
    let (status, shown) = File::new("provider", &text).check(&[]);
    assert_eq!(status, 2);
    assert!(
        shown.contains("error: model_list[1]: the provider `cohere` is not supported"),
        "{shown}"
    );
}

#[test]
fn json_for_machines() {
    let text = GOOD.to_owned() + "router_settings: {redis_host: localhost, num_retires: 3}\n";
    let file = File::new("json", &text);
    let (status, shown) = file.check(&["--json", "--strict"]);
    assert_eq!(status, 1);
    let json: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "file": "c.yaml", "status": 1,
            "errors": 0, "warnings": 1, "not_active": 1, "notes": 0,
            "findings": [
                {
                    "severity": "not_active", "file": "c.yaml", "line": 5, "column": 19,
                    "path": "router_settings.redis_host",
                    "message": "not active yet: router_settings.redis_host: state is per process", "rule": null
                },
                {
                    "severity": "warning", "file": "c.yaml", "line": 5, "column": 42,
                    "path": "router_settings.num_retires",
                    "message": "unknown setting; did you mean `num_retries`?", "rule": null
                },
            ],
            "remarks": [],
        })
    );
}

/// A start says the same in its log. It ends here, as the port is taken.
#[test]
fn a_start_logs_what_a_check_finds() {
    let text = GOOD.to_owned()
        + "  - {model_name: b, litellm_params: {model: openai/gpt-4}}\n"
        + "router_settings: {num_retires: 3, max_fallbacks: 1, fallbacks: [{a: [a]}]}\n";
    let text = text.replace("general_settings: {master_key: sk-1234567}\n", "");
    let file = File::new("start", &text);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_ziggurat-proxy"))
        .env_clear()
        .args(["--host", "127.0.0.1", "--port", &port, "--config"])
        .arg(&file.0)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    let has = |level: &str, said: &str| {
        log.lines()
            .any(|line| line.contains(level) && line.contains(said))
    };
    assert!(has("ERROR", "deployment `b` is left out"), "{log}");
    assert!(has("WARN", "did you mean `num_retries`?"), "{log}");
    assert!(has("WARN", "leads back: `a` -> `a`"), "{log}");
    // What settings mean is not said at each start, only that there is something to be said.
    assert!(has("INFO", "notes=") && !log.contains("(R80)"), "{log}");
    assert!(!log.contains("sk-"), "{log}");
    let (_, shown) = file.check(&[]);
    assert!(
        shown.contains("leads back") && shown.contains("(R80)"),
        "{shown}"
    );
}
