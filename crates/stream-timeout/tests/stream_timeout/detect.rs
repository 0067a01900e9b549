//! What is content.

use bytes::{Buf, Bytes};
use http::{HeaderMap, Response};
use http_body_util::BodyExt as _;
use proptest::prelude::*;
use tower::{Layer, Service as _};
use ziggurat_core::{ContentFiltered, Failure, Head};
use ziggurat_stream_timeout::{ByContentType, Detect, Found, Scan};
use ziggurat_testing::ScriptedBody;

use crate::support::{
    COMMENT, DONE, PING, ROLE, Service, TEXT, answering, ask, body, events, limit, plain, seconds,
    streaming,
};

fn found(events_: &str) -> Found {
    let response = events(body());
    ByContentType
        .scan(Head::of(&response))
        .read(events_.as_bytes())
}

fn delta(delta: &str) -> Found {
    found(&format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":null}}]}}\n\n"
    ))
}

#[test]
fn d9_content_of_a_chunk() {
    for it in [
        r#"{"content":"a"}"#,
        r#"{ "content" : "\n" }"#,
        r#"{"role":"assistant","content":"a"}"#,
        r#"{"content":[{"type":"text","text":"a"}]}"#,
        r#"{"reasoning":"a"}"#,
        r#"{"content":"","reasoning_content":"a"}"#,
        r#"{"content":"","reasoning_details":[{"data":"a"}]}"#,
        r#"{"thinking":"a"}"#,
        r#"{"content":null,"refusal":"a"}"#,
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}"#,
        r#"{"function_call":{"name":"f"}}"#,
        r#"{"audio":{"id":"a"}}"#,
    ] {
        assert_eq!(delta(it), Found::Content, "{it}");
    }
    for it in [
        "{}",
        "null",
        r#"{"role":"assistant"}"#,
        r#"{"role":"assistant","content":""}"#,
        r#"{"role":"assistant","content":null,"refusal":null,"tool_calls":null}"#,
        r#"{"content":"","reasoning_content":"","tool_calls":[],"function_call":{}}"#,
        r#"{"role":"\"content\":\"a\""}"#,
    ] {
        assert_eq!(delta(it), Found::Nothing, "{it}");
    }
}

#[test]
fn other_events_in_openais_format() {
    for it in [
        DONE,
        "data:[DONE]\n\n",
        r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        r#"data: {"choices":[{"index":0,"text":"a","finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"message":{"role":"assistant","content":"a"}}]}"#,
        r#"data: {"choices":[{"delta":{}},{"delta":{"content":"a"}}]}"#,
        r#"data: {"error":{"message":"a"}}"#,
        r#"data: {"choices":[],"error":{"message":"a"}}"#,
    ] {
        assert_eq!(found(&format!("{it}\n\n")), Found::Content, "{it}");
    }
    for it in [
        r#"data: {"choices":[]}"#,
        r#"data: {"choices":[],"usage":{"total_tokens":9},"error":null}"#,
        r#"data: {"choices":[{"index":0,"text":"","finish_reason":null}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":""}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":"null"}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":false}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":0}]}"#,
        ": comment\n: data: [DONE]",
        "id: 1\nretry: 1000\nevent: message",
        "data\n",
        "data:   ",
        "dat: a\ndatas: a",
    ] {
        assert_eq!(found(&format!("{it}\n\n")), Found::Nothing, "{it}");
    }
}

#[test]
fn lifecycle_events_are_no_content() {
    for it in [
        PING,
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[]}}",
        "data: {\"type\":\"message_start\"}",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"\"}}",
        "event: content_block_start\ndata: {\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}",
        // What it repeats of the request is no content.
        "event: response.created\ndata: {\"response\":{\"instructions\":\"a\",\"input\":[{\"content\":\"a\"}]}}",
        "event: response.queued\ndata: {}",
        "data: {\"type\":\"response.in_progress\",\"response\":{\"content\":\"a\"}}",
        "event: message\ndata: {\"type\":\"response.in_progress\"}",
        "event: response.output_item.added\ndata: {\"item\":{\"type\":\"message\",\"content\":[]}}",
        "event: response.output_item.added\ndata: {\"item\":{\"type\":\"reasoning\",\"summary\":[]}}",
        "event: content_block_delta\ndata: {\"delta\":{\"type\":\"text_delta\",\"text\":\"\"}}",
        "event: content_block_delta\ndata: {\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"\"}}",
        "event: response.output_text.delta\ndata: {\"delta\":\"\"}",
        "event: response.content_part.added\ndata: {\"part\":{\"type\":\"output_text\",\"text\":\"\"}}",
    ] {
        assert_eq!(found(&format!("{it}\n\n")), Found::Nothing, "{it}");
    }
    for it in [
        "event: content_block_start\ndata: {\"content_block\":{\"type\":\"text\",\"text\":\"a\"}}",
        "event: content_block_start\ndata: {\"content_block\":{\"type\":\"tool_use\",\"name\":\"f\",\"input\":{}}}",
        "event: content_block_delta\ndata: {\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}",
        "event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"end_turn\"}}",
        "event: response.output_item.added\ndata: {\"item\":{\"type\":\"function_call\",\"name\":\"f\"}}",
        "event: response.output_text.delta\ndata: {\"delta\":\"a\"}",
        "event: error\ndata: {}",
    ] {
        assert_eq!(found(&format!("{it}\n\n")), Found::Content, "{it}");
    }
}

#[test]
fn what_was_kept_back_is_told_apart() {
    for it in [
        "event: message_delta\ndata: {\"delta\":{\"stop_reason\":\"refusal\"}}",
        "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"refusal\"}}",
        "event: response.incomplete\ndata: {\"response\":{\"incomplete_details\":{\"reason\":\"content_filter\"}}}",
    ] {
        assert_eq!(found(&format!("{it}\n\n")), Found::Filtered, "{it}");
    }
    let cut = "event: response.incomplete\ndata: {\"response\":{\"incomplete_details\":{\"reason\":\"max_output_tokens\"}}}";
    assert_eq!(found(&format!("{cut}\n\n")), Found::Content);
}

#[test]
fn a_foreign_event_is_content() {
    for it in [
        "1",
        "hello",
        "{}",
        "{\"candidates\":[]}",
        "[1]",
        "{\"choices\":1}",
        "{\"choices\":[{\"delta\":\"a\"}]}",
    ] {
        assert_eq!(found(&format!("data: {it}\n\n")), Found::Content, "{it}");
    }
}

#[test]
fn an_event_may_have_several_data_lines_and_a_frame_several_events() {
    let split = ROLE.replace("\"delta\"", "\ndata: \"delta\"");
    assert_eq!(found(&split), Found::Nothing);
    assert_eq!(
        found(&TEXT.replace("\"delta\"", "\ndata: \"delta\"")),
        Found::Content
    );
    assert_eq!(found(&[PING, ROLE, ROLE].concat()), Found::Nothing);
    assert_eq!(found(&[PING, ROLE, TEXT].concat()), Found::Content);
    assert_eq!(found(&format!("\u{feff}{DONE}")), Found::Content);
    // The name of an event does not outlive it.
    assert_eq!(found("event: ping\n\ndata: {\"a\":1}\n\n"), Found::Content);
}

#[test]
fn line_ends_may_differ_and_be_split() {
    let response = events(body());
    for pieces in [
        &[":\r", "data: a", "\n", "\n"][..],
        &["data: a\r", "\n", "\r", "\n"],
        &["data: a\n", "\r\n"],
        &["data: a\r\r"],
    ] {
        let mut scan = ByContentType.scan(Head::of(&response));
        let mut found = pieces.iter().map(|piece| scan.read(piece.as_bytes()));
        assert!(found.any(|found| found == Found::Content), "{pieces:?}");
    }
    assert_eq!(found("data: a\r\n"), Found::Nothing);
}

#[tokio::test(start_paused = true)]
async fn r167_a_stream_that_begins_with_a_content_filter_is_marked() {
    let filtered = |delta| {
        format!(
            "data: {{\"choices\":[{{\"delta\":{delta},\"finish_reason\":\"content_filter\"}}]}}\n\n"
        )
    };
    let results = TEXT.replace(
        "\"finish_reason\"",
        "\"content_filter_results\":{},\"finish_reason\"",
    );
    for (scripted, marked) in [
        (body().data(ROLE).data(filtered("{}")), true),
        (body().data(filtered(r#"{"content":"a"}"#)), true),
        (body().data(TEXT).data(filtered("{}")), false),
        (body().data(results), false),
        (
            body().data(TEXT.replace("hi", "\\\"content_filter\\\"")),
            false,
        ),
    ] {
        let response = ask(limit(5), &answering(scripted), plain()).await.unwrap();
        assert_eq!(
            response.extensions().get::<ContentFiltered>().is_some(),
            marked
        );
    }
}

#[tokio::test(start_paused = true)]
async fn in_another_body_the_first_byte_is_content() {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())]);
    for scripted in [body().data("").data("x").hang(), body().trailers(trailers)] {
        let service = Service::new().ok(Response::new(scripted));
        ask(limit(5), &service, streaming()).await.unwrap();
    }
}

/// Content begins with an exclamation mark.
#[derive(Clone)]
struct Exclaims;

impl Detect for Exclaims {
    type Scan = Self;

    fn scan(&self, _: Head<'_>) -> Self {
        self.clone()
    }
}

impl Scan for Exclaims {
    fn read(&mut self, bytes: &[u8]) -> Found {
        if bytes.contains(&b'!') {
            Found::Content
        } else {
            Found::Nothing
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_format_of_ones_own() {
    let layer = limit(5).detect(Exclaims);
    let response = ask(
        layer.clone(),
        &answering(body().data(TEXT).data("!").hang()),
        plain(),
    )
    .await;
    response.unwrap();
    ask(layer, &answering(body().data(TEXT).hang()), plain())
        .await
        .unwrap_err();
    let shared = limit(5).detect(std::sync::Arc::new(Exclaims));
    ask(shared, &answering(body().data("!")), plain())
        .await
        .unwrap();
}

/// Asks for a stream whose frames were changed.
async fn mapped<D: Buf>(
    scripted: ScriptedBody,
    map: impl FnMut(Bytes) -> D + Unpin,
) -> Result<Vec<usize>, Failure> {
    let mut map = map;
    let scripted = scripted.map_frame(move |frame| frame.map_data(&mut map));
    let mut response = Some(events(scripted));
    let service = tower::service_fn(move |_: http::Request<()>| {
        std::future::ready(Ok::<_, Failure>(response.take().unwrap()))
    });
    let mut body = limit(5).layer(service).call(plain()).await?.into_body();
    let mut left = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        left.extend(frame.data_ref().map(Buf::remaining));
    }
    Ok(left)
}

#[tokio::test(start_paused = true)]
async fn data_in_several_pieces_is_looked_at_and_not_taken() {
    let chained = |data: Bytes| data.slice(..30).chain(data.slice(30..));
    let scripted = body().data(ROLE).data(TEXT);
    let left = mapped(scripted, chained).await.unwrap();
    assert_eq!(left, [ROLE.len(), TEXT.len()]);
    mapped(body().data(ROLE).hang(), chained).await.unwrap_err();
}

/// Shows a byte at a time.
struct Shy(Bytes);

impl Buf for Shy {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }

    fn chunk(&self) -> &[u8] {
        &self.0[..1]
    }

    fn advance(&mut self, count: usize) {
        self.0.advance(count);
    }
}

#[tokio::test(start_paused = true)]
async fn data_that_does_not_show_itself_counts_as_content() {
    let left = mapped(body().data(ROLE).data(ROLE), Shy).await.unwrap();
    assert_eq!(left, [ROLE.len(); 2]);
    // Nor is it a comment.
    let comments = (0..4).fold(body().data(TEXT), |body, _| {
        body.wait(seconds(4)).data(COMMENT)
    });
    assert_eq!(mapped(comments, Shy).await.unwrap().len(), 5);
}

proptest! {
    /// What is found at a glance is what is found by reading: white space makes the glance fail.
    #[test]
    fn a_glance_finds_what_reading_finds(
        members in prop::collection::vec((
            prop::sample::select(vec!["content", "role", "refusal", "xcontent", "reasoning_content", "content_filter"]),
            prop::sample::select(vec!["", "a", "\\\"", "content_filter", "\\\"content\\\":\\\"a"]),
        ), 0..4),
        finish in prop::sample::select(vec!["null", "\"stop\"", "\"content_filter\""]),
    ) {
        let mut members = members;
        members.sort_unstable();
        members.dedup_by_key(|(name, _)| *name);
        let write = |colon: &str| {
            let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\"{colon}\"{value}\"")).collect();
            format!("data: {{\"choices\":[{{\"delta\":{{{}}},\"finish_reason\":{finish}}}]}}\n\n", members.join(","))
        };
        prop_assert_eq!(found(&write(":")), found(&write(" : ")));
    }
}
