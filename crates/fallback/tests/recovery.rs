//! Streams that break after their first content has gone out.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::{convert::Infallible, time::Duration};

use common::{
    Req, general, group_of,
    streams::{
        Bodies, DONE, broken, chunk, finish, play, play_failing, role, says, stream, streaming,
        whole,
    },
};
use http::{Response, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_core::{Deadline, Failure, FailureKind, FallbackReason, LlmRequest, Operation, Tried};
use ziggurat_fallback::{FallbackLayer, MAX_KEPT, StreamRecovery};
use ziggurat_testing::{Guards, ScriptedBody};

fn layer() -> FallbackLayer {
    general(&[("a", &["b", "c", "d"])]).stream_recovery(StreamRecovery::Restart)
}

#[tokio::test]
async fn another_group_goes_on_where_the_stream_broke() {
    let first = role("one") + &says("one", "a to") + &says("one", "wer");
    let sent = streaming();
    let tried = sent.extensions().get::<Tried>().unwrap().clone();
    let bodies = [
        ("a", broken(first.clone())),
        ("b", whole(stream("other", &["a", " tower of", " brick"]))),
    ];
    let seen = play(&layer(), sent, bodies.into()).await;
    seen.end.as_ref().unwrap();
    assert_eq!(seen.text("content"), "a tower of brick");
    assert!(seen.bytes.starts_with(&first), "{}", seen.bytes);
    assert!(seen.bytes.ends_with(DONE));
    assert_eq!(seen.bytes.matches("assistant").count(), 1);
    let chunks = seen.chunks();
    assert!(
        chunks
            .iter()
            .all(|it| it["id"] == "one" && it["created"] == 3)
    );
    let models: Vec<_> = chunks
        .iter()
        .map(|it| it["model"].as_str().unwrap())
        .collect();
    assert_eq!(models, ["one", "one", "one", "other", "other", "other"]);
    assert_eq!(chunks[5]["choices"][0]["finish_reason"], "stop");
    assert_eq!(seen.asked, ["a", "b"]);
    assert_eq!(tried.reason(), Some(FallbackReason::StreamRecovery));
    let recovery = tried.recovery().unwrap();
    assert_eq!((recovery.count, tried.hops()), (1, 1));
    assert_eq!(recovery.deployment.unwrap().as_str(), "b");
}

/// What some servers write where others write null, for the reason of a choice that goes on.
#[tokio::test]
async fn no_reason_is_no_end() {
    for none in ["\"\"", "\"null\"", "false", "0"] {
        let none = format!("\"finish_reason\":{none}");
        let stream = |id| stream(id, &["a", " tower"]).replace("\"finish_reason\":null", &none);
        let (first, again) = (stream("one"), stream("two"));
        for (cut, _) in first.match_indices("data:") {
            let bodies = [
                ("a", broken(first.as_bytes()[..cut].to_vec())),
                ("b", whole(again.clone())),
            ];
            let seen = play(&layer(), streaming(), bodies.into()).await;
            assert!(seen.end.is_ok(), "{none}: cut at {cut}");
            assert_eq!(seen.text("content"), "a tower", "{none}: cut at {cut}");
        }
    }
}

#[tokio::test]
async fn wherever_it_breaks_the_client_gets_the_whole_once() {
    let text = stream("one", &["é", "in Turm", " aus \"Ziegeln\""]);
    let again = stream("two", &["ein", " Turm aus", " \"Ziegeln\""]).replace("ein", "éin");
    for cut in 0..text.len() {
        let bodies = [
            ("a", broken(text.as_bytes()[..cut].to_vec())),
            ("b", whole(again.clone())),
        ];
        let seen = play(&layer(), streaming(), bodies.into()).await;
        seen.end.as_ref().unwrap();
        assert_eq!(seen.text("content"), "éin Turm aus \"Ziegeln\"", "{cut}");
        assert_eq!(seen.bytes.matches("\"stop\"").count(), 1, "{cut}");
        assert_eq!(seen.bytes.matches(DONE).count(), 1, "{cut}");
    }
}

#[tokio::test]
async fn an_answer_that_says_something_else_is_not_mixed_in() {
    let guards = Guards::new();
    for other in [
        stream("two", &["a to", "rch"]),
        stream("two", &["A tower"]),
        stream("two", &["a"]),
        role("two") + &says("two", "a to"),
        role("two") + &says("two", "a to") + DONE,
        "data: {\"what\":1}\n\n".to_owned(),
    ] {
        let bodies = [
            ("a", broken(says("one", "a tow"))),
            ("b", whole(other.clone()).guard(guards.take())),
            ("c", whole(stream("three", &["a tower"]))),
        ];
        let seen = play(&layer(), streaming(), bodies.into()).await;
        assert_eq!(seen.bytes, says("one", "a tow"), "{other}");
        let failure = seen.end.unwrap_err();
        assert!(failure.message().unwrap().contains("repeats"), "{failure}");
        assert_eq!(seen.asked, ["a", "b"]);
        assert_eq!(guards.held(), 0);
    }
}

#[tokio::test]
async fn a_second_break_is_recovered_with_all_that_was_sent() {
    let bodies = [
        ("a", broken(says("one", "a"))),
        ("b", broken(says("two", "a tower") + "data: {\"cho")),
        (
            "c",
            whole("data: oh".to_owned()).error("reset before it caught up"),
        ),
        ("d", whole(stream("four", &["a tower", " of brick"]))),
    ];
    let sent = streaming();
    let tried = sent.extensions().get::<Tried>().unwrap().clone();
    let seen = play(&layer(), sent, bodies.into()).await;
    seen.end.as_ref().unwrap();
    assert_eq!(seen.text("content"), "a tower of brick");
    assert_eq!(seen.asked, ["a", "b", "c", "d"]);
    assert_eq!((tried.recovery().unwrap().count, tried.hops()), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn hops_and_the_deadline_count_as_before() {
    let bodies = || {
        let bodies = [
            ("a", broken(says("one", "a"))),
            ("c", whole(stream("three", &["a"]))),
        ];
        Bodies::from(bodies)
    };
    let seen = play(&layer().max_fallbacks(1), streaming(), bodies()).await;
    assert_eq!(
        (seen.failed(), seen.asked),
        (FailureKind::Disconnected, vec!["a".into(), "b".into()])
    );
    let seen = play(&layer().max_fallbacks(2), streaming(), bodies()).await;
    seen.end.unwrap();
    let mut late = streaming();
    let deadline = Deadline::start(Duration::from_secs(1)).unwrap();
    late.extensions_mut().insert(deadline);
    let slow = ScriptedBody::new()
        .data(says("one", "a"))
        .wait(Duration::from_secs(2))
        .error("reset");
    let bodies = [("a", slow), ("b", whole(stream("two", &["a b"])))];
    let seen = play(&layer(), late, bodies.into()).await;
    assert_eq!(seen.asked, ["a"]);
    seen.end.unwrap_err();
}

#[tokio::test]
async fn some_failures_are_final() {
    for failure in [
        Failure::new(FailureKind::ContentPolicy),
        Failure::new(FailureKind::Timeout).with_blameless(),
    ] {
        let kind = failure.kind();
        let body = broken(says("one", "a"));
        let bodies = [("a", body), ("b", whole(stream("two", &["a b"])))];
        let layer = layer().allow_generic_fallback_on_refusal(true);
        let seen = play_failing(&layer, streaming(), bodies.into(), failure).await;
        assert_eq!(seen.failed(), kind);
        assert_eq!(seen.asked, ["a"]);
    }
}

#[tokio::test]
async fn only_streams_are_recovered_and_only_if_asked_for() {
    let bodies = || {
        let bodies = [
            ("a", broken(says("one", "a"))),
            ("b", whole(stream("two", &["a b"]))),
        ];
        Bodies::from(bodies)
    };
    let off = general(&[("a", &["b"])]);
    let mut plain = streaming();
    plain.extensions_mut().remove::<LlmRequest>();
    let mut embeddings = streaming();
    embeddings.extensions_mut().insert(Operation::Embeddings);
    for (layer, request) in [
        (&off, streaming()),
        (&layer(), plain),
        (&layer(), embeddings),
    ] {
        let seen = play(layer, request, bodies()).await;
        assert_eq!((&*seen.bytes, seen.asked.len()), (&*says("one", "a"), 1));
        seen.end.unwrap_err();
    }
}

#[tokio::test]
async fn legacy_completions_go_on_by_their_text() {
    let chunk = |id: &str, text: &str, end: &str| {
        format!(
            "data: {{\"id\":\"{id}\",\"choices\":[{{\"text\":\"{text}\",\"logprobs\":{{}},\"index\":0,\"finish_reason\":{end}}}]}}\n\n"
        )
    };
    let other = chunk("2", "one two", "null") + &chunk("2", "", "\"length\"") + DONE;
    let bodies = [
        ("a", broken(chunk("1", "one", "null"))),
        ("b", whole(other)),
    ];
    let mut request = streaming();
    request.extensions_mut().insert(Operation::Completions);
    let seen = play(&layer(), request, bodies.into()).await;
    seen.end.as_ref().unwrap();
    let choices: Vec<_> = seen
        .chunks()
        .iter()
        .map(|it| it["choices"][0].clone())
        .collect();
    let texts: String = choices
        .iter()
        .filter_map(|it| it["text"].as_str())
        .collect();
    assert_eq!(texts, "one two");
    // They are those of the whole piece.
    assert!(choices[1]["logprobs"].is_null());
    assert_eq!(choices[2]["finish_reason"], "length");
}

#[tokio::test]
async fn calls_of_tools_keep_the_id_that_the_client_knows() {
    let begin = |id: &str| {
        chunk(
            id,
            &format!(
                r#"{{"tool_calls":[{{"index":0,"id":"call_{id}","type":"function","function":{{"name":"get","arguments":""}}}}]}}"#
            ),
        )
    };
    let piece = |id: &str, text: &str| {
        let text = serde_json::to_string(text).unwrap();
        chunk(
            id,
            &format!(
                r#"{{"tool_calls":[{{"index":0,"id":"call_{id}","function":{{"arguments":{text}}}}}]}}"#
            ),
        )
    };
    let first = begin("1") + &piece("1", "{\"a\"");
    let other = begin("2") + &piece("2", "{\"a\":1") + &piece("2", "}") + &finish("2") + DONE;
    let bodies = [("a", broken(first)), ("b", whole(other))];
    let seen = play(&layer(), streaming(), bodies.into()).await;
    seen.end.as_ref().unwrap();
    let chunks = seen.chunks();
    let calls: Vec<_> = chunks
        .iter()
        .filter_map(|it| it["choices"][0]["delta"]["tool_calls"].get(0))
        .collect();
    let arguments = calls
        .iter()
        .filter_map(|it| it["function"]["arguments"].as_str());
    assert_eq!(arguments.collect::<String>(), "{\"a\":1}");
    let ids: Vec<_> = calls.iter().filter_map(|it| it["id"].as_str()).collect();
    assert_eq!(ids, ["call_1", "call_1"]);
    let names = calls
        .iter()
        .filter_map(|it| it["function"]["name"].as_str());
    assert_eq!(names.collect::<String>(), "get");
}

#[tokio::test]
async fn reasoning_and_usage_are_told_once() {
    let hm = |id: &str, text: &str| chunk(id, &format!("{{\"reasoning_content\":\"{text}\"}}"));
    let usage = |n: u32| {
        format!("data: {{\"id\":\"u\",\"choices\":[],\"usage\":{{\"total_tokens\":{n}}}}}\n\n")
    };
    let first = hm("1", "hm, ") + &hm("1", "well") + &says("1", "a");
    let other = hm("2", "hm, well") + &says("2", "a b") + &finish("2") + &usage(7) + DONE;
    let bodies = [("a", broken(first)), ("b", whole(other))];
    let seen = play(&layer(), streaming(), bodies.into()).await;
    seen.end.as_ref().unwrap();
    assert_eq!(seen.text("reasoning_content"), "hm, well");
    assert_eq!(seen.text("content"), "a b");
    assert_eq!(
        seen.bytes.matches("\"usage\":{\"total_tokens\":7}").count(),
        1
    );
}

#[tokio::test]
async fn a_stream_that_is_too_long_to_be_kept_passes_and_is_not_recovered() {
    let long = says("one", &"x".repeat(MAX_KEPT));
    let bodies = [
        ("a", broken(long.clone() + &says("one", "y"))),
        ("b", whole(stream("two", &["z"]))),
    ];
    let seen = play(&layer(), streaming(), bodies.into()).await;
    assert_eq!(seen.bytes, long + &says("one", "y"));
    seen.end.unwrap_err();
    assert_eq!(seen.asked, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn who_leaves_while_another_group_is_asked_frees_all() {
    let guards = Guards::new();
    let service = service_fn(|request: Req| {
        let guards = guards.clone();
        async move {
            let guard = guards.take();
            if group_of(&request) != "a" {
                let never: Infallible = std::future::pending().await;
                match never {}
            }
            let body = broken(says("one", "a")).guard(guard);
            let response = Response::builder().header(CONTENT_TYPE, "text/event-stream");
            Ok::<_, Infallible>(response.body(body).unwrap())
        }
    });
    let response = layer().layer(service).oneshot(streaming()).await.unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(9), body.frame()).await;
    assert!(waited.is_err());
    assert_eq!(guards.held(), 1);
    drop(body);
    assert_eq!(guards.held(), 0);
}

#[tokio::test]
async fn the_failure_is_that_of_the_stream_not_of_a_group_before_it() {
    let bodies = [("b", broken(says("one", "a")))];
    let seen = play(&layer(), streaming(), bodies.into()).await;
    assert_eq!(seen.failed(), FailureKind::Disconnected);
    assert_eq!(seen.asked, ["a", "b", "c", "d"]);
}
