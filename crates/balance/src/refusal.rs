use std::time::Duration;

use http::Extensions;
use ziggurat_core::{DeploymentId, Failure, FailureKind, ModelGroup, Rejection, vitals::Exhausted};

use crate::{Endpoint, endpoint::Declared, job::Busy};

/// What is said of prompts that are too long, before the single windows.
const TOO_LONG: &str = "the prompt exceeds the context window of every deployment";

/// What callers know this refusal by.
const MESSAGE: &str = "No deployments available for selected model";

/// The rejections of all endpoints that were asked.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    rejections: Vec<(usize, Rejection)>,
}

impl Refusal {
    /// Adds the rejection of one endpoint.
    pub(crate) fn add(&mut self, index: usize, rejection: Rejection) {
        self.rejections.push((index, rejection));
    }

    pub(crate) fn rejections(&self) -> &[(usize, Rejection)] {
        &self.rejections
    }

    /// Decides between different reasons.
    ///
    /// Who may not serve the request at all (region, tags) or cannot (no such endpoint) does not count, unless there is no one else. Then: all rest;
    /// or all that do not rest are too small; or, without the too small, the reason that most give. Where there is
    /// none, or some rest and others do not, there is no single reason.
    pub(crate) fn kind(&self) -> FailureKind {
        use FailureKind::{BadRequest, ContextWindow, CoolingDown, NoCandidate, Region, Tags};
        let kinds = || {
            self.rejections
                .iter()
                .map(|(_, rejection)| rejection.kind())
        };
        let served = || kinds().filter(|kind| !matches!(kind, Region | Tags | BadRequest));
        if served().next().is_none() {
            return kinds().next().unwrap_or(NoCandidate);
        }
        if served().all(|kind| kind == CoolingDown) {
            return CoolingDown;
        }
        let too_small = |kind: FailureKind| kind == ContextWindow;
        if served().all(|kind| kind == CoolingDown || too_small(kind)) {
            return ContextWindow;
        }
        let fits = || served().filter(|kind| !too_small(*kind));
        let votes = |kind| fits().filter(|it| *it == kind).count();
        let most = fits().find(|kind| 2 * votes(*kind) > fits().count());
        match most {
            Some(CoolingDown) if votes(CoolingDown) < fits().count() => NoCandidate,
            most => most.unwrap_or(NoCandidate),
        }
    }

    /// Returns the shortest wait that was given, if waiting is of use.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        use FailureKind::{BadRequest, ContextWindow, Region, Tags};
        if matches!(self.kind(), BadRequest | ContextWindow | Region | Tags) {
            return None;
        }
        let waits = self
            .rejections
            .iter()
            .filter_map(|(_, it)| it.retry_after());
        waits.min()
    }

    /// Returns the messages of all that give this reason, each once.
    fn messages(&self, kind: FailureKind) -> String {
        let mut messages: Vec<&str> = Vec::new();
        for (_, rejection) in self.rejections.iter().filter(|(_, it)| it.kind() == kind) {
            if let Some(message) = rejection.message()
                && !messages.contains(&message)
            {
                messages.push(message);
            }
        }
        messages.join("; ")
    }

    pub(crate) fn into_rejection(mut self) -> Rejection {
        if self.rejections.len() == 1
            && let Some((_, rejection)) = self.rejections.pop()
        {
            return rejection;
        }
        let mut rejection = Rejection::new(self.kind());
        if let Some(wait) = self.retry_after() {
            rejection = rejection.with_retry_after(wait);
        }
        let messages = self.messages(rejection.kind());
        if !messages.is_empty() {
            rejection = rejection.with_message(messages);
        }
        let all = || self.rejections.iter().map(|(_, rejection)| rejection);
        if let Some(status) = all().filter_map(Rejection::last_status).next_back() {
            rejection = rejection.with_last_status(status);
        }
        if let Some(failed) = all().filter_map(Rejection::last_resort).min() {
            rejection = rejection.with_last_resort(failed);
        }
        if all().any(Rejection::yields) {
            rejection = rejection.with_yielding();
        }
        rejection
    }

    pub(crate) fn into_failure<S>(self, endpoints: &[Endpoint<S>]) -> Failure {
        let message = self.text(endpoints);
        Failure::from(self.into_rejection()).with_message(message)
    }

    fn text<S>(&self, endpoints: &[Endpoint<S>]) -> String {
        let kind = self.kind();
        let messages = self.messages(kind);
        let soft = matches!(
            kind,
            FailureKind::CoolingDown | FailureKind::NoCandidate | FailureKind::RateLimited
        );
        if kind == FailureKind::ContextWindow && !messages.is_empty() {
            return format!("{TOO_LONG}: {messages}");
        }
        if !soft && !messages.is_empty() {
            return messages;
        }
        let mut text = MESSAGE.to_owned();
        if let Some(wait) = self.retry_after() {
            text += &format!(", Try again in {} seconds", whole_seconds(wait));
        }
        let resting = self.rejections.iter();
        let resting = resting.filter(|(_, it)| it.kind() == FailureKind::CoolingDown);
        if kind == FailureKind::CoolingDown {
            let ids = resting.clone().map(|(index, _)| endpoints[*index].id());
            let ids: Vec<_> = ids.map(DeploymentId::as_str).collect();
            text += ". All deployments are in cooldown, cooldown_list=[";
            text += &ids.join(", ");
            text += "]";
        }
        // Who waits for those that rest wants to know of the limits of the others, too.
        let limits = self.messages(FailureKind::RateLimited);
        if !limits.is_empty() {
            text += ". ";
            text += &limits;
        }
        if let Some(status) = resting.filter_map(|(_, it)| it.last_status()).next_back() {
            text += &format!(". The last upstream status was {}", status.as_u16());
        }
        text
    }
}

/// Makes a rejection of what keeps a call from beginning.
pub(crate) fn busy(declared: &Declared, busy: Busy, extensions: &Extensions) -> Rejection {
    let rejection = Rejection::new(FailureKind::RateLimited);
    match busy {
        Busy::Full => {
            let group = extensions.get::<ModelGroup>().map(ModelGroup::as_str);
            rejection.with_message(format!(
                "all max_parallel_requests slots of deployment {} in model group {} are in use \
                 (max_parallel_requests={})",
                declared.id,
                group.unwrap_or("none"),
                declared.max_parallel_requests.unwrap_or_default()
            ))
        }
        Busy::Exhausted(Exhausted {
            name,
            limit,
            ends_in,
            ..
        }) => rejection.with_retry_after(ends_in).with_message(format!(
            "deployment {} has used up its {name} limit of {limit}",
            declared.id
        )),
    }
}

/// Rounds up: asking a moment too early is refused again.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs()
        .saturating_add(u64::from(wait.subsec_nanos() > 0))
        .max(1)
}
