//! The recipes: each configuration of `examples/proxy/configs`, loaded as it stands, and each call that it tells to make.
//!
//! Only the addresses of the deployments are replaced, by those of scripted upstreams.

mod balancing;
mod fallbacks;
mod limits;
mod others;
mod sdk;
mod windows;

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use ziggurat::{Gateway, config::Config};
use ziggurat_testing::mock::{Running, Script, Step};

use crate::{
    curl::{self, Curl},
    support::{Answer, Proxy, upstream},
    vertex::{KEY, token},
};

/// The variables that the recipes ask for. A key's value is its name, so that it is seen whose is sent.
const KEYS: [&str; 8] = [
    "ANTHROPIC_API_KEY",
    "AZURE_API_BASE",
    "AZURE_API_KEY",
    "AZURE_CANADA_KEY",
    "AZURE_EUROPE_KEY",
    "AZURE_FRANCE_KEY",
    "OPENAI_API_KEY",
    "VERTEX_CREDENTIALS",
];

/// A recipe that runs.
struct Recipe {
    proxy: Proxy,
    /// One for each deployment, in the order of the file; each says `hello from` and its name.
    upstreams: Vec<Running>,
    /// The calls that the file tells to make.
    calls: Vec<Curl>,
    _tokens: Running,
}

fn path(file: &str) -> PathBuf {
    let configs = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/proxy/configs");
    PathBuf::from(configs).join(file)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(path(file)).unwrap()
}

// === impl Recipe ===

impl Recipe {
    /// Starts a file; its deployments are upstreams of the given names.
    async fn start<const N: usize>(file: &str, names: [&str; N]) -> Self {
        Self::start_with(file, names, |_| {}).await
    }

    /// The same with something else in the configuration.
    async fn start_with<const N: usize>(
        file: &str,
        names: [&str; N],
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let tokens = upstream("tokens", [token()]).await;
        let mut upstreams = Vec::new();
        for name in names {
            upstreams.push(upstream(name, Script::default()).await);
        }
        let account = json!({
            "type": "service_account",
            "private_key": KEY,
            "client_email": "svc@sa-project.iam.gserviceaccount.com",
            "token_uri": format!("{}/token", tokens.url()),
        });
        let environment = move |name: &str| match name {
            "AZURE_API_BASE" => Some("https://my-endpoint.openai.azure.com".to_owned()),
            "VERTEX_CREDENTIALS" => Some(account.to_string()),
            _ => KEYS.contains(&name).then(|| name.to_owned()),
        };
        let mut config = Gateway::loader(environment).from_path(path(file)).unwrap();
        assert!(config.left_out.is_empty(), "{:?}", config.left_out);
        assert!(config.findings.is_empty(), "{:?}", config.findings);
        assert_eq!(config.deployments.len(), N);
        for (deployment, upstream) in config.deployments.iter_mut().zip(&upstreams) {
            deployment.api_base = Some(upstream.url());
        }
        change(&mut config);
        Self {
            proxy: Proxy::start_with(&config, Duration::from_secs(30)).await,
            upstreams,
            calls: curl::told_by(&read(file)),
            _tokens: tokens,
        }
    }

    /// Makes a call of the file.
    async fn call(&self, number: usize) -> Answer {
        self.calls[number].call(&self.proxy).await
    }

    /// Makes it plainly and as a stream: the answers.
    async fn both(&self, number: usize) -> [Answer; 2] {
        let streamed = self.calls[number].streamed();
        [self.call(number).await, streamed.call(&self.proxy).await]
    }

    /// Posts a body to the chat path.
    async fn post(&self, body: &Value) -> Answer {
        let path = "/chat/completions";
        let request = self
            .proxy
            .request(http::Method::POST, path, body.to_string());
        self.proxy.call(request).await
    }

    fn counts(&self) -> Vec<u64> {
        self.upstreams.iter().map(Running::count).collect()
    }

    /// Scripts one upstream.
    fn script(&self, number: usize, step: Step) {
        self.upstreams[number].set_script([step]);
    }
}

/// The names of the members of a request that an upstream got.
fn members(upstream: &Running) -> Vec<String> {
    let sent = upstream.hits().last().unwrap().json().unwrap();
    let mut names: Vec<_> = sent.as_object().unwrap().keys().cloned().collect();
    names.sort_unstable();
    names
}

/// Whoever adds a file adds its test: each of the files is named in the modules beside this one.
#[test]
fn every_file_has_a_test() {
    let tests = [
        include_str!("recipes/balancing.rs"),
        include_str!("recipes/fallbacks.rs"),
        include_str!("recipes/limits.rs"),
        include_str!("recipes/others.rs"),
        include_str!("recipes/windows.rs"),
    ];
    let files = std::fs::read_dir(path("")).unwrap();
    let names: Vec<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.len() >= 9, "{names:?}");
    for name in names {
        let quoted = format!("\"{name}\"");
        assert!(tests.iter().any(|test| test.contains(&quoted)), "{name}");
        assert!(!curl::told_by(&read(&name)).is_empty(), "{name}");
    }
}
