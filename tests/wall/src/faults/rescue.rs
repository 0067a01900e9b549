//! Streams that break in the middle, where a setting lets another go on with them or holds them back.

use super::{
    refusals::BACKOFF,
    streams::{cut, malformed, middle, says_error},
};
use crate::{
    Call, Fault, Pace, Play, Scene, Seen,
    answer::{FALLBACK, MIDDLE, PRIMARY, Provider, TWIN, error},
    row::Expect,
    stage::{BUDGET, COMPLETE, CONTINUE, ONE_GROUP, RESTART, TIMEOUT},
};

type Script = fn(Pace) -> Play;

pub(super) fn all() -> Vec<Fault> {
    [restart(), go_on(), complete()]
        .into_iter()
        .flatten()
        .collect()
}

/// The fallback says the same.
fn restart() -> Vec<Fault> {
    let rescued = |name, primary| {
        let fault = broken(name, primary).stream(recovered());
        fault.with_fallback(|_| says(TWIN)).set(RESTART)
    };
    let both_broken = Expect::only(Seen::Error(502))
        .calls(BUDGET)
        .fallback_calls(BUDGET)
        .within(0.0..=BACKOFF);
    vec![
        rescued("restart: closed in the middle", closed),
        rescued("restart: reset in the middle", reset),
        stalled("restart: stalled in the middle")
            .with_fallback(|_| says(TWIN))
            .set(RESTART),
        rescued("restart: malformed event in the middle", |_| malformed()),
        rescued("restart: error event in the middle", |_| says_error(MIDDLE)),
        broken("restart: the fallback says something else", reset)
            .stream(cut(502).fallback_calls(1))
            .set(RESTART),
        within("restart, one group: reset in the middle", reset, 0.0),
        within(
            "restart, one group: stalled in the middle",
            |_| middle(Scene::hang),
            TIMEOUT,
        ),
        Fault::once("restart: the fallback breaks too", reset, both_broken)
            .stream(cut(502).fallback_calls(1))
            .with_fallback(closed)
            .set(RESTART),
    ]
}

/// The fallback says something else, but for one who has begun.
fn go_on() -> Vec<Fault> {
    let rescued = |name, primary| {
        let fault = broken(name, primary).stream(recovered());
        fault.with_fallback(|_| goes_on()).set(CONTINUE)
    };
    vec![
        rescued("continue: closed in the middle", closed),
        rescued("continue: reset in the middle", reset),
        stalled("continue: stalled in the middle")
            .with_fallback(|_| goes_on())
            .set(CONTINUE),
        rescued("continue: malformed event in the middle", |_| malformed()),
        rescued("continue: error event in the middle", |_| {
            says_error(MIDDLE)
        }),
        // It is asked for the whole then.
        broken("continue: the fallback refuses a prefill", reset)
            .stream(recovered().fallback_calls(2))
            .with_fallback(|_| refuses_prefill(TWIN))
            .set(CONTINUE),
    ]
}

/// What is held back may break at any time.
fn complete() -> Vec<Fault> {
    let held = |name, primary| Fault::once(name, primary, Expect::fallback()).set(COMPLETE);
    vec![
        held("complete: closed in the middle", closed),
        held("complete: reset in the middle", reset),
        Fault::once(
            "complete: stalled in the middle",
            |_| middle(Scene::hang),
            Expect::fallback_after_silence(),
        )
        .set(COMPLETE),
        held("complete: malformed event in the middle", |_| malformed()),
        held("complete: error event in the middle", |_| {
            says_error(MIDDLE)
        }),
    ]
}

/// The primary begins, the fallback ends it. Nobody is asked twice.
fn recovered() -> Expect {
    Expect::only(Seen::Recovered).fallback_calls(1)
}

/// Plain answers are not shown in part, so they are asked again as ever.
fn broken(name: &'static str, primary: Script) -> Fault {
    Fault::once(name, primary, Expect::fallback())
}

fn stalled(name: &'static str) -> Fault {
    let stalled = |_| middle(Scene::hang);
    Fault::once(name, stalled, Expect::fallback_after_silence())
        .stream(recovered().within(TIMEOUT..=TIMEOUT))
}

/// The second deployment of a group says the same. Plain answers are retried there.
fn within(name: &'static str, primary: Script, after: f64) -> Fault {
    let after = after..=after;
    Fault::once(
        name,
        primary,
        Expect::fallback().calls(1).within(after.clone()),
    )
    .stream(recovered().seen(Seen::RecoveredWithin).within(after))
    .with_fallback(|_| says(TWIN))
    .set(ONE_GROUP)
}

fn closed(_: Pace) -> Play {
    middle(Scene::close)
}

fn reset(_: Pace) -> Play {
    middle(Scene::reset)
}

fn says(provider: Provider) -> Play {
    Play::each(move |call| provider.answer(call.streams()))
}

/// What the assistant is asked to go on from.
fn begun(call: &Call) -> Option<&str> {
    let last = call.body["messages"].as_array()?.last()?;
    last["content"]
        .as_str()
        .filter(|_| last["role"] == "assistant")
}

/// Says the rest of what the primary began, if that is sent to it.
fn goes_on() -> Play {
    let said = PRIMARY.words[..MIDDLE].concat();
    Play::each(move |call| match begun(call) {
        Some(begun) if begun == said => TWIN.stream_from(MIDDLE),
        Some(_) => Scene::new().reset(),
        None => FALLBACK.answer(call.streams()),
    })
}

pub(super) fn refuses_prefill(otherwise: Provider) -> Play {
    Play::each(move |call| {
        if begun(call).is_some() {
            let says = "This model does not support assistant message prefill.";
            return Scene::new().send(error("400 Bad Request", "", "invalid_request_error", says));
        }
        otherwise.answer(call.streams())
    })
}
