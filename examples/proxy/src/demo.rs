//! The bundled demo: scripted upstreams on loopback, called through the same leaf, pool and dialects as real ones.

use std::{io, net::SocketAddr, time::Duration};

use http::StatusCode;
use ziggurat::{
    Gateway,
    config::{Config, ConfigErrors},
};
use ziggurat_mock::{Answer, ApiError, Running, Script, Step, Upstream};

/// How long upstreams take to begin, and between two chunks of a stream: enough to see, short enough to wait for.
const BEGIN: Duration = Duration::from_millis(80);
const CHUNK: Duration = Duration::from_millis(40);

/// Running upstreams, under the names that the configuration refers to them by.
pub(crate) struct Demo {
    upstreams: Vec<(&'static str, Running)>,
}

impl Demo {
    /// Starts the upstreams on free ports.
    pub(crate) async fn start() -> io::Result<Self> {
        let says = |text: &str| {
            let words = text.split_inclusive(' ').map(str::to_owned);
            Step::answer(Answer::deltas(words))
                .delay(BEGIN)
                .interval(CHUNK)
        };
        let zephyr = "A mild wind from the west, at your service.";
        let overloaded = || {
            Step::error(
                ApiError::new(StatusCode::SERVICE_UNAVAILABLE).message("the engine is overloaded"),
            )
        };
        let scripts = [
            (
                "DEMO_ZEPHYR_1",
                Script::new([Step::error(
                    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR).message("out of memory"),
                )]),
            ),
            (
                "DEMO_ZEPHYR_2",
                Script::new([Step::error(
                    ApiError::new(StatusCode::TOO_MANY_REQUESTS).message("too many requests"),
                )]),
            ),
            (
                "DEMO_ZEPHYR_3",
                Script::new([says(zephyr), says(zephyr), overloaded(), overloaded()]).cycle(),
            ),
            (
                "DEMO_GPT",
                Script::new([says("This is gpt-3.5-turbo, filling in.")]),
            ),
            (
                "DEMO_GPT_16K",
                Script::new([says(
                    "This is gpt-3.5-turbo-16k, with room for long prompts.",
                )]),
            ),
        ];
        let mut upstreams = Vec::new();
        for (name, script) in scripts {
            upstreams.push((
                name,
                Upstream::new(name).script(script).keep(0).start().await?,
            ));
        }
        Ok(Self { upstreams })
    }

    /// Reads the demo's configuration, with the addresses of the upstreams.
    pub(crate) fn config(&self) -> Result<Config, ConfigErrors> {
        let addresses: Vec<_> = self
            .upstreams
            .iter()
            .map(|(name, running)| (*name, running.url()))
            .collect();
        let loader = Gateway::loader(move |name| {
            addresses
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, url)| url.clone())
        });
        loader.from_str(include_str!("../demo.yaml"), "demo.yaml")
    }
}

/// What to type next.
pub(crate) fn hint(address: SocketAddr) -> String {
    format!(
        "
This is the demo: two of three zephyrs fail, the third now and then. Ask a few times and look at the x-litellm-* headers:

  curl -si http://{address}/v1/chat/completions -H 'content-type: application/json' \\
    -d '{{\"model\": \"zephyr-beta\", \"messages\": [{{\"role\": \"user\", \"content\": \"hi\"}}]}}'

"
    )
}
