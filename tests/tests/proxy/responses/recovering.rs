//! Streams of Responses that go on after they broke.

use std::time::Duration;

use serde_json::{Value, json};
use ziggurat_testing::mock::{Cut, Event, Running, Step};

use super::{YAML, ask, delta, named, opening, read, response, whole};
use crate::support::{Answer, Proxy, upstream};

async fn recovered(first: Step, second: Step) -> (Answer, [Running; 2]) {
    let (a, b) = (upstream("a", [first]).await, upstream("b", [second]).await);
    let yaml = format!("{YAML}\nrouter_settings: {{stream_recovery: restart}}");
    let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
    (ask(&proxy, "/v1/responses", "m", true).await, [a, b])
}

/// The same answer in other pieces, by another name.
fn again() -> Vec<Event> {
    let mut events = opening();
    events.extend(["h", "i!"].map(|text| delta(9, text)));
    let usage = json!({"id": "resp_2", "status": "completed", "usage": {"input_tokens": 3, "output_tokens": 2}});
    events.push(named(30, response("response.completed", &usage)));
    events
}

#[tokio::test(start_paused = true)]
async fn a_response_that_breaks_is_gone_on_with() {
    let error =
        json!({"type": "error", "code": "server_error", "message": "it broke", "param": null});
    let mut wrong = opening();
    wrong.extend([delta(4, "hi"), named(5, error)]);
    let mut slow = opening();
    slow.extend([delta(4, "hi"), delta(5, "!").after(Duration::from_secs(60))]);
    for step in [
        Step::events(whole("hi")).cut_after(5, Cut::Reset),
        Step::events(whole("hi")).cut_after(5, Cut::Eof),
        Step::events(slow),
        Step::events(wrong),
    ] {
        let (answer, [a, b]) = recovered(step, Step::events(again())).await;
        let (kinds, text) = read(&answer);
        assert_eq!(text, "hi!", "{}", answer.text);
        let delta = "response.output_text.delta";
        let expected = [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            delta,
            delta,
            "response.completed",
        ];
        assert_eq!(kinds, expected, "{}", answer.text);
        let events = answer.events();
        let numbers = events.iter().map(|it| it["sequence_number"].as_u64());
        assert!(numbers.eq((0..7).map(Some)), "{}", answer.text);
        let ids: Vec<&Value> = events.iter().map(|it| &it["response"]["id"]).collect();
        assert_eq!([ids[0], ids[6]], ["resp_1", "resp_1"]);
        assert_eq!(events[6]["response"]["model"], "n");
        assert_eq!((a.count(), b.count()), (1, 1));
    }
}

fn assert_ends_with_its_error(answer: &Answer) {
    let (kinds, text) = read(answer);
    let last = kinds.last().unwrap().as_str();
    assert_eq!((&*text, last), ("hi", "error"), "{}", answer.text);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_says_something_else_ends_it_with_its_error() {
    let broken = Step::events(whole("hi")).cut_after(5, Cut::Reset);
    let (answer, [_, b]) = recovered(broken, Step::events(whole("ho"))).await;
    assert_ends_with_its_error(&answer);
    let events = answer.events();
    let error = events.last().unwrap();
    assert_eq!(error["sequence_number"], 5);
    assert!(
        error["message"].as_str().unwrap().contains("repeats"),
        "{error}"
    );
    assert_eq!(b.count(), 1);
}

/// The ids of a call mean something to the one who gave them: nobody else is asked.
#[tokio::test(start_paused = true)]
async fn a_response_with_a_call_ends_with_its_error() {
    let call = json!({"type": "response.output_item.added", "output_index": 1, "item": {"type": "function_call", "id": "fc_1"}});
    let mut events = opening();
    events.extend([delta(4, "hi"), named(5, call)]);
    let (answer, [_, b]) = recovered(Step::events(events), Step::events(whole("hi"))).await;
    assert_ends_with_its_error(&answer);
    assert_eq!(b.count(), 0);
}
