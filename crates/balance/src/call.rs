use http::{Request, Response};
use tokio::time::Instant;
use tower_service::Service;
use tracing::{Instrument, Span, instrument::Instrumented};
use ziggurat_core::{Attempt, Classify, DeploymentId, Failure, ModelGroup, Outcome, Tried, judge};

use crate::{ResponseBody, TARGET, endpoint::Declared, job::Job, left::Left, ranking::Class};

/// What is kept of a call while it runs.
pub(crate) struct Call {
    deployment: DeploymentId,
    /// The ledger of the request and the number of this attempt in it, if the request has one.
    entry: Option<(Tried, usize)>,
    job: Job,
}

impl Call {
    /// Calls the service of the chosen endpoint; `left` tells a ledger where the request could have gone as well.
    pub(crate) fn begin<S, B>(
        mut service: S,
        chosen: &Declared,
        left: impl FnOnce(&Tried, &Request<B>) -> Left,
        mut request: Request<B>,
        job: Job,
    ) -> (Self, Instrumented<S::Future>)
    where
        S: Service<Request<B>>,
    {
        let extensions = request.extensions();
        let group = extensions.get::<ModelGroup>();
        let tried = extensions.get::<Tried>();
        tracing::debug!(
            target: TARGET,
            deployment = chosen.id.as_str(),
            model_group = group.map(ModelGroup::as_str),
            class = class(tried, chosen).as_str(),
            "deployment chosen"
        );
        let entry = tried.map(|tried| {
            let left = left(tried, &request);
            (tried.clone(), enter(tried, chosen, left, group))
        });
        let span = tracing::debug_span!(
            target: TARGET,
            "ziggurat.attempt",
            attempt = entry.as_ref().map(|(_, number)| number),
            deployment = chosen.id.as_str(),
            model_group = group.map(ModelGroup::as_str),
        );
        request.extensions_mut().insert(chosen.id.clone());
        let future = span.in_scope(|| service.call(request)).instrument(span);
        let deployment = chosen.id.clone();
        let call = Self {
            deployment,
            entry,
            job,
        };
        (call, future)
    }

    /// Says who answered, or who failed, and writes the outcome into the ledger; `none_before` tells it when a failed
    /// request could be taken again, if not now.
    pub(crate) fn end<C: Classify, R>(
        mut self,
        span: &Span,
        classify: &C,
        none_before: impl FnOnce(&Tried) -> Option<Instant>,
        result: Result<Response<R>, Failure>,
    ) -> Result<Response<ResponseBody<R>>, Failure> {
        let result = match result {
            Ok(response) => Ok(self.sign(response)),
            Err(failure) => Err(self.name(failure)),
        };
        let failure = judge(classify, &result);
        if let Some(failure) = &failure {
            tracing::debug!(
                target: TARGET,
                parent: span,
                deployment = self.deployment.as_str(),
                error.type = failure.kind().as_str(),
                "attempt failed"
            );
        }
        if let Some((tried, number)) = &self.entry {
            tried.end(*number, Outcome::of(&result, failure.as_ref()));
            if failure.as_ref().is_some_and(Failure::is_unsent) {
                tried.unsent(*number);
            }
            if failure.is_some()
                && let Some(until) = none_before(tried)
            {
                tried.none_before(*number, until);
            }
        }
        self.job.answered(failure.as_ref());
        result.map(|response| response.map(|body| ResponseBody::new(body, self.job)))
    }

    fn sign<R>(&self, mut response: Response<R>) -> Response<R> {
        let extensions = response.extensions_mut();
        // Taken out, so that the failure is not shared and need not be copied to be changed.
        if let Some(failure) = extensions.remove::<Failure>() {
            extensions.insert(self.name(failure));
        }
        // A balance further down knows better which of its deployments answered.
        extensions.get_or_insert_with(|| self.deployment.clone());
        response
    }

    fn name(&self, failure: Failure) -> Failure {
        match failure.deployment() {
            Some(_) => failure,
            None => failure.with_deployment(self.deployment.clone()),
        }
    }
}

fn class(tried: Option<&Tried>, chosen: &Declared) -> Class {
    tried.map_or(Class::Untried, |tried| {
        tried.read(|attempts| Class::of(chosen, attempts))
    })
}

/// Writes the beginning of an attempt into the ledger and returns its number.
fn enter(tried: &Tried, chosen: &Declared, left: Left, group: Option<&ModelGroup>) -> usize {
    let mut attempt = Attempt::start();
    attempt.deployment = Some(chosen.id.clone());
    attempt.group = group.cloned();
    attempt.origin.clone_from(&chosen.origin);
    attempt.max_retries = chosen.max_retries;
    attempt.order = chosen.order;
    left.write(&mut attempt);
    tried.begin(attempt)
}
