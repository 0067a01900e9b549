use std::{fmt, time::Duration};

/// What a balance was told beside its endpoints and its policy.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) enforce_limits: bool,
    pub(crate) tags: Option<TagMatch>,
    pub(crate) max_parallel_wait: Duration,
    pub(crate) cooldown_wait: Duration,
    pub(crate) last_resort: bool,
    /// How long the verdict of a health check counts; zero: not at all.
    pub(crate) staleness: Duration,
}

/// How many of a request's tags a deployment must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagMatch {
    /// One of them.
    Any,
    /// All of them.
    All,
}

/// What the declared `rpm` and `tpm` do in a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitUse {
    /// No endpoint declares any.
    None,
    /// Who has used up its minute is passed over while another has room. When none has, the weights decide.
    Weigh,
    /// Who has used up its minute is passed over. When none has room, the request fails as rate limited.
    Enforce,
}

impl fmt::Display for LimitUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no rpm or tpm is declared",
            Self::Weigh => {
                "rpm and tpm only weigh: when all have used up their minute, requests go on"
            }
            Self::Enforce => {
                "rpm and tpm are limits: when all have used up their minute, requests are refused"
            }
        })
    }
}
