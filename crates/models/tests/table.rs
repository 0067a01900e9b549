//! Facts from a file, and the windows of deployments: R140, R141.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use ziggurat_models::{InputWindow, Mode, Provider, Table, facts};

fn error(text: &str) -> String {
    Table::embedded().with_json(text).unwrap_err().to_string()
}

fn window(
    provider: Provider,
    model: &str,
    base_model: Option<&str>,
    configured: Option<u64>,
) -> Option<(u64, bool)> {
    let window = Table::embedded().input_window(provider, model, base_model, configured);
    window.map(
        |InputWindow {
             max_input_tokens,
             shared,
             ..
         }| (max_input_tokens, shared),
    )
}

#[test]
fn an_entry_lies_over_the_embedded_one() {
    let table = Table::embedded()
        .with_json(r#"{"gpt-4": {"max_input_tokens": 6000, "supports": ["vision", "telepathy"]}}"#)
        .unwrap();
    let gpt4 = table.facts(None, "gpt-4").unwrap();
    assert_eq!(gpt4.max_input_tokens, Some(6000));
    assert_eq!(gpt4.max_output_tokens, Some(4096));
    assert!(gpt4.supports("vision") && gpt4.supports("telepathy"));
    assert!(!gpt4.supports("function_calling"));
    assert_eq!(table.facts(None, "gpt-4o"), facts(None, "gpt-4o"));
    let twice = table
        .with_json(r#"{"gpt-4": {"max_output_tokens": 7, "mode": null}}"#)
        .unwrap();
    let gpt4 = twice.facts(None, "gpt-4").unwrap();
    assert_eq!(
        (gpt4.max_input_tokens, gpt4.max_output_tokens),
        (Some(6000), Some(7))
    );
}

#[test]
fn a_file_can_take_the_place_of_the_embedded_table() {
    let text = r#"{"azure/mine": {"provider": "azure", "mode": "chat", "max_input_tokens": 10}}"#;
    let table = Table::empty().with_json(text).unwrap();
    let mine = table.facts(Some(Provider::Azure), "mine").unwrap();
    assert_eq!((mine.mode, mine.max_input_tokens), (Mode::Chat, Some(10)));
    assert_eq!(table.facts(None, "gpt-4o"), None);
}

#[test]
fn the_embedded_table_can_be_given_as_a_file() {
    let rows = include_str!("../data/models.tsv").lines().skip(1);
    let mut text = String::from("{");
    for row in rows.clone().take(500) {
        let cells: Vec<_> = row.split('\t').collect();
        let number = |at: usize| {
            Some(cells[at])
                .filter(|it| !it.is_empty())
                .unwrap_or("null")
        };
        let comma = if text.len() > 1 { "," } else { "" };
        text += &format!(
            "{comma}\n{:?}: {{\"provider\": {:?}, \"mode\": {:?}, \"max_input_tokens\": {}, \"max_output_tokens\": {}, \
             \"input_cost_per_token\": {}, \"output_cost_per_token\": {}}}",
            cells[0],
            cells[1],
            cells[2],
            number(3),
            number(4),
            number(5),
            number(6)
        );
    }
    text.push('}');
    let table = Table::empty().with_json(&text).unwrap();
    for row in rows.take(500) {
        let name = row.split('\t').next().unwrap();
        let (own, embedded) = (table.facts(None, name).unwrap(), facts(None, name).unwrap());
        assert_eq!(own.provider, embedded.provider);
        assert_eq!(own.max_input_tokens, embedded.max_input_tokens);
        assert_eq!(own.output_cost_per_token, embedded.output_cost_per_token);
    }
}

#[test]
fn errors_name_line_and_entry() {
    assert_eq!(
        error("{\n\"a\": {},\n"),
        "line 3: EOF while parsing a value"
    );
    assert!(
        error("[]").starts_with("line 1: invalid type"),
        "{}",
        error("[]")
    );
    let entry = |entry: &str| error(&format!("{{\n\"gpt-4\": {{}},\n \"a\": {entry}\n}}"));
    assert_eq!(entry("{}"), "line 3, entry `a`: `provider` is missing");
    assert_eq!(
        entry(r#"{"provider": "openai"}"#),
        "line 3, entry `a`: `mode` is missing"
    );
    assert_eq!(
        entry(r#"{"provider": "x"}"#),
        "line 3, entry `a`: unknown provider `x`"
    );
    assert_eq!(
        entry(r#"{"provider": "openai", "mode": "x"}"#),
        "line 3, entry `a`: unknown mode `x`"
    );
    let unknown = entry("{\n\"max_tokens\": 5}");
    assert!(
        unknown.starts_with("line 4, entry `a`: unknown field `max_tokens`"),
        "{unknown}"
    );
    let negative = error(r#"{"gpt-4": {"input_cost_per_token": -1}}"#);
    assert_eq!(
        negative,
        "line 1, entry `gpt-4`: a price is a number that is not negative"
    );
    assert!(
        error(r#"{"gpt-4": {"max_input_tokens": -1}}"#).contains("entry `gpt-4`: invalid value")
    );
    assert!(
        error("{\"gpt-4\": {},\n\"gpt-4\": {}}")
            .starts_with("line 2: the entry `gpt-4` is there twice")
    );
}

#[test]
fn the_window_comes_from_the_first_that_knows() {
    let base = Some("azure/gpt-4-0613");
    assert_eq!(
        window(Provider::Azure, "gpt-4o", base, Some(20)),
        Some((20, false))
    );
    assert_eq!(
        window(Provider::Azure, "gpt-4o", base, Some(0)),
        Some((8192, true))
    );
    assert_eq!(
        window(Provider::Azure, "gpt-4o", base, None),
        Some((8192, true))
    );
    // For every provider.
    assert_eq!(
        window(Provider::HuggingFace, "me/mine", Some("gpt-4"), None),
        Some((8192, true))
    );
    assert_eq!(
        window(Provider::Azure, "gpt-4o", Some("no such model"), None),
        Some((128_000, true))
    );
    assert_eq!(
        window(
            Provider::Azure,
            "chatgpt-v-2",
            Some("azure/gpt-4-1106-preview"),
            None
        ),
        Some((128_000, true))
    );
    assert_eq!(window(Provider::Azure, "chatgpt-v-2", None, None), None);
    assert_eq!(
        window(Provider::OpenAi, "gpt-3.5-turbo-1106", None, None),
        Some((16_385, true))
    );
    assert_eq!(
        window(Provider::Anthropic, "claude-3-opus-20240229", None, None),
        Some((200_000, false))
    );
    assert_eq!(
        window(Provider::VertexAi, "gemini-pro-1.5", None, None),
        Some((2_097_152, false))
    );
    assert_eq!(
        window(Provider::Gemini, "gemini-1.5-pro", None, None),
        Some((2_097_152, false))
    );
    // What OpenAI serves under a name says nothing about another host.
    assert_eq!(window(Provider::HuggingFace, "gpt-4o", None, None), None);
}

#[test]
fn tells_who_shares_the_window() {
    let shares = |name| facts(None, name).unwrap().shares_window();
    for name in [
        "gpt-4",
        "gpt-4o-mini",
        "azure/gpt-35-turbo-16k",
        "gpt-4.1",
        "babbage-002",
        "ai21.j2-mid-v1",
    ] {
        assert!(shares(name), "{name}");
    }
    for name in [
        "gpt-5",
        "o1",
        "claude-3-opus-20240229",
        "gemini-1.5-pro",
        "text-embedding-3-small",
    ] {
        assert!(!shares(name), "{name}");
    }
}
