//! Where tokens come from.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use std::{collections::HashMap, fs, path::PathBuf, sync::Arc};

use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;
use ziggurat_core::{Failure, FailureKind, JsonBody, Served, json::Document};
use ziggurat_provider::{HttpClient, ProviderService};
use ziggurat_testing::mock::{Running, Script, Step, Upstream};
use ziggurat_vertex::{Builder, Face, Vertex};

use self::support::{TokenServer, account, form, respond, token};

/// An upstream that answers, and a deployment there.
struct Stage {
    upstream: Running,
    environment: HashMap<String, String>,
}

impl Stage {
    async fn new(script: impl Into<Script>) -> Self {
        let upstream = Upstream::new("vertex").script(script).start();
        Self {
            upstream: upstream.await.unwrap(),
            environment: [("NO_GCE_CHECK".to_owned(), "1".to_owned())].into(),
        }
    }

    async fn answering() -> Self {
        Self::new(respond(200, &answer())).await
    }

    fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    fn builder(&self) -> Builder {
        let environment = self.environment.clone();
        Vertex::builder(Face::VertexAi, "gemini-2.5-flash")
            .api_base(self.upstream.url())
            .environment(move |name| environment.get(name).cloned())
    }

    fn leaf(&self, builder: Builder) -> ProviderService {
        let served = Served::new("one".into(), "m", None);
        let dialect = Arc::new(builder.build().unwrap());
        ProviderService::new(HttpClient::new(), dialect, served)
    }

    /// What the upstream got: the project and the token.
    fn seen(&self) -> (String, String) {
        let hit = self.upstream.hits().pop().unwrap();
        let project = hit.path().split('/').nth(3).unwrap().to_owned();
        (project, hit.header("authorization").unwrap().to_owned())
    }
}

fn answer() -> Value {
    json!({"candidates": [{"content": {"parts": [{"text": "ok"}]}, "finishReason": "STOP"}]})
}

async fn call(leaf: &ProviderService) -> Result<StatusCode, Failure> {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]}"#;
    let body = JsonBody::new(Document::parse(body.into()).unwrap());
    let response = leaf.clone().oneshot(Request::new(body)).await?;
    Ok(response.status())
}

/// A file that is there for the length of a test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let directory =
            std::env::temp_dir().join(format!("ziggurat-vertex-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> String {
        self.0.to_str().unwrap().to_owned()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn many_calls_at_once_fetch_one_token() {
    let tokens = TokenServer::start().await;
    let stage = Stage::answering().await;
    let leaf = stage.leaf(stage.builder().credentials(account(&tokens.url())));
    let calls = (0..20).map(|_| {
        let leaf = leaf.clone();
        tokio::spawn(async move { call(&leaf).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap(), 200);
    }
    assert_eq!(tokens.hits().len(), 1);
    tokens.check_assertions();
    // The project is the account's.
    assert_eq!(
        stage.seen(),
        ("sa-project".into(), "Bearer ya29.fake-token".into())
    );
}

#[tokio::test]
async fn deployments_with_the_same_credentials_share_a_token() {
    let tokens = TokenServer::start().await;
    let stage = Stage::answering().await;
    let client = HttpClient::new();
    let leaves = (0..20).map(|at| {
        let builder = stage.builder().client(client.clone());
        let builder = builder.credentials(account(&tokens.url()));
        stage.leaf(builder.project(format!("project-{at}")))
    });
    for leaf in leaves.collect::<Vec<_>>() {
        assert_eq!(call(&leaf).await.unwrap(), 200);
    }
    assert_eq!(tokens.hits().len(), 1);
    // Another account's token is another.
    let other = account(&tokens.url()).replace("svc@", "other@");
    let leaf = stage.leaf(stage.builder().client(client).credentials(other));
    assert_eq!(call(&leaf).await.unwrap(), 200);
    assert_eq!(tokens.hits().len(), 2);
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_again() {
    let tokens = Script::new(["ya29.one", "ya29.two"].map(|it| respond(200, &token(it, 3600))));
    let tokens = TokenServer::playing(tokens).await;
    let refused = respond(
        401,
        &json!({"error": {"code": 401, "message": "token ya29.one"}}),
    );
    let stage = Stage::new(Script::new([refused, respond(200, &answer())])).await;
    let leaf = stage.leaf(stage.builder().credentials(account(&tokens.url())));
    assert_eq!(call(&leaf).await.unwrap(), 401);
    assert_eq!(call(&leaf).await.unwrap(), 200);
    assert_eq!(stage.seen().1, "Bearer ya29.two");
}

#[tokio::test]
async fn files_are_found_where_google_looks() {
    let tokens = TokenServer::start().await;
    let text = account(&tokens.url());
    let file = File::new("application_default_credentials.json", &text);
    let directory = file.0.parent().unwrap().to_str().unwrap().to_owned();
    let settings = [
        ("VERTEXAI_CREDENTIALS", text),
        ("VERTEXAI_CREDENTIALS", file.path()),
        ("GOOGLE_APPLICATION_CREDENTIALS", file.path()),
        ("CLOUDSDK_CONFIG", directory),
    ];
    for (name, value) in settings {
        let stage = Stage::answering().await.set(name, value);
        let leaf = stage.leaf(stage.builder().project("mine"));
        assert_eq!(call(&leaf).await.unwrap(), 200, "{name}");
        assert_eq!(stage.seen().0, "mine");
    }
}

#[tokio::test]
async fn users_renew_with_their_refresh_tokens() {
    let tokens = TokenServer::start().await;
    let user = json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "se&cret", "refresh_token": "1//r",
        "quota_project_id": "payer", "token_uri": tokens.url(),
    });
    let stage = Stage::answering().await;
    let leaf = stage.leaf(stage.builder().credentials(user.to_string()));
    assert_eq!(call(&leaf).await.unwrap(), 200);
    let hit = &tokens.hits()[0];
    let wanted = json!({
        "grant_type": "refresh_token", "client_id": "id", "client_secret": "se&cret", "refresh_token": "1//r",
    });
    assert_eq!(form(hit), wanted);
    assert_eq!(stage.seen().0, "payer");
    let upstream = stage.upstream.hits().pop().unwrap();
    assert_eq!(upstream.header("x-goog-user-project"), Some("payer"));
}

#[tokio::test]
async fn tokens_of_others_are_exchanged() {
    let impersonated = json!({"accessToken": "ya29.account", "expireTime": "2030-01-01T00:00:00Z"});
    let tokens = Script::new([
        respond(200, &token("sts", 3600)),
        respond(200, &impersonated),
    ]);
    let tokens = TokenServer::playing(tokens).await;
    let subject = File::new("subject.json", r#"{"token":"subject-1"}"#);
    let credentials = json!({
        "type": "external_account", "audience": "//iam/pool", "subject_token_type": "urn:jwt",
        "token_url": tokens.url(),
        "service_account_impersonation_url": format!("{}/impersonate", tokens.origin()),
        "credential_source": {
            "file": subject.path(), "format": {"type": "json", "subject_token_field_name": "token"},
        },
    });
    let stage = Stage::answering().await;
    let leaf = stage.leaf(
        stage
            .builder()
            .project("p")
            .credentials(credentials.to_string()),
    );
    assert_eq!(call(&leaf).await.unwrap(), 200);
    assert_eq!(stage.seen().1, "Bearer ya29.account");
    let hits = tokens.hits();
    let asked = form(&hits[0]);
    assert_eq!(
        (&asked["subject_token"], &asked["audience"]),
        (&json!("subject-1"), &json!("//iam/pool"))
    );
    assert_eq!(hits[1].path(), "/impersonate");
    assert_eq!(hits[1].header("authorization"), Some("Bearer sts"));
    assert_eq!(hits[1].json().unwrap()["lifetime"], "3600s");
}

#[tokio::test]
async fn machines_ask_the_metadata_server() {
    let project = Step::respond(http::Response::new("machine-project"));
    let tokens =
        TokenServer::playing(Script::new([respond(200, &token("ya29.vm", 600)), project])).await;
    let host = tokens.origin().replace("http://", "");
    let stage = Stage::answering().await.set("GCE_METADATA_HOST", host);
    let leaf = stage.leaf(stage.builder());
    for _ in 0..2 {
        assert_eq!(call(&leaf).await.unwrap(), 200);
        assert_eq!(
            stage.seen(),
            ("machine-project".into(), "Bearer ya29.vm".into())
        );
    }
    let hits = tokens.hits();
    let paths: Vec<_> = hits.iter().map(|hit| hit.path()).collect();
    let wanted = [
        "/computeMetadata/v1/instance/service-accounts/default/token",
        "/computeMetadata/v1/project/project-id",
    ];
    assert_eq!(paths, wanted);
    assert!(
        hits.iter()
            .all(|hit| hit.header("metadata-flavor") == Some("Google"))
    );
}

#[tokio::test]
async fn a_token_server_in_trouble_is_no_authentication_failure() {
    let cases = [
        (respond(503, &json!({})), FailureKind::Server),
        (respond(429, &json!({})), FailureKind::RateLimited),
        (
            respond(403, &json!({"error": "access_denied"})),
            FailureKind::Authentication,
        ),
        (respond(302, &json!({})), FailureKind::InvalidResponse),
        (
            respond(200, &json!({"id_token": "x"})),
            FailureKind::InvalidResponse,
        ),
    ];
    for (step, kind) in cases {
        let tokens = TokenServer::playing(step).await;
        let stage = Stage::answering().await;
        let leaf = stage.leaf(stage.builder().credentials(account(&tokens.url())));
        assert_eq!(call(&leaf).await.unwrap_err().kind(), kind);
        assert_eq!(stage.upstream.count(), 0);
    }
}

#[test]
fn faulty_settings_are_named_without_their_values() {
    let build = |change: fn(Builder) -> Builder| {
        let builder = Vertex::builder(Face::VertexAi, "gemini-2.5-flash").project("p");
        let builder = builder.environment(|name| (name == "NO_GCE_CHECK").then(|| "1".into()));
        change(builder).build().unwrap_err()
    };
    let account = |token_uri: &str| account(token_uri).replace("-----BEGIN", "-----NO");
    let error = build(|builder| builder);
    assert_eq!(error.setting(), "vertex_credentials");
    assert!(error.to_string().contains("GOOGLE_APPLICATION_CREDENTIALS"));
    for credentials in [
        "{".to_owned(),
        "/no/such/file".to_owned(),
        r#"{"type":"gdch_service_account"}"#.to_owned(),
        r#"{"type":"service_account"}"#.to_owned(),
        account("https://x.example"),
        json!({"type": "external_account", "audience": "a", "subject_token_type": "t",
               "credential_source": {"executable": {"command": "rm"}}})
        .to_string(),
    ] {
        let builder = Vertex::builder(Face::VertexAi, "gemini-2.5-flash").project("p");
        let error = builder.credentials(credentials).build().unwrap_err();
        assert_eq!(error.setting(), "vertex_credentials");
        assert!(!error.to_string().contains("MII"), "{error}");
    }
    let token = |builder: Builder| builder.header("authorization", "Bearer mine-0123");
    assert!(
        token(Vertex::builder(Face::VertexAi, "gemini-2.5-flash").project("p"))
            .build()
            .is_ok()
    );
    let error = token(Vertex::builder(Face::VertexAi, "gemini-2.5-flash"))
        .build()
        .unwrap_err();
    assert_eq!(error.setting(), "vertex_project");
    assert_eq!(
        build(|builder| builder.location("EU/..")).setting(),
        "vertex_location"
    );
    for model in ["claude-3-5-sonnet@20240620", "meta/llama-3", ""] {
        let error = Vertex::builder(Face::VertexAi, model).build().unwrap_err();
        assert_eq!(error.setting(), "model", "{model}");
    }
}
