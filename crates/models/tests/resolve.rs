//! The model strings of the reference's resolution table, and the rows where this crate knows more.

use serde_json::Value;
use ziggurat_models::{Provider, resolve};

/// Names that the reference refuses and that are resolved here (bare `claude-*`, bare `gemini-*`).
const BETTER: &[(&str, &str)] = &[
    ("claude-3-opus-20240229", "anthropic"),
    ("claude-3-haiku-20240307", "anthropic"),
    ("claude-2", "anthropic"),
    ("gemini-pro", "vertex_ai"),
    ("gemini-1.5-pro", "vertex_ai"),
    ("gemini-9-pro", "vertex_ai"),
];

fn rows() -> Vec<Value> {
    serde_json::from_str(include_str!("model_resolution.json")).expect("a list of rows")
}

fn text<'a>(row: &'a Value, key: &str) -> Option<&'a str> {
    row.get(key).and_then(Value::as_str)
}

#[test]
fn resolves_like_the_table() {
    for row in rows() {
        let input = text(&row, "input").unwrap();
        let found = resolve(
            input,
            text(&row, "api_base"),
            text(&row, "custom_llm_provider"),
        );
        let found = found
            .ok()
            .map(|(provider, model)| (provider.as_str(), model));
        let expected = match BETTER.iter().find(|(name, _)| *name == input) {
            Some(&(name, provider)) => Some((provider, name)),
            None => text(&row, "provider").zip(text(&row, "model")),
        };
        assert_eq!(found, expected, "{row}");
    }
}

#[test]
fn the_better_rows_are_refusals_of_the_table() {
    for (name, _) in BETTER {
        let rows = rows();
        let row = rows.iter().find(|row| text(row, "input") == Some(name));
        assert!(row.unwrap().get("error").is_some(), "{name}");
    }
}

#[test]
fn a_given_provider_decides() {
    let resolve = |model, provider| resolve(model, None, Some(provider)).unwrap();
    assert_eq!(resolve("azure/x", "openai"), (Provider::OpenAi, "azure/x"));
    assert_eq!(resolve("openai/x", "openai"), (Provider::OpenAi, "x"));
    assert_eq!(
        resolve("claude-2", "anthropic"),
        (Provider::AnthropicText, "claude-2")
    );
    assert!(ziggurat_models::resolve("x", None, Some("example")).is_err());
}

#[test]
fn a_known_host_is_matched_whole() {
    let at = |base| resolve("some-model", Some(base), None).map(|(provider, _)| provider.as_str());
    assert_eq!(at("https://API.groq.com/openai/v1/"), Ok("groq"));
    assert_eq!(at("https://api.groq.com:443/openai/v1?x=1"), Ok("groq"));
    for base in [
        "https://api.groq.com/openai/v10",
        "https://api.groq.com.example.org/openai/v1",
        "https://xapi.groq.com/openai/v1",
        "https://api.groq.com:8443/openai/v1",
        "https://api.groq.com@example.org/openai/v1",
        "http://api.groq.com/openai/v1",
    ] {
        assert!(at(base).is_err(), "{base}");
    }
}

#[test]
fn a_prefix_without_a_name_is_no_prefix() {
    for model in ["openai/", "/", "", "claude-", "example/gpt-4o"] {
        assert_eq!(resolve(model, None, None).unwrap_err().model(), model);
    }
}

#[test]
fn bedrock_names_carry_a_geography() {
    for model in [
        "anthropic.claude-x",
        "us-gov.anthropic.claude-x",
        "apac.anthropic.claude-x",
    ] {
        assert_eq!(
            resolve(model, None, None).unwrap().0,
            Provider::Bedrock,
            "{model}"
        );
    }
    assert!(resolve("X.anthropic.claude-x", None, None).is_err());
}

proptest::proptest! {
    #[test]
    fn never_panics(model in "\\PC*", base in "\\PC*", prefix in "(https://api.groq.com|openai)?") {
        let _ = resolve(&model, Some(&format!("{prefix}{base}")), None);
        let _ = resolve(&format!("{prefix}/{model}"), None, Some(&prefix));
    }
}
