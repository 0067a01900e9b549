//! The error of a request that no service stands for.

use std::{error::Error as StdError, fmt};

use ziggurat_core::{Failure, FailureKind, ModelGroup};

/// No service stands for the model group of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownModel {
    model: Option<ModelGroup>,
}

impl UnknownModel {
    pub(crate) fn new(model: Option<ModelGroup>) -> Self {
        Self { model }
    }

    /// Returns the name that was asked for; `None` if the request has no model group.
    #[must_use]
    pub fn model(&self) -> Option<&ModelGroup> {
        self.model.as_ref()
    }
}

impl fmt::Display for UnknownModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.model {
            Some(model) => write!(f, "no model group is named `{model}`"),
            None => f.write_str("the request has no model group"),
        }
    }
}

impl StdError for UnknownModel {}

impl From<UnknownModel> for Failure {
    fn from(error: UnknownModel) -> Self {
        Self::new(FailureKind::UnknownModel)
            .with_message(error.to_string())
            .with_source(error)
    }
}

/// The model group of a request serves no one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedGroup {
    group: ModelGroup,
}

impl ClosedGroup {
    pub(crate) fn new(group: ModelGroup) -> Self {
        Self { group }
    }

    /// Returns the name that was asked for.
    #[must_use]
    pub fn group(&self) -> &ModelGroup {
        &self.group
    }
}

impl fmt::Display for ClosedGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the model group `{}` is blocked", self.group)
    }
}

impl StdError for ClosedGroup {}

impl From<ClosedGroup> for Failure {
    /// Of the kind of an unknown model: refused here, so that no attempt was made and none will help.
    fn from(error: ClosedGroup) -> Self {
        Self::new(FailureKind::UnknownModel)
            .with_status(http::StatusCode::FORBIDDEN)
            .with_message(error.to_string())
            .with_source(error)
    }
}
