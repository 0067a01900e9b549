//! Where calls go.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use http::Request;
use serde_json::json;
use ziggurat_core::{FailureKind, JsonBody, json::Document};
use ziggurat_provider::{Call, Dialect};
use ziggurat_vertex::{Builder, Face, Vertex};

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
