//! Requests in Anthropic's own form pass, and so do their answers.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use bytes::Bytes;
use http::Request;
use proptest::prelude::*;
use serde_json::{Value, json};
use ziggurat_anthropic::{Anthropic, Builder};
use ziggurat_core::{
    Failure, FailureKind, JsonBody, LlmRequest, Meter, Operation,
    json::{Document, Printed},
};
use ziggurat_provider::{Call, Dialect, Exchange, Outgoing};

const STREAM: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"claude-3-opus-20240229\",\"usage\":{\"input_tokens\":5,\"cache_read_input_tokens\":7,\"output_tokens\":1}}}\n\n",
    ": a comment\n\n",
    "event: ping\r\ndata: {\"type\": \"ping\"}\r\n\r\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"h\u{e9} 😀\"}}\n\n",
    "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"sig\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: something_new\ndata: {\"type\":\"something_new\"}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":20}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

fn builder() -> Builder {
    Anthropic::builder("claude-3-opus-20240229").api_key("sk-ant-key")
}

fn prepare(builder: Builder, operation: Operation, body: &Value) -> (Outgoing, Meter) {
    let document = Document::parse(body.to_string().into()).unwrap();
    let mut request = Request::new(JsonBody::new(document.clone()));
    let (extensions, meter) = (request.extensions_mut(), Meter::new());
    let stream = body["stream"] == true;
    extensions.insert(LlmRequest::new("group", stream, document));
    extensions.insert(operation);
    extensions.insert(meter.clone());
    let dialect = builder.build().unwrap();
    assert!(dialect.speaks(operation));
    (dialect.prepare(Call::new(&request, &[])).unwrap(), meter)
}

fn exchange(stream: bool) -> (Box<dyn Exchange>, Meter) {
    let body = json!({"model": "group", "messages": [], "stream": stream});
    let (outgoing, meter) = prepare(builder(), Operation::Messages, &body);
    (outgoing.exchange, meter)
}

fn sent(request: Request<Printed>) -> Value {
    serde_json::from_slice(&request.into_body().into_bytes()).unwrap()
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
fn parameters_of_the_deployment_have_anthropics_names() {
    let builder = builder()
        .api_base("https://h/v1/messages?a=b")
        .default_parameter("max_completion_tokens", "7")
        .default_parameter("stop", "\"x\"")
        .default_parameter("top_k", "3")
        .default_parameter("seed", "1")
        .default_parameter("response_format", "{}");
    let body = json!({"model": "group", "messages": [], "top_k": 5});
    let request = prepare(builder, Operation::Messages, &body).0.request;
    assert_eq!(request.uri(), "https://h/v1/messages?a=b");
    let expected = json!({"model": "claude-3-opus-20240229", "messages": [], "top_k": 5,
        "max_tokens": 7, "stop_sequences": ["x"]});
    assert_eq!(sent(request), expected);
}

#[test]
fn a_count_has_no_parameters_of_an_answer() {
    let builder = builder()
        .default_parameter("max_tokens", "7")
        .api_base("https://h?a=b");
    let body = json!({"model": "group", "messages": []});
    let request = prepare(builder, Operation::CountTokens, &body).0.request;
    assert_eq!(request.uri(), "https://h/v1/messages/count_tokens?a=b");
    assert_eq!(
        sent(request),
        json!({"model": "claude-3-opus-20240229", "messages": []})
    );
}

#[test]
fn thoughts_that_nobody_signed_are_cut() {
    let sent_of = |messages: &str| {
        let body = format!(r#"{{"model":"group","messages":{messages}}}"#);
        let request = Request::new(JsonBody::new(Document::parse(body.into()).unwrap()));
        let (parts, body) = request.into_parts();
        let mut request = Request::from_parts(parts, body);
        request.extensions_mut().insert(Operation::Messages);
        let outgoing = builder()
            .build()
            .unwrap()
            .prepare(Call::new(&request, &[]))
            .unwrap();
        let body = outgoing.request.into_body().into_bytes();
        String::from_utf8(body.to_vec()).unwrap()
    };
    let text = r#"{"type":"text",  "text":"\u00e9"}"#;
    let empty = r#"{"type":"thinking","thinking":"hm","signature" : ""}"#;
    let signed = r#"{"type": "thinking","thinking":"hm","signature":"s"}"#;
    let turns = |content: &str| {
        format!(
            r#"[ {{"role":"user","content":"go"}}, {{"content":[{content}], "role":"assistant"}}]"#
        )
    };
    let with = |content: &str| {
        let turns = turns(content);
        format!(r#"{{"model":"claude-3-opus-20240229","messages":{turns}}}"#)
    };
    for (content, kept) in [
        (format!("{empty}, {text}"), text.to_owned()),
        (
            format!("{signed}, {empty}, {text}"),
            format!("{signed},{text}"),
        ),
        (format!("{signed} , {text}"), format!("{signed} , {text}")),
        (empty.to_owned(), empty.to_owned()),
    ] {
        assert_eq!(sent_of(&turns(&content)), with(&kept));
    }
}

#[test]
fn a_stream_passes_but_for_the_name() {
    let (text, end, meter) = play(&[STREAM.as_bytes()]);
    end.unwrap();
    let expected = STREAM.replace("claude-3-opus-20240229", "group");
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    assert_eq!((meter.input(), meter.output()), (Some(12), Some(20)));
}

#[test]
fn a_stream_without_its_end_is_broken() {
    let cut = STREAM.find("event: message_stop").unwrap();
    let (_, end, _) = play(&[&STREAM.as_bytes()[..cut]]);
    assert_eq!(end.unwrap_err().kind(), FailureKind::Disconnected);
    // The blank line may be lacking, as connections end; but not half of the data.
    let (text, end, _) = play(&[&STREAM.as_bytes()[..STREAM.len() - 1]]);
    end.unwrap();
    assert!(text.ends_with(b"\n\n"));
    let (_, end, _) = play(&[&STREAM.as_bytes()[..STREAM.len() - 4]]);
    assert_eq!(end.unwrap_err().kind(), FailureKind::Disconnected);
    let (_, end, _) = play(&[&STREAM.as_bytes()[cut..]]);
    assert_eq!(end.unwrap_err().kind(), FailureKind::InvalidResponse);
}

/// The events of which there are most are not taken apart, but they are whole.
#[test]
fn an_unreadable_piece_ends_a_stream() {
    let at = STREAM
        .find("data: {\"type\":\"content_block_delta\"")
        .unwrap();
    let brace = at + STREAM[at..].find("}\n").unwrap();
    let cut = [&STREAM[..brace], &STREAM[brace + 1..]].concat();
    let (text, end, _) = play(&[cut.as_bytes()]);
    assert_eq!(end.unwrap_err().kind(), FailureKind::InvalidResponse);
    assert!(
        !String::from_utf8(text)
            .unwrap()
            .contains("content_block_delta")
    );
}

#[test]
fn an_error_in_a_stream_is_its_failure() {
    let error =
        r#"{"type":"error","error":{"type":"overloaded_error","message":"sk-ant-key is busy"}}"#;
    for event in [
        format!("event: error\ndata: {error}\n\n"),
        format!("data: {error}\n\n"),
    ] {
        let (text, end, _) = play(&[event.as_bytes()]);
        let failure = end.unwrap_err();
        assert!(text.is_empty());
        let upstream = failure.upstream().unwrap();
        assert_eq!(upstream.error_type(), Some("overloaded_error"));
        assert!(
            !upstream.message().contains("sk-ant-key"),
            "{}",
            upstream.message()
        );
    }
    // Servers before the API write errors of their own.
    for error in [
        r#"{"error":{"message":"sk-ant-key is busy","code":503}}"#,
        r#"{"error":"sk-ant-key is busy"}"#,
        r#"{"object":"error","message":"sk-ant-key is busy","code":503}"#,
        r#"{"object":"error","detail":"sk-ant-key is busy"}"#,
    ] {
        for name in ["", "event: message\n"] {
            let (text, end, _) = play(&[format!("{name}data: {error}\n\n").as_bytes()]);
            assert!(text.is_empty(), "{error}");
            let failure = end.unwrap_err();
            assert_eq!(failure.upstream().unwrap().message(), "[redacted] is busy");
        }
    }
    for nonsense in [
        &b"data: {\n\n"[..],
        b"event: x\ndata: \xff\n\n",
        b"eata: {}\n\n",
    ] {
        let (_, end, _) = play(&[nonsense]);
        assert_eq!(end.unwrap_err().kind(), FailureKind::InvalidResponse);
    }
}

#[test]
fn what_is_no_message_is_a_failure() {
    for (text, kind) in [
        ("[]", FailureKind::InvalidResponse),
        ("{}", FailureKind::InvalidResponse),
        (r#"{"content":"a"}"#, FailureKind::InvalidResponse),
        (
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"x"}}"#,
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
        let expected = STREAM.replace("claude-3-opus-20240229", "group");
        prop_assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
