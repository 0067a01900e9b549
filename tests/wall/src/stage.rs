use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{
    Pace, Play, Row, Seen, Upstream,
    answer::{BYSTANDER, FALLBACK, PRIMARY, Provider},
    proxy::{Broken, Proxy},
    view::View,
};

/// Seconds for one attempt.
pub(crate) const TIMEOUT: f64 = 30.0;

/// Attempts on each group: the first, and the retries.
pub(crate) const BUDGET: usize = 3;

/// How long a deployment rests after failures, which is the default.
pub(crate) const COOLDOWN: f64 = 5.0;

/// What a stage has beside a timeout, two retries and one fallback.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Members of `router_settings`.
    router: &'static str,
    /// Members of the fallback's `model_info`.
    fallback_info: &'static str,
    /// The fallback is in the group of the primary, and asked after it.
    one_group: bool,
}

/// Nothing.
pub(crate) const DEFAULTS: Setting = Setting {
    router: "",
    fallback_info: "",
    one_group: false,
};

/// Streams that break go on with who repeats them.
pub(crate) const RESTART: Setting = Setting {
    router: ", stream_recovery: restart",
    ..DEFAULTS
};

/// Streams that break go on with who takes their beginning, as the fallback is said to.
pub(crate) const CONTINUE: Setting = Setting {
    router: ", stream_recovery: continue",
    fallback_info: ", supports_assistant_prefill: true",
    ..DEFAULTS
};

/// The same as [`RESTART`], with one group and no fallback.
pub(crate) const ONE_GROUP: Setting = Setting {
    one_group: true,
    ..RESTART
};

/// Streams are held back until they are complete.
pub(crate) const COMPLETE: Setting = Setting {
    router: ", stream_commit: complete",
    ..DEFAULTS
};

/// A proxy between two upstreams: all defaults, but for a timeout, two retries and one fallback, and the setting of the row.
pub(crate) struct Stage {
    pub(crate) primary: Upstream,
    pub(crate) fallback: Upstream,
    _bystander: Upstream,
    pub(crate) proxy: Proxy,
    pub(crate) pace: Pace,
}

/// Where the proxy looks for the primary.
pub(crate) type Address = fn(SocketAddr) -> String;

pub(crate) fn http(address: SocketAddr) -> String {
    format!("http://{address}/v1")
}

fn yaml(pace: Pace, setting: Setting) -> String {
    let seconds = |seconds| pace.of(seconds).as_secs_f64();
    let (timeout, cooldown) = (seconds(TIMEOUT), seconds(COOLDOWN));
    let deployment = |provider: Provider| {
        let id = provider.name;
        let variable = id.to_uppercase();
        let (group, order, info) = match provider {
            PRIMARY if setting.one_group => (PRIMARY.group, ", order: 1", ""),
            FALLBACK if setting.one_group => (PRIMARY.group, ", order: 2", ""),
            FALLBACK => (FALLBACK.group, "", setting.fallback_info),
            provider => (provider.group, "", ""),
        };
        format!(
            "- model_name: {group}
  litellm_params: {{model: openai/gpt-upstream, api_base: os.environ/{variable}, api_key: sk-wall{order}}}
  model_info: {{id: {id}{info}}}
"
        )
    };
    let fallbacks = match setting.one_group {
        true => String::new(),
        false => format!("{{{}: [{}]}}", PRIMARY.group, FALLBACK.group),
    };
    format!(
        "model_list:
{}litellm_settings:
  request_timeout: {timeout}
  num_retries: {}
  fallbacks: [{fallbacks}]
router_settings: {{cooldown_time: {cooldown}{}}}
",
        [PRIMARY, FALLBACK, BYSTANDER].map(deployment).concat(),
        BUDGET - 1,
        setting.router,
    )
}

// === impl Stage ===

impl Stage {
    pub(crate) async fn set(
        pace: Pace,
        primary: Play,
        fallback: Play,
        at: Address,
        setting: Setting,
    ) -> Result<Self, Broken> {
        let (primary, fallback) = (
            Upstream::start(primary).await?,
            Upstream::start(fallback).await?,
        );
        let bystander =
            Upstream::start(Play::each(|call| BYSTANDER.answer(call.streams()))).await?;
        let addresses = [
            (PRIMARY, at(primary.address())),
            (FALLBACK, http(fallback.address())),
            (BYSTANDER, http(bystander.address())),
        ];
        let addresses = addresses.map(|(provider, url)| (provider.name.to_uppercase(), url));
        Ok(Self {
            primary,
            fallback,
            _bystander: bystander,
            proxy: Proxy::start(&yaml(pace, setting), addresses.into()).await?,
            pace,
        })
    }

    /// Asks for the primary's group.
    pub(crate) async fn ask(&self, streams: bool) -> Result<View, Broken> {
        self.proxy.ask(PRIMARY.group, streams, &json!({})).await
    }

    /// Asks, and notes what is no answer and no clear failure, or comes too late.
    pub(crate) async fn ask_and_note(
        &self,
        row: &mut Row,
        streams: bool,
        members: &Value,
    ) -> Result<View, Broken> {
        let view = self.proxy.ask(PRIMARY.group, streams, members).await?;
        row.seen = view.judge();
        row.took = row.took.max(view.took);
        if let Err(wrong) = &row.seen {
            row.problems.push(wrong.clone());
        }
        Ok(view)
    }

    /// Notes what was asked of whom, and what is left: nothing at the upstreams, and a proxy that serves.
    pub(crate) async fn look_around(&self, row: &mut Row) -> Result<(), Broken> {
        (row.primary, row.fallback) = (self.primary.count(), self.fallback.count());
        for upstream in [&self.primary, &self.fallback] {
            let left = upstream.is_left(self.pace.slack()).await;
            row.holds(left, "an upstream is kept busy for nobody");
        }
        let alive = self.proxy.is_alive().await?;
        row.holds(alive, "the proxy is not alive");
        let other = self
            .proxy
            .ask(BYSTANDER.group, row.streams, &json!({}))
            .await?
            .judge();
        row.holds(
            other == Ok(Seen::Bystander),
            format!("others get: {other:?}"),
        );
        Ok(())
    }

    /// The times at which the primary was asked.
    pub(crate) fn asked(&self) -> Vec<tokio::time::Instant> {
        self.primary.calls().iter().map(|call| call.at).collect()
    }
}

/// Whether a caller has the whole answer of either provider.
pub(crate) fn is_answer(seen: &Option<Seen>) -> bool {
    matches!(seen, Some(Seen::Primary | Seen::Fallback))
}
