//! Neither keys nor prompts nor completions are in anything that the binary prints, whatever level is asked for.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![cfg(unix)]

mod process;

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use http::{Response, StatusCode};
use serde_json::{Value, json};
use ziggurat_mock::{Answer, ApiError, Cut, Event, Step, Upstream};

use crate::process::Proxy;

/// What must not be told.
const CANARIES: [&str; 3] = ["canary-key", "canary-prompt", "canary-completion"];

/// What is told because the configuration says so: whoever does not find it has not looked.
const PLANTED: &str = "planted-on-purpose";

const CONFIG: &str = "
model_list:
- {model_name: openai, litellm_params: {model: openai/x, api_key: canary-key-1, api_base: URL}}
- {model_name: azure, litellm_params: {model: azure/x, api_key: canary-key-2, api_base: URL, api_version: '2024-10-21'}}
- {model_name: anthropic, litellm_params: {model: anthropic/claude-3-opus-20240229, api_key: canary-key-3, api_base: URL}}
- {model_name: gemini, litellm_params: {model: gemini/gemini-2.0-flash, api_key: canary-key-4, api_base: URL}}
- {model_name: huggingface, litellm_params: {model: huggingface/a/b, api_key: canary-key-5, api_base: URL}}
- model_name: bedrock
  litellm_params:
    model: bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0
    aws_region_name: eu-central-1
    aws_bedrock_runtime_endpoint: URL
    aws_access_key_id: canary-key-6
    aws_secret_access_key: canary-key-7
    aws_session_token: canary-key-8
- model_name: watsonx
  litellm_params: {model: watsonx/ibm/granite-3-8b-instruct, token: canary-key-9, project_id: p, api_base: URL}
router_settings: {num_retries: 0, disable_cooldowns: true}
litellm_settings: {fallbacks: [{'*': [openai]}]}
general_settings: {master_key: canary-key-0, log_metadata_keys: [purpose]}
";

const MODELS: [&str; 7] = [
    "openai",
    "azure",
    "anthropic",
    "gemini",
    "huggingface",
    "bedrock",
    "watsonx",
];

/// What upstreams may do with what they are sent.
fn steps() -> Vec<Step> {
    let deltas = || Step::answer(Answer::deltas(["canary-completion", " two"]));
    let quoting = |error: ApiError| {
        Step::error(error.message("not canary-prompt with canary-key-1 and canary-completion"))
    };
    let page = Response::builder().header("content-type", "text/html");
    vec![
        deltas(),
        deltas().cut_after(3, Cut::Close),
        Step::events([Event::raw("data: {\"canary-completion\n\n")]),
        quoting(ApiError::new(StatusCode::BAD_REQUEST)),
        quoting(ApiError::new(StatusCode::UNAUTHORIZED)),
        quoting(ApiError::context_window()),
        quoting(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR)),
        Step::respond(page.body("canary-completion").unwrap()),
        Step::garbage("canary-completion\r\n\r\n"),
        Step::reset(),
    ]
}

/// The same question in the forms of all paths.
fn questions(model: &str, stream: bool) -> [(&'static str, Value); 5] {
    let prompt = "canary-prompt";
    let said = json!([{"role": "user", "content": prompt}]);
    let metadata = json!({"purpose": PLANTED, "other": prompt});
    [
        (
            "/v1/chat/completions",
            json!({"model": model, "stream": stream, "messages": said, "metadata": metadata}),
        ),
        (
            "/v1/completions",
            json!({"model": model, "stream": stream, "prompt": prompt}),
        ),
        ("/v1/embeddings", json!({"model": model, "input": prompt})),
        (
            "/v1/messages",
            json!({"model": model, "stream": stream, "max_tokens": 5, "messages": said, "system": prompt}),
        ),
        (
            "/v1/responses",
            json!({"model": model, "stream": stream, "input": prompt}),
        ),
    ]
}

fn ask(proxy: &Proxy, path: &str, key: &str, body: &str) {
    let mut stream = TcpStream::connect(&proxy.address).unwrap();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\
             cookie: canary-key-cookie\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 "), "{path}: {body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_was_said_is_printed() {
    let upstream = Upstream::new("u").start().await.unwrap();
    // The second is what a library would have to show all that it signs.
    let environment = [("RUST_LOG", "trace"), ("LOG_SIGNABLE_BODY", "true")];
    let yaml = CONFIG.replace("URL", &upstream.url());
    let proxy = Proxy::start("canaries", &yaml, &["--detailed_debug"], &environment);
    let mut asked = 0;
    for step in steps() {
        upstream.set_script([step]);
        for model in MODELS {
            for stream in [false, true] {
                for (path, body) in questions(model, stream) {
                    ask(&proxy, path, "canary-key-0", &body.to_string());
                    asked += 1;
                }
            }
        }
    }
    // Those that the door refuses.
    let broken = "{\"model\": \"openai\", \"messages\": [\"canary-prompt\", ";
    for (path, key, body) in [
        ("/v1/chat/completions", "canary-key-0", broken),
        ("/v1/chat/completions", "canary-key-wrong", broken),
        ("/v1/chat/completions?key=canary-key-query", "", broken),
        ("/no/such/path?key=canary-key-query", "canary-key-0", broken),
    ] {
        ask(&proxy, path, key, body);
        asked += 1;
    }
    proxy.signal("-TERM");
    let printed = proxy.ended();

    let count = |text: &str| printed.lines().filter(|line| line.contains(text)).count();
    assert!(count(PLANTED) >= MODELS.len() * steps().len(), "{printed}");
    assert_eq!(count("ziggurat::request: request "), asked);
    for level in ["TRACE ", "DEBUG ", "WARN "] {
        assert!(count(level) > 0, "{level}");
    }
    let told: Vec<_> = printed
        .lines()
        .filter(|line| CANARIES.iter().any(|canary| line.contains(canary)))
        .collect();
    assert!(
        told.is_empty(),
        "{} lines: {:#?}",
        told.len(),
        &told[..told.len().min(10)]
    );
}
