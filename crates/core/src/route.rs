//! What a single request demands of the deployments that it goes to.

use std::{fmt, sync::Arc};

/// The regions that a request may be served in: one or more lists, of each of which any name will do.
///
/// A request extension, put by the edge or by the user's own code. Without it the request names none. An empty list
/// allows no region at all.
///
/// ```
/// use ziggurat_core::AllowedRegions;
///
/// let operator = AllowedRegions::new(["eu", "us"]);
/// let both = operator.and(&AllowedRegions::new(["eu-west-1", "asia"]));
/// assert!(both.allow(|name| ["eu", "eu-west-1"].contains(&name)));
/// assert!(!both.allow(|name| name == "asia"));
/// assert_eq!(both.to_string(), "(eu or us) and (eu-west-1 or asia)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct AllowedRegions(Arc<[Names]>);

type Names = Arc<[Box<str>]>;

impl AllowedRegions {
    /// Allows these regions, as configurations and requests name them: `eu`, `eu-west-1`.
    pub fn new(names: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        Self([names.into_iter().map(Into::into).collect()].into())
    }

    /// Allows only what both allow.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(&*other.0).cloned().collect())
    }

    /// Returns the lists. A region must satisfy a name of each.
    pub fn lists(&self) -> impl Iterator<Item = impl Iterator<Item = &str>> {
        self.0.iter().map(|names| names.iter().map(|name| &**name))
    }

    /// Says whether each list has a name that `satisfied` holds for.
    pub fn allow(&self, satisfied: impl Fn(&str) -> bool) -> bool {
        self.lists().all(|mut names| names.any(&satisfied))
    }
}

/// Names the regions in words: `eu or us`.
impl fmt::Display for AllowedRegions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, names) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" and ")?;
            }
            match &**names {
                [] => f.write_str("none")?,
                [name] => f.write_str(name)?,
                names if self.0.len() > 1 => write!(f, "({})", names.join(" or "))?,
                names => f.write_str(&names.join(" or "))?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for AllowedRegions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter()).finish()
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
