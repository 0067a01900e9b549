use std::{mem, sync::Arc, time::Duration};

use http::{Extensions, HeaderMap, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use ziggurat_core::{
    Classify, Deadline, DeploymentId, Failure, FailureKind, LlmRequest, Waited, judge, overrides,
    vitals::Trial,
};

use crate::{
    ResponseBody,
    settings::{Role, Settings},
};

/// What is kept of a call until it is judged: in the future, then in the body.
///
/// Dropping it before says nothing about the deployment, and gives the trial back; unless it is the operator's deadline
/// that has cut a call which had most of the time.
#[derive(Debug)]
pub(crate) struct Watch<C> {
    settings: Arc<Settings<C>>,
    role: Role,
    /// `None`, as mostly, if there are none. Boxed, for all layers around move what a call and its body hold.
    wishes: Option<Box<Wishes>>,
    /// Its first frame says that the deployment works: a stream ends when its reader likes.
    streams: bool,
    deployment: Option<DeploymentId>,
    /// How long the deployment was waited for, while the reader was there; counted only if there is a deadline.
    waited: Waited,
    /// What is said if it is dropped.
    at_drop: AtDrop,
}

#[derive(Debug)]
enum AtDrop {
    /// The call goes on.
    Open,
    /// A body of known length has no byte left.
    Ended(Verdict),
    /// All was said.
    Judged,
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
        let mut watch = Self {
            settings,
            role: trial.map_or(Role::Plain, Role::Trial),
            wishes: Wishes::of(extensions),
            streams: extensions.get().is_some_and(LlmRequest::stream),
            deployment: extensions.get().cloned(),
            waited: Waited::default(),
            at_drop: AtDrop::Open,
        };
        watch.waits();
        watch
    }

    fn succeed(mut self) {
        self.say_success();
    }

    fn say_success(&mut self) {
        self.at_drop = AtDrop::Judged;
        let role = self.take_role();
        let gate = &self.settings.gate;
        gate.succeed(role, self.deployment.as_ref());
    }

    fn fail(mut self, failure: &Failure, status: Option<StatusCode>) {
        self.say_failure(failure, status);
    }

    fn say_failure(&mut self, failure: &Failure, status: Option<StatusCode>) {
        self.at_drop = AtDrop::Judged;
        let wanted = |wishes: &Wishes| wishes.ended(failure, self.waited.sum());
        if failure.is_blameless() || self.wishes.as_deref().is_some_and(wanted) {
            return;
        }
        let role = self.take_role();
        let gate = &self.settings.gate;
        gate.fail(failure, status, role, self.deployment.as_ref());
    }

    fn take_role(&mut self) -> Role {
        mem::replace(&mut self.role, Role::Plain)
    }

    /// An answer, or more of it, is waited for.
    pub(crate) fn waits(&mut self) {
        if self.wishes.as_ref().is_some_and(|it| it.deadline.is_some()) {
            self.waited.begin();
        }
    }

    /// Something has come.
    pub(crate) fn heard(&mut self) {
        self.waited.end();
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
        self.heard();
        let Some(failure) = judge(&self.settings.classify, &result) else {
            return result.map(|response| {
                // Only a trial is decided by the first data.
                if matches!(self.role, Role::Trial(_)) {
                    self.streams |= is_event_stream(response.headers());
                }
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
        self.at_drop = AtDrop::Ended(self.settings.classify.end(None));
    }
}

impl<C> Drop for Watch<C> {
    fn drop(&mut self) {
        match self.at_drop {
            AtDrop::Ended(None) => self.say_success(),
            AtDrop::Ended(Some(kind)) => self.say_failure(&kind.into(), None),
            AtDrop::Open => {
                let wishes = self.wishes.as_ref();
                if wishes.is_some_and(|it| it.is_cut(self.waited.sum())) {
                    self.say_failure(&FailureKind::Timeout.into(), None);
                }
            }
            AtDrop::Judged => {}
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
    fn of(extensions: &Extensions) -> Option<Box<Self>> {
        let wishes = Self {
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
        };
        let any = wishes.deadline.is_some() || wishes.limits.iter().any(Option::is_some);
        any.then(|| Box::new(wishes))
    }

    /// Says whether the request was given up because it wanted that itself, or because others had taken its time.
    fn ended(&self, failure: &Failure, waited: Duration) -> bool {
        let asked = || failure.limit().is_some() && self.limits.contains(&failure.limit());
        let is_over = || self.is_over() && !self.is_cut(waited);
        failure.kind() == FailureKind::Timeout && (asked() || is_over())
    }

    /// Says whether the operator's deadline has cut a call that had more than half of the time.
    ///
    /// With less, earlier attempts or the reader had most of it, and a good deployment might not have made it either.
    fn is_cut(&self, waited: Duration) -> bool {
        let counts = |it: &Deadline| !it.is_by_request() && waited > it.limit() / 2;
        self.is_over() && self.deadline.as_ref().is_some_and(counts)
    }

    fn is_over(&self) -> bool {
        self.deadline.is_some_and(|it| it.remaining().is_zero())
    }
}
