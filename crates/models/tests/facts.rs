//! Every line of the table is found, and says what it says.

use ziggurat_models::{
    Mode, Provider, facts, is_gpt5, is_o_series, is_reasoning_model, supports_developer_role,
    supports_system_messages,
};

const TABLE: &str = include_str!("../data/models.tsv");

#[test]
fn every_name_is_found() {
    let mut names = TABLE
        .lines()
        .skip(1)
        .map(|line| line.split('\t').next().unwrap());
    assert!(names.clone().is_sorted());
    assert_eq!(names.clone().count(), 3200);
    assert!(names.all(|name| facts(None, name).is_some_and(|facts| facts.name == name)));
}

#[test]
fn other_names_are_not_found() {
    for name in [
        "",
        "a",
        "gpt-3.5-turb",
        "gpt-3.5-turbo ",
        "zzz",
        "gpt-3.5-turbo\topenai",
        "\n",
    ] {
        assert_eq!(facts(None, name), None, "{name:?}");
    }
}

#[test]
fn reads_all_fields() {
    let gpt = facts(None, "gpt-3.5-turbo").unwrap();
    assert_eq!((gpt.provider, gpt.mode), (Provider::OpenAi, Mode::Chat));
    assert_eq!(gpt.max_input_tokens, Some(16_385));
    assert_eq!(gpt.max_output_tokens, Some(4_096));
    assert_eq!(gpt.input_cost_per_token, Some(5e-7));
    assert_eq!(gpt.output_cost_per_token, Some(1.5e-6));
    assert!(gpt.supports("tool_choice") && gpt.supports("function_calling"));
    assert!(!gpt.supports("vision") && !gpt.supports("no such capability"));
    assert_eq!(
        facts(None, "text-embedding-3-small").unwrap().mode,
        Mode::Embedding
    );
    assert_eq!(
        facts(None, "babbage-002").unwrap().provider,
        Provider::TextCompletionOpenAi
    );
}

#[test]
fn knows_the_names_of_old_configurations() {
    let opus = facts(Some(Provider::Anthropic), "claude-3-opus-20240229").unwrap();
    assert_eq!(
        (opus.max_input_tokens, opus.max_output_tokens),
        (Some(200_000), Some(4_096))
    );
    assert_eq!(
        (opus.input_cost_per_token, opus.output_cost_per_token),
        (Some(15e-6), Some(75e-6))
    );
    for name in ["gemini-1.5-pro", "gemini-pro-1.5"] {
        let gemini = facts(Some(Provider::VertexAi), name).unwrap();
        assert_eq!(gemini.max_input_tokens, Some(2_097_152));
        assert_eq!(gemini.max_output_tokens, Some(8_192));
        assert_eq!(gemini.input_cost_per_token, None);
    }
}

#[test]
fn prefers_the_entry_of_the_provider() {
    let azure = facts(Some(Provider::Azure), "gpt-4o").unwrap();
    assert_eq!(azure.name, "azure/gpt-4o");
    let openai = facts(Some(Provider::OpenAi), "gpt-4o").unwrap();
    assert_eq!(openai.name, "gpt-4o");
    // No entry of its own: a deployment named after the model is taken for the model.
    let other = facts(Some(Provider::HuggingFace), "gpt-4o").unwrap();
    assert_eq!(other.name, "gpt-4o");
    let base_model = facts(Some(Provider::Azure), "azure/gpt-4-1106-preview").unwrap();
    assert_eq!(base_model.max_input_tokens, Some(128_000));
}

#[test]
fn families_belong_to_their_provider() {
    assert_eq!(
        facts(None, "gemini-2.5-flash").unwrap().provider,
        Provider::VertexAi
    );
    let nova = facts(Some(Provider::Bedrock), "amazon.nova-pro-v1:0").unwrap();
    assert_eq!(nova.provider, Provider::Bedrock);
}

#[test]
fn tells_reasoning_models_by_name() {
    for model in [
        "o1",
        "o3-mini",
        "o4-mini-2025-04-16",
        "azure/o3",
        "o_series/mine",
        "ft:o4-mini:x",
    ] {
        assert!(is_o_series(model) && is_reasoning_model(model), "{model}");
    }
    for model in [
        "gpt-5",
        "gpt-5-mini",
        "gpt-5.1",
        "openai/gpt-5",
        "gpt5_series/mine",
    ] {
        assert!(is_gpt5(model) && is_reasoning_model(model), "{model}");
    }
    for model in [
        "gpt-4o",
        "o10",
        "omni",
        "gpt-50",
        "gpt-5-chat-latest",
        "o_series",
        "my-o3",
        "",
    ] {
        assert!(!is_reasoning_model(model), "{model}");
    }
}

#[test]
fn knows_who_takes_instructions_how() {
    let roles = |model| {
        (
            supports_system_messages(model),
            supports_developer_role(model),
        )
    };
    assert_eq!(roles("gpt-4o"), (true, false));
    assert_eq!(roles("my-own-model"), (true, false));
    assert_eq!(roles("gpt-5"), (true, true));
    assert_eq!(roles("o1"), (true, true));
    assert_eq!(roles("o3-mini"), (false, true));
    assert_eq!(roles("o1-mini"), (false, false));
    // Of those that are not listed only `developer` is sure.
    assert_eq!(roles("o_series/mine"), (false, true));
    assert_eq!(roles("ft:o4-mini:mine"), (false, true));
}
