use std::sync::Arc;

use http::Request;
use ziggurat_core::{AllowedRegions, DeploymentId, Failure, FailureKind, ModelGroup, Rejection};

use crate::{error::NotAllowed, learned::Learned, name::Name};

/// Where a service is, and what it may be asked for.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) place: Place,
    pub(crate) allowed: Option<AllowedRegions>,
    pub(crate) wider_europe: bool,
}

/// Where a service is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// In any of these; none if it is not known.
    Known(Arc<[Name]>),
    /// Where its upstream says.
    Learned(Arc<Learned>),
}

impl Rules {
    pub(crate) const fn new(place: Place) -> Self {
        Self {
            place,
            allowed: None,
            wider_europe: false,
        }
    }

    pub(crate) fn learned(&self) -> Option<&Arc<Learned>> {
        match &self.place {
            Place::Learned(learned) => Some(learned),
            Place::Known(_) => None,
        }
    }

    /// Says why a request must not be served here.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<(), NotAllowed> {
        let asked = request.extensions().get::<AllowedRegions>();
        let (first, second) = match (&self.allowed, asked) {
            (None, None) => return Ok(()),
            (Some(first), second) => (first, second),
            (None, Some(first)) => (first, None),
        };
        let learned;
        let names = match &self.place {
            Place::Known(names) => &**names,
            Place::Learned(place) => {
                learned = place.get();
                learned.as_slice()
            }
        };
        let here = |name: &Name, allowed: &AllowedRegions| {
            allowed.allow(|asked| name.satisfies(asked, self.wider_europe))
        };
        // It may answer from any of its regions, so all of them have to be allowed; and what is not known is not.
        let mut limits = [first].into_iter().chain(second);
        if !names.is_empty() && limits.all(|limit| names.iter().all(|name| here(name, limit))) {
            return Ok(());
        }
        let names = names.iter().map(|name| name.as_str().into()).collect();
        let allowed = second.map_or_else(|| first.clone(), |second| first.and(second));
        Err(NotAllowed::new(names, allowed))
    }
}

/// What the caller is told: the regions asked for and the group, the same for each deployment of it.
fn message<B>(request: &Request<B>, error: &NotAllowed) -> String {
    let allowed = error.allowed();
    match request.extensions().get::<ModelGroup>() {
        Some(group) => format!("`{group}` is not served in an allowed region: {allowed}"),
        None => format!("not served in an allowed region: {allowed}"),
    }
}

fn log<B>(request: &Request<B>, error: &NotAllowed) {
    let name = |id: &DeploymentId| id.to_string();
    tracing::debug!(
        target: "ziggurat::region",
        deployment = request.extensions().get().map(name),
        reason = %error,
        "refused"
    );
}

pub(crate) fn rejection<B>(request: &Request<B>, error: &NotAllowed) -> Rejection {
    log(request, error);
    Rejection::new(FailureKind::Region).with_message(message(request, error))
}

pub(crate) fn failure<B>(request: &Request<B>, error: NotAllowed) -> Failure {
    log(request, &error);
    let failure = Failure::new(FailureKind::Region)
        .with_message(message(request, &error))
        .with_source(error);
    match request.extensions().get::<DeploymentId>() {
        Some(deployment) => failure.with_deployment(deployment.clone()),
        None => failure,
    }
}
