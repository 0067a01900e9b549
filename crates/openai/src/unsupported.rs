//! Parameters that a deployment does not take.

use ziggurat_core::{Failure, FailureKind, JsonBody};

/// What is to be done with them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unsupported {
    /// Leave them out instead of refusing.
    pub(crate) drop: bool,
    /// Send these all the same.
    pub(crate) allowed: Vec<Box<str>>,
}

/// What is to be done with them in one request, which may allow more.
pub(crate) struct Permits<'a> {
    deployment: &'a Unsupported,
    request: Vec<String>,
}

impl Unsupported {
    /// Takes `allowed_openai_params` out of a request.
    pub(crate) fn permits(&self, body: &mut JsonBody) -> Permits<'_> {
        let mut request = Vec::new();
        if let Some(names) = body.get("allowed_openai_params") {
            request = serde_json::from_slice(names).unwrap_or_default();
            body.remove("allowed_openai_params");
        }
        Permits {
            deployment: self,
            request,
        }
    }
}

impl Permits<'_> {
    /// Whether to leave parameters out instead of refusing.
    pub(crate) fn drop(&self) -> bool {
        self.deployment.drop
    }

    /// Whether to send a parameter whatever is known of it.
    pub(crate) fn allow(&self, name: &str) -> bool {
        let mut by_deployment = self.deployment.allowed.iter();
        by_deployment.any(|allowed| &**allowed == name)
            || self.request.iter().any(|allowed| allowed == name)
    }
}

/// The failure of a request with a parameter that is not taken.
pub(crate) fn refusal(param: &str, message: String) -> Failure {
    Failure::new(FailureKind::BadRequest)
        .with_message(message)
        .with_param(param)
}
