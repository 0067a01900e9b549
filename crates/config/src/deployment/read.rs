//! Reading the entries of `model_list`.

use std::collections::HashMap;

use serde_json::Map;
use serde_yaml::{Mapping, Value};
use ziggurat_models::{Provider, resolve};

use super::{
    Deployment, LeftOut, provider,
    values::{allowed_fails_policy, facts, first, headers, json_of},
};
use crate::{
    Finding, Location, Severity, document::Document, environment::Unset, id, keys, location::Path,
    scalar, section::Section,
};

/// Names the environment variables that stand in for a parameter that is not set.
pub(crate) type EnvDefaults = dyn Fn(Provider, &str) -> &'static [&'static str] + Send + Sync;

/// All entries of the list.
#[derive(Default)]
pub(crate) struct Deployments {
    pub(crate) usable: Vec<Deployment>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) findings: Vec<Finding>,
    /// Explicit ids with the place of their first use.
    explicit: HashMap<String, Location>,
    /// All ids with the paths of their entries, and the last number that was put to its end.
    taken: HashMap<String, (String, usize)>,
}

/// One entry, its sections open.
struct Entry<'a> {
    entry: Section<'a>,
    params: Section<'a>,
    info: Section<'a>,
    model_name: String,
    explicit_id: Option<String>,
}

// === impl Deployments ===

impl Deployments {
    pub(crate) fn read(document: &Document, env_defaults: &EnvDefaults) -> Self {
        let mut deployments = Self::default();
        let list = document.root.get("model_list").and_then(Value::as_sequence);
        let path = Path::default().key("model_list");
        for (index, value) in list.into_iter().flatten().enumerate() {
            deployments.read_entry(
                Entry::open(document, path.index(index), value),
                env_defaults,
            );
        }
        deployments
    }

    fn read_entry(&mut self, mut entry: Entry<'_>, env_defaults: &EnvDefaults) {
        let deployment = entry.read(env_defaults);
        let organizations = entry
            .params
            .read("organization", scalar::texts)
            .unwrap_or_default();
        self.check_id(&mut entry);
        let (errors, findings) = entry.findings();
        self.findings.extend(findings);
        if !errors.is_empty() {
            self.left_out.push(entry.left_out(errors));
            return;
        }
        let organizations: Vec<_> = match organizations.is_empty() {
            true => vec![None],
            false => organizations.into_iter().map(Some).collect(),
        };
        for organization in organizations {
            let id = self.unique(&mut entry, organization.as_deref());
            let deployment = deployment.clone();
            self.usable.push(Deployment {
                id,
                organization,
                ..deployment
            });
        }
        let (_, notes) = entry.findings();
        self.findings.extend(notes);
    }

    /// Two entries that ask for the same id contradict each other; the later one loses.
    fn check_id(&mut self, entry: &mut Entry<'_>) {
        let Some(id) = entry.explicit_id.clone() else {
            return;
        };
        let path = entry.info.path.key("id");
        if let Some(first) = self.explicit.get(&id) {
            entry.info.error(
                &path,
                format!("the id is taken by the deployment at {first}"),
            );
        } else {
            let location = entry.entry.document.locate(&path);
            self.explicit.insert(id, location);
        }
    }

    /// Returns the id of an entry; the second one of the same id gets `-2` at its end.
    fn unique(&mut self, entry: &mut Entry<'_>, organization: Option<&str>) -> String {
        let id = entry.id(organization).unwrap_or_default();
        let mut unique = id.clone();
        let mut n = self.taken.get(&id).map_or(1, |(_, last)| *last);
        while self.taken.contains_key(&unique) {
            n += 1;
            unique = format!("{id}-{n}");
        }
        let path = entry.entry.path.clone();
        if let Some((first, last)) = self.taken.get_mut(&id) {
            *last = n;
            let message = format!(
                "is the same as {first}; it counts as another deployment, whose id ends in -{n}"
            );
            entry.entry.note(&path, "R24", message);
        }
        self.taken.insert(unique.clone(), (path.to_string(), 1));
        unique
    }
}

// === impl Entry ===

impl<'a> Entry<'a> {
    fn open(document: &'a Document, path: Path, value: &'a Value) -> Self {
        let mut entry = Section::open(document, path, Some(value));
        let params = entry.section("litellm_params");
        let mut info = entry.section("model_info");
        Self {
            model_name: entry.read("model_name", scalar::text).unwrap_or_default(),
            explicit_id: info.read("id", scalar::id),
            entry,
            params,
            info,
        }
    }

    /// Reads everything. If the sections then hold errors, the result is of no use: an entry is
    /// read to its end to find all its mistakes.
    fn read(&mut self, env_defaults: &EnvDefaults) -> Deployment {
        self.check();
        let [api_base, base_url] = self
            .params
            .read_either(["api_base", "base_url"], scalar::url);
        let api_base = api_base.or(base_url);
        let resolved = self.resolve(api_base.as_deref());
        self.check_unset(
            resolved.as_ref().map(|(provider, ..)| *provider),
            env_defaults,
        );
        let provider_params = provider::read(
            &mut self.params,
            resolved.as_ref().map(|(known, ..)| *known),
        );
        let (provider, model, litellm_model) =
            resolved.unwrap_or((Provider::Other(""), String::new(), String::new()));
        let defaults = self.passed_on();
        let has_unset = self.has_unset();
        let custom = self.params.get("custom_llm_provider");
        let custom_llm_provider = custom.and_then(Value::as_str).map(str::to_owned);
        let (entry, params, info) = (&mut self.entry, &mut self.params, &mut self.info);
        let [num_retries, max_retries] =
            params.read_either(["num_retries", "max_retries"], scalar::count);
        let [timeout, request_timeout] =
            params.read_either(["timeout", "request_timeout"], scalar::seconds);
        Deployment {
            id: String::new(),
            model_name: self.model_name.clone(),
            provider,
            model,
            litellm_model,
            custom_llm_provider,
            api_base,
            api_key: params.secret("api_key"),
            api_version: params.read("api_version", scalar::text),
            organization: None,
            weight: params.read("weight", scalar::number),
            rpm: first(params, entry, "rpm", scalar::number),
            tpm: first(params, entry, "tpm", scalar::number),
            timeout,
            stream_timeout: params.read("stream_timeout", scalar::seconds),
            stream_idle_timeout: params.read("stream_idle_timeout", scalar::seconds),
            stream_total_timeout: params.read("stream_total_timeout", scalar::seconds),
            request_timeout,
            num_retries: num_retries.or(max_retries),
            cooldown_time: first(info, params, "cooldown_time", scalar::seconds_from_zero),
            allowed_fails: first(info, params, "allowed_fails", scalar::count),
            allowed_fails_policy: allowed_fails_policy(info, params),
            max_parallel_requests: params
                .read("max_parallel_requests", scalar::count)
                .filter(|&requests| requests > 0),
            order: first(params, info, "order", scalar::number),
            region_name: params
                .read("region_name", scalar::texts)
                .unwrap_or_default(),
            tags: params.read("tags", scalar::texts).unwrap_or_default(),
            input_cost_per_token: first(params, info, "input_cost_per_token", scalar::number),
            output_cost_per_token: first(params, info, "output_cost_per_token", scalar::number),
            base_model: first(info, params, "base_model", scalar::text),
            max_input_tokens: info.read("max_input_tokens", scalar::count),
            mode: info.read("mode", scalar::text),
            disable_background_health_check: info
                .read("disable_background_health_check", scalar::flag)
                .unwrap_or(false),
            blocked: info.read("blocked", scalar::flag).unwrap_or(false),
            keepalive: params.read("keepalive_seconds", scalar::keepalive),
            mock_response: params.read("mock_response", scalar::text),
            extra_headers: headers(params),
            drop_params: params.read("drop_params", scalar::flag),
            provider_params,
            defaults,
            model_info: facts(info),
            path: entry.path.to_string(),
            at: entry.path.clone(),
            has_unset,
            location: Some(entry.document.locate(&entry.path)),
        }
    }

    /// Reports missing parts and keys without meaning.
    fn check(&mut self) {
        self.entry.check_keys(&keys::ENTRY);
        self.info.check_keys(&keys::INFO);
        let path = self.entry.path.clone();
        if self.entry.map().is_none() {
            if self.entry.findings.is_empty() {
                self.entry
                    .error(&path, scalar::expected("a mapping", &Value::Null));
            }
            return;
        }
        if self.entry.get("litellm_params").is_none() {
            self.entry.error(&path, "has no `litellm_params`");
        }
        let path = self.entry.path.key("model_name");
        if self.model_name.is_empty() && !self.entry.is_wrong(&path) {
            self.entry
                .error(&path, "every entry needs the name of its group");
        }
    }

    fn resolve(&mut self, api_base: Option<&str>) -> Option<(Provider, String, String)> {
        let path = self.params.path.key("model");
        let custom = self.params.read("custom_llm_provider", scalar::text);
        let read = self.params.read("model", scalar::text);
        let Some(model) = read else {
            let reported = self.params.findings.iter().any(is_error);
            if !reported && self.entry.get("litellm_params").is_some() {
                match self.unset("model") {
                    Some(unset) if self.entry.document.lenient => {
                        let message = unset.message_for(&self.model_name);
                        self.params.warn(&path, message);
                    }
                    Some(unset) => self.params.error(&path, unset.message()),
                    None => self.params.error(&path, "every deployment needs a model"),
                }
            }
            return None;
        };
        let stars = |name: &str| name.matches('*').count();
        if stars(&model) > stars(&self.model_name) {
            let message = "has more `*` than the `model_name` that they are filled from";
            self.params.error(&path, message);
        }
        match resolve(&model, api_base, custom.as_deref()) {
            Ok((provider, rest)) => Some((provider, rest.to_owned(), model)),
            Err(unknown) => {
                self.params.error(&path, unknown.to_string());
                None
            }
        }
    }

    /// A deployment that was meant to have a key or an address does not run without.
    fn check_unset(&mut self, provider: Option<Provider>, env_defaults: &EnvDefaults) {
        let document = self.entry.document;
        let has_default = |key| {
            let names = provider.map(|provider| env_defaults(provider, key));
            let mut names = names.into_iter().flatten();
            names.any(|name| document.environment.get(name).is_some())
        };
        for unset in document.unset_in(&self.entry.path) {
            let at = |key| unset.is_at(&self.params.path, key);
            if at("model") {
                continue; // the model is reported where it is read
            }
            let needed = (at("api_key") && !has_default("api_key"))
                || ((at("api_base") || at("base_url")) && !has_default("api_base"));
            match needed && !document.lenient {
                true => self.entry.error(&unset.path, unset.message()),
                false => self
                    .entry
                    .warn(&unset.path, unset.message_for(&self.model_name)),
            }
        }
    }

    /// The reference of a parameter, if its variable is not set.
    fn unset(&self, key: &str) -> Option<&'a Unset> {
        let document: &'a Document = self.entry.document;
        let mut unset = document.unset_in(&self.entry.path).iter();
        unset.find(|unset| unset.is_at(&self.params.path, key))
    }

    fn has_unset(&self) -> bool {
        !self.entry.document.unset_in(&self.entry.path).is_empty()
    }

    /// The parameters that are not read here: they are for the request body.
    fn passed_on(&mut self) -> Map<String, serde_json::Value> {
        let mut defaults = Map::new();
        let mut unknown = Vec::new();
        for (key, value) in self.params.entries() {
            let is_known = |keys: &keys::Keys| !matches!(keys.lookup(&key), keys::Known::Not);
            let is_read = is_known(&keys::PARAMS) || is_known(&keys::PROVIDER);
            if is_read || value.is_null() {
                continue;
            }
            let path = self.params.path.key(&key);
            if !is_known(&keys::REQUEST) {
                unknown.push(key.clone());
            }
            match self.params.document.json(&path, value) {
                Ok(value) => drop(defaults.insert(key, value)),
                Err(message) => self.params.error(&path, message),
            }
        }
        let mut extra = self.params.section("extra_body");
        defaults.append(&mut json_of(&mut extra));
        self.params.findings.append(&mut extra.findings);
        self.check_spelling(&unknown);
        defaults
    }

    /// Unknown parameters go to the provider, but a slip of the pen is worth a word.
    fn check_spelling(&mut self, unknown: &[String]) {
        self.params.check_not_active(&keys::PARAMS);
        for key in unknown {
            let homes = keys::homes(key).join("` or `");
            if !homes.is_empty() {
                let message = format!("sent to the provider as it is; it belongs to `{homes}`");
                self.params.warn(&self.params.path.key(key), message);
                continue;
            }
            let lists = [keys::PARAMS, keys::PROVIDER, keys::REQUEST];
            let names = lists.iter().flat_map(keys::Keys::all);
            if let Some(near) = keys::nearest(key, names) {
                let message = format!("sent to the provider as it is; did you mean `{near}`?");
                self.params.warn(&self.params.path.key(key), message);
            }
        }
    }

    /// Splits what was found into errors and the rest.
    fn findings(&mut self) -> (Vec<Finding>, Vec<Finding>) {
        let sections = [&mut self.entry, &mut self.params, &mut self.info];
        let findings = sections
            .into_iter()
            .flat_map(|section| section.findings.drain(..));
        findings.partition(is_error)
    }

    fn id(&self, organization: Option<&str>) -> Option<String> {
        let generate = || {
            let params: &Mapping = self.params.map()?;
            Some(id::generate(&self.model_name, params, organization))
        };
        self.explicit_id.clone().or_else(generate)
    }

    fn left_out(&self, problems: Vec<Finding>) -> LeftOut {
        LeftOut {
            model_name: self.model_name.clone(),
            id: self.id(None),
            problems,
            location: Some(self.entry.document.locate(&self.entry.path)),
        }
    }
}

fn is_error(finding: &Finding) -> bool {
    finding.severity == Severity::Error
}
