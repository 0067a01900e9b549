//! What there is to say about a file.

use std::{error::Error, fmt};

use crate::{LeftOut, Location};

/// One remark about the file. Displayed with its place, its path and its message. Of the values of
/// the file, only names of models, groups and environment variables are ever quoted: any other may
/// be a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What is to be said, in lower case and without a full stop.
    pub message: String,
    /// The setting, as in `model_list[0].litellm_params.rpm`; empty for the whole file.
    pub path: String,
    /// Where the setting stands; `None` if it comes from the environment.
    pub location: Option<Location>,
    /// The rule of the routing specification that it is about, if there is one.
    pub rule: Option<&'static str>,
}

/// How much a [`Finding`] matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// The file, or the deployment that it belongs to, cannot be used.
    Error,
    /// Probably not what was meant.
    Warning,
    /// A known setting that has no effect in this version.
    NotActive,
    /// What something means here, where that may not be expected.
    Note,
}

/// Everything that is wrong with a file that cannot be used, one remark per line.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConfigErrors {
    /// Why the file cannot be used. Never empty.
    pub errors: Vec<Finding>,
    /// The deployments that could not be used.
    pub left_out: Vec<LeftOut>,
    /// Warnings and settings without effect.
    pub findings: Vec<Finding>,
}

// === impl Finding ===

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        if self.severity != Severity::NotActive && !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match self.rule {
            Some(rule) => write!(f, " ({rule})"),
            None => Ok(()),
        }
    }
}

// === impl ConfigErrors ===

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        for error in &self.errors {
            write!(f, "\n{error}")?;
        }
        for deployment in &self.left_out {
            write!(f, "\n{deployment}")?;
        }
        Ok(())
    }
}

impl Error for ConfigErrors {}
