//! Answers that are none, what they cost, and how much of them is kept.

use super::*;

#[test]
fn a_blocked_prompt_is_a_filtered_answer() {
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}});
    let (chunks, end) = play(&[event(&blocked).as_bytes()]);
    end.unwrap();
    assert_eq!(chunks[0]["choices"][0]["finish_reason"], "content_filter");
    let mut plain = exchange(false, &Meter::new());
    plain.plain(blocked.to_string().into()).unwrap();
    let mut response = Response::new(());
    plain.tell(response.extensions_mut());
    assert!(response.extensions().get::<ContentFiltered>().is_some());
}

#[test]
fn tokens_are_written_to_the_meter() {
    let meter = Meter::new();
    exchange(true, &meter).chunk(whole().into());
    assert_eq!((meter.input(), meter.output()), (Some(8), Some(5)));
    let meter = Meter::new();
    let plain =
        json!({"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 3}});
    exchange(false, &meter)
        .plain(plain.to_string().into())
        .unwrap();
    assert_eq!((meter.input(), meter.output()), (Some(3), Some(0)));
}

#[test]
fn a_plain_answer_without_an_answer_is_a_failure() {
    for body in [
        "{}",
        "",
        "[]",
        "{\"candidates\":[]}",
        "{\"candidates\":7}",
        "<html>",
    ] {
        let failure = exchange(false, &Meter::new())
            .plain(body.into())
            .unwrap_err();
        assert_eq!(failure.kind(), FailureKind::InvalidResponse, "{body}");
        assert_eq!(failure.status().as_u16(), 500, "{body}");
    }
    let failure = exchange(false, &Meter::new())
        .plain(r#"{"error":"x","candidates":[{}]}"#.into())
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Server);
    let error = json!({"error": {"code": 429, "message": "x"}});
    let failure = exchange(false, &Meter::new())
        .plain(error.to_string().into())
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::RateLimited);
}

/// R189: who asks for the usage gets one: the upstream's, or an estimate if it tells none.
#[test]
fn usage_that_is_not_told_is_estimated() {
    let piece = |text: &str, reason: Option<&str>| {
        event(&json!({
            "candidates": [{"content": {"parts": [{"text": text}]}, "finishReason": reason}],
            "usageMetadata": {"trafficType": "ON_DEMAND"},
        }))
    };
    let text = [piece("a", None), piece(&"b".repeat(39), Some("STOP"))].concat();
    let play = |usage: bool, text: &str| {
        let meter = Meter::new();
        let asked = json!({"stream": true, "stream_options": {"include_usage": usage}});
        let mut exchange = exchange_with(&asked, &meter);
        let mut out = exchange.chunk(text.to_owned().into()).data.to_vec();
        let streamed = exchange.end(None);
        out.extend_from_slice(&streamed.data);
        (
            String::from_utf8(out).unwrap(),
            streamed.end.unwrap(),
            meter,
        )
    };
    let (out, end, meter) = play(true, &text);
    end.unwrap();
    let prompt = json!([{"role": "user", "content": "Hi"}]).to_string().len() / 4;
    let usage =
        json!({"prompt_tokens": prompt, "completion_tokens": 10, "total_tokens": prompt + 10});
    let events: Vec<_> = out
        .split("\n\n")
        .filter(|event| !event.is_empty())
        .collect();
    let [.., told, "data: [DONE]"] = &events[..] else {
        panic!("{out}");
    };
    let told: Value = serde_json::from_str(told.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!((&told["choices"], &told["usage"]), (&json!([]), &usage));
    assert_eq!((meter.input(), meter.output()), (None, Some(10)));
    let (out, end, meter) = play(false, &text);
    end.unwrap();
    assert!(!out.contains("\"usage\""), "{out}");
    assert_eq!(meter.output(), Some(10));
    // What breaks off is no answer.
    let (out, end, meter) = play(true, &piece("a", None));
    end.unwrap_err();
    assert!(!out.contains("\"usage\""), "{out}");
    assert_eq!(meter.output(), None);
}

#[test]
fn a_damaged_line_ends_a_stream() {
    let whole = event(&json!({"candidates": [{"index": 0}]}));
    let damaged = whole.replacen("data", "eata", 1);
    let (_, end) = play(&[damaged.as_bytes()]);
    assert_eq!(end.unwrap_err().kind(), FailureKind::InvalidResponse);
}

#[test]
fn one_event_cannot_take_all_memory() {
    let mut exchange = exchange(true, &Meter::new());
    let piece = Bytes::from(vec![b'x'; 1024 * 1024]);
    let ended = (0..64).find_map(|_| exchange.chunk(piece.clone()).end);
    assert_eq!(
        ended.unwrap().unwrap_err().kind(),
        FailureKind::InvalidResponse
    );
}

#[test]
fn many_choices_cannot_take_all_memory() {
    let candidates: Vec<_> = (0..1000).map(|index| json!({"index": index})).collect();
    let (_, end) = play(&[event(&json!({"candidates": candidates})).as_bytes()]);
    assert_eq!(end.unwrap_err().kind(), FailureKind::InvalidResponse);
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_chunks(cuts in proptest::collection::vec(0_usize..1200, 0..40)) {
        let text = whole();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut start = 0;
        for cut in cuts {
            pieces.push(&text.as_bytes()[start..cut]);
            start = cut;
        }
        pieces.push(&text.as_bytes()[start..]);
        let (chunks, end) = play(&pieces);
        prop_assert_eq!(chunks, chunks_of_whole());
        prop_assert!(end.is_ok());
    }

    #[test]
    fn arbitrary_bytes_are_no_panic(
        pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..10),
        json in "[\\[\\]{}\":,a-z0-9 ]{0,80}",
        nested in prop::sample::select(vec![
            "{\"candidates\":[{\"content\":", "{\"error\":", "{\"usageMetadata\":", "{\"promptFeedback\":", "",
        ]),
    ) {
        let event = format!("data: {nested}{json}\n\n");
        let mut all: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        all.push(event.as_bytes());
        let (chunks, _) = play(&all);
        prop_assert!(chunks.len() <= 12);
        for bytes in all {
            let mut body = Bytes::copy_from_slice(bytes);
            let _ = exchange(false, &Meter::new()).plain(body.clone());
            let (head, ()) = Response::builder().status(400).body(()).unwrap().into_parts();
            let failure = exchange(false, &Meter::new()).refused(&head, &mut body);
            prop_assert!(failure.upstream().unwrap().message().len() < 10_000);
        }
    }
}
