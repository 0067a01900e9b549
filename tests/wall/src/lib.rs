#![doc = include_str!("../README.md")]

mod answer;
mod fault;
mod faults;
mod pace;
mod proxy;
mod row;
mod scene;
mod stage;
mod table;
mod upstream;
mod view;

use futures_util::{StreamExt, stream};

pub use self::{
    fault::Fault,
    faults::faults,
    pace::Pace,
    row::{Row, Seen},
    scene::{End, Scene},
    table::{outcomes, table},
    upstream::{Call, Play, Script, Upstream},
};

/// Plays all faults whose name has this in it, each plain and as a stream, and returns the rows in the order of the faults.
///
/// So many are played at once.
pub async fn play(pace: Pace, name: &str, at_once: usize) -> Vec<Row> {
    let faults = faults();
    let chosen = faults.iter().filter(|fault| fault.name().contains(name));
    let games = chosen.flat_map(|fault| [false, true].map(|streams| fault.play(pace, streams)));
    stream::iter(games).buffered(at_once).collect().await
}
