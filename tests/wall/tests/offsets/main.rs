//! Recorded streams that end, stall, break or are changed at each of their bytes: the caller sees a whole stream or a marked
//! failure, never a part that looks like a whole.
//!
//! The recordings come over sockets, without a length, so that an early end looks like any other. The clock is paused.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod harm;
mod pieces;
mod play;
mod read;
mod recording;

use crate::{
    harm::{Case, Harm},
    play::{REST, play, play_recovered},
    read::View,
    recording::Recording,
};

/// What became of the cases of one kind of harm.
#[derive(Debug, Default)]
struct Counts {
    whole: usize,
    changed: usize,
    marked: usize,
}

/// Plays a harm at each byte of a recording, and looks at each outcome.
async fn at_each_byte(recording: &Recording, harm: Harm) -> Counts {
    let cases: Vec<_> = (0..recording.bytes.len())
        .map(|at| Case { harm, at })
        .collect();
    let mut counts = Counts::default();
    for (case, view) in cases.iter().zip(play(recording, &cases).await) {
        let view = view.unwrap_or_else(|wrong| panic!("{case:?}: {wrong}"));
        match &view {
            View::Whole { text } if *text == recording.text => counts.whole += 1,
            View::Whole { .. } => counts.changed += 1,
            View::Marked { .. } => counts.marked += 1,
        }
        if let Err(wrong) = case.judge(recording, &view) {
            panic!("{case:?} {wrong}: {view:?}");
        }
    }
    counts
}

async fn harmed(recording: Recording) {
    let [uncut] = &play(&recording, &[Case::NONE]).await[..] else {
        panic!("one view of one case");
    };
    assert_eq!(uncut.as_ref().unwrap(), &recording.whole());
    for harm in Harm::ALL {
        let counts = at_each_byte(&recording, harm).await;
        println!("{} {harm:?}: {counts:?}", recording.name);
        assert!(counts.marked > 0, "{harm:?}: {counts:?}");
    }
}

/// With a fallback that repeats it, a stream is whole wherever it broke. A flipped bit may have changed what was sent before
/// the damage showed: then nothing repeats that, and it is a marked failure.
async fn recovered(recording: Recording) {
    let recording = recording.shortened();
    for harm in [Harm::Ends, Harm::Stalls, Harm::Flipped] {
        let views = play_each(&recording, harm, "restart").await;
        for (case, view) in views {
            let is_flipped = harm == Harm::Flipped && case.judge(&recording, &view).is_ok();
            let is_whole = view == recording.whole();
            assert!(is_whole || is_flipped, "{case:?}: {view:?}");
        }
    }
}

/// With a fallback that goes on, a stream has one end wherever it broke: that of the recording, or of the fallback behind a
/// part of it.
async fn went_on(recording: Recording) {
    let recording = recording.shortened();
    let mut counts = Counts::default();
    for harm in [Harm::Resets, Harm::Stalls, Harm::Replaced, Harm::Inserted] {
        for (case, view) in play_each(&recording, harm, "continue").await {
            if view == recording.whole() {
                counts.whole += 1;
                continue;
            }
            let View::Whole { text } = &view else {
                panic!("{case:?}: {view:?}");
            };
            let begun = text.strip_suffix(REST).unwrap_or_default();
            let is_part = !begun.is_empty() && recording.text.starts_with(begun);
            assert!(is_part, "{case:?}: {view:?}");
            counts.changed += 1;
        }
    }
    println!("{} went on: {counts:?}", recording.name);
    assert!(counts.changed > 0 && counts.whole > 0, "{counts:?}");
}

async fn play_each(recording: &Recording, harm: Harm, recovery: &'static str) -> Vec<(Case, View)> {
    let cases: Vec<_> = (0..recording.bytes.len())
        .map(|at| Case { harm, at })
        .collect();
    let views = play_recovered(recording, &cases, recovery).await;
    let views = cases.into_iter().zip(views);
    views
        .map(|(case, view)| {
            (
                case,
                view.unwrap_or_else(|wrong| panic!("{case:?}: {wrong}")),
            )
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn openai_recovered() {
    recovered(recording::openai()).await;
}

#[tokio::test(start_paused = true)]
async fn anthropic_recovered() {
    recovered(recording::anthropic()).await;
}

#[tokio::test(start_paused = true)]
async fn messages_recovered() {
    recovered(recording::messages()).await;
}

#[tokio::test(start_paused = true)]
async fn translated_recovered() {
    recovered(recording::translated()).await;
}

#[tokio::test(start_paused = true)]
async fn bedrock_recovered() {
    recovered(recording::bedrock()).await;
}

#[tokio::test(start_paused = true)]
async fn openai_went_on() {
    went_on(recording::openai()).await;
}

#[tokio::test(start_paused = true)]
async fn anthropic_went_on() {
    went_on(recording::anthropic()).await;
}

#[tokio::test(start_paused = true)]
async fn messages_went_on() {
    went_on(recording::messages()).await;
}

#[tokio::test(start_paused = true)]
async fn translated_went_on() {
    went_on(recording::translated()).await;
}

#[tokio::test(start_paused = true)]
async fn bedrock_went_on() {
    went_on(recording::bedrock()).await;
}

#[tokio::test(start_paused = true)]
async fn openai() {
    harmed(recording::openai()).await;
}

#[tokio::test(start_paused = true)]
async fn anthropic() {
    harmed(recording::anthropic()).await;
}

#[tokio::test(start_paused = true)]
async fn messages() {
    harmed(recording::messages()).await;
}

#[tokio::test(start_paused = true)]
async fn bedrock() {
    harmed(recording::bedrock()).await;
}
