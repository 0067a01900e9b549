//! R153: where a deployment is, from its configuration.

use ziggurat_region::infer::Deployment;

fn unset(_: &str) -> Option<String> {
    None
}

fn model(provider: &'static str, model: &'static str) -> Vec<String> {
    Deployment::new(provider, model).regions(unset)
}

#[test]
fn the_settings_of_each_provider_tell() {
    for (provider, variable, location) in [
        ("vertex_ai", "VERTEXAI_LOCATION", "europe-west4"),
        ("vertex_ai", "VERTEX_LOCATION", "us-central1"),
        ("bedrock", "AWS_REGION_NAME", "eu-west-1"),
        ("bedrock", "AWS_REGION", "us-east-1"),
        ("watsonx", "WATSONX_REGION", "eu-de"),
        ("watsonx_text", "WATSONX_REGION", "us-south"),
    ] {
        let deployment = Deployment::new(provider, "some.model");
        assert!(deployment.regions(unset).is_empty());
        assert!(deployment.location(" ").regions(unset).is_empty());
        assert_eq!(deployment.location(location).regions(unset), [location]);
        let environment = |name: &str| (name == variable).then(|| location.to_owned());
        assert_eq!(deployment.regions(environment), [location], "{variable}");
        assert_eq!(
            deployment.location("eu-north-1").regions(environment),
            ["eu-north-1"]
        );
    }
    for provider in ["azure", "openai", "anthropic", ""] {
        let deployment = Deployment::new(provider, "eu.anthropic.x").location("eu-west-1");
        assert!(
            deployment.regions(|_| Some("eu".into())).is_empty(),
            "{provider}"
        );
    }
}

#[test]
fn the_first_variable_counts() {
    let both = |name: &str| match name {
        "VERTEXAI_LOCATION" => Some(String::new()),
        "VERTEX_LOCATION" => Some("europe-west4".into()),
        "AWS_REGION_NAME" => Some("eu-west-1".into()),
        "AWS_REGION" => Some("us-east-1".into()),
        _ => None,
    };
    assert_eq!(
        Deployment::new("vertex_ai", "m").regions(both),
        ["europe-west4"]
    );
    assert_eq!(Deployment::new("bedrock", "m").regions(both), ["eu-west-1"]);
}

#[test]
fn global_is_no_region() {
    let environment = |_: &str| Some("eu".to_owned());
    let vertex = Deployment::new("vertex_ai", "gemini-2.5-pro");
    assert!(vertex.location("global").regions(environment).is_empty());
    assert!(vertex.location("Global").regions(environment).is_empty());
    let world = vertex
        .url("https://aiplatform.googleapis.com/v1")
        .location("europe-west4");
    assert!(world.regions(unset).is_empty());
    let profile = Deployment::new(
        "bedrock",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    );
    assert!(profile.location("eu-west-1").regions(unset).is_empty());
}

#[test]
fn hosts_tell() {
    for (provider, url, region) in [
        (
            "vertex_ai",
            "https://europe-west4-aiplatform.googleapis.com/v1/projects",
            Some("europe-west4"),
        ),
        (
            "vertex_ai",
            "https://aiplatform.eu.rep.googleapis.com",
            Some("eu"),
        ),
        (
            "vertex_ai",
            "https://generativelanguage.googleapis.com",
            None,
        ),
        (
            "bedrock",
            "https://bedrock-runtime.eu-west-1.amazonaws.com",
            Some("eu-west-1"),
        ),
        (
            "bedrock",
            "https://u:p@Bedrock-Runtime-FIPS.us-gov-west-1.amazonaws.com:443/x?y#z",
            Some("us-gov-west-1"),
        ),
        (
            "bedrock",
            "https://vpce-1-a.bedrock-runtime.eu-central-1.vpce.amazonaws.com",
            Some("eu-central-1"),
        ),
        (
            "bedrock",
            "bedrock-runtime.cn-north-1.amazonaws.com.cn",
            Some("cn-north-1"),
        ),
        (
            "bedrock",
            "https://bedrock-runtime.eu-west-1.example.com",
            None,
        ),
        (
            "bedrock",
            "https://example.com/bedrock-runtime.eu-west-1.amazonaws.com",
            None,
        ),
        (
            "watsonx",
            "https://eu-de.ml.cloud.ibm.com/ml/v1",
            Some("eu-de"),
        ),
        (
            "watsonx",
            "https://private.eu-gb.ml.cloud.ibm.com",
            Some("eu-gb"),
        ),
        (
            "watsonx",
            "https://ap-south-1.aws.wxai.ibm.com",
            Some("ap-south-1"),
        ),
        ("watsonx", "https://cpd.example.com", None),
    ] {
        let found = Deployment::new(provider, "m").url(url).regions(unset);
        assert_eq!(found, Vec::from_iter(region), "{url}");
    }
    // Where they differ, both count.
    let both = Deployment::new("watsonx", "m")
        .url("https://eu-de.ml.cloud.ibm.com")
        .location("us-south");
    assert_eq!(both.regions(unset), ["eu-de", "us-south"]);
}

#[test]
fn bedrock_models_and_profiles() {
    for (id, regions) in [
        ("anthropic.claude-v2:1", [].as_slice()),
        ("amazon.nova-lite-v1:0", &[]),
        ("zai.glm-4.6", &[]),
        ("deepseek.v3.1", &[]),
        ("meta.llama3-1-70b-instruct-v1:0", &[]),
        ("eu.anthropic.claude-3-5-sonnet-20240620-v1:0", &["eu"]),
        (".anthropic.claude-3-5-sonnet-20240620-v1:0", &[]),
        ("us.meta.llama3-2-1b-instruct-v1:0", &["us"]),
        ("us-gov.anthropic.claude-3-haiku-20240307-v1:0", &["us-gov"]),
        ("APAC.amazon.nova-micro-v1:0", &["apac"]),
        ("jp.anthropic.claude-sonnet-4-5-20250929-v1:0", &["jp"]),
        ("converse/eu.amazon.nova-pro-v1:0", &["eu"]),
        // A geography that is not known yet is not mistaken for a vendor.
        ("xy.anthropic.claude-9", &["xy"]),
        ("xy.ai21.jamba-1-5-large-v1:0", &["xy"]),
        ("us-west-2/anthropic.claude-v2", &["us-west-2"]),
        (
            "invoke/eu-central-1/1-month-commitment/anthropic.claude-v2",
            &["eu-central-1"],
        ),
        (
            "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-sonnet-4-v1:0",
            &["eu", "eu-west-1"],
        ),
        (
            "arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Fus.amazon.x",
            &["us", "eu-west-1"],
        ),
        (
            "arn:aws:bedrock:eu-west-1:1:inference-profile/global.anthropic.x",
            &[],
        ),
        ("arn:aws:bedrock:eu-west-1:1:inference-profile/abc", &[]),
        (
            "arn:aws:bedrock:eu-west-1:1:application-inference-profile/abc",
            &[],
        ),
        (
            "arn:aws:bedrock:eu-west-1:1:default-prompt-router/anthropic.claude:1",
            &[],
        ),
        (
            "converse/arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-v2",
            &["eu-west-1"],
        ),
        (
            "arn:aws-us-gov:bedrock:us-gov-west-1:1:provisioned-model/abc",
            &["us-gov-west-1"],
        ),
        (
            "arn:aws:bedrock:us-east-1:1:imported-model/abc",
            &["us-east-1"],
        ),
    ] {
        assert_eq!(model("bedrock", id), regions, "{id}");
    }
}

#[test]
fn what_a_profile_does_not_tell_its_region_does_not_make_good() {
    for id in [
        "arn:aws:bedrock:eu-west-1:1:application-inference-profile/abc",
        "global.anthropic.x",
        "*",
        "eu.*",
    ] {
        let found = Deployment::new("bedrock", id)
            .location("eu-west-1")
            .regions(unset);
        assert!(found.is_empty(), "{id}");
    }
    // A profile says where requests may go, the region where they are sent first: both count, from wherever it is known.
    let profile = Deployment::new("bedrock", "eu.anthropic.x");
    assert_eq!(
        profile.location("eu-west-2").regions(unset),
        ["eu", "eu-west-2"]
    );
    let environment = |name: &str| (name == "AWS_REGION").then(|| "eu-west-1".to_owned());
    assert_eq!(profile.regions(environment), ["eu", "eu-west-1"]);
}
