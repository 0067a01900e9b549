//! What fails: another is asked before the first content, and errors are Anthropic's.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Response};
use serde_json::{Value, json};
use tokio::time::Instant;
use ziggurat_testing::mock::{Answer as Reply, Cut, Event, Step};

use super::{YAML, ask, document, hi, read, start};
use crate::support::{Proxy, upstream};

fn refusal(status: u16, kind: &str) -> Step {
    let body = json!({"type": "error", "error": {"type": kind, "message": "so it is"}});
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    Step::respond(response.body(Bytes::from(body.to_string())).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_failing_claude_gives_way_to_others() {
    for stream in [false, true] {
        let two = start(refusal(529, "overloaded_error"), Step::hello()).await;
        let answer = ask(&two.proxy, "claude", &json!({"stream": stream})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.header("x-litellm-attempted-fallbacks"), "1");
        if stream {
            assert_eq!(read(&answer).1, "hello from gpt");
            assert_eq!(answer.events()[0]["message"]["model"], "gpt");
        } else {
            assert_eq!(answer.json()["content"][0]["text"], "hello from gpt");
            assert_eq!(answer.json()["model"], "gpt");
        }
        assert_eq!((two.claude.count(), two.gpt.count()), (1, 1));
    }
}

/// The events of a stream that says nothing yet.
fn silence() -> Vec<Event> {
    let start = json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant",
        "model": "claude-3-opus-20240229", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}});
    let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
    let empty = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}});
    vec![
        named(&start),
        named(&block),
        named(&json!({"type": "ping"})),
        named(&empty),
    ]
}

fn named(event: &Value) -> Event {
    let name = event["type"].as_str().unwrap();
    Event::raw(format!("event: {name}\ndata: {event}\n\n"))
}

#[tokio::test(start_paused = true)]
async fn before_the_first_content_another_is_asked() {
    // Silence, a connection that ends, one that is reset, an error of the stream's own.
    let overloaded =
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}});
    let error = silence().into_iter().chain([named(&overloaded)]);
    let late = silence()
        .into_iter()
        .chain([Event::raw(":\n\n").after(Duration::from_secs(60))]);
    for step in [
        Step::events(late),
        Step::events(silence()),
        Step::events(silence()).cut_after(3, Cut::Reset),
        Step::events(error),
    ] {
        let two = start(step, Step::hello()).await;
        let started = Instant::now();
        let answer = ask(&two.proxy, "claude", &json!({"stream": true})).await;
        assert_eq!(read(&answer).1, "hello from gpt", "{}", answer.text);
        assert!(started.elapsed() < Duration::from_secs(4));
        assert_eq!(answer.text.matches("message_start\n").count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_after_the_first_content_is_an_error_event() {
    let deltas = || Step::answer(Reply::deltas(["one", " two"]));
    // Passed on: the start, a block, a ping, and the first piece came. Translated: role and text.
    let cases = [
        (
            "claude",
            start(deltas().cut_after(4, Cut::Reset), Step::hello()).await,
        ),
        (
            "claude",
            start(deltas().cut_after(6, Cut::Eof), Step::hello()).await,
        ),
        (
            "gpt",
            start(Step::hello(), deltas().cut_after(2, Cut::Reset)).await,
        ),
    ];
    for (model, two) in cases {
        let answer = ask(&two.proxy, model, &json!({"stream": true})).await;
        let (names, text) = read(&answer);
        assert!(text.starts_with("one"), "{}", answer.text);
        assert_eq!(names.last().unwrap(), "error", "{}", answer.text);
        assert!(!names.iter().any(|name| name == "message_stop"));
        assert!(!answer.text.contains("[DONE]"));
        let events = answer.events();
        let error = events.last().unwrap();
        assert_eq!(
            (&error["type"], &error["error"]["type"]),
            (&json!("error"), &json!("api_error"))
        );
        assert_eq!(error["request_id"], answer.header("x-litellm-call-id"));
        assert_eq!(
            two.claude.count() + two.gpt.count(),
            1,
            "nothing is asked again"
        );
    }
}

/// Anthropic has no word for an answer that ended with an error.
#[tokio::test(start_paused = true)]
async fn a_translated_answer_that_ends_with_an_error_is_none() {
    for reason in ["error", "abort"] {
        let half = json!({"index": 0, "delta": {"content": "half"}, "message": {"content": "half"}, "finish_reason": null});
        let mut last = half.clone();
        last["finish_reason"] = json!(reason);
        let answer =
            |choice: &Value| json!({"id": "c", "model": "x", "choices": [choice]}).to_string();
        let stream = [
            Event::data(answer(&half)),
            Event::data(answer(&last)),
            Event::done(),
        ];

        let two = start(Step::hello(), Step::events(stream)).await;
        let streamed = ask(&two.proxy, "gpt", &json!({"stream": true})).await;
        let (names, _) = read(&streamed);
        assert_eq!(names.last().unwrap(), "error", "{}", streamed.text);
        assert!(!streamed.text.contains("end_turn"), "{}", streamed.text);

        // Before the client has anything of it, another is asked.
        let response = Response::builder().header("content-type", "application/json");
        let step = Step::respond(response.body(Bytes::from(answer(&last))).unwrap());
        let (claude, gpt) = (
            upstream("claude", [Step::hello()]).await,
            upstream("gpt", [step]).await,
        );
        let yaml = YAML.replace("{claude: [gpt]}", "{gpt: [claude]}");
        let proxy = Proxy::start(&yaml, &[("A", claude.url()), ("B", gpt.url())]).await;
        let plain = ask(&proxy, "gpt", &json!({})).await;
        assert_eq!(plain.json()["content"][0]["text"], "hello from claude");
        assert_eq!((claude.count(), gpt.count()), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_complete_needs_no_end_of_its_connection() {
    let two = start(
        Step::answer(Reply::deltas(["one"])).cut_after(7, Cut::Hang),
        Step::hello(),
    )
    .await;
    let answer = ask(&two.proxy, "claude", &json!({"stream": true})).await;
    assert_eq!(
        read(&answer).0.last().unwrap(),
        "message_stop",
        "{}",
        answer.text
    );
}

#[tokio::test(start_paused = true)]
async fn errors_are_anthropics() {
    let yaml = format!("{YAML}\ngeneral_settings: {{master_key: sk-1}}");
    let (a, b) = (
        upstream("a", [refusal(429, "rate_limit_error")]).await,
        upstream("b", [Step::hello()]).await,
    );
    let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
    let call = async |method, path: &str, body: String, key: &'static str| {
        let mut request = proxy.request(method, path, body);
        request
            .headers_mut()
            .insert("x-api-key", HeaderValue::from_static(key));
        let answer = proxy.call(request).await;
        let error = answer.json();
        assert_eq!(error["type"], "error", "{}", answer.text);
        assert!(error["error"]["message"].is_string());
        assert_eq!(error["request_id"], answer.header("x-litellm-call-id"));
        (
            answer.status.as_u16(),
            error["error"]["type"].as_str().unwrap().to_owned(),
        )
    };
    let told = |status: u16, kind: &str| (status, kind.to_owned());
    let post = Method::POST;
    let nobody = hi("nobody", &json!({})).to_string();
    let alone = hi("claude", &json!({"disable_fallbacks": true})).to_string();
    assert_eq!(
        call(post.clone(), "/v1/messages", "{}".into(), "wrong").await,
        told(401, "authentication_error")
    );
    assert_eq!(
        call(post.clone(), "/v1/messages", "{".into(), "sk-1").await,
        told(400, "invalid_request_error")
    );
    assert_eq!(
        call(
            post.clone(),
            "/v1/messages",
            r#"{"model":"claude"}"#.into(),
            "sk-1"
        )
        .await,
        told(400, "invalid_request_error")
    );
    assert_eq!(
        call(post.clone(), "/v1/messages", nobody, "sk-1").await,
        told(404, "not_found_error")
    );
    assert_eq!(
        call(Method::GET, "/v1/messages", String::new(), "sk-1").await,
        told(405, "invalid_request_error")
    );
    assert_eq!(
        call(post.clone(), "/v1/messages/batches", "{}".into(), "sk-1").await,
        told(404, "not_found_error")
    );
    assert_eq!(
        call(post, "/v1/messages", alone, "sk-1").await,
        told(429, "rate_limit_error")
    );
}

#[tokio::test]
async fn an_answer_that_ran_out_of_tokens_is_an_answer() {
    let message =
        "Could not finish the message because max_tokens or model output limit was reached.";
    let body = json!({"error": {"message": message, "type": "invalid_request_error"}});
    for stream in [false, true] {
        let response = Response::builder()
            .status(400)
            .header("content-type", "application/json");
        let step = Step::respond(response.body(Bytes::from(body.to_string())).unwrap());
        let two = start(Step::hello(), step).await;
        let answer = ask(&two.proxy, "gpt", &json!({"stream": stream})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        if stream {
            let (names, text) = read(&answer);
            assert_eq!(
                (names.last().unwrap().as_str(), text.as_str()),
                ("message_stop", "")
            );
            assert!(
                answer.text.contains(r#""stop_reason":"max_tokens""#),
                "{}",
                answer.text
            );
        } else {
            assert_eq!(
                (&answer.json()["type"], &answer.json()["stop_reason"]),
                (&json!("message"), &json!("max_tokens"))
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_overloaded_upstream_is_told_as_one() {
    let two = start(refusal(529, "overloaded_error"), Step::hello()).await;
    let answer = ask(&two.proxy, "claude", &json!({"disable_fallbacks": true})).await;
    assert_eq!(answer.status.as_u16(), 529);
    assert_eq!(
        answer.json()["error"],
        json!({"type": "overloaded_error", "message": "so it is"})
    );
}

#[tokio::test]
async fn what_claude_kept_back_goes_to_the_chain_for_refusals() {
    const KEPT: &str = r#"{"id":"m","type":"message","role":"assistant","model":"c","content":[],"stop_reason":"refusal","usage":{"input_tokens":1,"output_tokens":1}}"#;
    let yaml = format!("{YAML}\n").replace("fallbacks:", "content_policy_fallbacks:");
    let end = json!({"type": "message_delta", "delta": {"stop_reason": "refusal"}, "usage": {"output_tokens": 1}});
    let stop = named(&json!({"type": "message_stop"}));
    let refused = silence().into_iter().chain([named(&end), stop]);
    for (stream, step) in [(false, document(KEPT)), (true, Step::events(refused))] {
        let (a, b) = (
            upstream("a", [step]).await,
            upstream("gpt", [Step::hello()]).await,
        );
        let proxy = Proxy::start(&yaml, &[("A", a.url()), ("B", b.url())]).await;
        let answer = ask(&proxy, "claude", &json!({"stream": stream})).await;
        assert!(answer.text.contains("from"), "{}", answer.text);
        assert_eq!(
            answer.header("x-litellm-attempted-fallbacks"),
            "1",
            "{}",
            answer.text
        );
    }
}
