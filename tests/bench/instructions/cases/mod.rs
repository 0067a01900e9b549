//! The table: what is counted, over what, and beside what.

mod alone;
mod balance;
mod dialects;
mod retry;
mod stack;
mod timeouts;
mod window;

use crate::{
    leaf::Leaf,
    round::{Round, calls, frames, request},
};

pub(crate) type Build = fn() -> Round;

/// Rounds counted.
const ROUNDS: u32 = 500;

/// Rounds counted of those that take long.
const LONG_ROUNDS: u32 = 20;

/// A line of the table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) build: Build,
    /// The row whose figures are taken off: that of the leaf alone. None for the empty name.
    pub(crate) over: &'static str,
    pub(crate) peer: Option<(&'static str, Build)>,
    pub(crate) kind: Kind,
    /// How many rounds are counted.
    pub(crate) rounds: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ours,
    /// A leaf alone.
    Base,
    /// A layer of others that ours has no counterpart for.
    Peer,
}

impl Row {
    fn new(name: &'static str, build: Build) -> Self {
        Self {
            name,
            build,
            over: "leaf",
            peer: None,
            kind: Kind::Ours,
            rounds: ROUNDS,
        }
    }

    fn over(mut self, base: &'static str) -> Self {
        self.over = base;
        self
    }

    fn beside(mut self, name: &'static str, build: Build) -> Self {
        self.peer = Some((name, build));
        self
    }

    /// A round takes long; fewer of them are counted.
    fn long(mut self) -> Self {
        self.rounds = LONG_ROUNDS;
        self
    }

    fn base(mut self) -> Self {
        self.kind = Kind::Base;
        self.over("")
    }

    fn of_peer(mut self) -> Self {
        self.kind = Kind::Peer;
        self
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = vec![
        Row::new("leaf", || calls(Leaf::new(), request)).base(),
        Row::new("leaf, pending once", || {
            calls(Leaf::new().pending(), request)
        })
        .base(),
        Row::new("leaf, one frame", || {
            frames(Leaf::new().streaming(), request())
        })
        .base(),
    ];
    rows.extend(timeouts::rows());
    rows.extend(retry::rows());
    rows.extend(balance::rows());
    rows.extend(alone::rows());
    rows.extend(window::rows());
    rows.extend(stack::rows());
    rows.extend(dialects::rows());
    rows
}
