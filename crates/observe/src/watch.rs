//! What is kept of a call until it has ended.

use std::{sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};
use tokio::time::Instant;
use ziggurat_core::{
    ByStatus, DeploymentId, Failure, LateAnswer, LlmRequest, Meter, ModelGroup, Observer, Tried,
    judge,
    observe::{AttemptEnd, CallEnd, Ended, Note, RequestEnd},
};

use crate::{ObserveLayer, layer::Scope};

/// Tells the observer when it is dropped: of a call that was dropped, unless its end was seen before.
pub(crate) struct Watch {
    // Boxed, so that futures and bodies stay small, and those that no one observes pay nothing.
    call: Option<Box<Call>>,
}

struct Call {
    observer: Arc<dyn Observer>,
    subject: Subject,
    started: Instant,
    stream: bool,
    first_chunk: Option<Duration>,
    status: Option<StatusCode>,
    outcome: Ended,
    meter: Option<Meter>,
    /// Where to look for what the head did not tell.
    late: Option<LateAnswer>,
}

enum Subject {
    Attempt {
        deployment: Option<DeploymentId>,
        group: Option<ModelGroup>,
    },
    Request {
        note: Note,
        tried: Tried,
        deployment: Option<DeploymentId>,
    },
}

// === impl Watch ===

impl Watch {
    pub(crate) fn begin<B>(layer: &ObserveLayer, request: &mut Request<B>) -> Self {
        let Some(observer) = &layer.observer else {
            return Self { call: None };
        };
        let stream = |request: &Request<B>| {
            let asked = request.extensions().get::<LlmRequest>();
            asked.is_some_and(LlmRequest::stream)
        };
        let (subject, stream, meter) = match &layer.scope {
            Scope::Attempt => {
                let stream = stream(request);
                let extensions = request.extensions_mut();
                let meter = extensions.get_or_insert_default::<Meter>().clone();
                let subject = Subject::Attempt {
                    deployment: extensions.get().cloned(),
                    group: extensions.get().cloned(),
                };
                (subject, stream, Some(meter))
            }
            Scope::Request { id } => {
                let id = id
                    .as_ref()
                    .and_then(|id| request.headers().get(id).cloned());
                let extensions = request.extensions_mut();
                let note = extensions.get_or_insert_default::<Note>().clone();
                if let Some(id) = id {
                    note.identify(id);
                }
                let subject = Subject::Request {
                    note,
                    tried: extensions.get_or_insert_default::<Tried>().clone(),
                    deployment: None,
                };
                (subject, stream(request), None)
            }
        };
        let call = Call {
            observer: Arc::clone(observer),
            subject,
            started: Instant::now(),
            stream,
            first_chunk: None,
            status: None,
            outcome: Ended::Cancelled,
            meter,
            late: None,
        };
        Self {
            call: Some(Box::new(call)),
        }
    }

    /// Hears how the call was answered: a failure is its end.
    pub(crate) fn answered<R>(&mut self, result: &mut Result<Response<R>, Failure>) {
        let Some(call) = &mut self.call else {
            return;
        };
        call.status = Some(match &*result {
            Ok(response) => response.status(),
            Err(failure) => failure.status(),
        });
        let failure = judge(&ByStatus, result);
        match (&mut call.subject, result) {
            (Subject::Attempt { .. }, Ok(response)) => {
                // For whoever observes the whole request.
                let meter = call.meter.clone().unwrap_or_default();
                response.extensions_mut().insert(meter);
            }
            (Subject::Request { deployment, .. }, Ok(response)) => {
                call.meter = response.extensions().get().cloned();
                *deployment = response.extensions().get().cloned();
                call.late = response.extensions().get().cloned();
            }
            (Subject::Request { deployment, .. }, Err(failure)) => {
                *deployment = failure.deployment().cloned();
            }
            (Subject::Attempt { .. }, Err(_)) => {}
        }
        if let Some(failure) = failure {
            if failure.is_unsent() && matches!(call.subject, Subject::Attempt { .. }) {
                // No one was asked: that is no attempt.
                self.call = None;
                return;
            }
            self.end(match failure.is_broken_off() {
                true => Ended::Cancelled,
                false => Ended::Failed(failure.kind()),
            });
        }
    }

    /// Hears that bytes of the body came.
    pub(crate) fn heard(&mut self) {
        if let Some(call) = &mut self.call
            && call.first_chunk.is_none()
            && call.is_stream()
        {
            call.first_chunk = Some(call.started.elapsed());
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.call.is_none()
    }

    /// Takes the call for completed if it is dropped from now on.
    pub(crate) fn may_end(&mut self) {
        if let Some(call) = &mut self.call {
            call.outcome = Ended::Completed;
        }
    }

    /// Hears that the body broke.
    pub(crate) fn broke(&mut self, failure: &Failure) {
        if let Some(call) = &mut self.call
            && let Subject::Request { deployment, .. } = &mut call.subject
            && deployment.is_none()
        {
            *deployment = failure.deployment().cloned();
        }
        self.end(Ended::Failed(failure.kind()));
    }

    pub(crate) fn end(&mut self, outcome: Ended) {
        if let Some(mut call) = self.call.take() {
            call.outcome = outcome;
            call.tell();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            call.tell();
        }
    }
}

// === impl Call ===

impl Call {
    /// What was asked of a request is read after its call began.
    fn is_stream(&self) -> bool {
        let asked = match &self.subject {
            Subject::Attempt { .. } => None,
            Subject::Request { note, .. } => note.read(),
        };
        asked.map_or(self.stream, |asked| asked.stream)
    }

    /// Takes what an answer has told that came after its head.
    fn catch_up(&mut self) {
        let Some(told) = self.late.as_ref().and_then(LateAnswer::get) else {
            return;
        };
        self.meter = told.get().cloned();
        if let Subject::Request { deployment, .. } = &mut self.subject
            && deployment.is_none()
        {
            *deployment = told.get().cloned();
        }
    }

    /// Takes what is known of the one who went on with a stream that broke.
    fn follow(&mut self) {
        if let Subject::Request {
            deployment, tried, ..
        } = &mut self.subject
            && let Some(recovery) = tried.recovery()
        {
            *deployment = recovery.deployment;
            self.meter = recovery.meter;
        }
    }

    fn tell(mut self) {
        self.catch_up();
        self.follow();
        let asked = match &self.subject {
            Subject::Attempt { .. } => None,
            Subject::Request { note, .. } => note.read(),
        };
        let stream = self.is_stream();
        let mut call = CallEnd::new(self.outcome, self.started.elapsed());
        call.status = self.status;
        call.stream = stream;
        call.first_chunk = self.first_chunk;
        call.input_tokens = self.meter.as_ref().and_then(Meter::input);
        call.output_tokens = self.meter.as_ref().and_then(Meter::output);
        match &self.subject {
            Subject::Attempt { deployment, group } => {
                let mut end = AttemptEnd::new(&call);
                end.deployment = deployment.as_ref();
                end.group = group.as_ref();
                self.observer.attempt_ended(&end);
            }
            Subject::Request { note, .. } if note.is_split() => {}
            Subject::Request {
                note,
                tried,
                deployment,
            } => {
                let mut end = RequestEnd::new(tried, &call);
                end.asked = asked;
                end.id = note.id();
                end.deployment = deployment.as_ref();
                self.observer.request_ended(&end);
            }
        }
    }
}
