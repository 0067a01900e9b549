//! The configuration as a JSON Schema, for editors. The names are those that the reader knows; what each may be is found by
//! letting the reader read, and trying every value's reader at the place where it is used. So none of it can be out of
//! date.

mod shape;

use std::{cell::RefCell, collections::BTreeMap, path::PathBuf, rc::Rc, sync::Arc};

use serde_json::{Map, Value as Json, json};

pub(crate) use shape::Shape;

use crate::{
    Loader, Strategy,
    document::Document,
    keys::{self, Keys, Known},
    location::Path,
    meaning, scalar,
};

/// What is read where.
#[derive(Default)]
pub(crate) struct Recorder(RefCell<BTreeMap<String, Shape>>);

/// Files in which all there is to read is read.
const SAMPLES: [&str; 2] = [
    "
model_list: [{model_name: a, litellm_params: {model: o1}}]
router_settings:
  model_group_alias: {a: {model: a}}
  model_group_retry_policy: {a: {}}
  retry_budget: {}
  routing_groups: [{group_name: g, models: [a], routing_strategy: simple-shuffle}]
",
    "
model_list: [{model_name: a, litellm_params: {model: o1}}]
router_settings:
  model_group_alias: {a: a}
  retry_budget: 1
",
];

/// Names of the readers that many settings have.
fn readers() -> [(&'static str, Shape); 10] {
    [
        ("count", Shape::of(scalar::count)),
        ("flag", Shape::of(scalar::flag)),
        ("headers", Shape::of(scalar::headers)),
        ("id", Shape::of(scalar::id)),
        ("number", Shape::of(scalar::number)),
        ("secret", Shape::secret()),
        ("share", Shape::of(scalar::share)),
        ("text", Shape::of(scalar::text)),
        ("texts", Shape::of(scalar::texts)),
        ("url", Shape::of(scalar::url)),
    ]
}

/// Returns the JSON Schema (draft 7) of a configuration file.
///
/// It is a little wider than the reader, which also knows what settings mean together; what it refuses, the reader refuses
/// or warns about.
#[must_use]
pub fn schema() -> Json {
    let schemer = Schemer::new();
    let names = |key| schemer.at(&["model_list", "0", key]);
    let entry = json!({
        "litellm_params": schemer.object(&keys::PARAMS, &["model_list", "0", "litellm_params"], &params()),
        "model_info": schemer.object(&keys::INFO, &["model_list", "0", "model_info"], &info()),
        "model_name": names("model_name"),
    });
    let mut entry = schemer.object(&keys::ENTRY, &["model_list", "0"], &entry);
    entry["required"] = json!(["litellm_params", "model_name"]);
    entry["properties"]["litellm_params"]["required"] = json!(["model"]);
    // Parameters that are not known go to the provider.
    let params = &mut entry["properties"]["litellm_params"];
    for name in keys::PROVIDER.active() {
        params["properties"][name] = schemer.at(&["model_list", "0", "litellm_params", name]);
    }
    params["additionalProperties"] = true.into();
    let router = schemer.object(&keys::ROUTER, &["router_settings"], &schemer.router());
    let litellm = schemer.object(&keys::LITELLM, &["litellm_settings"], &tables());
    let general = schemer.object(&keys::GENERAL, &["general_settings"], &json!({}));
    let file = json!({
        "environment_variables": {
            "type": ["object", "null"],
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        },
        "general_settings": or_nothing(general),
        "include": {"type": ["array", "null"], "items": {"type": "string"}},
        "litellm_settings": or_nothing(litellm),
        "model_list": {"type": ["array", "null"], "items": entry},
        "router_settings": or_nothing(router),
    });
    let mut schema = schemer.object(&keys::FILE, &[], &file);
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "Configuration of ziggurat-proxy".into();
    schema["definitions"] = schemer.definitions();
    schema
}

// === impl Recorder ===

impl Recorder {
    pub(crate) fn record(&self, path: &Path, shape: Shape) {
        let mut shapes = self.0.borrow_mut();
        let known = shapes.remove(&path.to_string());
        let shape = match known {
            Some(known) => known.or(shape),
            None => shape,
        };
        shapes.insert(path.to_string(), shape);
    }
}

struct Schemer {
    shapes: BTreeMap<String, Shape>,
}

// === impl Schemer ===

impl Schemer {
    fn new() -> Self {
        let recorder = Rc::new(Recorder::default());
        for sample in SAMPLES {
            let document = Document::parse(sample, "", &PathBuf::new(), Arc::new(|_| None), false);
            if let Ok(mut document) = document {
                document.recorder = Some(Rc::clone(&recorder));
                drop(Loader::new(|_| None).read(&document, PathBuf::new()));
            }
        }
        let shapes = recorder.0.take();
        Self { shapes }
    }

    /// The schema of a value that is read at a path.
    fn at(&self, path: &[&str]) -> Json {
        let path = path
            .iter()
            .fold(Path::default(), |path, step| match step.parse() {
                Ok(index) => path.index(index),
                Err(_) => path.key(step),
            });
        let Some(shape) = self.shapes.get(&path.to_string()) else {
            return json!({});
        };
        let readers = readers();
        let named = readers.iter().find(|(_, known)| known == shape);
        named.map_or_else(|| shape.schema(), |(name, _)| of(name))
    }

    /// The schema of a mapping. `own` has what is not read value by value.
    fn object(&self, keys: &Keys, path: &[&str], own: &Json) -> Json {
        let (mut properties, mut patterns) = (Map::new(), Map::new());
        for name in keys.all() {
            let mut schema = match own.get(name) {
                Some(own) => own.clone(),
                None => self.at(&[path, &[name]].concat()),
            };
            if matches!(keys.lookup(name), Known::NotActive) {
                schema = json!({"description": "Not active yet."});
            } else if let Some(text) = meaning::of_setting(path, name) {
                schema = json!({"description": text, "allOf": [schema]});
            }
            match name.strip_suffix('*') {
                Some(prefix) => drop(patterns.insert(format!("^{prefix}"), schema)),
                None => drop(properties.insert(name.to_owned(), schema)),
            }
        }
        let mut schema = json!({
            "type": "object", "properties": properties, "additionalProperties": false,
        });
        if !patterns.is_empty() {
            schema["patternProperties"] = patterns.into();
        }
        schema
    }

    fn router(&self) -> Json {
        let mut router = tables();
        let policy = |path: &[&str]| self.object(&keys::RETRIES, path, &json!({}));
        let mut set = |key: &str, schema: Json| router[key] = schema;
        set(
            "retry_policy",
            or_nothing(policy(&["router_settings", "retry_policy"])),
        );
        let path = ["router_settings", "model_group_retry_policy", "a"];
        set(
            "model_group_retry_policy",
            mapping_of(&or_nothing(policy(&path))),
        );
        let path = ["router_settings", "allowed_fails_policy"];
        set(
            "allowed_fails_policy",
            or_nothing(self.object(&keys::FAILS, &path, &json!({}))),
        );
        let path = ["router_settings", "model_group_alias", "a"];
        let alias = self.object(&keys::ALIAS, &path, &json!({}));
        set(
            "model_group_alias",
            mapping_of(&json!({"anyOf": [of("text"), alias]})),
        );
        let path = ["router_settings", "retry_budget"];
        let budget = self.object(&keys::BUDGET, &path, &json!({}));
        set("retry_budget", json!({"anyOf": [self.at(&path), budget]}));
        let args = |path: &[&str]| {
            or_nothing(self.object(
                &keys::STRATEGY_ARGS,
                &[path, &["routing_strategy_args"]].concat(),
                &json!({}),
            ))
        };
        set("routing_strategy_args", args(&["router_settings"]));
        set("routing_strategy", words(&strategies()));
        let path = ["router_settings", "routing_groups", "0"];
        let mut group = self.object(
            &keys::ROUTING_GROUP,
            &path,
            &json!({
                "routing_strategy": words(&strategies()),
                "routing_strategy_args": args(&path),
            }),
        );
        group["required"] = json!(["group_name", "models"]);
        set(
            "routing_groups",
            json!({"type": ["array", "null"], "items": group}),
        );
        set(
            "fallback_on",
            word_or_words(&keys::FAILURES.split_whitespace().collect::<Vec<_>>()),
        );
        set(
            "optional_pre_call_checks",
            word_or_words(&keys::CHECKS.all().collect::<Vec<_>>()),
        );
        router
    }

    fn definitions(&self) -> Json {
        let readers = readers().into_iter();
        let mut definitions: Map<_, _> = readers
            .map(|(name, shape)| (name.to_owned(), shape.schema()))
            .collect();
        let mut target = json!({
            "type": "object",
            "properties": {"model": {"type": "string"}, "num_retries": of("count")},
            "required": ["model"],
        });
        for limit in [
            "request_timeout",
            "stream_idle_timeout",
            "stream_timeout",
            "stream_total_timeout",
            "timeout",
        ] {
            target["properties"][limit] = of("number");
        }
        definitions.insert(
            "chain".to_owned(),
            json!({
                "type": ["array", "null"],
                "items": {"anyOf": [{"type": "string"}, target]},
            }),
        );
        definitions.insert(
            "fallbacks".to_owned(),
            json!({
                "type": ["array", "null"],
                "items": {
                    "type": "object", "minProperties": 1, "maxProperties": 1,
                    "additionalProperties": of("chain"),
                },
            }),
        );
        definitions.insert(
            "allowed_fails".to_owned(),
            or_nothing(self.object(
                &keys::FAILS,
                &["router_settings", "allowed_fails_policy"],
                &json!({}),
            )),
        );
        definitions.into()
    }
}

/// The chains of fallbacks, in both sections.
fn tables() -> Json {
    json!({
        "content_policy_fallbacks": of("fallbacks"),
        "context_window_fallbacks": of("fallbacks"),
        "default_fallbacks": of("chain"),
        "fallbacks": of("fallbacks"),
    })
}

fn params() -> Json {
    json!({
        "allowed_fails_policy": of("allowed_fails"),
        "extra_body": {"type": ["object", "null"]},
    })
}

fn info() -> Json {
    json!({"allowed_fails_policy": of("allowed_fails")})
}

fn strategies() -> Vec<&'static str> {
    let known = Strategy::ALL.map(Strategy::as_str).into_iter();
    known.chain([keys::BUDGET_ROUTING]).collect()
}

fn of(definition: &str) -> Json {
    json!({"$ref": format!("#/definitions/{definition}")})
}

fn or_nothing(mut object: Json) -> Json {
    object["type"] = json!(["object", "null"]);
    object
}

fn mapping_of(values: &Json) -> Json {
    json!({"type": ["object", "null"], "additionalProperties": values})
}

fn words(words: &[&str]) -> Json {
    json!({"anyOf": [
        {"type": "null"},
        {"type": "string", "pattern": "^os\\.environ/"},
        {"enum": words},
    ]})
}

fn word_or_words(list: &[&str]) -> Json {
    let mut schema = words(list);
    if let Some(any) = schema["anyOf"].as_array_mut() {
        any.push(json!({"type": "array", "items": {"enum": list}}));
    }
    schema
}
