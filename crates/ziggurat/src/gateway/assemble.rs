//! The layers, as a configuration sets them.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use http::{Extensions, HeaderName};
use tower_layer::Layer;
use ziggurat_config::{Config, Deployment, ForwardClientHeaders};
use ziggurat_context_window::{PrecountLayer, Window, exceeds};
use ziggurat_core::{ModelGroup, Observer};
use ziggurat_edge::{CatchPanicLayer, EarlyHeadLayer, EnvelopeLayer, FanoutLayer, RespondLayer};
use ziggurat_fallback::{FallbackLayer, StreamRecovery};
use ziggurat_observe::ObserveLayer;
use ziggurat_router::Router;
use ziggurat_timeout::TotalTimeoutLayer;

use super::{
    Group, Stack,
    endpoint::Parts,
    error_types, fallbacks, group,
    groups::{Groups, Members, Reached},
    kept::SharedBudget,
};

pub(super) fn stack(
    config: &Config,
    parts: &HashMap<String, Parts>,
    budget: Option<SharedBudget>,
    observer: Option<&Arc<dyn Observer>>,
) -> Stack {
    let groups = Groups::of(config);
    let served = groups.served(config);
    let closed = groups.closed(config);
    let windows = windows(parts, &groups);
    let precount = PrecountLayer::new(windows.values().flatten().cloned());
    let names = served.clone();
    let fanout = FanoutLayer::new()
        .each(observe(observer))
        .error_types(error_types(config))
        .unless(move |name| names.contains(name));
    let prefill = prefill(config, &groups);
    let fallback = fallback(config)
        .prefill(move |group| prefill.contains(group))
        .skip(move |group, extensions| is_too_long(&windows, group, extensions))
        .synonyms(fallbacks::synonyms(config))
        .aliases(fallbacks::aliases(config))
        .wildcards(groups.wildcards())
        .served(served);
    let router = closed.into_iter().fold(
        router(
            &group::Builder::new(config, parts, &groups, budget),
            &groups,
        ),
        Router::with_closed,
    );
    let total = TotalTimeoutLayer::new(config.settings.total_timeout.unwrap_or_default());
    let inside = total.layer(precount.layer(fallback.layer(router)));
    let door = envelope(config).layer(early_head(config).layer(fanout.layer(inside)));
    // Inside of those who tell of failures.
    let door = CatchPanicLayer::new().layer(door);
    respond(config).layer(observe(observer).layer(door))
}

/// The header that a caller knows its request by.
const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");

fn observe(observer: Option<&Arc<dyn Observer>>) -> ObserveLayer {
    observer.map_or_else(ObserveLayer::none, |observer| {
        ObserveLayer::requests(Arc::clone(observer)).id_header(CALL_ID)
    })
}

/// The windows of each name's deployments, where all are known.
type Windows = HashMap<ModelGroup, Vec<Window>>;

fn windows(parts: &HashMap<String, Parts>, groups: &Groups<'_>) -> Windows {
    let windows = |members: &Members<'_>| {
        let mut ids = members.deployments.iter().map(|deployment| &deployment.id);
        let windows: Option<Vec<_>> = ids.try_fold(Vec::new(), |mut known, id| {
            let window = parts.get(id)?.window();
            window.max_input_tokens()?;
            known.push(window.clone());
            Some(known)
        });
        Some((members.name.clone(), windows?))
    };
    let groups = groups
        .iter()
        .filter(|members| members.reached != Reached::ById);
    groups.filter_map(windows).collect()
}

/// Says whether a prompt is known to be too long for every deployment of a group.
fn is_too_long(windows: &Windows, group: &ModelGroup, extensions: &Extensions) -> bool {
    let Some(windows) = windows.get(group) else {
        return false;
    };
    windows.iter().all(|window| exceeds(window, extensions))
}

/// The names whose deployments all go on with an assistant's message that was begun.
fn prefill(config: &Config, groups: &Groups<'_>) -> HashSet<ModelGroup> {
    let takes = |one: &Deployment| config.supports(one, "assistant_prefill") == Some(true);
    let groups = groups.iter().filter(|members| {
        let deployments = &members.deployments;
        !deployments.is_empty() && deployments.iter().all(|one| takes(one))
    });
    groups.map(|members| members.name.clone()).collect()
}

fn respond(config: &Config) -> RespondLayer {
    RespondLayer::new()
        .error_types(error_types(config))
        .expose_fallback_errors(config.general.expose_fallback_errors)
        .keep_alive(config.settings.keepalive.unwrap_or_default())
}

fn early_head(config: &Config) -> EarlyHeadLayer {
    let mut deployments = config.deployments.iter();
    EarlyHeadLayer::new()
        .every(config.settings.keepalive.unwrap_or_default())
        .hear_deployments(deployments.any(|deployment| deployment.keepalive.is_some()))
}

/// How long a client may be silent in the middle of a body: as long as for the head of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);

fn envelope(config: &Config) -> EnvelopeLayer {
    let limit = usize::try_from(config.general.max_request_bytes).unwrap_or(usize::MAX);
    let layer = EnvelopeLayer::new()
        .accept_overrides(true)
        .require_prompt(true)
        .accept_mock_response(config.general.allow_mock_response)
        .limit(limit)
        .body_timeout(BODY_TIMEOUT);
    match &config.general.forward_client_headers {
        ForwardClientHeaders::Custom => layer.forward_custom_headers(true),
        ForwardClientHeaders::Listed(names) => {
            layer.forward_headers(names.iter().filter_map(|name| name.parse().ok()))
        }
        _ => layer,
    }
}

fn fallback(config: &Config) -> FallbackLayer {
    let tables = fallbacks::tables(config);
    let settings = &config.settings;
    let mut layer = FallbackLayer::new(tables.general)
        .max_fallbacks(settings.max_fallbacks)
        .stream_recovery(stream_recovery(settings.stream_recovery))
        .recovery_timeout(recovery_timeout(config))
        .allow_generic_fallback_on_refusal(settings.allow_generic_fallback_on_refusal);
    if !tables.context_window.is_empty() {
        layer = layer.context_window(tables.context_window);
    }
    if !tables.content_policy.is_empty() {
        layer = layer.content_policy(tables.content_policy);
    }
    if let Some(kinds) = settings.fallback_on.clone() {
        layer = layer.fallback_on(move |kind| kinds.iter().any(|name| name == kind.as_str()));
    }
    match attempt_cap(config) {
        Some(attempts) => layer.max_attempts_per_request(attempts),
        None => layer,
    }
}

fn stream_recovery(configured: ziggurat_config::StreamRecovery) -> StreamRecovery {
    match configured {
        ziggurat_config::StreamRecovery::Restart => StreamRecovery::Restart,
        ziggurat_config::StreamRecovery::Continue => StreamRecovery::Continue,
        _ => StreamRecovery::Off,
    }
}

/// How long a client hears nothing new after its stream broke: as long as the slowest that may be asked has for its first
/// content.
fn recovery_timeout(config: &Config) -> Duration {
    let deployments = config.deployments.iter();
    let own = deployments.map(|one| config.settings.stream_timeout_for(one));
    let chains = config.fallbacks.general.iter();
    let targets = chains.flat_map(|(_, chain)| chain.iter().filter_map(|it| it.stream_timeout));
    own.chain(targets).max().unwrap_or_default()
}

fn router(builder: &group::Builder<'_>, groups: &Groups<'_>) -> Router<Group> {
    let wildcards: Vec<_> = groups
        .iter()
        .filter_map(|members| Some((members.wildcard()?, builder.build(members))))
        .collect();
    let exact = groups.iter().filter(|members| !members.is_wildcard());
    let exact: Vec<_> = exact
        .map(|members| (members.name.clone(), builder.build(members)))
        .collect();
    let named = |name: &str| {
        groups
            .get(name)
            .is_some_and(|members| !members.is_wildcard())
    };
    let aliases: Vec<_> = builder
        .config
        .aliases
        .iter()
        .filter(|alias| !named(&alias.name))
        .collect();
    aliases
        .into_iter()
        .fold(Router::new(exact), |router, alias| {
            router.with_alias(alias.name.as_str(), alias.group.as_str())
        })
        .with_wildcards(wildcards)
        .infer(fallbacks::with_provider)
}

/// Attempts of one request over all groups: the first and `num_retries_per_request` more.
pub(super) fn attempt_cap(config: &Config) -> Option<usize> {
    config
        .settings
        .num_retries_per_request
        .map(|retries| retries as usize + 1)
}
