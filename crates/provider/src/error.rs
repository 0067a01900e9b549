use std::{error::Error as StdError, fmt};

/// Why a deployment cannot be called as it is described, for the builders of dialects. Values are not quoted, as they may
/// hold keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    setting: &'static str,
    problem: Box<str>,
    missing: bool,
}

impl ConfigError {
    /// Names a setting, as in LiteLLM's `litellm_params`, and says what is wrong with it, without its value.
    #[must_use]
    pub fn new(setting: &'static str, problem: impl Into<Box<str>>) -> Self {
        Self {
            setting,
            problem: problem.into(),
            missing: false,
        }
    }

    /// A setting that is not there, and the environment variables that would do.
    #[must_use]
    pub fn missing(setting: &'static str, others: &[&str]) -> Self {
        let problem = format!("missing; set it, or {}", others.join(" or "));
        Self {
            missing: true,
            ..Self::new(setting, problem)
        }
    }

    /// Says whether the setting is only missing, and an environment variable would do in its place.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.missing
    }

    /// Returns the name of the setting at fault, as in LiteLLM's `litellm_params`.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.problem)
    }
}

impl StdError for ConfigError {}
