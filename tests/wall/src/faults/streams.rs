//! Answers that begin well.

use serde_json::json;

use crate::{
    Fault, Pace, Play, Scene, Seen,
    answer::{DONE, LAST, MIDDLE, PRIMARY, chunk, head, json_response, response, stream_head},
    row::Expect,
    stage::TIMEOUT,
};

pub(super) fn all() -> Vec<Fault> {
    let fallback = Expect::fallback;
    let after_silence = Expect::fallback_after_silence;
    let half = TIMEOUT / 2.0;
    let late = Expect::primary().within(half..=half);
    let stalled = cut(408).within(TIMEOUT..=TIMEOUT);
    vec![
        Fault::once(
            "slow first token, in time",
            |pace| slow(pace, TIMEOUT / 2.0),
            late,
        ),
        Fault::once(
            "slow first token, too late",
            |pace| slow(pace, TIMEOUT * 3.0),
            after_silence(),
        ),
        Fault::once(
            "closed before content",
            |_| before_content(Scene::close),
            fallback(),
        ),
        Fault::once(
            "reset before content",
            |_| before_content(Scene::reset),
            fallback(),
        ),
        Fault::once(
            "stalled before content",
            |_| before_content(Scene::hang),
            after_silence(),
        ),
        Fault::once("error event before content", |_| says_error(0), fallback()),
        Fault::once("closed in the middle", |_| middle(Scene::close), fallback()).stream(cut(502)),
        Fault::once("reset in the middle", |_| middle(Scene::reset), fallback()).stream(cut(502)),
        Fault::once(
            "ended in the middle, in good order",
            |_| middle(|half| half.send(LAST)),
            fallback(),
        )
        .stream(cut(502)),
        Fault::once(
            "stalled in the middle",
            |_| middle(Scene::hang),
            after_silence(),
        )
        .stream(stalled),
        Fault::once("malformed event in the middle", |_| malformed(), fallback()).stream(cut(500)),
        Fault::once(
            "error event in the middle",
            |_| says_error(MIDDLE),
            fallback(),
        )
        .stream(cut(500)),
        Fault::once(
            "complete without [DONE]",
            |_| without_done(),
            Expect::primary(),
        ),
        Fault::once(
            "content-length too long",
            |_| length(Off::TooLong),
            fallback(),
        )
        .stream(Expect::primary()),
        Fault::once(
            "content-length too short",
            |_| length(Off::TooShort),
            fallback(),
        )
        .stream(cut(502)),
    ]
}

/// A stream that is not asked for again, as a part of it was shown.
pub(super) fn cut(code: u16) -> Expect {
    Expect::only(Seen::Cut(code))
}

/// Begins at once, and goes on after a while.
fn slow(pace: Pace, seconds: f64) -> Play {
    let wait = pace.of(seconds);
    Play::each(move |call| match call.streams() {
        true => Scene::new()
            .send(stream_head())
            .send(chunk(&PRIMARY.role()))
            .wait(wait)
            .send(chunk(
                &(PRIMARY.spoken(0..PRIMARY.words.len()) + &PRIMARY.finish() + DONE),
            ))
            .send(LAST),
        false => {
            let whole = json_response("200 OK", "", &PRIMARY.document());
            let head = whole.len() - PRIMARY.document().to_string().len();
            Scene::new()
                .send(whole.slice(..head))
                .wait(wait)
                .send(whole.slice(head..))
        }
    })
}

/// The first half of an answer, of which it is not said how long it is.
fn half(streams: bool) -> Scene {
    if streams {
        let events = PRIMARY.role() + &PRIMARY.spoken(0..MIDDLE);
        return Scene::new().send(stream_head()).send(chunk(&events));
    }
    let text = PRIMARY.document().to_string();
    let lines = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    Scene::new()
        .send(head("200 OK", lines))
        .send(chunk(&text[..text.len() / 2]))
}

pub(super) fn middle(end: fn(Scene) -> Scene) -> Play {
    Play::each(move |call| end(half(call.streams())))
}

/// Has the role of a stream, or the first byte of a plain answer, before it ends.
fn before_content(end: fn(Scene) -> Scene) -> Play {
    Play::each(move |call| {
        let scene = Scene::new();
        end(match call.streams() {
            true => scene.send(stream_head()).send(chunk(&PRIMARY.role())),
            false => scene.send(json_response("200 OK", "", &PRIMARY.document()).slice(..90)),
        })
    })
}

pub(super) fn malformed() -> Play {
    Play::each(|call| match call.streams() {
        true => {
            let rest = PRIMARY.spoken(MIDDLE..PRIMARY.words.len()) + &PRIMARY.finish() + DONE;
            let wrong = "data: {\"id\":\"chatcmpl-primary\",\"choices\":[{\"index\":0,\"del\n\n";
            half(true).send(chunk(wrong)).send(chunk(&rest)).send(LAST)
        }
        false => {
            let text = PRIMARY
                .document()
                .to_string()
                .replace("\"choices\":", "\"choices\"=");
            Scene::new().send(response(
                "200 OK",
                "content-type: application/json\r\n",
                &text,
            ))
        }
    })
}

/// Says in a stream, after so many words, or with the status of a success that it has failed.
pub(super) fn says_error(words: usize) -> Play {
    Play::each(move |call| {
        let error = json!({"error": {"message": "the model crashed", "type": "server_error", "param": null, "code": null}});
        match call.streams() {
            true => {
                let events =
                    PRIMARY.role() + &PRIMARY.spoken(0..words) + &format!("data: {error}\n\n");
                Scene::new()
                    .send(stream_head())
                    .send(chunk(&events))
                    .send(LAST)
            }
            false => Scene::new().send(json_response("200 OK", "", &error)),
        }
    })
}

/// Ends with its connection, and says nothing about its end.
fn without_done() -> Play {
    Play::each(|call| {
        let (kind, body) = match call.streams() {
            true => ("text/event-stream", PRIMARY.events()),
            false => ("application/json", PRIMARY.document().to_string()),
        };
        Scene::new()
            .send(head("200 OK", &format!("content-type: {kind}\r\n")))
            .send(body)
            .close()
    })
}

#[derive(Clone, Copy)]
enum Off {
    TooLong,
    TooShort,
}

/// Says a length that is not that of its answer.
fn length(off: Off) -> Play {
    Play::each(move |call| {
        let (kind, body, part) = match call.streams() {
            true => {
                let part = PRIMARY.role() + &PRIMARY.spoken(0..MIDDLE);
                ("text/event-stream", PRIMARY.events() + DONE, part.len())
            }
            false => {
                let body = PRIMARY.document().to_string();
                let part = body.len() - 10;
                ("application/json", body, part)
            }
        };
        let length = match off {
            Off::TooLong => body.len() + 10,
            Off::TooShort => part,
        };
        let lines = format!("content-type: {kind}\r\ncontent-length: {length}\r\n");
        let scene = Scene::new().send(head("200 OK", &lines)).send(body);
        match off {
            Off::TooLong => scene.close(),
            Off::TooShort => scene,
        }
    })
}
