//! When an answer is known to be whole though its connection stays open.

use super::*;

/// Gemini's usual last event has the last words and the reason to end; older models give one with each event.
#[test]
fn an_answer_that_ends_with_its_last_words_is_whole_if_it_began_without_an_end() {
    let piece = |index: u32, text: &str, reason: Option<&str>| {
        event(&json!({"candidates": [{
            "index": index, "content": {"parts": [{"text": text}]}, "finishReason": reason,
        }]}))
    };
    let is_whole_of = |members: &Value, pieces: &[String]| {
        let mut exchange = exchange_with(members, &Meter::new());
        exchange.chunk(pieces.concat().into());
        exchange.is_complete()
    };
    let is_whole =
        |n: usize, pieces: &[String]| is_whole_of(&json!({"stream": true, "n": n}), pieces);
    let stop = Some("STOP");
    let usual = [piece(0, "a", None), piece(0, "b", stop)];
    assert!(is_whole(1, &usual));
    let thought =
        part(&json!({"text": "hm", "thought": true, "thoughtSignature": "S"})).to_string();
    assert!(is_whole(
        1,
        &[format!("data: {thought}\n\n"), piece(0, "b", stop)]
    ));
    // All in one event, or an end with each: as much as any piece of an older model's answer says.
    assert!(!is_whole(1, &[piece(0, "a", stop)]));
    assert!(!is_whole(1, &[piece(0, "a", stop), piece(0, "b", stop)]));
    // What brings nothing says nothing of the events that do.
    let silent = event(&json!({"candidates": [{"content": {"parts": [{"text": ""}]}}]}));
    assert!(!is_whole(1, &[silent, piece(0, "a", stop)]));
    // It went on before, or goes on after all.
    assert!(!is_whole(
        1,
        &[
            piece(0, "a", stop),
            piece(0, "b", None),
            piece(0, "c", stop)
        ]
    ));
    assert!(!is_whole(1, &[usual.concat(), piece(0, "c", None)]));
    assert!(!is_whole(1, &[usual.concat(), piece(0, "c", stop)]));
    // One that has tools of Google's may be about to use them, which takes a while.
    let tools = |tools: Value| json!({"stream": true, "tools": tools});
    assert!(!is_whole_of(&tools(json!([{"codeExecution": {}}])), &usual));
    let code = part(&json!({"executableCode": {"language": "PYTHON", "code": "1"}})).to_string();
    let code = code.replace("\"content\"", "\"finishReason\":\"STOP\",\"content\"");
    assert!(code.contains("STOP"));
    let before_code = [format!("data: {code}\n\n")];
    assert!(!is_whole_of(
        &tools(json!([{"codeExecution": {}}])),
        &before_code
    ));
    assert!(!is_whole_of(
        &tools(json!([{"type": "web_search"}])),
        &usual
    ));
    let function = json!([{"type": "function", "function": {"name": "f"}}]);
    assert!(is_whole_of(&tools(function), &usual));
    // Each choice speaks for itself.
    assert!(!is_whole(2, &usual));
    assert!(!is_whole(2, &[usual.concat(), piece(1, "a", stop)]));
    assert!(is_whole(
        2,
        &[usual.concat(), piece(1, "a", None), piece(1, "b", stop)]
    ));
}

/// Whoever puts a reason to end on every piece does not say by one that it was the last.
#[test]
fn a_connection_that_breaks_leaves_only_what_is_surely_whole() {
    let piece = |text: &str, reason: Option<&str>| {
        event(&json!({"candidates": [{
            "content": {"parts": [{"text": text}]}, "finishReason": reason,
        }]}))
    };
    let stop = Some("STOP");
    for (pieces, is_whole) in [
        (vec![piece("a", None), piece("b", stop)], true),
        (vec![piece("a", None), piece("", stop)], true),
        (vec![piece("a", stop)], false),
        (vec![piece("a", stop), piece("b", stop)], false),
    ] {
        for broken in [true, false] {
            let mut exchange = exchange_with(&json!({"stream": true}), &Meter::new());
            exchange.chunk(pieces.concat().into());
            let broken = broken.then(|| FailureKind::Disconnected.into());
            let is_clean = broken.is_none();
            let end = exchange.end(broken).end.unwrap();
            assert_eq!(end.is_ok(), is_whole || is_clean, "{pieces:?}");
        }
    }
}
