//! Upstreams of whom no answer comes, or not the whole head of one.

use crate::{
    Fault, Pace, Play, Scene,
    answer::{DONE, LAST, PRIMARY, chunk, head, stream_head},
    row::Expect,
    stage::TIMEOUT,
};

pub(super) fn all() -> Vec<Fault> {
    let fallback = Expect::fallback;
    let after_silence = Expect::fallback_after_silence;
    let unknown = fallback().calls(0).within(0.0..=TIMEOUT);
    let half = TIMEOUT / 2.0;
    // The last byte goes a little before the time is over.
    let late = Expect::primary().within(half * 0.9..=half);
    vec![
        Fault::once("unknown host", silent, unknown).at(|_| "http://primary.invalid/v1".into()),
        Fault::once(
            "TLS handshake that hangs",
            silent,
            fallback().calls(1).within(CONNECTING..=TIMEOUT),
        )
        .at(|address| format!("https://{address}/v1")),
        Fault::once("silence after accept", silent, after_silence()),
        Fault::once(
            "reset after accept",
            |_| Play::Connections(Scene::new().reset()),
            fallback(),
        ),
        Fault::once(
            "reset before headers",
            |_| Play::always(Scene::new().reset()),
            fallback(),
        ),
        Fault::once(
            "closed before headers",
            |_| Play::always(Scene::new().close()),
            fallback(),
        ),
        Fault::once("no HTTP", no_http, fallback()),
        Fault::once(
            "headers byte by byte, in time",
            |pace| dripping(pace, TIMEOUT / 2.0),
            late,
        ),
        Fault::once(
            "headers byte by byte, too slow",
            |pace| dripping(pace, TIMEOUT * 3.0),
            after_silence(),
        ),
        Fault::once("200, then silence", |_| head_alone(), after_silence()),
        // The wait for the text does not scale, but is no longer than the timeout.
        Fault::once(
            "503, then silence",
            |_| error_head_alone(),
            fallback().calls(1).within(0.0..=TIMEOUT),
        ),
    ]
}

/// Seconds for making a connection, at most.
const CONNECTING: f64 = 10.0;

fn silent(_: Pace) -> Play {
    Play::Connections(Scene::new().hang())
}

fn no_http(_: Pace) -> Play {
    let greeting = &b"\x00\xff SSH-2.0-what\r\n\r\n"[..];
    Play::always(Scene::new().send(greeting).close())
}

/// Sends its headers one byte at a time.
fn dripping(pace: Pace, seconds: f64) -> Play {
    let time = pace.of(seconds);
    Play::each(move |call| {
        let scene = Scene::new();
        match call.streams() {
            true => {
                let events = PRIMARY.events() + DONE;
                let chunk = chunk(&events);
                scene.drip(stream_head(), time).send(chunk).send(LAST)
            }
            false => {
                let body = PRIMARY.document().to_string();
                let length = format!(
                    "content-type: application/json\r\ncontent-length: {}\r\n",
                    body.len()
                );
                scene.drip(head("200 OK", &length), time).send(body)
            }
        }
    })
}

fn error_head_alone() -> Play {
    let lines = "content-type: application/json\r\ncontent-length: 500\r\n";
    Play::always(
        Scene::new()
            .send(head("503 Service Unavailable", lines))
            .hang(),
    )
}

fn head_alone() -> Play {
    Play::each(|call| {
        let lines = "content-type: application/json\r\ncontent-length: 500\r\n";
        let head = if call.streams() {
            stream_head()
        } else {
            head("200 OK", lines)
        };
        Scene::new().send(head).hang()
    })
}
