//! What a single request demands of the deployments that it goes to.

use std::{fmt, sync::Arc};

/// The regions that a request may be served in; any of them will do.
///
/// A request extension, put by the edge or by the user's own code. Without it the request names none. An empty list
/// allows no region at all.
#[derive(Clone, PartialEq, Eq)]
pub struct AllowedRegions(Arc<[Box<str>]>);

impl AllowedRegions {
    /// Allows these regions, as configurations and requests name them: `eu`, `eu-west-1`.
    pub fn new(names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// Returns the names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }
}

impl fmt::Debug for AllowedRegions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The tags of a request, which choose among tagged deployments. `!tag` excludes, `&tag` requires.
///
/// A request extension, put by the edge or by the user's own code. Without it the request has none.
#[derive(Clone, PartialEq, Eq)]
pub struct Tags(Arc<[Box<str>]>);

impl Tags {
    /// Gives a request these tags.
    pub fn new(tags: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        Self(tags.into_iter().map(Into::into).collect())
    }

    /// Returns the tags.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|tag| &**tag)
    }
}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Says that every other deployment of the group is resting, and that this call is let through to one that rests as
/// well. A request extension, put by the balance, read by the cooldown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastResort;

/// Says that the provider kept back its answer, or what was left of it, because of its content, though it answered with
/// a success. A response extension, put by whoever reads the answer before it is passed on (the leaf; for streams, the
/// layer that waits for the first content), read by the fallback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContentFiltered;
