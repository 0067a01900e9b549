//! Plain answers, and errors in their place.

use bytes::Bytes;
use http::{Extensions, Response, response::Parts};
use serde_json::{Value, json};
use ziggurat_core::{ContentFiltered, FailureKind};
use ziggurat_provider::Answer;

use crate::{KEY, exchange};

fn head(status: u16, name: &'static str, value: &'static str) -> Parts {
    let response = Response::builder().status(status).header(name, value);
    response.body(()).unwrap().into_parts().0
}

#[test]
fn a_message_passes_under_the_name_that_was_asked_for() {
    let message = json!({
        "id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
        "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "hi"}],
        "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 2, "cache_read_input_tokens": 7},
    });
    let (mut exchange, meter) = exchange(false);
    let answer = exchange.plain(message.to_string().into()).unwrap();
    let answer: Value = serde_json::from_slice(&answer.into_bytes()).unwrap();
    let mut expected = message;
    expected["model"] = json!("group");
    assert_eq!(answer, expected);
    assert_eq!((meter.input(), meter.output()), (Some(10), Some(2)));
}

#[test]
fn an_answer_that_was_kept_back_is_told() {
    let message = json!({"type": "message", "content": [], "stop_reason": "refusal"});
    let (mut exchange, _) = exchange(false);
    exchange.plain(message.to_string().into()).unwrap();
    let mut told = Extensions::new();
    exchange.tell(&mut told);
    assert!(told.get::<ContentFiltered>().is_some());
}

#[test]
fn an_error_is_judged_by_its_exception() {
    let cases = [
        (
            429,
            "ThrottlingException",
            "slow down",
            FailureKind::RateLimited,
        ),
        (
            400,
            "ValidationException",
            "Input is too long",
            FailureKind::ContextWindow,
        ),
        (
            403,
            "AccessDeniedException",
            "no",
            FailureKind::PermissionDenied,
        ),
    ];
    for (status, exception, text, kind) in cases {
        let (mut exchange, _) = exchange(true);
        let mut body = Bytes::from(json!({"message": format!("{text} {KEY}")}).to_string());
        let failure = exchange.refused(&head(status, "x-amzn-errortype", exception), &mut body);
        assert_eq!(failure.kind(), kind, "{exception}");
        let shown = format!("{body:?} {:?}", failure.upstream());
        assert!(shown.contains(text) && !shown.contains(KEY), "{shown}");
        assert!(exchange.is_secret(KEY.as_bytes()));
    }
}

#[test]
fn an_error_in_place_of_a_message_is_one() {
    let cases = [
        (
            r#"{"__type":"ThrottlingException","message":"no"}"#,
            FailureKind::RateLimited,
        ),
        (
            r#"{"type":"error","error":{"type":"overloaded_error","message":"no"}}"#,
            FailureKind::Server,
        ),
        (r#"{"type":"message"}"#, FailureKind::InvalidResponse),
        ("<html>", FailureKind::InvalidResponse),
    ];
    for (body, kind) in cases {
        let (mut exchange, _) = exchange(false);
        let failure = exchange.plain(body.into()).unwrap_err();
        assert_eq!(failure.kind(), kind, "{body}");
    }
}

#[test]
fn only_frames_are_a_stream() {
    let frames = head(200, "content-type", "application/vnd.amazon.eventstream");
    let events = head(200, "content-type", "text/event-stream");
    let (plain, stream) = (exchange(false).0, exchange(true).0);
    assert_eq!(stream.announced(&frames).unwrap(), Answer::Stream);
    for announced in [plain.announced(&frames), stream.announced(&events)] {
        assert_eq!(announced.unwrap_err().kind(), FailureKind::InvalidResponse);
    }
}
