//! What the envelope reads, cuts, refuses and passes on.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod body;
mod lists;
mod wishes;

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_core::{
    AllowedRegions, BoxError, Failure, FailureKind, JsonBody, LlmRequest, ModelGroup, Tags,
    observe::Note, overrides,
};
use ziggurat_edge::EnvelopeLayer;

type Seen = Request<JsonBody>;

fn layer() -> EnvelopeLayer {
    EnvelopeLayer::new().accept_overrides(true)
}

/// Sends a body and gives back what the inner service saw, and the header that names ignored members.
async fn send<B>(layer: EnvelopeLayer, req: Request<B>) -> Result<(Seen, Option<String>), Failure>
where
    B: http_body::Body + 'static,
    B::Error: Into<BoxError>,
{
    let (seen, got) = std::sync::mpsc::channel();
    let service = layer.layer(service_fn(move |req: Seen| {
        seen.send(req).unwrap();
        async { Ok::<_, Infallible>(Response::new(())) }
    }));
    let response = service.oneshot(req).await?;
    let ignored = response
        .headers()
        .get("x-ziggurat-ignored")
        .map(|v| v.to_str().unwrap().to_owned());
    Ok((got.recv().unwrap(), ignored))
}

fn post(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::new(Full::new(body.into()))
}

async fn seen(body: &'static str) -> Seen {
    send(layer(), post(body)).await.unwrap().0
}

async fn refused(body: &'static str) -> Failure {
    send(layer(), post(body)).await.unwrap_err()
}

#[tokio::test]
async fn reads_model_and_stream() {
    let req = seen(r#"{"model":"a\u0062c","stream":true,"messages":[]}"#).await;
    let llm = req.extensions().get::<LlmRequest>().unwrap();
    assert_eq!((llm.model(), llm.stream()), ("abc", true));
    assert_eq!(req.extensions().get(), Some(&ModelGroup::from("abc")));
    let req = seen(r#"{"model":"m","stream":null}"#).await;
    assert!(!req.extensions().get::<LlmRequest>().unwrap().stream());
    for absent in [
        req.extensions().get::<overrides::Timeout>().is_none(),
        req.extensions().get::<overrides::StreamTimeout>().is_none(),
        req.extensions().get::<overrides::MaxRetries>().is_none(),
        req.extensions().get::<overrides::Fallbacks>().is_none(),
        req.extensions().get::<overrides::ClientRetries>().is_none(),
        req.extensions().get::<overrides::TotalTimeout>().is_none(),
        req.extensions().get::<AllowedRegions>().is_none(),
        req.extensions().get::<Tags>().is_none(),
    ] {
        assert!(absent);
    }
}

/// R182: routing members are cut, unknown ones forwarded, every other byte stays.
#[tokio::test]
async fn cuts_what_is_for_the_gateway_and_nothing_else() {
    let req = seen(
        r#"{"model": "m", "metadata":{"a":1},"messages":[{"role":"user","content":"hi"}], "top_k":4,"foo" : 1.0e2,
"num_retries":1,"timeout":9,"litellm_trace_id":"x","tags":["a"],"session_id":"s","fallbacks":["b"],"user":"u"}"#,
    )
    .await;
    assert_eq!(
        req.body().to_bytes(),
        r#"{"model": "m", "messages":[{"role":"user","content":"hi"}], "top_k":4,"foo" : 1.0e2,
"session_id":"s","user":"u"}"#
    );
}

#[tokio::test]
async fn bad_members_are_refused_by_name() {
    for (body, param) in [
        (r#"{"messages":[]}"#, "model"),
        (r#"{"model":null}"#, "model"),
        (r#"{"model":""}"#, "model"),
        (r#"{"model":5}"#, "model"),
        (r#"{"model":"a","model":"b"}"#, "model"),
        (r#"{"model":"a","stream":"yes"}"#, "stream"),
        (r#"{"model":"a","timeout":-1}"#, "timeout"),
        (r#"{"model":"a","timeout":"soon"}"#, "timeout"),
        (r#"{"model":"a","timeout":[1]}"#, "timeout"),
        (r#"{"model":"a","stream_timeout":{}}"#, "stream_timeout"),
        (r#"{"model":"a","total_timeout":-1}"#, "total_timeout"),
        (
            r#"{"model":"a","stream_idle_timeout":"x"}"#,
            "stream_idle_timeout",
        ),
        (
            r#"{"model":"a","stream_total_timeout":[]}"#,
            "stream_total_timeout",
        ),
        (r#"{"model":"a","request_timeout":true}"#, "request_timeout"),
        (r#"{"model":"a","timeout":1,"timeout":2}"#, "timeout"),
        (r#"{"model":"a","num_retries":-1}"#, "num_retries"),
        (r#"{"model":"a","num_retries":1.5}"#, "num_retries"),
        (r#"{"model":"a","num_retries":"abc"}"#, "num_retries"),
        (r#"{"model":"a","fallbacks":5}"#, "fallbacks"),
        (r#"{"model":"a","fallbacks":[5]}"#, "fallbacks"),
        (
            r#"{"model":"a","fallbacks":[{"g":[{"h":["x"]}]}]}"#,
            "fallbacks",
        ),
        (
            r#"{"model":"a","fallbacks":[{"g":[{"model":"x","timeout":-1}]}]}"#,
            "fallbacks",
        ),
        (
            r#"{"model":"a","disable_fallbacks":"no"}"#,
            "disable_fallbacks",
        ),
        (
            r#"{"model":"a","include_fallback_errors":1}"#,
            "include_fallback_errors",
        ),
        (r#"{"model":"a","guardrails":["x"]}"#, "guardrails"),
        (r#"{"model":"a","api_base":"http://evil"}"#, "api_base"),
        (
            r#"{"model":"a","mock_testing_fallbacks":true}"#,
            "mock_testing_fallbacks",
        ),
        ("not json", "request_body"),
        ("", "request_body"),
        ("[]", "request_body"),
    ] {
        let failure = refused(body).await;
        assert_eq!(
            (failure.kind(), failure.param()),
            (FailureKind::BadRequest, Some(param)),
            "{body}"
        );
        assert!(failure.message().is_some(), "{body}");
    }
    for (name, value) in [
        ("x-litellm-timeout", "x"),
        ("x-litellm-timeout", "-1"),
        ("x-litellm-total-timeout", "x"),
        ("x-litellm-num-retries", "1.5"),
    ] {
        let mut req = post(r#"{"model":"m"}"#);
        req.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(
            send(layer(), req).await.unwrap_err().kind(),
            FailureKind::BadRequest,
            "{name}: {value}"
        );
    }
    let failure = send(layer().require_prompt(true), post(r#"{"model":"m"}"#))
        .await
        .unwrap_err();
    assert_eq!(failure.param(), Some("messages"));
}

#[tokio::test]
async fn a_list_with_a_wrong_item_is_not_called_something_else() {
    for (body, said) in [
        (
            r#"{"model":"m","messages":[],"tags":["a",1]}"#,
            "`tags` must be a list of strings: one of its items is none",
        ),
        (
            r#"{"model":[1],"messages":[]}"#,
            "`model` must be a string or a list of strings: one of its items is none",
        ),
        (
            r#"{"model":"m","messages":[],"tags":{}}"#,
            "`tags` must be a list of strings, not an object",
        ),
    ] {
        assert_eq!(refused(body).await.message(), Some(said));
    }
}

#[tokio::test]
async fn members_without_effect_are_named() {
    let body = r#"{"model":"m","cache":{"ttl":1},"ttl":5,"priority":1,"api_key":"sk-secret","max_retries":2,"caching":null}"#;
    let (req, ignored) = send(layer(), post(body)).await.unwrap();
    assert_eq!(
        ignored.as_deref(),
        Some("cache, ttl, priority, api_key, max_retries")
    );
    assert_eq!(req.body().to_bytes(), r#"{"model":"m"}"#);
}

#[tokio::test]
async fn client_headers_stay_behind() {
    let mut req = post(r#"{"model":"m"}"#);
    for (name, value) in [
        ("authorization", "Bearer sk-secret"),
        ("cookie", "a=b"),
        ("traceparent", "00-1"),
        ("openai-beta", "x"),
        ("x-mine", "1"),
        ("x-other", "2"),
        ("x-api-key", "sk-secret"),
        ("x-stainless-lang", "python"),
    ] {
        req.headers_mut().insert(name, value.parse().unwrap());
    }
    let custom = req.clone();
    let forwarding = layer().forward_headers([http::HeaderName::from_static("x-mine")]);
    let (req, _) = send(forwarding, req).await.unwrap();
    let mut names: Vec<_> = req.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["openai-beta", "traceparent", "x-mine"]);
    let (req, _) = send(layer().forward_custom_headers(true), custom)
        .await
        .unwrap();
    let mut names: Vec<_> = req.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["openai-beta", "traceparent", "x-mine", "x-other"]);
}

#[tokio::test]
async fn a_note_is_written_and_goes_on_only_with_a_list() {
    for (body, model, goes_on) in [
        (r#"{"model":"a"}"#, "a", false),
        (r#"{"model":"a,b"}"#, "a,b", true),
    ] {
        let note = Note::new();
        let mut req = post(body);
        req.extensions_mut().insert(note.clone());
        let seen = send(layer(), req).await.unwrap().0;
        assert_eq!(note.read().unwrap().model, ModelGroup::from(model));
        assert_eq!(seen.extensions().get::<Note>().is_some(), goes_on, "{body}");
    }
}
