//! Gemini models behind the proxy: scripted upstreams and a token server.

use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;
use ziggurat_testing::mock::{Event, Running, Script, Step};

use crate::support::{Proxy, upstream};

/// A key that is used for nothing else.
pub(crate) const KEY: &str = include_str!("../../../crates/vertex/tests/keys/throwaway.pem");

const CONFIG: &str = r#"
model_list:
- model_name: gemini-pro
  litellm_params:
    model: vertex_ai/gemini-pro-1.5
    vertex_project: adroit-crow-1234
    vertex_location: us-east1
    vertex_credentials: os.environ/ACCOUNT
    api_base: os.environ/VERTEX
- model_name: studio
  litellm_params:
    model: gemini/gemini-2.5-flash
    api_key: gem-key-0123
    api_base: os.environ/STUDIO
- model_name: keyless
  litellm_params:
    model: vertex_ai/gemini-2.5-flash
    vertex_project: adroit-crow-1234
- model_name: filtered
  litellm_params:
    model: gemini/gemini-2.5-flash
    api_key: gem-key-0123
    api_base: os.environ/STUDIO
- model_name: claude
  litellm_params:
    model: vertex_ai/claude-3-5-sonnet@20240620
    vertex_project: adroit-crow-1234
    vertex_location: us-east5
    vertex_credentials: os.environ/ACCOUNT
    api_base: os.environ/VERTEX
- model_name: other
  litellm_params:
    model: openai/other
    api_base: os.environ/OTHER
    api_key: sk-canary
litellm_settings:
  num_retries: 0
  content_policy_fallbacks: [{"filtered": ["other"]}]
"#;

struct Stage {
    proxy: Proxy,
    vertex: Running,
    studio: Running,
    tokens: Running,
    _other: Running,
}

pub(crate) fn respond(status: u16, body: &Value) -> Step {
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    Step::respond(response.body(Bytes::from(body.to_string())).unwrap())
}

pub(crate) fn generated(text: &str, finish: Option<&str>) -> Value {
    json!({
        "candidates": [{
            "content": {"role": "model", "parts": [{"text": text}]},
            "finishReason": finish,
        }],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7},
        "modelVersion": "gemini",
        "responseId": "response-1",
    })
}

fn stream(pieces: &[Value]) -> Step {
    Step::events(pieces.iter().map(|piece| Event::data(piece.to_string())))
}

async fn stage(vertex: impl Into<Script>, studio: impl Into<Script>, token: Step) -> Stage {
    let (vertex, studio) = (
        upstream("vertex", vertex).await,
        upstream("studio", studio).await,
    );
    let (tokens, other) = (
        upstream("tokens", token).await,
        upstream("other", Script::default()).await,
    );
    let account = json!({
        "type": "service_account",
        "private_key": KEY,
        "client_email": "svc@sa-project.iam.gserviceaccount.com",
        "token_uri": format!("{}/token", tokens.url()),
    });
    let environment = [
        ("ACCOUNT", account.to_string()),
        ("VERTEX", vertex.url()),
        ("STUDIO", studio.url()),
        ("OTHER", format!("{}/v1", other.url())),
        ("NO_GCE_CHECK", "true".to_owned()),
    ];
    let proxy = Proxy::start(CONFIG, &environment).await;
    Stage {
        proxy,
        vertex,
        studio,
        tokens,
        _other: other,
    }
}

pub(crate) fn token() -> Step {
    respond(
        200,
        &json!({"access_token": "ya29.one", "expires_in": 3599}),
    )
}

#[tokio::test]
async fn answers_come_in_the_format_of_openai() {
    let answer = respond(200, &generated("hello from vertex", Some("STOP")));
    let stage = stage(answer, Script::default(), token()).await;
    for _ in 0..2 {
        let members = json!({"temperature": 0.5, "max_tokens": 9});
        let answer = stage.proxy.chat("gemini-pro", &members).await;
        assert_eq!(answer.content(), "hello from vertex");
        let body = answer.json();
        assert_eq!(body["model"], "gemini-pro");
        assert_eq!(body["usage"]["total_tokens"], 7);
    }
    // One token serves both.
    assert_eq!((stage.tokens.count(), stage.vertex.count()), (1, 2));
    let hit = &stage.vertex.hits()[0];
    assert_eq!(
        hit.path(),
        "/v1/projects/adroit-crow-1234/locations/us-east1/publishers/google/models/gemini-pro-1.5:generateContent"
    );
    assert_eq!(hit.header("authorization"), Some("Bearer ya29.one"));
    let sent: Value = hit.json().unwrap();
    assert_eq!(
        sent,
        json!({
            "contents": [{"role": "user", "parts": [{"text": "what llm are you"}]}],
            "generationConfig": {"temperature": 0.5, "max_output_tokens": 9},
        })
    );
}

#[tokio::test]
async fn streams_come_in_the_format_of_openai() {
    let pieces = [generated("hel", None), generated("lo", Some("STOP"))];
    let stage = stage(stream(&pieces), stream(&pieces), token()).await;
    let members = json!({"stream": true, "stream_options": {"include_usage": true}});
    for model in ["gemini-pro", "studio"] {
        let answer = stage.proxy.chat(model, &members).await;
        assert_eq!(answer.content(), "hello");
        assert!(answer.text.ends_with("data: [DONE]\n\n"), "{}", answer.text);
        assert!(
            answer.text.contains(r#""total_tokens":7"#),
            "{}",
            answer.text
        );
    }
    let hit = &stage.vertex.hits()[0];
    assert!(hit.path().ends_with(":streamGenerateContent"));
    assert_eq!(hit.query(), Some("alt=sse"));
    let hit = &stage.studio.hits()[0];
    assert_eq!(
        hit.path(),
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
    );
    assert_eq!(hit.header("x-goog-api-key"), Some("gem-key-0123"));
    assert_eq!(hit.header("authorization"), None);
}

/// Gemini's last event has the last words, and the reason to end.
#[tokio::test(start_paused = true)]
async fn a_finished_stream_ends_though_its_connection_stays_open() {
    let open = |pieces: &[Value]| {
        let events = pieces.iter().map(|piece| Event::data(piece.to_string()));
        let open = Event::pause(Duration::from_secs(3600));
        Step::events(events.chain([open, Event::comment("late")]))
    };
    let usual = [generated("hel", None), generated("lo", Some("STOP"))];
    let older = [
        generated("hel", Some("STOP")),
        generated("lo", Some("STOP")),
    ];
    let steps = [open(&usual), open(&older)];
    let stage = stage(Script::default(), Script::new(steps), token()).await;
    let asked = json!({"stream": true, "stream_idle_timeout": 2});
    let started = Instant::now();
    let answer = stage.proxy.chat("studio", &asked).await;
    assert_eq!(answer.content(), "hello");
    assert!(!answer.text.contains("error"), "{}", answer.text);
    assert!(answer.text.ends_with("data: [DONE]\n\n"), "{}", answer.text);
    assert!(started.elapsed() < Duration::from_millis(1500));
    // With a reason on each event nothing tells that there are no more.
    let answer = stage.proxy.chat("studio", &asked).await;
    assert!(answer.text.contains(r#""code":"408""#), "{}", answer.text);
}

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error() {
    let stage = stage(
        stream(&[generated("hel", None)]),
        Script::default(),
        token(),
    )
    .await;
    let answer = stage
        .proxy
        .chat("gemini-pro", &json!({"stream": true}))
        .await;
    assert!(
        answer.text.contains(r#""content":"hel""#),
        "{}",
        answer.text
    );
    assert!(answer.text.contains(r#""error":"#), "{}", answer.text);
    assert!(!answer.text.contains("finish_reason\":\"stop"));
}

#[tokio::test]
async fn errors_keep_their_meaning() {
    let error = json!({"error": {
        "code": 429, "message": "Resource exhausted.", "status": "RESOURCE_EXHAUSTED",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17s"}],
    }});
    let stage = stage(respond(429, &error), Script::default(), token()).await;
    let answer = stage.proxy.chat("gemini-pro", &json!({})).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.header("retry-after"), "17");
}

#[tokio::test]
async fn refused_credentials_are_an_authentication_error() {
    let refusal = json!({"error": "invalid_grant", "error_description": "no such key: SECRET"});
    let stage = stage(Script::default(), Script::default(), respond(400, &refusal)).await;
    let answer = stage.proxy.chat("gemini-pro", &json!({})).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.text);
    // The word of the refusal is told; its text might quote what was sent.
    assert!(
        answer.text.contains("invalid_grant") && !answer.text.contains("SECRET"),
        "{}",
        answer.text
    );
    assert_eq!(stage.vertex.count(), 0);
}

#[tokio::test]
async fn a_deployment_without_credentials_is_left_out() {
    let stage = stage(Script::default(), Script::default(), token()).await;
    let answer = stage.proxy.chat("keyless", &json!({})).await;
    assert!(!answer.status.is_success(), "{}", answer.text);
    let answer = stage.proxy.chat("other", &json!({})).await;
    assert_eq!(answer.content(), "hello from other");
}

#[tokio::test]
async fn what_a_filter_held_back_goes_to_the_content_policy_chain() {
    let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}});
    for (stream_it, step) in [
        (false, respond(200, &blocked)),
        (true, stream(std::slice::from_ref(&blocked))),
    ] {
        let stage = stage(Script::default(), step, token()).await;
        let members = json!({"stream": stream_it});
        let answer = stage.proxy.chat("filtered", &members).await;
        assert_eq!(answer.content(), "hello from other");
        assert_eq!(stage.studio.count(), 1);
    }
}

#[tokio::test]
async fn what_gemini_did_not_answer_is_an_upstream_failure() {
    let empty = json!({"candidates": [], "usageMetadata": {"promptTokenCount": 5}});
    let error = json!({"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}});
    for (body, status) in [(empty, 500), (error, 503), (json!("no object"), 500)] {
        let stage = stage(respond(200, &body), Script::default(), token()).await;
        let answer = stage.proxy.chat("gemini-pro", &json!({})).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
}

#[tokio::test]
async fn claude_and_gemini_share_a_token_that_no_error_shows() {
    let error = json!({"type": "error", "error": {
        "type": "authentication_error", "message": "not for ya29.one",
    }});
    let generated = respond(200, &generated("hello", Some("STOP")));
    let vertex = Script::new([generated, respond(403, &error)]);
    let stage = stage(vertex, Script::default(), token()).await;
    let answer = stage.proxy.chat("gemini-pro", &json!({})).await;
    assert_eq!(answer.content(), "hello");
    let answer = stage.proxy.chat("claude", &json!({})).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    assert!(
        answer.text.contains("not for [redacted]"),
        "{}",
        answer.text
    );
    assert_eq!(stage.tokens.count(), 1);
}
