//! Clients that ask a stack, and read what they get.

use std::{collections::BTreeSet, pin::pin, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;
use ziggurat::{
    core::{AllowedRegions, BoxBody, LlmRequest, Tags, json::Document},
    prelude::*,
};

use crate::{
    plan::{self, Client, GroupLayer, Leaves, Prompt, Top},
    stack::{millis, name},
    world::{Call, End, Number, World, law},
};

/// What takes longer has no end: all that hangs is over after two hours at the latest.
const FOR_EVER: Duration = Duration::from_secs(30 * 24 * 3600);

/// One client of a case.
pub(crate) struct Asking {
    pub(crate) number: usize,
    pub(crate) client: Client,
    pub(crate) stack: plan::Stack,
    pub(crate) world: World,
}

/// What a client has read of a body.
#[derive(Debug, Default)]
struct Reading {
    bytes: Vec<u8>,
    trailers: bool,
}

impl Asking {
    /// Asks, reads, and looks at what the laws say about it.
    pub(crate) async fn run(self, service: BoxService<()>) {
        sleep(millis(self.client.start)).await;
        let tried = Tried::new();
        let work = self.ask(service, &tried);
        match self.client.leaves {
            Leaves::After(time) => drop(timeout(millis(time), work).await),
            _ => {
                if timeout(FOR_EVER, work).await.is_err() {
                    self.break_law(law::ENDS, "it goes on for ever");
                }
            }
        }
        self.world.over(self.number);
        let (cap, attempts) = (self.stack.cap, tried.attempts());
        if cap.is_some_and(|cap| attempts > cap) {
            self.break_law(law::CAP, &format!("{attempts} in the ledger"));
        }
        self.check_retries(&tried);
    }

    async fn ask(&self, service: BoxService<()>, tried: &Tried) {
        let started = Instant::now();
        let answer = service.oneshot(self.request(tried)).await;
        self.world.over(self.number);
        let response = match answer {
            Ok(response) => response,
            Err(_) => return self.check_time(started, tried),
        };
        let status = response.status();
        let site = response.extensions().get().cloned();
        let answered_by = |call: &&Call| {
            Some(&call.site) == site.as_ref() && call.answered == Some(status.as_u16())
        };
        self.world.of_request(self.number, |calls| {
            // The answer to a request that failed everywhere may be that of its first group.
            let fits = match status.is_success() {
                true => calls.last().is_some_and(answered_by),
                false => calls.iter().any(answered_by),
            };
            if !fits {
                self.break_law(law::ONE_ANSWER, &format!("{status} by {site:?}"));
            }
        });
        if let Some(reading) = self.read(response.into_body()).await
            && status.is_success()
        {
            self.check_whole(&reading);
        }
        if self.client.pause == 0 {
            self.check_time(started, tried);
        }
    }

    /// Reads a body; `None` if it broke, or if the client left.
    async fn read(&self, body: BoxBody) -> Option<Reading> {
        let mut body = pin!(body);
        let mut reading = Reading::default();
        let mut frames = 0;
        loop {
            if matches!(self.client.leaves, Leaves::AfterFrames(limit) if frames == limit) {
                return None;
            }
            let Some(frame) = body.frame().await else {
                return Some(reading);
            };
            match frame.ok()?.into_data() {
                Ok(data) => reading.bytes.extend(data),
                Err(_) => reading.trailers = true,
            }
            frames += 1;
            if self.client.pause > 0 {
                sleep(millis(self.client.pause)).await;
            }
        }
    }

    fn check_whole(&self, reading: &Reading) {
        self.world.of_request(self.number, |calls| {
            let Some(last) = calls.last() else { return };
            if last.end != Some(End::Whole) {
                self.break_law(law::CUT, &format!("{:?}", last.end));
            }
            if last.sent != reading.bytes || last.trailers != reading.trailers {
                self.break_law(law::ONE_ANSWER, "bytes or trailers differ");
            }
        });
    }

    /// The limit holds for all groups together only above the fallback; below it for each of them.
    fn check_time(&self, started: Instant, tried: &Tried) {
        let top = &self.stack.top;
        let hops = top.iter().take_while(|it| !matches!(it, Top::Total(_)));
        let times = match hops.clone().any(|it| matches!(it, Top::Fallback { .. })) {
            true => tried.hops() + 1,
            false => 1,
        };
        let Some(Top::Total(limit)) = top.get(hops.count()) else {
            return;
        };
        let asked = self.client.wishes.total.filter(|&asked| asked > 0);
        let limit = millis(asked.unwrap_or(*limit).min(*limit)) * times;
        // The clock counts whole milliseconds.
        if started.elapsed() > limit + millis(times.into()) {
            let took = started.elapsed();
            self.break_law(law::IN_TIME, &format!("{took:?} of {limit:?}"));
        }
    }

    /// Each group that was asked makes one attempt, so many retries at most, and a step to each further order.
    fn check_retries(&self, tried: &Tried) {
        let groups = &self.stack.groups;
        let layers = || groups.iter().flat_map(|it| &it.layers);
        let retry = |layer: &GroupLayer| match layer {
            GroupLayer::Retry(it) => Some(it.clone()),
            _ => None,
        };
        let wishes = &self.client.wishes;
        if layers().filter_map(retry).any(|it| it.exhaust_untried) && !wishes.no_fallbacks {
            return;
        }
        let deployments = groups.iter().flat_map(|it| &it.deployments);
        let configured = layers().filter_map(retry).map(|it| it.retries);
        let most = configured.chain(deployments.filter_map(|it| it.max_retries));
        // Without a layer for it nothing is asked again, whatever anyone wants.
        let most = match layers().any(|it| matches!(it, GroupLayer::Retry(_))) {
            true => wishes.max_retries.or(most.max()).unwrap_or_default(),
            false => 0,
        };
        let shared = groups[0].deployments[0].order;
        let orders = |it: &plan::Group| {
            let first = it.shares.then_some(shared);
            let orders = first
                .into_iter()
                .chain(it.deployments.iter().map(|it| it.order));
            // One too many at most, as the first of a group that shares is not its own.
            orders.collect::<BTreeSet<_>>().len() - 1
        };
        let steps = match layers().any(|it| matches!(it, GroupLayer::Retry(_))) {
            true => groups.iter().map(orders).max().unwrap_or_default(),
            false => 0,
        };
        let bound = (tried.hops() as usize + 1) * (most as usize + 1 + steps);
        let made = self.world.of_request(self.number, |calls| calls.len());
        if made > bound || tried.attempts() > bound {
            self.break_law(law::RETRIES, &format!("{made} of {bound}"));
        }
    }

    fn request(&self, tried: &Tried) -> Request<()> {
        let mut request = Request::new(());
        let extensions = request.extensions_mut();
        extensions.insert(Number(self.number));
        extensions.insert(tried.clone());
        let Client {
            group,
            stream,
            prompt,
            regions,
            tags,
            wishes,
            ..
        } = &self.client;
        extensions.insert(ModelGroup::from(name(*group % self.stack.groups.len())));
        if let Some(words) = prompt.words() {
            let text = "word ".repeat(words);
            let body = format!(r#"{{"messages": [{{"role": "user", "content": "{text}"}}]}}"#);
            let document = Document::parse(Bytes::from(body)).expect("it is JSON");
            extensions.insert(LlmRequest::new("m", *stream, document));
        }
        let mut lists = regions
            .iter()
            .map(|list| AllowedRegions::new(list.iter().copied()));
        if let Some(first) = lists.next() {
            extensions.insert(lists.fold(first, |all, list| all.and(&list)));
        }
        if !tags.is_empty() {
            extensions.insert(Tags::new(tags.iter().copied()));
        }
        wishes.put(extensions);
        request
    }

    fn break_law(&self, law: &str, how: &str) {
        self.world
            .broken(law, format!("request {}: {how}", self.number));
    }
}

impl Prompt {
    fn words(self) -> Option<usize> {
        match self {
            Self::Unknown => None,
            Self::Short => Some(3),
            // More than Precount takes on the async thread.
            Self::Long => Some(400),
        }
    }
}

impl plan::Wishes {
    fn put(&self, extensions: &mut http::Extensions) {
        use overrides::{
            Fallbacks, MaxRetries, StreamIdleTimeout, StreamTimeout, StreamTotalTimeout, Timeout,
            TotalTimeout,
        };
        if let Some(limit) = self.timeout {
            extensions.insert(Timeout(millis(limit)));
        }
        if let Some(limit) = self.stream_timeout {
            extensions.insert(StreamTimeout(millis(limit)));
        }
        if let Some(limit) = self.idle {
            extensions.insert(StreamIdleTimeout(millis(limit)));
        }
        if let Some(limit) = self.stream_total {
            extensions.insert(StreamTotalTimeout(millis(limit)));
        }
        if let Some(limit) = self.total {
            extensions.insert(TotalTimeout(millis(limit)));
        }
        if let Some(retries) = self.max_retries {
            extensions.insert(MaxRetries(retries));
        }
        if self.no_fallbacks {
            let mut fallbacks = Fallbacks::default();
            fallbacks.disabled = true;
            extensions.insert(fallbacks);
        }
    }
}
