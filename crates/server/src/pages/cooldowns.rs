//! The page that shows which deployments rest.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use ziggurat::core::{
    Board, DeploymentId, FailureKind,
    vitals::{CoolingSnapshot, Phase},
};

#[derive(Serialize)]
struct List<'a> {
    data: Vec<Resting<'a>>,
    object: &'static str,
}

#[derive(Serialize)]
struct Resting<'a> {
    deployment: &'a str,
    model_groups: Vec<&'a str>,
    /// `cooling`, `waiting_for_trial` or `trial_running`.
    state: &'static str,
    seconds_remaining: f64,
    cause: Option<&'static str>,
    last_status: Option<u16>,
    /// Trials in a row that have failed.
    strikes: u32,
    trial_running: bool,
}

/// Prints the deployments that rest or wait for their trial, of those that serve in a group; sorted by id.
pub(crate) fn print(board: &Board, groups: &[(DeploymentId, String)]) -> Bytes {
    let all = board.all();
    let data = all.iter().filter_map(|(id, vitals)| {
        let named = groups.iter().filter(|(member, _)| member == id);
        let model_groups: Vec<_> = named.map(|(_, group)| group.as_str()).collect();
        if model_groups.is_empty() {
            return None;
        }
        resting(id.as_str(), model_groups, vitals.cooling().snapshot())
    });
    let list = List {
        data: data.collect(),
        object: "list",
    };
    serde_json::to_vec(&list)
        .expect("strings and numbers serialise")
        .into()
}

fn resting<'a>(
    deployment: &'a str,
    model_groups: Vec<&'a str>,
    snapshot: CoolingSnapshot,
) -> Option<Resting<'a>> {
    let (state, remaining) = match snapshot.phase {
        Phase::Cooling(remaining) => ("cooling", remaining),
        Phase::Waiting => ("waiting_for_trial", Duration::ZERO),
        Phase::Trial => ("trial_running", Duration::ZERO),
        _ => return None,
    };
    Some(Resting {
        deployment,
        model_groups,
        state,
        // Milliseconds are the resolution of the clock behind it.
        seconds_remaining: remaining.as_millis() as f64 / 1000.0,
        cause: snapshot.cause.map(FailureKind::as_str),
        last_status: snapshot.last_status.map(|status| status.as_u16()),
        strikes: snapshot.strikes,
        trial_running: snapshot.phase == Phase::Trial,
    })
}
