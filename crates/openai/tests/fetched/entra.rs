//! Tokens of Microsoft Entra for Azure.

use std::time::Duration;

use serde_json::json;
use ziggurat_core::FailureKind;
use ziggurat_mock::{Event, Running, Step};
use ziggurat_openai::{Builder, Face, OpenAi};

use crate::{answer, ask, call, leaf, twenty_at_once, upstream};

fn token(token: &str) -> Step {
    answer(
        200,
        &json!({"token_type": "Bearer", "access_token": token, "expires_in": "3599"}),
    )
}

fn azure(server: &Running, entra: &Running) -> Builder {
    let authority = entra.url();
    OpenAi::builder(Face::Azure, "chatgpt-v-2")
        .api_base(server.url())
        .environment(move |name| (name == "AZURE_AUTHORITY_HOST").then(|| format!("{authority}/")))
}

fn application(builder: Builder) -> Builder {
    builder
        .tenant_id("the-tenant")
        .client_id("the-client")
        .client_secret("the/secret+=")
}

#[tokio::test]
async fn twenty_calls_at_once_fetch_one_token() {
    let entra = upstream([token("ey-first").delay(Duration::from_millis(50))]).await;
    let server = upstream([Step::hello()]).await;
    twenty_at_once(&leaf(application(azure(&server, &entra)))).await;
    assert_eq!((entra.count(), server.count()), (1, 20));
    for hit in server.hits() {
        assert_eq!(hit.header("authorization"), Some("Bearer ey-first"));
        assert_eq!(hit.header("api-key"), None);
    }
    let hit = &entra.hits()[0];
    assert_eq!(
        (hit.method().as_str(), hit.path()),
        ("POST", "/the-tenant/oauth2/v2.0/token")
    );
    let form = "grant_type=client_credentials&client_id=the-client&client_secret=the%2Fsecret%2B%3D\
        &scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default";
    assert_eq!(hit.body(), form);
}

#[tokio::test]
async fn a_token_server_that_fails_is_a_failure() {
    let unknown =
        json!({"error": "invalid_client", "error_description": "AADSTS7000215: not the/secret+="});
    let cases = [
        (answer(400, &unknown), FailureKind::Authentication),
        (answer(401, &unknown), FailureKind::Authentication),
        (answer(404, &unknown), FailureKind::Authentication),
        (answer(429, &json!({})), FailureKind::RateLimited),
        (answer(503, &json!({})), FailureKind::Server),
        (
            answer(200, &json!({"token_type": "Bearer"})),
            FailureKind::InvalidResponse,
        ),
        (Step::reset(), FailureKind::Disconnected),
    ];
    let server = upstream([Step::hello()]).await;
    for (step, kind) in cases {
        let entra = upstream([step]).await;
        let failure = call(&leaf(application(azure(&server, &entra))))
            .await
            .unwrap_err();
        assert_eq!(failure.kind(), kind, "{failure:?}");
        assert!(!format!("{failure:?} {failure}").contains("the/secret"));
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_server_that_hangs_is_a_failure_in_time() {
    let (entra, server) = (
        upstream([Step::hang()]).await,
        upstream([Step::hello()]).await,
    );
    let failure = call(&leaf(application(azure(&server, &entra))))
        .await
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Timeout);
}

#[tokio::test]
async fn a_token_is_not_shown_by_an_error_in_place_of_an_answer() {
    let entra = upstream([token("ey-first-token")]).await;
    let error = json!({"error": {"message": "not ey-first-token"}});
    let event = Step::events([Event::data(error.to_string())]);
    let server = upstream([answer(200, &error), event]).await;
    let leaf = leaf(application(azure(&server, &entra)));
    let failure = call(&leaf).await.unwrap().unwrap();
    assert_eq!(failure.upstream().unwrap().message(), "not [redacted]");
    let failure = ask(&leaf, true).await.unwrap_err();
    assert_eq!(failure.upstream().unwrap().message(), "not [redacted]");
}

#[tokio::test]
async fn a_token_that_is_refused_is_not_used_again_nor_shown() {
    let entra = upstream([token("ey-first-token"), token("ey-second-token")]).await;
    let refused = answer(
        401,
        &json!({"error": {"code": "401", "message": "not ey-first-token"}}),
    );
    let server = upstream([Step::hello(), refused, Step::hello()]).await;
    let leaf = leaf(application(azure(&server, &entra)));
    assert!(call(&leaf).await.unwrap().is_none());
    let failure = call(&leaf).await.unwrap().unwrap();
    assert_eq!(failure.kind(), FailureKind::Authentication);
    assert_eq!(failure.upstream().unwrap().message(), "not [redacted]");
    assert!(call(&leaf).await.unwrap().is_none());
    assert_eq!(
        server.hits()[2].header("authorization"),
        Some("Bearer ey-second-token")
    );
}

#[tokio::test]
async fn a_key_or_a_token_that_is_set_comes_first() {
    let (entra, server) = (
        upstream([token("ey-x")]).await,
        upstream([Step::hello()]).await,
    );
    let builder = || application(azure(&server, &entra));
    call(&leaf(builder().api_key("az-the-key"))).await.unwrap();
    call(&leaf(builder().azure_ad_token("ey-the-token")))
        .await
        .unwrap();
    call(&leaf(builder().header("authorization", "Bearer ey-own")))
        .await
        .unwrap();
    assert_eq!(entra.count(), 0);
    let hits = server.hits();
    assert_eq!(hits[0].header("api-key"), Some("az-the-key"));
    assert_eq!(hits[1].header("authorization"), Some("Bearer ey-the-token"));
    assert_eq!(hits[2].header("authorization"), Some("Bearer ey-own"));
}

#[tokio::test]
async fn an_application_that_is_set_comes_before_the_environment() {
    let (entra, server) = (
        upstream([token("ey-x")]).await,
        upstream([Step::hello()]).await,
    );
    let environment = |names: &'static [&'static str]| {
        let authority = entra.url();
        move |name: &str| match name {
            "AZURE_AUTHORITY_HOST" => Some(authority.clone()),
            name if names.contains(&name) => Some(format!("from-{name}")),
            _ => None,
        }
    };
    let bare = || OpenAi::builder(Face::Azure, "d").api_base(server.url());
    let all = &["AZURE_API_KEY", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET"];
    call(&leaf(bare().client_id("c").environment(environment(all))))
        .await
        .unwrap();
    assert_eq!(
        entra.hits()[0].path(),
        "/from-AZURE_TENANT_ID/oauth2/v2.0/token"
    );
    // All of it in the environment, on the surface without dates.
    let whole = &[
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_SCOPE",
    ];
    let builder = bare()
        .api_version("preview")
        .environment(environment(whole));
    call(&leaf(builder)).await.unwrap();
    assert!(entra.hits()[1].body().ends_with(b"&scope=from-AZURE_SCOPE"));
    assert_eq!(server.hits()[1].path(), "/openai/v1/chat/completions");
    assert_eq!(
        server.hits()[1].header("authorization"),
        Some("Bearer ey-x")
    );
    // A key in the environment, and a part that may be there for something else.
    call(&leaf(bare().environment(environment(&[
        "AZURE_API_KEY",
        "AZURE_CLIENT_ID",
    ]))))
    .await
    .unwrap();
    assert_eq!(
        server.hits()[2].header("api-key"),
        Some("from-AZURE_API_KEY")
    );
    assert_eq!(entra.count(), 2);
}

#[test]
fn a_part_of_an_application_is_a_fault() {
    let bare = || OpenAi::builder(Face::Azure, "d").api_base("https://r.azure.com");
    let error = bare()
        .client_id("c")
        .client_secret("s")
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "tenant_id: missing; set it, or AZURE_TENANT_ID"
    );
    let error = application(bare())
        .environment(|name| (name == "AZURE_AUTHORITY_HOST").then(|| "nowhere".to_owned()))
        .build()
        .unwrap_err();
    assert_eq!(error.setting(), "AZURE_AUTHORITY_HOST");
    assert!(bare().build().unwrap().is_key_missing());
    assert!(!application(bare()).build().unwrap().is_key_missing());
}
