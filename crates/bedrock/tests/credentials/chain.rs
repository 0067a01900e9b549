//! Which keys win.

use http::StatusCode;
use ziggurat_bedrock::Bedrock;
use ziggurat_core::FailureKind;

use crate::{Files, MODEL, builder, call, leaf, signer, upstream};

fn variables(pairs: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    pairs
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect()
}

const KEYS: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY_ID", "AKIAENV"),
    ("AWS_SECRET_ACCESS_KEY", "env-secret"),
    ("AWS_SESSION_TOKEN", "env-token"),
];

#[tokio::test]
async fn settings_come_before_the_environment_and_that_before_files() {
    let files = Files::new(&[(
        ".aws/credentials",
        "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = s\n",
    )]);
    let mut environment = variables(KEYS);
    environment.push(("HOME", files.path("")));
    let set = builder(&environment)
        .aws_access_key_id("AKIASET")
        .aws_secret_access_key("s");
    assert_eq!(signer(set).await, ("AKIASET".into(), None));
    let token = Some("env-token".to_owned());
    assert_eq!(
        signer(builder(&environment)).await,
        ("AKIAENV".into(), token)
    );
    let home = variables(&[("HOME", &files.path(""))]);
    assert_eq!(signer(builder(&home)).await, ("AKIAFILE".into(), None));
}

#[tokio::test]
async fn profiles_are_found_by_name_and_lead_to_others() {
    let files = Files::new(&[
        (
            "config",
            "# mine\n[profile work]\nregion = eu-west-3\naws_access_key_id = AKIAWORK\n\
             aws_secret_access_key = s ; a note\ns3 =\n  aws_access_key_id = AKIANESTED\n\
             [profile sso]\nsso_session = corporate\n[profile loop]\nrole_arn = r\nsource_profile = loop2\n\
             [profile loop2]\nrole_arn = r\nsource_profile = loop\n",
        ),
        (
            "credentials",
            "[other]\naws_access_key_id=AKIAOTHER\naws_secret_access_key=s\naws_session_token=t\n",
        ),
    ]);
    let environment = variables(&[
        ("AWS_CONFIG_FILE", &files.path("config")),
        ("AWS_SHARED_CREDENTIALS_FILE", &files.path("credentials")),
        ("AWS_PROFILE", "work"),
    ]);
    assert_eq!(signer(builder(&environment)).await.0, "AKIAWORK");
    assert_eq!(builder(&environment).build().unwrap().region(), "eu-west-3");
    let other = builder(&environment).aws_profile_name("other");
    assert_eq!(signer(other).await, ("AKIAOTHER".into(), Some("t".into())));
    for (name, problem) in [
        ("sso", "sso_session, which is not supported"),
        ("nobody", "no such profile"),
        ("loop", "too many others"),
    ] {
        let error = builder(&environment)
            .aws_profile_name(name)
            .build()
            .unwrap_err();
        assert_eq!(error.setting(), "aws_profile_name");
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[tokio::test]
async fn a_bearer_key_needs_no_signature() {
    let mut environment = variables(KEYS);
    environment.push((
        "AWS_BEARER_TOKEN_BEDROCK",
        "bearer-of-the-environment".to_owned(),
    ));
    for (builder, expected) in [
        (builder(&environment), "Bearer bearer-of-the-environment"),
        (builder(&environment).api_key("set"), "Bearer set"),
    ] {
        let bedrock = upstream([crate::answer()]).await;
        call(&leaf(builder, &bedrock)).await.unwrap();
        let hit = &bedrock.hits()[0];
        assert_eq!(hit.header("authorization"), Some(expected));
        assert_eq!(hit.header("x-amz-date"), None);
    }
}

#[tokio::test]
async fn missing_keys_are_named_and_half_a_pair_is_refused() {
    let dialect = builder(&[]).build().unwrap();
    assert!(dialect.is_key_missing());
    let bedrock = upstream([crate::answer()]).await;
    let failure = call(&leaf(builder(&[]), &bedrock)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Authentication);
    assert_eq!(failure.status(), StatusCode::UNAUTHORIZED);
    assert!(failure.message().unwrap().contains("AWS_ACCESS_KEY_ID"));
    assert_eq!(bedrock.count(), 0);
    let half = builder(&[]).aws_access_key_id("AKIA").build().unwrap_err();
    assert_eq!(half.setting(), "aws_secret_access_key");
}

#[test]
fn settings_at_fault_are_named() {
    let setting = |builder: ziggurat_bedrock::Builder| builder.build().unwrap_err().setting();
    assert_eq!(setting(Bedrock::builder("")), "model");
    assert_eq!(
        setting(Bedrock::builder(MODEL).aws_region_name("nowhere")),
        "aws_region_name"
    );
    assert_eq!(
        setting(Bedrock::builder(MODEL).api_base("ftp://x")),
        "api_base"
    );
    assert_eq!(
        setting(Bedrock::builder(MODEL).api_base("https://x?y=1")),
        "api_base"
    );
    let header = Bedrock::builder(MODEL).header("content-length", "1");
    assert_eq!(setting(header), "extra_headers");
    let token = Bedrock::builder(MODEL)
        .aws_web_identity_token("oidc/google/x")
        .aws_role_name("r");
    assert_eq!(setting(token), "aws_web_identity_token");
    let secrets = Bedrock::builder(MODEL)
        .api_key("hidden-key")
        .header("x-a", "hidden-header");
    let shown = format!(
        "{secrets:?}{:?}",
        Bedrock::builder(MODEL).api_key("hidden-key").build()
    );
    assert!(!shown.contains("hidden"));
}

#[test]
fn regions_come_from_settings_names_and_the_environment() {
    let region = |builder: ziggurat_bedrock::Builder| builder.build().unwrap().region().to_owned();
    let environment = variables(&[("AWS_REGION", "eu-west-1")]);
    assert_eq!(region(builder(&environment)), "eu-west-1");
    assert_eq!(
        region(builder(&environment).aws_region_name("us-east-2")),
        "us-east-2"
    );
    assert_eq!(region(builder(&[])), "us-west-2");
    let named = Bedrock::builder("eu-central-1/anthropic.claude-v2:1");
    assert_eq!(region(named), "eu-central-1");
    let china = builder(&[]).aws_region_name("cn-north-1").build().unwrap();
    assert_eq!(
        china.api_base(),
        "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"
    );
}

#[tokio::test]
async fn only_what_stands_apart_is_a_comment() {
    let files = Files::new(&[(
        "credentials",
        "; first\n[default]\n# second\naws_access_key_id = AKIA#1 # third\naws_secret_access_key = s;t ; fourth\n\
         aws_session_token = a#b;c\n",
    )]);
    let environment = variables(&[("AWS_SHARED_CREDENTIALS_FILE", &files.path("credentials"))]);
    let (id, token) = signer(builder(&environment)).await;
    assert_eq!((&*id, token.as_deref()), ("AKIA#1", Some("a#b;c")));
}
