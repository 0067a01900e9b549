//! Upstreams that answer, but not with an answer.

use bytes::Bytes;
use serde_json::json;

use super::rescue::refuses_prefill;
use crate::{
    Fault, Pace, Play, Scene, Seen,
    answer::{DONE, FALLBACK, LAST, PRIMARY, chunk, error, json_response, response, stream_head},
    row::Expect,
    stage::{BUDGET, TIMEOUT},
};

const HTML: &str = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";

pub(super) fn all() -> Vec<Fault> {
    let fallback = Expect::fallback;
    let only = |seen| Expect::only(seen);
    let prefill = json!({"messages": [
        {"role": "user", "content": "How does it rise?"},
        {"role": "assistant", "content": "Stone on"},
    ]});
    vec![
        // It rests from its first 429 on, and nobody waits for it while there is someone else.
        Fault::once("429", limited, fallback().calls(1)),
        Fault::once("500, once", once_wrong, Expect::primary().calls(2)),
        Fault::once("503, for ever", down, fallback()),
        Fault::once("502 with HTML", html_502, fallback()),
        Fault::once("200 with HTML", html_200, fallback()),
        Fault::once("the prompt is too long", too_long, fallback().calls(1)),
        Fault::once(
            "a filter refuses the prompt",
            refused,
            only(Seen::Error(400)),
        ),
        Fault::once(
            "a filter keeps the answer back",
            filtered,
            only(Seen::Filtered),
        ),
        Fault::once("everything down", down, everything_down()).with_fallback(down),
        Fault::once("everything silent", silent, everything_silent()).with_fallback(silent),
        Fault::once("the fallback refuses a prefill", down, refused_by_both())
            .with_fallback(|_| refuses_prefill(FALLBACK))
            .asking(prefill),
    ]
}

/// Two waits of at most 0.5 s and 1 s, which do not scale.
pub(super) const BACKOFF: f64 = 1.5;

fn everything_down() -> Expect {
    let all = Expect::only(Seen::Error(503)).calls(BUDGET);
    all.fallback_calls(BUDGET).within(0.0..=BACKOFF)
}

/// A refusal is no reason to ask again. The caller hears of the one that was asked for.
fn refused_by_both() -> Expect {
    Expect::only(Seen::Error(503))
        .calls(BUDGET)
        .fallback_calls(1)
}

/// Nobody else is left after the fallback, so it is asked again.
fn everything_silent() -> Expect {
    let all = TIMEOUT * (1 + BUDGET) as f64;
    let expect = Expect::only(Seen::Error(408)).fallback_calls(BUDGET);
    expect.within(all..=all + BACKOFF)
}

fn always(bytes: impl Into<Bytes>) -> Play {
    Play::always(Scene::new().send(bytes))
}

fn limited(_: Pace) -> Play {
    let status = "429 Too Many Requests";
    always(error(status, "", "rate_limit_exceeded", "slow down"))
}

fn down(_: Pace) -> Play {
    let status = "503 Service Unavailable";
    always(error(status, "", "overloaded", "try another time"))
}

fn silent(_: Pace) -> Play {
    Play::Connections(Scene::new().hang())
}

fn html_502(_: Pace) -> Play {
    always(response(
        "502 Bad Gateway",
        "content-type: text/html\r\n",
        HTML,
    ))
}

fn html_200(_: Pace) -> Play {
    always(response("200 OK", "content-type: text/html\r\n", HTML))
}

fn too_long(_: Pace) -> Play {
    let says = "This model's maximum context length is 8192 tokens.";
    always(error(
        "400 Bad Request",
        "",
        "context_length_exceeded",
        says,
    ))
}

fn refused(_: Pace) -> Play {
    let says = "The prompt was filtered.";
    always(error("400 Bad Request", "", "content_filter", says))
}

fn once_wrong(_: Pace) -> Play {
    Play::each(|call| match call.number {
        0 => Scene::new().send(error("500 Internal Server Error", "", "internal", "oh")),
        _ => PRIMARY.answer(call.streams()),
    })
}

fn filtered(_: Pace) -> Play {
    Play::each(|call| without_answer(call.streams()))
}

/// Answers nothing, because a filter took it.
fn without_answer(streams: bool) -> Scene {
    let finish = "content_filter";
    if streams {
        let event = json!({
            "id": "chatcmpl-filtered", "object": "chat.completion.chunk", "created": 1, "model": "gpt-upstream",
            "choices": [{"index": 0, "delta": {}, "finish_reason": finish}],
        });
        let events = PRIMARY.role() + &format!("data: {event}\n\n") + DONE;
        return Scene::new()
            .send(stream_head())
            .send(chunk(&events))
            .send(LAST);
    }
    let mut document = PRIMARY.document();
    document["choices"][0]["finish_reason"] = finish.into();
    document["choices"][0]["message"]["content"] = "".into();
    Scene::new().send(json_response("200 OK", "", &document))
}
