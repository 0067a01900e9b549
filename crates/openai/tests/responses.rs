//! OpenAI's Responses: what is sent, and what of the answer is changed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use bytes::Bytes;
use http::Request;
use proptest::prelude::*;
use serde_json::{Value, json};
use ziggurat_core::{Failure, FailureKind, JsonBody, LlmRequest, Meter, Operation, json::Document};
use ziggurat_openai::{Builder, Face, OpenAi};
use ziggurat_provider::{Call, Dialect, Exchange, Outgoing};

const STREAM: &str = concat!(
    "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\",\"model\":\"upstream\",\"status\":\"in_progress\",\"error\":null,\"output\":[]}}\n\n",
    ": a comment\n\n",
    "event: response.output_item.added\r\ndata: {\"type\":\"response.output_item.added\",\"item\":{\"type\":\"message\"}}\r\n\r\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"h\u{e9} 😀\"}\n\n",
    "data: {\"type\":\"response.something.new\"}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"model\":\"upstream\",\"status\":\"completed\",\"error\":null,\"output\":[{}],\"usage\":{\"input_tokens\":5,\"output_tokens\":2}}}\n\n",
);

fn openai() -> Builder {
    OpenAi::builder(Face::OpenAi, "m").api_key("sk-very-secret-key")
}

fn azure(version: &str) -> Builder {
    OpenAi::builder(Face::Azure, "dep")
        .api_key("az-key")
        .api_version(version)
}

fn prepare(builder: Builder, body: &Value) -> Result<(Outgoing, Meter), Failure> {
    let document = Document::parse(body.to_string().into()).unwrap();
    let mut request = Request::new(JsonBody::new(document.clone()));
    let (extensions, meter) = (request.extensions_mut(), Meter::new());
    extensions.insert(LlmRequest::new("group", body["stream"] == true, document));
    extensions.insert(Operation::Responses);
    extensions.insert(meter.clone());
    let outgoing = builder.build().unwrap().prepare(Call::new(&request, &[]))?;
    Ok((outgoing, meter))
}

fn exchange(stream: bool) -> (Box<dyn Exchange>, Meter) {
    let (outgoing, meter) = prepare(openai(), &json!({"input": "hi", "stream": stream})).unwrap();
    (outgoing.exchange, meter)
}

fn play(pieces: &[&[u8]]) -> (Vec<u8>, Result<(), Failure>, Meter) {
    let (mut exchange, meter) = exchange(true);
    let mut all = Vec::new();
    for piece in pieces {
        let streamed = exchange.chunk(Bytes::copy_from_slice(piece));
        all.extend_from_slice(&streamed.data);
        if let Some(end) = streamed.end {
            return (all, end, meter);
        }
    }
    let streamed = exchange.end(None);
    all.extend_from_slice(&streamed.data);
    (all, streamed.end.unwrap(), meter)
}

#[test]
fn each_surface_has_its_url() {
    let url = |builder: Builder| {
        let dialect = builder.build().unwrap();
        if !dialect.speaks(Operation::Responses) {
            return "none".to_owned();
        }
        let mut request = Request::new(JsonBody::new(Document::parse("{}".into()).unwrap()));
        request.extensions_mut().insert(Operation::Responses);
        let outgoing = dialect.prepare(Call::new(&request, &[])).unwrap();
        outgoing.request.uri().to_string()
    };
    let dated = "2025-04-01-preview";
    for (builder, expected) in [
        (openai(), "https://api.openai.com/v1/responses"),
        (
            openai().api_base("http://h/v1/responses"),
            "http://h/v1/responses",
        ),
        (
            azure(dated).api_base("https://r"),
            "https://r/openai/responses?api-version=2025-04-01-preview",
        ),
        (
            azure(dated).api_base("https://r/openai/deployments/x?a=b"),
            "https://r/openai/responses?a=b&api-version=2025-04-01-preview",
        ),
        (
            azure("v1").api_base("https://r"),
            "https://r/openai/v1/responses",
        ),
        (azure("2025-02-01-preview").api_base("https://r"), "none"),
        (
            azure(dated).api_base("https://gateway.ai.cloudflare.com/v1/a/g/azure-openai/r"),
            "none",
        ),
        (
            OpenAi::builder(Face::HuggingFace, "x").api_base("http://h"),
            "none",
        ),
        (openai().completions_only(true), "none"),
    ] {
        assert_eq!(url(builder), expected);
    }
}

#[test]
fn parameters_of_the_deployment_have_names_of_their_own() {
    let builder = openai()
        .default_parameter("max_tokens", "7")
        .default_parameter("reasoning_effort", "\"low\"")
        .default_parameter("temperature", "0.5")
        .default_parameter("seed", "1")
        .default_parameter("tools", "[]");
    let body = json!({"input": "hi", "temperature": 1, "stream": true});
    let request = prepare(builder, &body).unwrap().0.request;
    let sent: Value = serde_json::from_slice(&request.into_body().into_bytes()).unwrap();
    let expected = json!({"input": "hi", "temperature": 1, "stream": true, "model": "m",
        "max_output_tokens": 7, "reasoning": {"effort": "low"}});
    assert_eq!(sent, expected);
}

#[test]
fn a_stream_passes_but_for_the_name() {
    let (text, end, meter) = play(&[STREAM.as_bytes()]);
    end.unwrap();
    let expected = STREAM.replace("\"upstream\"", "\"group\"");
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    assert_eq!((meter.input(), meter.output()), (Some(5), Some(2)));
}

#[test]
fn a_stream_without_its_end_is_broken() {
    let cut = STREAM.find("event: response.completed").unwrap();
    let done = [&STREAM[..cut], "data: [DONE]\n\n"].concat();
    for stream in [&STREAM[..cut], &STREAM[..STREAM.len() - 4], &done] {
        let (_, end, _) = play(&[stream.as_bytes()]);
        assert_eq!(end.unwrap_err().kind(), FailureKind::Disconnected);
    }
    play(&[&STREAM.as_bytes()[..STREAM.len() - 1]]).1.unwrap();
}

/// The events of which there are most are not taken apart, but they are whole.
#[test]
fn an_unreadable_piece_ends_a_stream() {
    let at = STREAM.find("event: response.output_text.delta").unwrap();
    let brace = at + STREAM[at..].find("}\n").unwrap();
    let cut = [&STREAM[..brace], &STREAM[brace + 1..]].concat();
    let (text, end, _) = play(&[cut.as_bytes()]);
    assert_eq!(end.unwrap_err().kind(), FailureKind::InvalidResponse);
    assert!(
        !String::from_utf8(text)
            .unwrap()
            .contains("output_text.delta")
    );
}

#[test]
fn an_error_in_a_stream_is_its_failure() {
    let failed = r#"{"type":"response.failed","response":{"model":"x","error":{"code":"rate_limit_exceeded","message":"sk-very-secret-key"},"output":["quoted"]}}"#;
    let error = r#"{"type":"error","code":"rate_limit_exceeded","message":"slow","param":null}"#;
    for data in [failed, error] {
        let event = format!("data: {data}\n\n");
        let failure = play(&[event.as_bytes()]).1.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::RateLimited, "{data}");
        let message = failure.upstream().unwrap().message();
        assert!(
            !message.contains("secret") && !message.contains("quoted"),
            "{message}"
        );
    }
    let failed = "data: {\"type\":\"response.failed\",\"response\":{\"error\":null}}\n\n";
    assert_eq!(
        play(&[failed.as_bytes()]).1.unwrap_err().kind(),
        FailureKind::Server
    );
    // Servers before the API, and those that only resemble it, write errors of their own.
    for error in [
        r#"{"detail":"sk-very-secret-key is busy","object":"error"}"#,
        r#"{"detail":"sk-very-secret-key is busy"}"#,
        r#"{"object":"error","message":"sk-very-secret-key is busy","code":503}"#,
        r#"{"message":"sk-very-secret-key is busy"}"#,
        r#"{"errors":[{"message":"sk-very-secret-key is busy"}]}"#,
        r#"{"error":"sk-very-secret-key is busy"}"#,
        r#"{"type":"response.error","message":"sk-very-secret-key is busy"}"#,
    ] {
        for name in ["", "event: message\n"] {
            let event = format!("{name}data: {error}\n\n");
            let (text, end, _) = play(&[
                &STREAM.as_bytes()[..STREAM.find("event: response.completed").unwrap()],
                event.as_bytes(),
            ]);
            let failure = end.unwrap_err();
            assert_eq!(failure.kind(), FailureKind::Server, "{event}");
            let message = failure.upstream().unwrap().message();
            assert_eq!(message, "[redacted] is busy", "{event}");
            assert!(
                !String::from_utf8(text).unwrap().contains("busy"),
                "{event}"
            );
        }
    }
    for nonsense in [
        &b"data: {\n\n"[..],
        b"data: {\"x\":1}\n\n",
        b"event: x\ndata: \xff\n\n",
        b"eata: {}\n\n",
    ] {
        assert_eq!(
            play(&[nonsense]).1.unwrap_err().kind(),
            FailureKind::InvalidResponse
        );
    }
}

#[test]
fn what_is_no_response_is_a_failure() {
    for (text, kind) in [
        ("[]", FailureKind::InvalidResponse),
        (r#"{"object":"response"}"#, FailureKind::InvalidResponse),
        (r#"{"output":[],"status":"failed"}"#, FailureKind::Server),
        (
            r#"{"output":[],"error":{"code":"rate_limit_exceeded","message":"x"}}"#,
            FailureKind::RateLimited,
        ),
    ] {
        let failure = exchange(false).0.plain(text.into()).unwrap_err();
        assert_eq!(failure.kind(), kind, "{text}");
    }
}

proptest! {
    #[test]
    fn where_the_bytes_are_cut_does_not_matter(cuts in prop::collection::vec(0..STREAM.len(), 0..12)) {
        let mut cuts = cuts;
        cuts.extend([0, STREAM.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &STREAM.as_bytes()[cut[0]..cut[1]]).collect();
        let (text, end, _) = play(&pieces);
        prop_assert!(end.is_ok());
        prop_assert_eq!(String::from_utf8(text).unwrap(), STREAM.replace("\"upstream\"", "\"group\""));
    }
}
