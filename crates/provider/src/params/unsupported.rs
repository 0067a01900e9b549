use ziggurat_core::{Failure, FailureKind, JsonBody};

/// What is to be done with parameters that a deployment does not take.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Unsupported {
    /// Leave them out instead of refusing.
    pub drop: bool,
    /// Send these all the same.
    pub allowed: Vec<Box<str>>,
}

/// What is to be done with such parameters in one request, which may allow more.
#[derive(Debug)]
pub struct Permits<'a> {
    deployment: &'a Unsupported,
    request: Vec<String>,
}

impl Unsupported {
    /// Takes `allowed_openai_params` out of a request.
    #[must_use]
    pub fn permits(&self, body: &mut JsonBody) -> Permits<'_> {
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
    #[must_use]
    pub fn drop(&self) -> bool {
        self.deployment.drop
    }

    /// Whether to send a parameter whatever is known of it.
    #[must_use]
    pub fn allow(&self, name: &str) -> bool {
        let mut by_deployment = self.deployment.allowed.iter();
        by_deployment.any(|allowed| &**allowed == name)
            || self.request.iter().any(|allowed| allowed == name)
    }
}

/// The failure of a request with a parameter that is not taken.
#[must_use]
pub fn refusal(param: &str, message: impl Into<Box<str>>) -> Failure {
    Failure::new(FailureKind::BadRequest)
        .with_message(message)
        .with_param(param)
}
