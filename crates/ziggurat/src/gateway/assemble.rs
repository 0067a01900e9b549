//! The layers, as a configuration sets them.

use std::collections::HashMap;

use tower_layer::Layer;
use ziggurat_balance::Balance;
use ziggurat_config::{Config, Deployment, ForwardClientHeaders};
use ziggurat_cooldown as cooldown;
use ziggurat_edge::{EnvelopeLayer, RespondLayer};
use ziggurat_fallback::FallbackLayer;
use ziggurat_retry::RetryLayer;
use ziggurat_router::Router;

use super::{
    Group, Stack,
    endpoint::{Membership, Parts},
    error_types, fallbacks,
    groups::{self, Members},
};

pub(super) fn stack(config: &Config, parts: &HashMap<String, Parts>) -> Stack {
    let groups = groups::of(config);
    let served = groups::served(config, &groups);
    let closed = groups::closed(config, &groups);
    let fallback = fallback(config)
        .synonyms(fallbacks::synonyms(config))
        .served(served);
    respond(config).layer(
        envelope(config).layer(
            fallback.layer(
                closed
                    .into_iter()
                    .fold(router(config, parts, groups), Router::with_closed),
            ),
        ),
    )
}

fn respond(config: &Config) -> RespondLayer {
    RespondLayer::new()
        .error_types(error_types(config))
        .expose_fallback_errors(config.general.expose_fallback_errors)
}

fn envelope(config: &Config) -> EnvelopeLayer {
    let limit = usize::try_from(config.general.max_request_bytes).unwrap_or(usize::MAX);
    let layer = EnvelopeLayer::new()
        .accept_overrides(true)
        .require("messages")
        .limit(limit);
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

fn router(
    config: &Config,
    parts: &HashMap<String, Parts>,
    groups: Vec<Members<'_>>,
) -> Router<Group> {
    let chained = fallbacks::chained(config, &groups);
    let mut retry =
        RetryLayer::new(config.settings.num_retries).min_delay(config.settings.retry_after);
    if let Some(attempts) = attempt_cap(config) {
        retry = retry.max_attempts_per_request(attempts);
    }
    let group = |members: Members<'_>| {
        let with_parts: Vec<_> = members
            .deployments
            .iter()
            .filter_map(|deployment| Some((*deployment, parts.get(&deployment.id)?)))
            .collect();
        let has_chain = chained.contains(&members.name);
        let membership = membership(config, &members, &with_parts, has_chain);
        let endpoint =
            |(deployment, parts): &(&Deployment, &Parts)| parts.endpoint(deployment, &membership);
        let balance = Balance::new(with_parts.iter().map(endpoint));
        (members.name, retry.layer(balance))
    };
    let aliases = config.aliases.iter();
    aliases.fold(
        Router::new(groups.into_iter().map(group)),
        |router, alias| router.with_alias(alias.name.as_str(), alias.group.as_str()),
    )
}

fn membership(
    config: &Config,
    members: &Members<'_>,
    parts: &[(&Deployment, &Parts)],
    has_chain: bool,
) -> Membership {
    let settings = &config.settings.cooldown;
    let vitals = parts
        .iter()
        .map(|(_, parts)| parts.breaker().vitals().clone());
    Membership {
        group: cooldown::Group::new(vitals, settings.max_ejected),
        // Who asks for a deployment by its id wants this one, resting or not.
        alone: members.by_id || (parts.len() == 1 && !has_chain),
        last_resort: settings.last_resort,
    }
}

/// Attempts of one request over all groups: the first and `num_retries_per_request` more.
fn attempt_cap(config: &Config) -> Option<usize> {
    config
        .settings
        .num_retries_per_request
        .map(|retries| retries as usize + 1)
}
