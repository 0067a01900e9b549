use std::sync::Arc;

use http::HeaderValue;

use crate::DeploymentId;

/// Who answered: a response extension, put by the leaf.
///
/// Made once per deployment; cloning counts a reference.
#[derive(Clone, Debug)]
pub struct Served {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    deployment: DeploymentId,
    id: HeaderValue,
    model: HeaderValue,
    api_base: Option<HeaderValue>,
}

impl Served {
    /// Describes a deployment: its id, the model as configured, and its base URL without a query.
    ///
    /// What no header can carry (control characters) is replaced by `?`.
    #[must_use]
    pub fn new(deployment: DeploymentId, model: &str, api_base: Option<&str>) -> Self {
        let id = header(deployment.as_str());
        Self {
            inner: Arc::new(Inner {
                deployment,
                id,
                model: header(model),
                api_base: api_base.map(header),
            }),
        }
    }

    /// Returns the deployment's id.
    #[must_use]
    pub fn deployment(&self) -> &DeploymentId {
        &self.inner.deployment
    }

    /// Returns the id as a header value.
    #[must_use]
    pub fn id(&self) -> &HeaderValue {
        &self.inner.id
    }

    /// Returns the model as configured, as a header value.
    #[must_use]
    pub fn model(&self) -> &HeaderValue {
        &self.inner.model
    }

    /// Returns the base URL without a query, as a header value.
    #[must_use]
    pub fn api_base(&self) -> Option<&HeaderValue> {
        self.inner.api_base.as_ref()
    }
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| {
        let clean: String = text
            .chars()
            .map(|c| {
                if c.is_ascii_graphic() || c == ' ' {
                    c
                } else {
                    '?'
                }
            })
            .collect();
        HeaderValue::from_str(&clean).expect("printable ASCII is a header value")
    })
}
