//! Claude on Vertex AI.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use bytes::Bytes;
use http::{Extensions, Request, Response, response::Parts};
use serde_json::{Value, json};
use ziggurat_core::{
    Failure, FailureKind, JsonBody, UpstreamError,
    json::{Document, Printed},
};
use ziggurat_provider::{Answer, Authorized, Call, Dialect, Exchange, Outgoing, Streamed};
use ziggurat_testing::mock::Script;
use ziggurat_vertex::Partner;

use self::support::{TokenServer, account, respond, token};

fn request(stream: bool) -> Request<JsonBody> {
    let body = json!({"messages": [{"role": "user", "content": "Hi"}], "stream": stream});
    Request::new(JsonBody::new(
        Document::parse(body.to_string().into()).unwrap(),
    ))
}

/// Stands for the dialect of Anthropic's API.
#[derive(Debug)]
struct Messages;

struct Telling;

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
            exchange: Box::new(Telling),
        })
    }
}

/// A failure that tells all that the upstream said.
fn told(body: &[u8]) -> Failure {
    let message = String::from_utf8_lossy(body).into_owned();
    let upstream = UpstreamError::new("Anthropic", message).with_type("t");
    Failure::new(FailureKind::Authentication).with_upstream(upstream)
}

impl Exchange for Telling {
    fn announced(&self, _: &Parts) -> Result<Answer, Failure> {
        Ok(Answer::Plain)
    }
    fn refused(&mut self, _: &Parts, body: &mut Bytes) -> Failure {
        told(body)
    }
    fn plain(&mut self, body: Bytes) -> Result<Printed, Failure> {
        Err(told(&body))
    }
    fn tell(&self, _: &mut Extensions) {}
    fn chunk(&mut self, data: Bytes) -> Streamed {
        Streamed {
            data: Bytes::new(),
            end: Some(Err(told(&data))),
        }
    }
    fn end(&mut self, broken: Option<Failure>) -> Streamed {
        Streamed {
            data: Bytes::new(),
            end: broken.map(Err),
        }
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

#[test]
fn what_is_not_inline_is_refused_by_its_place() {
    let partner = Partner::claude("claude-3-5-sonnet@20240620")
        .project("p")
        .credentials(account("http://127.0.0.1:9"))
        .build(Messages)
        .unwrap();
    let prepare = |part: &Value| {
        let messages = json!([
            {"role": "user", "content": "Hi"},
            {"role": "user", "content": [{"type": "text", "text": "https://x.example"}, part]},
        ]);
        let body = json!({ "messages": messages });
        let body = Document::parse(body.to_string().into()).unwrap();
        let request = Request::new(JsonBody::new(body));
        partner.prepare(Call::new(&request, &[])).map(drop)
    };
    let url = "https://x.example/a.png";
    let native = json!({"type": "image", "source": {"type": "url", "url": url}});
    for part in [
        json!({"type": "image_url", "image_url": {"url": url}}),
        json!({"type": "image_url", "image_url": url}),
        json!({"type": "file", "file": {"file_id": "file_1"}}),
        native.clone(),
        json!({"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
    ] {
        let failure = prepare(&part).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::BadRequest, "{part}");
        assert_eq!(failure.param(), Some("messages[1].content[1]"));
    }
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [native]});
    let failure = prepare(&result).unwrap_err();
    assert_eq!(failure.param(), Some("messages[1].content[1].content[0]"));
    for part in [
        json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}),
        json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}),
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}),
        json!({"type": "tool_result", "tool_use_id": "t", "content": url}),
    ] {
        prepare(&part).unwrap();
    }
}

#[tokio::test]
async fn googles_token_is_cut_out_of_what_the_other_dialect_tells() {
    const TOKEN: &str = "ya29.fake-token";
    let script = Script::new([TOKEN, "ya29.next"].map(|it| respond(200, &token(it, 3600))));
    let tokens = TokenServer::playing(script).await;
    let partner = Partner::claude("claude-3-5-sonnet@20240620")
        .project("p")
        .credentials(account(&tokens.url()))
        .build(Messages)
        .unwrap();
    let outgoing = partner.prepare(Call::new(&request(false), &[])).unwrap();
    let Authorized::Later(authorized) = partner.authorize(outgoing.request) else {
        panic!("no token is at hand");
    };
    authorized.await.unwrap();
    let mut exchange = outgoing.exchange;
    assert!(exchange.is_secret(TOKEN.as_bytes()));
    let quoted = || Bytes::from(format!("no such token: {TOKEN}"));
    let mut body = quoted();
    let (head, ()) = Response::builder()
        .status(401)
        .body(())
        .unwrap()
        .into_parts();
    let failures = [
        exchange.refused(&head, &mut body),
        exchange.plain(quoted()).unwrap_err(),
        exchange.chunk(quoted()).end.unwrap().unwrap_err(),
        exchange
            .end(Some(told(&quoted())))
            .end
            .unwrap()
            .unwrap_err(),
    ];
    assert_eq!(body, "no such token: [redacted]");
    for failure in failures {
        let upstream = failure.upstream().unwrap();
        assert_eq!(upstream.message(), "no such token: [redacted]");
        assert_eq!(
            (failure.kind(), upstream.error_type()),
            (FailureKind::Authentication, Some("t"))
        );
    }
    // It was refused, and is not used again.
    let outgoing = partner.prepare(Call::new(&request(false), &[])).unwrap();
    let Authorized::Later(authorized) = partner.authorize(outgoing.request) else {
        panic!("the refused token is at hand");
    };
    let sent = authorized.await.unwrap();
    assert_eq!(sent.headers()["authorization"], "Bearer ya29.next");
}
