//! Events that are not what they look like: halves, malformed ones, and text that nobody expects.

use serde_json::{Value, json};
use ziggurat_core::FailureKind;
use ziggurat_openai::Face;

use crate::{DONE, chunk, events, exchange, padded, play, play_on};

/// Chunks that look like the one before, but for a second choice or an error behind the content.
#[test]
fn what_slips_in_behind_the_content_is_seen() {
    let chunk =
        |rest: &str| format!("data: {{\"id\":\"c\",\"model\":\"m\",\"choices\":[{{{rest}}}\n\n");
    let cases = [
        (
            r#""index":0,"delta":{},"finish_reason":null}]"#,
            r#""index":0,"delta":{},"finish_reason":null},{"index":1,"finish_reason":null}]"#,
        ),
        (
            r#""index":0,"delta":{},"finish_reason":null}]"#,
            r#""index":0,"delta":{},"finish_reason":null},{"index":1,"delta":{}}]"#,
        ),
        (
            r#""index":0,"delta":{},"finish_reason":null}]"#,
            r#""index":0,"delta":{},"finish_reason":null}],"error":{"message":"oops"}"#,
        ),
        (
            r#""delta":{},"finish_reason":null,"index":0}]"#,
            r#""delta":{},"finish_reason":null,"index":1}],"padding":"x""#,
        ),
        (
            r#""index":0,"delta":{"content":"a"}}]"#,
            r#""index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]"#,
        ),
    ];
    for (usual, odd) in cases {
        let (usual, odd) = (chunk(usual), chunk(odd));
        let finish = chunk(r#""index":0,"delta":{},"finish_reason":"stop"}]"#);
        let (_, end) = play(&[(usual.clone() + &usual + &finish).as_bytes()]);
        assert!(end.is_ok(), "{usual}");
        let (_, end) = play(&[(usual.clone() + &usual + &odd + &finish).as_bytes()]);
        assert!(end.is_err(), "{odd}");
    }
}

/// Some servers write no choices so, before the answer, in the midst of it, or with the usage.
#[test]
fn null_choices_are_an_empty_list() {
    let none = "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\": null}\n\n";
    let usage = "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\": null,\"usage\":{\"completion_tokens\":2}}\n\n";
    let text = chunk(0, "a", None);
    let stop = chunk(0, "", Some("stop"));
    let stream = [none, &text, none, &text, &stop, usage, DONE].concat();
    for asks in [false, true] {
        let (got, end) = play_on(exchange(Face::OpenAi, asks), &[stream.as_bytes()], None);
        assert!(end.is_ok(), "{end:?}");
        let wanted = stream.replace("choices\": null", "choices\": []");
        let (wanted, _) = play_on(exchange(Face::OpenAi, asks), &[wanted.as_bytes()], None);
        assert_eq!(got, wanted);
        assert_eq!(events(&got).len(), 4 + usize::from(asks), "{got}");
    }
}

#[test]
fn the_finish_that_is_added_after_no_tool_calls_is_a_stop() {
    let chunk = |delta: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": null});
        format!(
            "data: {}\n\n",
            json!({"id": "c", "model": "m", "choices": [choice]})
        )
    };
    for nothing in [json!([]), Value::Null] {
        let first = chunk(json!({"content": "a", "tool_calls": nothing}));
        let only = chunk(json!({"tool_calls": nothing}));
        let quoted = chunk(json!({"content": "tool_calls"}));
        // The second and third are passed on without being read.
        let stream = first.clone() + &only + &first + &quoted + DONE;
        let (text, end) = play(&[stream.as_bytes()]);
        assert!(end.is_ok());
        assert!(text.contains(r#""finish_reason":"stop""#), "{text}");
        let call = json!([{"index": 0, "function": {"name": "f", "arguments": ""}}]);
        let call = chunk(json!({"content": null, "tool_calls": call}));
        for stream in [
            first.clone() + &call + &only + DONE,
            call.clone() + &only + DONE,
        ] {
            let (text, end) = play(&[stream.as_bytes()]);
            assert!(end.is_ok());
            assert!(text.contains(r#""finish_reason":"tool_calls""#), "{text}");
        }
    }
}

/// It looks like the chunks before it, as far as it goes.
#[test]
fn half_an_event_is_never_passed_on() {
    for chunk in [chunk(0, "b", None), padded("b", "xyz")] {
        let before = padded("a", "x") + &padded("a", "xy");
        for cut in 3..chunk.len() {
            let stream = before.clone() + &chunk[..chunk.len() - cut];
            let (text, end) = play(&[stream.as_bytes()]);
            assert_eq!(end.unwrap_err().kind(), FailureKind::Disconnected, "{cut}");
            assert_eq!(events(&text).len(), 2, "{cut}: {text}");
        }
    }
}

#[test]
fn half_an_event_after_the_finish_breaks_nothing() {
    let whole = chunk(0, "hi", None) + &chunk(0, "", Some("stop"));
    for half in ["data: [DO", "data: {\"choices\":[", "da", "data:"] {
        let stream = whole.clone() + half;
        let (text, end) = play(&[stream.as_bytes()]);
        assert!(end.is_ok(), "{half}");
        assert!(text.ends_with(&format!("\n\n{DONE}")), "{text}");
        assert!(!text.contains("[DO\n"), "{text}");
    }
}

#[test]
fn a_malformed_event_among_others_ends_a_stream() {
    let usual = padded("a", "x") + &padded("a", "xy");
    let good = padded("b", "xyz");
    let bad = [
        good.replace("}]", "}"),
        good.replace("}]", "]"),
        good.replace("\"}\n", "\"\n"),
        good.replace("null", "nul"),
        good.replace("\"b\"", "b"),
        good.replace("\"b\"}", "\"b\""),
        good.replace("\"b\"", "\"\t\""),
        good.replace("\"b\"", "\n\"b\""),
        good.replace("\"}\n", "\"}}\n"),
        good.replace("\"}\n", "\"},{}\n"),
        chunk(0, "b", None).replace("\"b\"", "[}"),
    ];
    for bad in bad {
        assert_ne!(bad, good);
        let stream = usual.clone() + &bad + &chunk(0, "", Some("stop")) + DONE;
        let (text, end) = play(&[stream.as_bytes()]);
        assert_eq!(
            end.unwrap_err().kind(),
            FailureKind::InvalidResponse,
            "{bad}"
        );
        assert_eq!(events(&text).len(), 2, "{bad}");
    }
}

/// Bytes that are no UTF-8, where other chunks have their content.
#[test]
fn a_chunk_that_is_no_text_ends_a_stream() {
    for rest in ["}\n\n", ",\"x\":1}\n\n"] {
        let chunk = |content: &str| chunk(0, content, None).replace("}\n\n", rest);
        let usual = chunk("a") + &chunk("a");
        let mut bad = chunk("?").into_bytes();
        let at = bad.iter().position(|&byte| byte == b'?').unwrap();
        bad[at] = 0xff;
        let (_, end) = play(&[usual.as_bytes(), &bad]);
        assert_eq!(end.unwrap_err().kind(), FailureKind::InvalidResponse);
    }
}

#[test]
fn unknown_text_in_a_stream_is_not_passed_on() {
    let texts = [
        "hush\n\n",
        "event: hush\n\n",
        "data:\nhush\n\n",
        ": ping\nhush\n\n",
    ];
    for text in texts {
        let stream = text.to_owned() + &chunk(0, "hi", Some("stop"));
        let (text, end) = play(&[stream.as_bytes()]);
        assert!(end.is_ok());
        assert!(!text.contains("hush") && text.starts_with(':'), "{text}");
    }
    for text in [
        "data: hush\n\n",
        "data: \"hush\"\n\n",
        "data: [\"hush\"]\n\n",
        // Damaged lines have taken a chunk, this one or the next.
        "eata: {\"choices\":[]}\n\n",
        "event: hush data: {\"choices\":[]}\n\n",
        "data: {\"choices\":[]}\n?data: {\"choices\":[]}\n\n",
    ] {
        let (text, end) = play(&[text.as_bytes()]);
        assert_eq!(end.unwrap_err().kind(), FailureKind::InvalidResponse);
        assert_eq!(text, "");
    }
}

#[test]
fn objects_without_choices_pass_under_the_public_name() {
    let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    let usage = "data: {\"model\":\"m\",\"usage\":{\"total_tokens\":3}}\n\n";
    let stream = ping.to_owned() + &chunk(0, "hi", Some("stop")) + usage;
    let (text, end) = play(&[stream.as_bytes()]);
    assert!(end.is_ok());
    assert_eq!(text, stream.replace(r#""m""#, r#""group""#) + DONE);
}

#[test]
fn empty_errors_in_a_stream_are_none() {
    for error in ["null", "{}", "\"\"", "false"] {
        let chunk =
            |finish| chunk(0, "a", finish).replace("}\n\n", &format!(",\"error\":{error}}}\n\n"));
        let stream = chunk(None) + &chunk(None) + &chunk(Some("stop"));
        let (text, end) = play(&[stream.as_bytes()]);
        assert!(end.is_ok(), "{error}");
        assert_eq!(events(&text).len(), 4);
    }
}

/// Neither those that come first nor those that come late may show the upstream's name.
#[test]
fn a_name_that_only_some_chunks_have_is_changed_too() {
    let chunk = |id: &str, rest: &str| {
        format!(
            "data: {{{id}\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"a\"}},\"finish_reason\":null}}]{rest}}}\n\n"
        )
    };
    let id = r#""id":"c","#;
    let named = [
        r#","model":"upstream""#,
        r#","mod\u0065l":"upstream""#,
        r#","x":1,"model":"upstream""#,
    ];
    for named in named {
        let stream =
            chunk(id, "") + &chunk(id, named) + &chunk(id, named) + &chunk(id, r#","x":1"#) + DONE;
        let (text, end) = play(&[stream.as_bytes()]);
        assert!(end.is_ok());
        assert!(!text.contains("upstream"), "{text}");
    }
    let stream = chunk("", "") + &chunk("", r#","id":"""#) + &chunk("", r#","id":"""#) + DONE;
    let (text, _) = play(&[stream.as_bytes()]);
    assert!(!text.contains(r#""id":"""#), "{text}");
}

#[test]
fn what_is_no_reason_ends_no_choice() {
    let odd = |content: &str, reason: &str| {
        chunk(0, content, None).replace(
            r#""finish_reason":null"#,
            &format!(r#""finish_reason":{reason}"#),
        )
    };
    for reason in [r#""""#, r#""null""#, "false", "true", "0", "{}"] {
        let cut = [odd("a", reason), odd("b", reason)].concat();
        let mut exchange = exchange(Face::OpenAi, false);
        exchange.chunk(cut.clone().into());
        assert!(!exchange.is_complete(), "{reason}");
        let (_, end) = play(&[cut.as_bytes()]);
        assert_eq!(
            end.unwrap_err().kind(),
            FailureKind::Disconnected,
            "{reason}"
        );
        let (text, end) = play(&[(cut + &chunk(0, "", Some("stop"))).as_bytes()]);
        assert!(end.is_ok() && text.ends_with(DONE), "{reason}: {text}");
        // Many clients take any text for an end.
        let shown = match reason.starts_with('"') {
            true => Value::Null,
            false => serde_json::from_str(reason).unwrap(),
        };
        assert_eq!(events(&text)[1]["choices"][0]["finish_reason"], shown);
    }
}
