use std::{mem, sync::Arc, time::Duration};

use http::{Extensions, HeaderMap, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use ziggurat_core::{
    Classify, Deadline, DeploymentId, Failure, FailureKind, LlmRequest, judge, overrides,
    vitals::Trial,
};

use crate::{
    ResponseBody,
    settings::{Role, Settings},
};

/// What is kept of a call until it is judged: in the future, then in the body.
///
/// Dropping it before says nothing about the deployment, and gives the trial back.
#[derive(Debug)]
pub(crate) struct Watch<C> {
    settings: Arc<Settings<C>>,
    role: Role,
    wishes: Wishes,
    /// Its first frame says that the deployment works: a stream ends when its reader likes.
    streams: bool,
    deployment: Option<DeploymentId>,
    /// What is said if it is dropped: set when a body of known length has no byte left.
    at_drop: Option<Verdict>,
}

/// `None` is a success.
type Verdict = Option<FailureKind>;

/// The time limits that the request itself asked for.
#[derive(Debug)]
struct Wishes {
    limits: [Option<Duration>; 5],
    deadline: Option<Deadline>,
}

// === impl Watch ===

impl<C> Watch<C> {
    pub(crate) fn new(
        settings: Arc<Settings<C>>,
        trial: Option<Trial>,
        extensions: &Extensions,
    ) -> Self {
        Self {
            settings,
            role: trial.map_or(Role::Plain, Role::Trial),
            wishes: Wishes::of(extensions),
            streams: extensions.get().is_some_and(LlmRequest::stream),
            deployment: extensions.get().cloned(),
            at_drop: None,
        }
    }

    fn succeed(mut self) {
        self.say_success();
    }

    fn say_success(&mut self) {
        self.at_drop = None;
        let role = self.take_role();
        let gate = &self.settings.gate;
        gate.succeed(role, self.deployment.as_ref());
    }

    fn fail(mut self, failure: &Failure, status: Option<StatusCode>) {
        self.say_failure(failure, status);
    }

    fn say_failure(&mut self, failure: &Failure, status: Option<StatusCode>) {
        self.at_drop = None;
        if failure.is_blameless() || self.wishes.ended(failure) {
            return;
        }
        let role = self.take_role();
        let gate = &self.settings.gate;
        gate.fail(failure, status, role, self.deployment.as_ref());
    }

    fn take_role(&mut self) -> Role {
        mem::replace(&mut self.role, Role::Plain)
    }

    /// Decides the trial, if it is a stream: data has come.
    pub(crate) fn data_came(&mut self) {
        if !self.streams {
            return;
        }
        self.role = match self.take_role() {
            Role::Trial(trial) => {
                let gate = &self.settings.gate;
                gate.recover(trial, self.deployment.as_ref())
            }
            role => role,
        };
    }

    /// Judges a body that broke.
    pub(crate) fn broken(self, failure: &Failure) {
        self.fail(failure, upstream_status(failure));
    }
}

impl<C: Classify> Watch<C> {
    /// Judges a call by its head. If nothing is wrong so far, goes on with its body.
    pub(crate) fn head<R: Body>(
        mut self,
        result: Result<Response<R>, Failure>,
    ) -> Result<Response<ResponseBody<R, C>>, Failure> {
        let Some(failure) = judge(&self.settings.classify, &result) else {
            return result.map(|response| {
                self.streams |= is_event_stream(response.headers());
                response.map(|body| ResponseBody::new(body, self))
            });
        };
        let status = match &result {
            Ok(response) => Some(response.status()).filter(is_error),
            Err(failure) => upstream_status(failure),
        };
        self.fail(&failure, status);
        result.map(|response| response.map(ResponseBody::judged))
    }

    /// Judges a call by the end of its body.
    pub(crate) fn end(self, trailers: Option<&HeaderMap>) {
        match self.settings.classify.end(trailers) {
            None => self.succeed(),
            Some(kind) => {
                let none = HeaderMap::new();
                let headers = trailers.unwrap_or(&none);
                self.fail(&Failure::from_head(kind, StatusCode::OK, headers), None);
            }
        }
    }

    /// Takes a drop from here on for the end: no byte is left, and a reader who knows that does not ask for more.
    pub(crate) fn no_byte_is_left(&mut self) {
        self.at_drop = Some(self.settings.classify.end(None));
    }
}

impl<C> Drop for Watch<C> {
    fn drop(&mut self) {
        match self.at_drop {
            None => {}
            Some(None) => self.say_success(),
            Some(Some(kind)) => self.say_failure(&kind.into(), None),
        }
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let essence = value.as_bytes().split(|&byte| byte == b';').next();
        essence.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(b"text/event-stream"))
    })
}

fn is_error(status: &StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// Returns the status of the upstream's answer, if the failure was made of one.
pub(crate) fn upstream_status(failure: &Failure) -> Option<StatusCode> {
    failure.upstream().map(|_| failure.status())
}

// === impl Wishes ===

impl Wishes {
    fn of(extensions: &Extensions) -> Self {
        Self {
            limits: [
                extensions.get().map(|&overrides::Timeout(limit)| limit),
                extensions
                    .get()
                    .map(|&overrides::StreamTimeout(limit)| limit),
                extensions
                    .get()
                    .map(|&overrides::StreamIdleTimeout(limit)| limit),
                extensions
                    .get()
                    .map(|&overrides::StreamTotalTimeout(limit)| limit),
                extensions
                    .get()
                    .map(|&overrides::TotalTimeout(limit)| limit),
            ],
            deadline: extensions.get().copied(),
        }
    }

    /// Says whether the request was given up because it wanted that itself.
    fn ended(&self, failure: &Failure) -> bool {
        let asked = || failure.limit().is_some() && self.limits.contains(&failure.limit());
        let is_over = || self.deadline.is_some_and(|it| it.remaining().is_zero());
        failure.kind() == FailureKind::Timeout && (asked() || is_over())
    }
}
