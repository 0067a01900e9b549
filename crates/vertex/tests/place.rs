//! Where calls go.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use bytes::Bytes;
use http::{Extensions, Request, response::Parts};
use serde_json::{Value, json};
use ziggurat_core::{
    Failure, FailureKind, JsonBody,
    json::{Document, Printed},
};
use ziggurat_provider::{Answer, Authorized, Call, Dialect, Exchange, Outgoing, Streamed};
use ziggurat_vertex::{Builder, Face, Partner, Vertex};

fn request(stream: bool) -> Request<JsonBody> {
    let body = json!({"messages": [{"role": "user", "content": "Hi"}], "stream": stream});
    Request::new(JsonBody::new(
        Document::parse(body.to_string().into()).unwrap(),
    ))
}

fn uri(builder: Builder, stream: bool) -> String {
    let dialect = builder.build().unwrap();
    let request = request(stream);
    let outgoing = dialect.prepare(Call::new(&request, &[])).unwrap();
    outgoing.request.uri().to_string()
}

fn vertex(model: &str) -> Builder {
    Vertex::builder(Face::VertexAi, model)
        .project("p-1")
        .header("authorization", "Bearer mine-0123")
}

#[test]
fn locations_have_addresses_of_their_own() {
    let rest = |location: &str| {
        format!(
            "/v1/projects/p-1/locations/{location}/publishers/google/models/gemini-2.5-pro:generateContent"
        )
    };
    for (location, host) in [
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ] {
        let uri = uri(vertex("gemini-2.5-pro").location(location), false);
        assert_eq!(uri, format!("https://{host}{}", rest(location)));
    }
    let tuned = uri(vertex("gemini/123"), true);
    let wanted =
        "/v1/projects/p-1/locations/us-central1/endpoints/123:streamGenerateContent?alt=sse";
    assert!(tuned.ends_with(wanted), "{tuned}");
}

#[test]
fn a_base_keeps_what_is_usual_below_it() {
    let place = "projects/p-1/locations/us-central1/publishers/google/models/m";
    for (base, wanted) in [
        ("http://h", format!("http://h/v1/{place}:generateContent")),
        ("http://h/", format!("http://h/v1/{place}:generateContent")),
        (
            "http://h/v1beta1",
            format!("http://h/v1beta1/{place}:generateContent"),
        ),
        (
            "http://h/gw/gemini?k=v",
            "http://h/gw/gemini:generateContent?k=v".to_owned(),
        ),
    ] {
        assert_eq!(uri(vertex("m").api_base(base), false), wanted);
    }
    let stream = uri(vertex("m").api_base("http://h/gw?k=v"), true);
    assert_eq!(stream, "http://h/gw:streamGenerateContent?alt=sse&k=v");
    for base in ["h", "ftp://h", "/path", "http://"] {
        let error = vertex("m").api_base(base).build().unwrap_err();
        assert_eq!(error.setting(), "api_base", "{base}");
    }
}

#[test]
fn ai_studio_has_keys() {
    let studio = || Vertex::builder(Face::Gemini, "gemini-2.5-flash");
    let dialect = studio().build().unwrap();
    let refused = dialect
        .prepare(Call::new(&request(false), &[]))
        .unwrap_err();
    assert_eq!(refused.kind(), FailureKind::Authentication);
    let set = studio().environment(|name| (name == "GEMINI_API_KEY").then(|| "k".into()));
    assert_eq!(
        uri(set, false),
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent"
    );
}

/// Stands for the dialect of Anthropic's API.
#[derive(Debug)]
struct Messages;

struct Unread;

impl Dialect for Messages {
    fn provider(&self) -> &'static str {
        "anthropic"
    }

    fn prepare(&self, _: Call<'_>) -> Result<Outgoing, Failure> {
        let body = Bytes::from(r#"{"model":"claude","messages":[],"max_tokens":9}"#);
        let request = Request::post("https://api.anthropic.com/v1/messages")
            .header("x-api-key", "key")
            .header("anthropic-version", "2023-06-01");
        Ok(Outgoing {
            request: request.body(body.into()).unwrap(),
            exchange: Box::new(Unread),
        })
    }
}

impl Exchange for Unread {
    fn announced(&self, _: &Parts) -> Result<Answer, Failure> {
        Ok(Answer::Plain)
    }
    fn refused(&mut self, _: &Parts, _: &mut Bytes) -> Failure {
        FailureKind::Other.into()
    }
    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        Ok(body.into())
    }
    fn tell(&self, _: &mut Extensions) {}
    fn chunk(&mut self, data: Bytes) -> Streamed {
        Streamed { data, end: None }
    }
    fn end(&mut self, _: Option<Failure>) -> Streamed {
        Streamed::default()
    }
}

#[tokio::test]
async fn claude_is_called_with_googles_tokens() {
    let fixture = include_str!("fixtures/partner/claude_partner_rawpredict.json");
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    let tokens = support::TokenServer::start().await;
    let partner = Partner::claude("claude-3-5-sonnet@20240620")
        .project("adroit-crow-1234")
        .location("europe-west1")
        .credentials(support::account(&tokens.url()))
        .build(Messages)
        .unwrap();
    for (stream, verb) in [(false, "rawPredict"), (true, "streamRawPredict")] {
        let request = request(stream);
        let outgoing = partner.prepare(Call::new(&request, &[])).unwrap();
        let sent = match partner.authorize(outgoing.request) {
            Authorized::Now(request) => request,
            Authorized::Later(request) => request.await.unwrap(),
        };
        let wanted = &fixture["upstream_request"];
        let path = wanted["path"].as_str().unwrap().replace("rawPredict", verb);
        let origin = wanted["origin"].as_str().unwrap();
        assert_eq!(sent.uri().to_string(), format!("{origin}{path}"));
        for name in ["authorization", "x-api-key", "anthropic-version"] {
            assert_eq!(
                sent.headers()[name],
                wanted["headers"][name].as_str().unwrap()
            );
        }
        let body: Value = serde_json::from_slice(&sent.into_body().into_bytes()).unwrap();
        let version = &wanted["body"]["anthropic_version"];
        assert_eq!(
            body,
            json!({"messages": [], "max_tokens": 9, "anthropic_version": version})
        );
    }
}

mod support;
