//! How requests are routed.

use bytes::Bytes;
use serde_json::{Value, json};
use ziggurat::{
    config::{Config, FallbackTable},
    core::{Failure, FailureKind},
};

use super::{invalid, text};

/// Prints the settings in use, under the names that the file has for them.
pub(super) fn print(config: &Config) -> Bytes {
    let settings = &config.settings;
    let cooldown = &settings.cooldown;
    let seconds = |limit: std::time::Duration| limit.as_secs_f64();
    let optional = |limit: Option<std::time::Duration>| limit.map(seconds);
    let aliases = config.aliases.iter();
    let aliases: serde_json::Map<_, _> = aliases
        .filter(|alias| !alias.hidden)
        .map(|alias| (alias.name.clone(), Value::from(alias.group.as_str())))
        .collect();
    let current = json!({
        "routing_strategy": settings.balance.routing_strategy.as_str(),
        "num_retries": settings.num_retries,
        "num_retries_per_request": settings.num_retries_per_request,
        "retry_after": seconds(settings.retry_after),
        "max_fallbacks": settings.max_fallbacks,
        "timeout": seconds(settings.timeout.unwrap_or(settings.request_timeout)),
        "stream_timeout": optional(settings.stream_timeout),
        "stream_idle_timeout": optional(settings.stream_idle_timeout),
        "stream_total_timeout": optional(settings.stream_total_timeout),
        "stream_commit": settings.stream_commit.as_str(),
        "stream_recovery": settings.stream_recovery.as_str(),
        "total_timeout": optional(settings.total_timeout),
        "allowed_fails": cooldown.allowed_fails,
        "cooldown_time": seconds(cooldown.time()),
        "disable_cooldowns": cooldown.disable_cooldowns,
        "enable_pre_call_checks": settings.enable_pre_call_checks,
        "enable_tag_filtering": settings.balance.enable_tag_filtering,
        "fallbacks": table(&config.fallbacks.general),
        "context_window_fallbacks": table(&config.fallbacks.context_window),
        "content_policy_fallbacks": table(&config.fallbacks.content_policy),
        "model_group_alias": aliases,
    });
    text(&json!({ "current_values": current }))
}

fn table(table: &FallbackTable) -> Vec<Value> {
    let chains = table.iter().map(|(group, chain)| {
        let models: Vec<_> = chain.iter().map(|target| target.model.as_str()).collect();
        json!({ group: models })
    });
    chains.collect()
}

/// Prints the chain of a group: its own, else that of all others.
pub(super) fn fallback(config: &Config, name: &str, kind: Option<&str>) -> Result<Bytes, Failure> {
    let kind = kind.unwrap_or("general");
    let table = match kind {
        "general" => &config.fallbacks.general,
        "context_window" => &config.fallbacks.context_window,
        "content_policy" => &config.fallbacks.content_policy,
        _ => {
            let message = "`fallback_type` is `general`, `context_window` or `content_policy`";
            return Err(invalid("fallback_type", message));
        }
    };
    let alias = config.aliases.iter().find(|alias| alias.name == name);
    let names = [
        Some(name),
        alias.map(|alias| alias.group.as_str()),
        Some("*"),
    ];
    let chain = names.into_iter().flatten().find_map(|name| {
        let mut entries = table.iter();
        entries.find(|(group, _)| group == name)
    });
    let Some((_, chain)) = chain else {
        return Err(Failure::new(FailureKind::NotFound)
            .with_param("model")
            .with_message("no fallback of this kind is configured for this model"));
    };
    let models: Vec<_> = chain.iter().map(|target| target.model.as_str()).collect();
    Ok(text(&json!({
        "model": name,
        "fallback_models": models,
        "fallback_type": kind,
    })))
}
