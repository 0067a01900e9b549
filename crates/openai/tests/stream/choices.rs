//! Streams of several choices: how many there are is known from the request alone.

use ziggurat_provider::Exchange;

use super::*;

fn completions(request: &Value) -> Box<dyn Exchange> {
    exchange_of(Face::OpenAi, Operation::Completions, request)
}

fn chat(n: &Value) -> Box<dyn Exchange> {
    let request = json!({"model": "group", "messages": [], "stream": true, "n": n});
    exchange_of(Face::OpenAi, Operation::Chat, &request)
}

/// Ends choice after choice; says after how many the stream is complete.
fn needed(mut exchange: Box<dyn Exchange>) -> u64 {
    let mut ended = 0;
    while !exchange.is_complete() {
        let streamed = exchange.chunk(chunk(ended, "hi", Some("stop")).into());
        assert!(streamed.end.is_none());
        ended += 1;
    }
    ended
}

#[test]
fn a_stream_lacks_the_choices_that_have_not_begun() {
    let first = chunk(0, "hi", None) + &chunk(0, "", Some("stop"));
    for broken in [None, Some(Failure::new(FailureKind::Disconnected))] {
        let (text, end) = play_on(chat(&json!(2)), &[first.as_bytes()], broken);
        assert_eq!(end.unwrap_err().kind(), FailureKind::Disconnected);
        assert!(!text.contains("[DONE]"), "{text}");
    }
    let both = first + &chunk(1, "ho", None) + &chunk(1, "", Some("stop"));
    let (text, end) = play_on(chat(&json!(2)), &[both.as_bytes()], None);
    assert!(end.is_ok());
    assert!(text.ends_with(DONE));
}

#[test]
fn a_stream_that_says_done_may_have_fewer_choices_than_were_asked_for() {
    let stream = chunk(0, "hi", Some("stop")) + DONE;
    let (text, end) = play_on(chat(&json!(2)), &[stream.as_bytes()], None);
    assert!(end.is_ok());
    assert_eq!(events(&text).len(), 2);
}

#[test]
fn a_chat_has_as_many_choices_as_it_asks_for() {
    for (n, choices) in [
        (json!(1), 1),
        (json!(3), 3),
        (json!(2.0), 2),
        (json!(null), 1),
        (json!(0), 1),
        (json!("many"), 1),
        (json!(128), 128),
    ] {
        assert_eq!(needed(chat(&n)), choices, "{n}");
    }
}

/// Of so many nobody keeps count.
#[test]
fn more_choices_than_chat_may_have_end_with_done() {
    let prompts = vec!["a"; 129];
    let request = json!({"model": "group", "prompt": prompts, "stream": true});
    let choices: String = (0..129).map(|at| chunk(at, "hi", Some("stop"))).collect();
    let (_, end) = play_on(completions(&request), &[choices.as_bytes()], None);
    assert_eq!(end.unwrap_err().kind(), FailureKind::Disconnected);
    let whole = choices + DONE;
    let (_, end) = play_on(completions(&request), &[whole.as_bytes()], None);
    assert!(end.is_ok());
}

#[test]
fn each_prompt_has_its_choices() {
    for (asked, choices) in [
        (json!({"prompt": "a"}), 1),
        (json!({"prompt": "a", "n": 2, "best_of": 4}), 2),
        (json!({"prompt": ["a"]}), 1),
        (json!({"prompt": ["a", "b, [c]", "\"d\""]}), 3),
        (json!({"prompt": ["a", "b"], "n": 2}), 4),
        (json!({"prompt": [1, 2, 3]}), 1),
        (json!({"prompt": [[1, 2], [3]]}), 2),
        (json!({"prompt": []}), 1),
        (json!({"prompt": null}), 1),
    ] {
        let mut request = asked.clone();
        request["model"] = json!("group");
        request["stream"] = json!(true);
        assert_eq!(needed(completions(&request)), choices, "{asked}");
    }
}
