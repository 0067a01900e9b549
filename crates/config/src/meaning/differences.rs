//! Settings that mean something else here than in LiteLLM: what is said there to act and does not, or acts in a way that
//! nobody expects. Each is told once, where it stands first.

use std::collections::HashSet;

use ziggurat_models::Provider;

use super::{param, section};
use crate::{Config, Deployment, Finding, location::Path, names::Names};

/// Settings of the file: the place, the rule, and what it means here.
const OF_SECTIONS: &str = "
litellm_settings.stream_timeout | R29c | acts as in `router_settings`; LiteLLM ignores it here
litellm_settings.allowed_fails | R29f | acts as in `router_settings`; LiteLLM ignores it here
litellm_settings.cooldown_time | R29g | acts as in `router_settings`; LiteLLM ignores it here
router_settings.allowed_fails | R121b | counts within `allowed_fails_window` (60 s), 3 as any other; LiteLLM counts within the cooldown time, and ignores 3
litellm_settings.request_timeout | R99 | ends an attempt that takes longer, to the last byte; in LiteLLM it limits each silence
router_settings.timeout | R99 | ends an attempt that takes longer, to the last byte; in LiteLLM it limits each silence
router_settings.stream_timeout | R101 | limits the wait for the first content and each later silence; pings do not count as content
router_settings.cooldown_time | R119 | is the least; a longer `Retry-After` counts, up to `cooldown_max_retry_after` (300 s)
router_settings.max_fallbacks | R80 | counts all hops of a request, 0 is none; in LiteLLM it limits their nesting
litellm_settings.max_fallbacks | R80 | counts all hops of a request, 0 is none; in LiteLLM it limits their nesting
router_settings.num_retries | R70 | asks deployments first that were not asked yet, without a wait where a fallback is left
litellm_settings.num_retries | R70 | asks deployments first that were not asked yet, without a wait where a fallback is left
router_settings.retry_policy | R61 | prompts that are too long and our own refusals are never retried, whatever it says of bad requests
router_settings.model_group_retry_policy | R61 | prompts that are too long and our own refusals are never retried, whatever it says of bad requests
router_settings.enable_pre_call_checks | R139 | counts `max_tokens` to the prompt where both share the window; refusals by `rpm` and `tpm` say when to come back (R53)
router_settings.enable_tag_filtering | R159 | a request whose tags no deployment has gets 403; in LiteLLM 401
router_settings.model_group_alias | R33 | policies and fallbacks are looked up under the alias, then under its group
router_settings.allowed_model_region | R152 | is kept to on every hop, with or without `enable_pre_call_checks`; regions are also told from the provider's settings (R153)
litellm_settings.allowed_model_region | R152 | is kept to on every hop, with or without `enable_pre_call_checks`; regions are also told from the provider's settings (R153)
litellm_settings.fallbacks | R69 | a refusal of the region or of a prompt that is too long goes to the chain at once, without retries
router_settings.fallbacks | R69 | a refusal of the region or of a prompt that is too long goes to the chain at once, without retries
litellm_settings.fallbacks | R79c | take content that a provider refused only with `allow_generic_fallback_on_refusal`; in LiteLLM wherever `content_policy_fallbacks` is not set
router_settings.fallbacks | R79c | take content that a provider refused only with `allow_generic_fallback_on_refusal`; in LiteLLM wherever `content_policy_fallbacks` is not set
litellm_settings.context_window_fallbacks | R79b | a group without a chain here goes on to `fallbacks`; in LiteLLM its request fails
router_settings.context_window_fallbacks | R79b | a group without a chain here goes on to `fallbacks`; in LiteLLM its request fails
litellm_settings.context_window_fallbacks | R30 | is checked like `fallbacks`; LiteLLM does not look at it before it is needed
router_settings.context_window_fallbacks | R30 | is checked like `fallbacks`; LiteLLM does not look at it before it is needed
litellm_settings.drop_params | R147 | a parameter that no deployment takes and that is not dropped is refused with 400 that names it
router_settings.optional_pre_call_checks | R53 | a refusal says which limit it is, and when to come back
environment_variables | R7 | are set before references to them are resolved; LiteLLM does it the other way around
include | R4 | sections are merged key by key, the including file wins; in LiteLLM an included section replaces the whole one
";

/// The same of deployments.
const OF_DEPLOYMENTS: &str = "
litellm_params.max_retries | R15 | counts as `num_retries`; LiteLLM ignores it
litellm_params.timeout | R99 | ends an attempt that takes longer, to the last byte; in LiteLLM it limits each silence
litellm_params.stream_timeout | R101 | limits the wait for the first content and each later silence; pings do not count as content
litellm_params.order | R49 | the next order is asked when no deployment of this one is left; that is no fallback
model_info.order | R49 | the next order is asked when no deployment of this one is left; that is no fallback
litellm_params.allowed_fails | R121b | counts within `allowed_fails_window` (60 s)
model_info.allowed_fails | R121b | counts within `allowed_fails_window` (60 s)
litellm_params.region_name | R156 | may be a part of the world, a place in it, or a list; all of a list must be allowed
";

/// The rows of a table: where a setting stands, the rule, and what it means.
fn rows(table: &'static str) -> impl Iterator<Item = (Path, &'static str, &'static str)> {
    table.lines().filter_map(|line| {
        let mut cells = line.splitn(3, " | ");
        let keys = cells.next()?.split('.');
        let place = keys.fold(Path::default(), |place, key| place.key(key));
        Some((place, cells.next()?, cells.next()?))
    })
}

/// What the setting of a name means in a section, or in a part of a deployment.
pub(crate) fn of_setting(section: &[&str], name: &str) -> Option<String> {
    let own = match section.last() {
        Some(section) => Path::default().key(section).key(name),
        None => Path::default().key(name),
    };
    let mut rows = rows(OF_SECTIONS).chain(rows(OF_DEPLOYMENTS));
    let (_, rule, text) = rows.find(|(place, ..)| *place == own)?;
    Some(format!("{text} ({rule})"))
}

pub(super) fn check(config: &Config, names: &Names<'_>, findings: &mut Vec<Finding>) {
    for (place, rule, message) in rows(OF_SECTIONS) {
        if config.places.says_something(&place) {
            findings.push(config.note(&place, rule, message));
        }
    }
    for (key, rule, message) in rows(OF_DEPLOYMENTS) {
        let places = config.deployments.iter().map(|one| one.at.join(&key));
        let acts = |place: &Path| config.places.says_something(place) && !is_outdone(config, place);
        let mut places = places.filter(acts);
        if let Some(place) = places.next() {
            let more = match places.count() {
                0 => String::new(),
                more => format!("; so for {more} more"),
            };
            findings.push(config.note(&place, rule, format!("{message}{more}")));
        }
    }
    findings.extend(slots(config));
    findings.extend(base_model(config));
    findings.extend(weights(config, names));
    findings.extend(strategy(config));
    findings.extend(key(config));
}

/// Whether a value was reported that another one wins over: it means nothing.
fn is_outdone(config: &Config, place: &Path) -> bool {
    let place = place.to_string();
    let mut findings = config.findings.iter();
    findings.any(|finding| finding.path == place && finding.message.ends_with(" wins"))
}

/// Where a limit per minute is no limit of requests at a time.
fn slots(config: &Config) -> Option<Finding> {
    let is_unbound = |one: &&Deployment| {
        one.max_parallel_requests.is_none() && (one.rpm.is_some() || one.tpm.is_some())
    };
    let one = config.deployments.iter().find(is_unbound)?;
    let place = first_of(config, one, &["rpm", "tpm"])?;
    let settings = &config.settings.balance;
    let bound = settings.default_max_parallel_requests.is_some();
    let message = "bounds no number of requests at a time, as `max_parallel_requests` does; LiteLLM takes it for that too";
    (!bound).then(|| config.note(&place, "R51", message))
}

fn base_model(config: &Config) -> Option<Finding> {
    let mut deployments = config.deployments.iter();
    let one =
        deployments.find(|one| one.base_model.is_some() && one.provider != Provider::Azure)?;
    let place = first_of(config, one, &["base_model"])?;
    Some(config.note(
        &place,
        "R140",
        "counts for every provider; in LiteLLM only for Azure",
    ))
}

/// A weight that not all of a group have: the others take the mean, and are not starved.
fn weights(config: &Config, names: &Names<'_>) -> Option<Finding> {
    type Metric = fn(&Deployment) -> Option<f64>;
    let metrics: [(&str, Metric); 3] = [
        ("weight", |one| one.weight),
        ("rpm", |one| one.rpm),
        ("tpm", |one| one.tpm),
    ];
    let some = |one: &Deployment| {
        let group = names.deployments(&one.model_name);
        let has = |of: &Metric| {
            group
                .iter()
                .any(|one| of(one).is_some_and(|value| value > 0.0))
        };
        // The first metric that any of a group has decides.
        let (name, of) = metrics.iter().find(|(_, of)| has(of))?;
        let lacks = group.iter().any(|one| of(one).is_none());
        let mut places = group
            .iter()
            .filter_map(|one| first_of(config, one, &[name]));
        Some((places.next().filter(|_| lacks)?, *name))
    };
    let mut seen = HashSet::new();
    let mut firsts = config.deployments.iter();
    let mut next = || firsts.find(|one| seen.insert(&one.model_name));
    let (place, name) = std::iter::from_fn(&mut next).find_map(some)?;
    let message = format!(
        "a deployment of the group without `{name}` takes the mean of the others; in LiteLLM it gets no request"
    );
    Some(config.note(&place, "R40", message))
}

fn strategy(config: &Config) -> Option<Finding> {
    let place = section("router_settings").key("routing_strategy");
    let (rule, message) = match config.settings.balance.routing_strategy.as_str() {
        "least-busy" => (
            "R42",
            "a stream counts until it ends, and ties are drawn; in LiteLLM the first of the list wins them",
        ),
        "latency-based-routing" => (
            "R43",
            "every failure counts as slow, and old samples fade; in LiteLLM only timeouts count",
        ),
        "usage-based-routing" | "usage-based-routing-v2" => (
            "R46",
            "`rpm: n` lets n requests through in a minute; in LiteLLM n - 1",
        ),
        _ => return None,
    };
    config
        .places
        .has(&place)
        .then(|| config.note(&place, rule, message))
}

/// LiteLLM does not start without a key.
fn key(config: &Config) -> Option<Finding> {
    let is_set = config.general.master_key.is_some();
    let place = section("general_settings").key("master_key");
    let message = "is not set: every caller is served";
    (!is_set && !config.places.has(&place)).then(|| config.note(&place, "R2", message))
}

/// Where one of some settings of a deployment stands.
fn first_of(config: &Config, one: &Deployment, keys: &[&str]) -> Option<Path> {
    let places = keys.iter().flat_map(|key| {
        [
            param(one, key),
            one.at.key(key),
            one.at.key("model_info").key(key),
        ]
    });
    let mut places = places.filter(|place| config.places.says_something(place));
    places.next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{self, Nature};

    #[test]
    fn every_row_is_about_a_setting_that_acts() {
        let lines = |table: &str| table.lines().filter(|line| !line.is_empty()).count();
        for table in [OF_SECTIONS, OF_DEPLOYMENTS] {
            assert_eq!(rows(table).count(), lines(table));
            for (place, rule, _) in rows(table) {
                let place = place.to_string();
                let key = place.rsplit('.').next().unwrap();
                assert!(!matches!(keys::nature(key), Nature::Unknown), "{place}");
                assert!(rule.starts_with('R'), "{place}: {rule}");
            }
        }
    }
}
