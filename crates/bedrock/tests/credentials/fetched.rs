//! Keys that are handed out by servers, and expire.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;
use ziggurat_anthropic::Anthropic;
use ziggurat_bedrock::{Bedrock, Claude};
use ziggurat_core::{FailureKind, JsonBody, Operation, json::Document};
use ziggurat_provider::{Authorized, Call, Dialect, Exchange};

use crate::{Files, answer, builder, call, leaf, plain, signer, upstream};

pub(crate) fn xml(id: &str) -> String {
    format!(
        "<R><Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
         <SessionToken>t</SessionToken><Expiration>2025-01-15T13:00:00Z</Expiration></Credentials></R>"
    )
}

pub(crate) fn document(id: &str) -> String {
    let keys = json!({
        "AccessKeyId": id, "SecretAccessKey": "s", "Token": "t", "Expiration": "2025-01-15T13:00:00Z",
    });
    keys.to_string()
}

#[tokio::test]
async fn a_web_identity_takes_a_role_once_for_many_calls() {
    let files = Files::new(&[("token", "a.b/c\n")]);
    let sts = upstream([plain(200, xml("ASIAWEB"))]).await;
    let bedrock = upstream([answer()]).await;
    let environment = [
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r".to_owned()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", files.path("token")),
        ("AWS_ENDPOINT_URL_STS", sts.url()),
    ];
    let leaf = leaf(builder(&environment), &bedrock);
    let calls = (0..20).map(|_| {
        let leaf = leaf.clone();
        tokio::spawn(async move { call(&leaf).await.map(|response| response.status()) })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap(), 200);
    }
    assert_eq!((sts.count(), bedrock.count()), (1, 20));
    let asked = String::from_utf8(sts.hits()[0].body().to_vec()).unwrap();
    assert_eq!(
        asked,
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr\
         &RoleSessionName=ziggurat&WebIdentityToken=a%2Eb%2Fc"
    );
    let hit = &bedrock.hits()[19];
    assert!(
        hit.header("authorization")
            .unwrap()
            .contains("Credential=ASIAWEB/")
    );
    assert_eq!(hit.header("x-amz-security-token"), Some("t"));
}

#[tokio::test]
async fn a_token_may_lie_at_home() {
    let files = Files::new(&[(".aws/token", "a.b")]);
    let sts = upstream([plain(200, xml("ASIAHOME"))]).await;
    let environment = [("HOME", files.path(""))];
    let role = builder(&environment)
        .aws_role_name("arn:aws:iam::1:role/r")
        .aws_web_identity_token("~/.aws/token")
        .aws_sts_endpoint(sts.url());
    assert_eq!(signer(role).await, ("ASIAHOME".into(), Some("t".into())));
}

#[tokio::test]
async fn a_role_is_taken_with_the_keys_at_hand() {
    let sts = upstream([plain(200, xml("ASIAROLE"))]).await;
    let role = builder(&[])
        .aws_access_key_id("AKIABASE")
        .aws_secret_access_key("s")
        .aws_role_name("arn:aws:iam::1:role/r")
        .aws_session_name("mine")
        .aws_external_id("e")
        .aws_region_name("eu-west-1")
        .aws_sts_endpoint(sts.url());
    assert_eq!(signer(role).await, ("ASIAROLE".into(), Some("t".into())));
    let hit = &sts.hits()[0];
    let signature = hit.header("authorization").unwrap();
    assert!(signature.contains("Credential=AKIABASE/20250115/eu-west-1/sts/aws4_request"));
    let asked = String::from_utf8(hit.body().to_vec()).unwrap();
    assert!(
        asked.contains("RoleSessionName=mine&ExternalId=e"),
        "{asked}"
    );
}

#[tokio::test]
async fn a_container_hands_keys_out() {
    let files = Files::new(&[("token", "Basic abc\n")]);
    let agent = upstream([plain(200, document("ASIACONTAINER"))]).await;
    let environment = [
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("{}/keys", agent.url()),
        ),
        (
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
            files.path("token"),
        ),
    ];
    assert_eq!(signer(builder(&environment)).await.0, "ASIACONTAINER");
    let hit = &agent.hits()[0];
    assert_eq!(
        (hit.path(), hit.header("authorization")),
        ("/keys", Some("Basic abc"))
    );
}

#[tokio::test]
async fn a_containers_token_is_told_to_no_stranger() {
    let environment = [
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "http://example.com/keys".to_owned(),
        ),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "abc".to_owned()),
    ];
    let bedrock = upstream([answer()]).await;
    let failure = call(&leaf(builder(&environment), &bedrock))
        .await
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Authentication);
    assert!(failure.message().unwrap().contains("neither https"));
}

#[tokio::test]
async fn a_machine_hands_keys_out_for_a_token() {
    let steps = [
        plain(200, "session"),
        plain(200, "my-role\n"),
        plain(200, document("ASIAMACHINE")),
    ];
    let machine = upstream(steps).await;
    let environment = [
        ("AWS_EC2_METADATA_DISABLED", "false".to_owned()),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", machine.url()),
    ];
    assert_eq!(signer(builder(&environment)).await.0, "ASIAMACHINE");
    let hits = machine.hits();
    assert_eq!(
        (hits[0].method().as_str(), hits[0].path()),
        ("PUT", "/latest/api/token")
    );
    assert_eq!(
        hits[2].path(),
        "/latest/meta-data/iam/security-credentials/my-role"
    );
    assert_eq!(hits[2].header("x-aws-ec2-metadata-token"), Some("session"));
}

#[tokio::test]
async fn servers_that_refuse_or_fail_are_failures_of_the_call() {
    let over = xml("ASIA").replace("T13", "T11");
    let refused = "<E><Error><Code>ExpiredToken</Code><Message>secret words</Message></Error></E>";
    let cases = [
        (
            plain(400, refused),
            FailureKind::Authentication,
            "ExpiredToken",
        ),
        (plain(503, "down"), FailureKind::Server, "503"),
        (
            plain(200, "no keys"),
            FailureKind::Authentication,
            "no credentials",
        ),
        (
            plain(200, over),
            FailureKind::Authentication,
            "over already",
        ),
    ];
    for (step, kind, words) in cases {
        let sts = upstream([step]).await;
        let bedrock = upstream([answer()]).await;
        let builder = builder(&[])
            .aws_web_identity_token("token-of-mine")
            .aws_role_name("arn")
            .aws_sts_endpoint(sts.url());
        let leaf = leaf(builder, &bedrock);
        for _ in 0..2 {
            let failure = call(&leaf).await.unwrap_err();
            assert_eq!(failure.kind(), kind);
            let message = failure.message().unwrap();
            assert!(
                message.contains(words) && !message.contains("secret"),
                "{message}"
            );
        }
        // The second call got the same without asking again.
        assert_eq!((sts.count(), bedrock.count()), (1, 0));
    }
}

/// What Bedrock says of keys that are over.
fn over() -> ziggurat_mock::Step {
    let over = plain(
        403,
        r#"{"message":"The security token included in the request is expired"}"#,
    );
    over.header(
        http::HeaderName::from_static("x-amzn-errortype"),
        http::HeaderValue::from_static("ExpiredTokenException"),
    )
}

#[tokio::test]
async fn servers_in_trouble_say_nothing_about_the_credentials() {
    let throttled = "<E><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></E>";
    for step in [plain(400, throttled), plain(429, "")] {
        let sts = upstream([step]).await;
        let role = builder(&[])
            .aws_web_identity_token("token-of-mine")
            .aws_role_name("arn")
            .aws_sts_endpoint(sts.url());
        let bedrock = upstream([answer()]).await;
        let failure = call(&leaf(role, &bedrock)).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::RateLimited);
    }
    let kinds = [
        (429, FailureKind::RateLimited),
        (503, FailureKind::Server),
        (404, FailureKind::Authentication),
    ];
    for (status, kind) in kinds {
        let agent = upstream([plain(status, "")]).await;
        let container = (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("{}/keys", agent.url()),
        );
        let machine = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", agent.url());
        let enabled = ("AWS_EC2_METADATA_DISABLED", "false".to_owned());
        for environment in [vec![container], vec![machine, enabled]] {
            let bedrock = upstream([answer()]).await;
            let leaf = leaf(builder(&environment), &bedrock);
            let failure = call(&leaf).await.unwrap_err();
            assert_eq!(failure.kind(), kind, "{status} {environment:?}");
        }
    }
}

#[tokio::test]
async fn a_late_word_on_old_keys_leaves_the_new_ones() {
    for operation in [Operation::Chat, Operation::Messages] {
        late_word_on_old_keys(operation).await;
    }
}

async fn late_word_on_old_keys(operation: Operation) {
    let sts = upstream([plain(200, xml("ASIAONE")), plain(200, xml("ASIATWO"))]).await;
    let bedrock = builder(&[])
        .aws_web_identity_token("token-of-mine")
        .aws_role_name("arn")
        .aws_sts_endpoint(sts.url())
        .build()
        .unwrap();
    let anthropic = Anthropic::builder("any").api_key("not-used").build();
    let dialect = Claude::new(bedrock, anthropic.unwrap());
    let signed = async || signed_for(&dialect, operation).await;
    // Two calls with the same keys, which are told after each other that those are over.
    let (mut first, one) = signed().await;
    let (mut second, two) = signed().await;
    assert!(one.contains("ASIAONE") && two.contains("ASIAONE"));
    let response = Response::builder()
        .status(403)
        .header("x-amzn-errortype", "ExpiredTokenException");
    let (head, ()) = response.body(()).unwrap().into_parts();
    for exchange in [&mut first, &mut second] {
        exchange.refused(&head, &mut Bytes::new());
        assert!(signed().await.1.contains("ASIATWO"));
    }
    assert_eq!(sts.count(), 2);
}

/// Prepares a call; gives what reads its answer, and its signature.
pub(crate) async fn signed(dialect: &Bedrock) -> (Box<dyn Exchange>, String) {
    signed_for(dialect, Operation::Chat).await
}

async fn signed_for(dialect: &dyn Dialect, operation: Operation) -> (Box<dyn Exchange>, String) {
    let text = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let mut request = Request::new(JsonBody::new(Document::parse(text.into()).unwrap()));
    request.extensions_mut().insert(operation);
    let outgoing = dialect.prepare(Call::new(&request, &[])).unwrap();
    let request = match dialect.authorize(outgoing.request) {
        Authorized::Now(request) => request,
        Authorized::Later(request) => request.await.unwrap(),
    };
    let signature = request.headers()["authorization"].to_str().unwrap();
    (outgoing.exchange, signature.to_owned())
}

#[tokio::test]
async fn keys_that_are_said_to_be_over_are_fetched_again() {
    let sts = upstream([plain(200, xml("ASIAONE")), plain(200, xml("ASIATWO"))]).await;
    let bedrock = upstream([answer(), over(), answer()]).await;
    let builder = builder(&[])
        .aws_web_identity_token("token-of-mine")
        .aws_role_name("arn")
        .aws_sts_endpoint(sts.url());
    let leaf = leaf(builder, &bedrock);
    for status in [200, 403, 200] {
        assert_eq!(call(&leaf).await.unwrap().status(), status);
    }
    let signature = |at: usize| {
        bedrock.hits()[at]
            .header("authorization")
            .unwrap()
            .to_owned()
    };
    assert!(signature(1).contains("ASIAONE") && signature(2).contains("ASIATWO"));
    assert_eq!(sts.count(), 2);
}
