use std::task::{Context, Poll};

use tower_service::Service;
use ziggurat_core::{BoxError, DeploymentId, Failure, FailureKind};

use crate::{Endpoint, TARGET};

/// Clones of chosen endpoints that are not ready yet, in the order in which they were chosen.
pub(crate) struct Queue<S> {
    waiting: Vec<(usize, S)>,
    /// Why the last of those that will never be ready fell out.
    failure: Option<Failure>,
}

impl<S> Queue<S> {
    pub(crate) const fn new() -> Self {
        Self {
            waiting: Vec::new(),
            failure: None,
        }
    }

    /// Makes a clone of an endpoint's service ready; if it is not so at once, it joins the queue.
    pub(crate) fn try_now<Req>(
        &mut self,
        endpoints: &[Endpoint<S>],
        index: usize,
        cx: &mut Context<'_>,
    ) -> Option<S>
    where
        S: Service<Req> + Clone,
        S::Error: Into<BoxError>,
    {
        let endpoint = &endpoints[index];
        let mut service = endpoint.get_ref().clone();
        match service.poll_ready(cx) {
            Poll::Ready(Ok(())) => return Some(service),
            Poll::Ready(Err(error)) => self.fail(endpoint.id(), error),
            Poll::Pending => self.waiting.push((index, service)),
        }
        None
    }

    /// Takes out the first that is ready; `None` if there is no one left to wait for.
    pub(crate) fn poll<Req>(
        &mut self,
        endpoints: &[Endpoint<S>],
        cx: &mut Context<'_>,
    ) -> Poll<Option<(usize, S)>>
    where
        S: Service<Req>,
        S::Error: Into<BoxError>,
    {
        let mut place = 0;
        while let Some((_, service)) = self.waiting.get_mut(place) {
            match service.poll_ready(cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Some(self.waiting.remove(place))),
                Poll::Ready(Err(error)) => {
                    let (index, _) = self.waiting.remove(place);
                    self.fail(endpoints[index].id(), error);
                }
                Poll::Pending => place += 1,
            }
        }
        if self.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Says why there is nothing left to wait for.
    pub(crate) fn failure(&mut self) -> Failure {
        let failure = self.failure.take();
        failure.unwrap_or_else(|| Failure::new(FailureKind::NoCandidate))
    }

    /// Returns the endpoints that are waited for.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = usize> {
        self.waiting.iter().map(|(index, _)| *index)
    }

    fn fail(&mut self, id: &DeploymentId, error: impl Into<BoxError>) {
        let failure = Failure::wrap(error);
        tracing::debug!(
            target: TARGET,
            deployment = %id,
            error.type = failure.kind().as_str(),
            "deployment failed to get ready, passed over"
        );
        self.failure = Some(match failure.deployment() {
            Some(_) => failure,
            None => failure.with_deployment(id.clone()),
        });
    }
}
