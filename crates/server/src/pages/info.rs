//! What is known about deployments and groups. No secrets.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};
use ziggurat::{
    config::{Config, Deployment},
    core::{Failure, FailureKind},
    gateway::shown,
    models::{Mode, ModelFacts},
};

use super::text;

/// What LiteLLM's clients look for, without `supports_`.
const CAPABILITIES: [&str; 10] = [
    "vision",
    "function_calling",
    "parallel_function_calling",
    "response_schema",
    "system_messages",
    "tool_choice",
    "prompt_caching",
    "reasoning",
    "pdf_input",
    "audio_input",
];

/// Prints all deployments, or the one of an id.
pub(super) fn models(config: &Config, id: Option<&str>) -> Result<Bytes, Failure> {
    let wanted = |one: &&Deployment| id.is_none_or(|id| one.id == id);
    let data: Vec<_> = serving(config)
        .filter(wanted)
        .map(|one| model(config, one))
        .collect();
    if data.is_empty() {
        return Err(unknown("litellm_model_id", "no deployment has this id"));
    }
    Ok(text(&json!({ "data": data })))
}

/// Prints all groups, or the one of a name.
pub(super) fn groups(config: &Config, name: Option<&str>) -> Result<Bytes, Failure> {
    let mut names: Vec<&str> = Vec::new();
    match name {
        Some(name) => names.push(name),
        None => {
            for deployment in serving(config) {
                if !names.contains(&deployment.model_name.as_str()) {
                    names.push(&deployment.model_name);
                }
            }
        }
    }
    let mut data = Vec::new();
    for name in names {
        let members = members(config, name);
        if members.is_empty() {
            return Err(unknown("model_group", "no group has this name"));
        }
        let mut group = Group::of(config, &members);
        group.model_group = Some(name.to_owned());
        data.push(group);
    }
    Ok(text(&json!({ "data": data })))
}

/// Returns who serves under the name of a group, an alias, or a routing group.
pub(super) fn members<'a>(config: &'a Config, name: &str) -> Vec<&'a Deployment> {
    let of = |group: &str| -> Vec<&'a Deployment> {
        serving(config)
            .filter(|one| one.model_name == group)
            .collect()
    };
    let own = of(name);
    if !own.is_empty() {
        return own;
    }
    if let Some(alias) = config.aliases.iter().find(|alias| alias.name == name) {
        return of(&alias.group);
    }
    let mut routing = config.settings.balance.routing_groups.iter();
    let models = routing.find(|group| group.name == name);
    let models = models.map_or(&[][..], |group| &group.models);
    models.iter().flat_map(|model| of(model)).collect()
}

fn serving(config: &Config) -> impl Iterator<Item = &Deployment> {
    config.deployments.iter().filter(|one| !one.blocked)
}

fn unknown(param: &str, message: &'static str) -> Failure {
    Failure::new(FailureKind::NotFound)
        .with_param(param)
        .with_message(message)
}

fn model(config: &Config, deployment: &Deployment) -> Value {
    let mut info = facts_of(config, deployment);
    info.extend(deployment.model_info.clone());
    info.insert("id".to_owned(), deployment.id.as_str().into());
    json!({
        "model_name": deployment.model_name,
        "litellm_params": params(deployment),
        "model_info": without_secrets(&info),
    })
}

/// The parameters of a deployment that no one may misuse.
fn params(deployment: &Deployment) -> Map<String, Value> {
    let seconds = |limit: Option<std::time::Duration>| limit.map(|limit| limit.as_secs_f64());
    let known = json!({
        "model": deployment.litellm_model,
        "api_base": deployment.api_base.as_deref().map(shown),
        "api_version": deployment.api_version,
        "organization": deployment.organization,
        "weight": deployment.weight,
        "rpm": deployment.rpm,
        "tpm": deployment.tpm,
        "timeout": seconds(deployment.timeout),
        "stream_timeout": seconds(deployment.stream_timeout),
        "stream_idle_timeout": seconds(deployment.stream_idle_timeout),
        "stream_total_timeout": seconds(deployment.stream_total_timeout),
        "num_retries": deployment.num_retries,
        "max_parallel_requests": deployment.max_parallel_requests,
        "order": deployment.order,
        "region_name": (!deployment.region_name.is_empty()).then_some(&deployment.region_name),
        "tags": (!deployment.tags.is_empty()).then_some(&deployment.tags),
    });
    let Value::Object(mut known) = known else {
        return Map::new();
    };
    known.retain(|_, value| !value.is_null());
    known.extend(without_secrets(&deployment.defaults));
    known
}

/// Leaves out what looks like a secret by its name, at any depth.
fn without_secrets(members: &Map<String, Value>) -> Map<String, Value> {
    const SECRET: [&str; 10] = [
        "key",
        "apikey",
        "token",
        "secret",
        "password",
        "passwd",
        "credential",
        "credentials",
        "auth",
        "authorization",
    ];
    let is_secret = |name: &str| {
        let name = name.to_ascii_lowercase();
        let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
        words.any(|word| SECRET.contains(&word))
    };
    let open = members.iter().filter(|(name, _)| !is_secret(name));
    open.map(|(name, value)| (name.clone(), open_value(value, without_secrets)))
        .collect()
}

fn open_value(value: &Value, members: fn(&Map<String, Value>) -> Map<String, Value>) -> Value {
    match value {
        Value::Object(object) => Value::Object(members(object)),
        Value::Array(items) => items.iter().map(|item| open_value(item, members)).collect(),
        other => other.clone(),
    }
}

fn look_up(config: &Config, deployment: &Deployment) -> Option<ModelFacts> {
    let name = deployment.base_model.as_deref();
    let name = name.unwrap_or(&deployment.model);
    config.models.facts(Some(deployment.provider), name)
}

/// What the table knows of a deployment's model.
fn facts_of(config: &Config, deployment: &Deployment) -> Map<String, Value> {
    let Some(facts) = look_up(config, deployment) else {
        return Map::new();
    };
    let mut known = Map::new();
    known.insert("key".to_owned(), facts.name.as_ref().into());
    known.insert(
        "litellm_provider".to_owned(),
        facts.provider.as_str().into(),
    );
    known.insert("mode".to_owned(), mode(facts.mode).into());
    for (name, value) in [
        ("max_input_tokens", facts.max_input_tokens.map(Value::from)),
        (
            "max_output_tokens",
            facts.max_output_tokens.map(Value::from),
        ),
        (
            "input_cost_per_token",
            facts.input_cost_per_token.map(Value::from),
        ),
        (
            "output_cost_per_token",
            facts.output_cost_per_token.map(Value::from),
        ),
    ] {
        if let Some(value) = value {
            known.insert(name.to_owned(), value);
        }
    }
    for name in CAPABILITIES {
        known.insert(format!("supports_{name}"), facts.supports(name).into());
    }
    known
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Completion => "completion",
        Mode::Embedding => "embedding",
        _ => "chat",
    }
}

/// A group: the most that one of its deployments can do, and their limits together.
#[derive(Serialize)]
pub(super) struct Group {
    model_group: Option<String>,
    providers: Vec<&'static str>,
    pub(super) mode: Option<String>,
    pub(super) max_input_tokens: Option<u64>,
    pub(super) max_output_tokens: Option<u64>,
    input_cost_per_token: Option<f64>,
    output_cost_per_token: Option<f64>,
    rpm: Option<f64>,
    tpm: Option<f64>,
    #[serde(flatten)]
    supports: Map<String, Value>,
}

impl Group {
    pub(super) fn of(config: &Config, members: &[&Deployment]) -> Self {
        let mut group = Self {
            model_group: None,
            providers: Vec::new(),
            mode: None,
            max_input_tokens: None,
            max_output_tokens: None,
            input_cost_per_token: None,
            output_cost_per_token: None,
            rpm: None,
            tpm: None,
            supports: Map::new(),
        };
        let sum = |all: Option<f64>, one: Option<f64>| match (all, one) {
            (Some(all), Some(one)) => Some(all + one),
            (all, one) => all.or(one),
        };
        let dearest = |all: Option<f64>, one: Option<f64>| match (all, one) {
            (Some(all), Some(one)) => Some(all.max(one)),
            (all, one) => all.or(one),
        };
        for deployment in members {
            let facts = look_up(config, deployment);
            let facts = facts.as_ref();
            let provider = deployment.provider.as_str();
            if !group.providers.contains(&provider) {
                group.providers.push(provider);
            }
            let listed = facts.map(|facts| mode(facts.mode).to_owned());
            group.mode = group.mode.or(deployment.mode.clone()).or(listed);
            let input = deployment.max_input_tokens.map(u64::from);
            let input = input.or(facts.and_then(|facts| facts.max_input_tokens));
            group.max_input_tokens = group.max_input_tokens.max(input);
            let info = &deployment.model_info;
            let output = info.get("max_output_tokens").and_then(Value::as_u64);
            let output = output.or(facts.and_then(|facts| facts.max_output_tokens));
            group.max_output_tokens = group.max_output_tokens.max(output);
            let price = deployment.input_cost_per_token;
            let price = price.or(facts.and_then(|facts| facts.input_cost_per_token));
            group.input_cost_per_token = dearest(group.input_cost_per_token, price);
            let price = deployment.output_cost_per_token;
            let price = price.or(facts.and_then(|facts| facts.output_cost_per_token));
            group.output_cost_per_token = dearest(group.output_cost_per_token, price);
            group.rpm = sum(group.rpm, deployment.rpm);
            group.tpm = sum(group.tpm, deployment.tpm);
            for name in CAPABILITIES {
                let flag = format!("supports_{name}");
                let own = info.get(&flag).and_then(Value::as_bool);
                let supports = own.unwrap_or_else(|| facts.is_some_and(|it| it.supports(name)));
                let known = group.supports.entry(flag).or_insert(false.into());
                *known = (known.as_bool() == Some(true) || supports).into();
            }
        }
        group
    }
}
