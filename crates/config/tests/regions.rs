//! In which regions requests may be answered.

mod common;

use common::{ONE, but_overruled, deployment, errors, load, with_settings};
use ziggurat_config::Finding;

#[test]
fn regions_of_all_requests() {
    let of = |settings: &str| {
        let config = with_settings(settings);
        assert_eq!(but_overruled(&config), [] as [&Finding; 0]);
        config.settings.region
    };
    let litellm = "litellm_settings: {allowed_model_region: us, enable_preview: true}\n";
    let region = of(litellm);
    assert_eq!(region.allowed_model_region, ["us"]);
    assert!(region.enable_preview && !region.wider_europe);
    let router = "router_settings: {allowed_model_region: [eu, eu-west-1], wider_europe: yes}";
    let region = of(&format!("{litellm}{router}"));
    assert_eq!(region.allowed_model_region, ["eu", "eu-west-1"]);
    assert!(region.wider_europe);
    let path = "router_settings.allowed_model_region";
    for (bad, message) in [
        ("[]", "expected at least one region"),
        ("5", "expected text, found a number"),
        ("[eu, ~]", "expected a list of texts, found nothing"),
    ] {
        let text = format!("{ONE}router_settings: {{allowed_model_region: {bad}}}");
        assert_eq!(errors(&text), [format!("c.yaml:2:41: {path}: {message}")]);
    }
}

#[test]
fn an_unset_region_does_not_let_everything_pass() {
    for section in ["router_settings", "litellm_settings"] {
        let text = format!("{ONE}{section}: {{allowed_model_region: os.environ/REGION}}");
        let column = section.len() + 26;
        assert_eq!(
            errors(&text),
            [format!(
                "c.yaml:2:{column}: {section}.allowed_model_region: environment variable `REGION` \
                 is not set"
            )]
        );
        let config = load(&text, &[("REGION", "eu")]).unwrap();
        assert_eq!(config.settings.region.allowed_model_region, ["eu"]);
    }
}

#[test]
fn what_regions_are_inferred_from() {
    for (model, parameter) in [
        ("vertex_ai/gemini-1.5-pro", "vertex_location"),
        ("bedrock/anthropic.claude-3", "aws_region_name"),
        ("watsonx/ibm/granite", "watsonx_region_name"),
    ] {
        let found = deployment(&format!("model: {model}, {parameter}: here"));
        assert_eq!(found.provider_params.text(parameter), Some("here"));
        assert_eq!((found.region_name.len(), found.defaults.len()), (0, 0));
    }
    assert_eq!(
        deployment("model: o1, region_name: [eu, us]").region_name,
        ["eu", "us"]
    );
}

/// An empty text is no region, and not the wish for none.
#[test]
fn an_empty_restriction_is_refused() {
    for empty in ["\"\"", "\" \"", "[]"] {
        let text = format!("{ONE}router_settings: {{allowed_model_region: {empty}}}");
        let errors = errors(&text);
        assert!(
            matches!(&errors[..], [error] if error.contains("expected at least one region")),
            "{empty}: {errors:?}"
        );
    }
}
