//! What happened, and the laws that it must keep.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use http::Extensions;
use ziggurat::{
    core::{LastResort, Vitals, vitals::Phase},
    prelude::*,
};
use ziggurat_testing::Guards;

use crate::plan::{self, Client, Layer, Prompt};

/// The laws, as they are named where one is broken.
pub(crate) mod law {
    pub(crate) const CAP: &str = "no more attempts than the cap";
    pub(crate) const RETRIES: &str = "no more attempts than the numbers of retries";
    pub(crate) const REGION: &str = "no attempt where the region is refused";
    pub(crate) const WINDOW: &str = "no attempt where the prompt does not fit";
    pub(crate) const COOLING: &str = "no attempt on a deployment that rests";
    pub(crate) const TRIAL: &str = "one trial at a time";
    pub(crate) const PARALLEL: &str = "no more calls at a time than places";
    pub(crate) const READY: &str = "no call without readiness";
    pub(crate) const ONE_AT_A_TIME: &str = "one attempt of a request at a time";
    pub(crate) const NOTHING_AFTER: &str = "no attempt after the answer, or for a client who left";
    pub(crate) const ONE_ANSWER: &str = "one answer for each request, that of its own last attempt";
    pub(crate) const ENDS: &str = "every request ends";
    pub(crate) const IN_TIME: &str = "no answer after the time limit";
    pub(crate) const CUT: &str = "no success for a cut stream";
    pub(crate) const IN_FLIGHT: &str = "nothing in flight at the end";
}

/// Marks the requests of one client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number(pub usize);

/// One deployment, whatever the groups that it stands in.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) id: DeploymentId,
    pub(crate) plan: plan::Deployment,
    pub(crate) vitals: Arc<Vitals>,
}

/// How an attempt ended, as the leaf saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With an error, or a failed head.
    Failed,
    /// All of it was read.
    Whole,
    /// The body broke.
    Cut,
    /// Whoever asked did not want it any more.
    Dropped,
}

/// An attempt that reached a leaf.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) request: usize,
    pub(crate) site: DeploymentId,
    pub(crate) answered: Option<u16>,
    pub(crate) sent: Vec<u8>,
    pub(crate) trailers: bool,
    pub(crate) end: Option<End>,
    /// Its answer is a stream, or is wanted as one.
    pub(crate) streams: bool,
    trial: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct World {
    state: Arc<Mutex<State>>,
    broken: Arc<Mutex<Vec<String>>>,
    pub(crate) guards: Guards,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    clients: Vec<Client>,
    cap: Option<usize>,
    /// Requests that were answered, or left.
    over: Vec<bool>,
}

// === impl World ===

impl World {
    pub(crate) fn new(case: &plan::Case) -> Self {
        let state = State {
            over: vec![false; case.clients.len()],
            clients: case.clients.clone(),
            cap: case.stack.cap,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            broken: Arc::default(),
            guards: Guards::new(),
        }
    }

    /// Writes that a law is broken.
    pub(crate) fn broken(&self, law: &str, how: impl Into<String>) {
        let line = format!("{law}: {}", how.into());
        self.broken.lock().unwrap().push(line);
    }

    /// Begins an attempt, and returns its number.
    pub(crate) fn begin(&self, site: &Site, extensions: &Extensions) -> usize {
        let number = self.lock().calls.len();
        let &Number(request) = extensions.get().expect("each request has one");
        let client = self.lock().clients[request].clone();
        let trial = self.check_cooling(site, extensions);
        self.check_filters(site, &client);
        self.check_order(site, request);
        self.lock().calls.push(Call {
            request,
            site: site.id.clone(),
            answered: None,
            sent: Vec::new(),
            trailers: false,
            end: None,
            streams: client.stream,
            trial,
        });
        number
    }

    /// Says whether the attempt is a trial.
    fn check_cooling(&self, site: &Site, extensions: &Extensions) -> bool {
        let Some(cooldown) = site.plan.cooldown().filter(|it| !it.protected) else {
            return false;
        };
        let last_resort = extensions.get::<LastResort>().is_some();
        let phase = site.vitals.cooling().phase();
        match phase {
            Phase::Closed => false,
            Phase::Trial if last_resort => false,
            Phase::Trial => {
                let state = self.lock();
                let mut calls = state.calls.iter();
                let open = calls.any(|it| it.is_trial() && it.site == site.id);
                drop(state);
                if open {
                    self.broken(law::TRIAL, format!("on {}", site.id));
                }
                true
            }
            Phase::Cooling(_) if last_resort && cooldown.last_resort => false,
            _ => {
                self.broken(law::COOLING, format!("{} is {phase:?}", site.id));
                false
            }
        }
    }

    fn check_filters(&self, site: &Site, client: &Client) {
        for layer in &site.plan.layers {
            match layer {
                Layer::Region(region) if !allows(&client.regions, *region) => {
                    self.broken(law::REGION, format!("{} is in {region:?}", site.id));
                }
                Layer::Window { tokens, .. } if *tokens < 100 && client.prompt == Prompt::Long => {
                    self.broken(law::WINDOW, format!("{} has {tokens}", site.id));
                }
                _ => {}
            }
        }
    }

    fn check_order(&self, site: &Site, request: usize) {
        let state = self.lock();
        let of_request = || state.calls.iter().filter(|it| it.request == request);
        let here = state.calls.iter().filter(|it| it.site == site.id);
        let mut broken = Vec::new();
        if state.over[request] {
            broken.push(law::NOTHING_AFTER);
        }
        if of_request().any(Call::is_open) {
            broken.push(law::ONE_AT_A_TIME);
        }
        if state.cap.is_some_and(|cap| of_request().count() >= cap) {
            broken.push(law::CAP);
        }
        let places = site.plan.max_parallel_requests.filter(|&places| places > 0);
        let open = here.filter(|it| it.is_open()).count();
        if places.is_some_and(|places| open >= places as usize) {
            broken.push(law::PARALLEL);
        }
        drop(state);
        for law in broken {
            self.broken(law, format!("request {request} at {}", site.id));
        }
    }

    /// Says whether an attempt is one of so many that no setting explains them.
    pub(crate) fn runs_away(&self, number: usize) -> bool {
        const FAR_TOO_MANY: usize = 200;
        let request = self.lock().calls[number].request;
        let made = self.of_request(request, |calls| calls.len());
        if made == FAR_TOO_MANY {
            self.broken(law::RETRIES, format!("request {request} runs away"));
        }
        made >= FAR_TOO_MANY
    }

    /// Changes what is known of an attempt.
    pub(crate) fn edit(&self, number: usize, edit: impl FnOnce(&mut Call)) {
        edit(&mut self.lock().calls[number]);
    }

    /// Writes that a request was answered, or that its client left.
    pub(crate) fn over(&self, request: usize) {
        self.lock().over[request] = true;
    }

    /// Reads the attempts of a request.
    pub(crate) fn of_request<T>(&self, request: usize, read: impl FnOnce(&[&Call]) -> T) -> T {
        let state = self.lock();
        let calls = state.calls.iter().filter(|it| it.request == request);
        read(&calls.collect::<Vec<_>>())
    }

    /// Looks at what is left when all is over.
    pub(crate) fn check_rest(&self, sites: &[Arc<Site>]) {
        for site in sites {
            let in_flight = site.vitals.load().in_flight();
            if in_flight > 0 {
                self.broken(law::IN_FLIGHT, format!("{in_flight} on {}", site.id));
            }
            if site.vitals.cooling().phase() == Phase::Trial {
                self.broken(law::IN_FLIGHT, format!("the trial of {}", site.id));
            }
        }
        if self.guards.held() > 0 {
            self.broken(law::IN_FLIGHT, "a future or a body of a leaf");
        }
    }

    /// Counts the attempts on a deployment that ended well.
    pub(crate) fn whole(&self, site: &Site) -> u64 {
        let state = self.lock();
        let calls = state.calls.iter().filter(|it| it.site == site.id);
        calls.filter(|it| it.end == Some(End::Whole)).count() as u64
    }

    /// Returns what was broken, if anything, with all attempts.
    pub(crate) fn verdict(&self) -> Result<(), String> {
        let broken = self.broken.lock().unwrap();
        if broken.is_empty() {
            return Ok(());
        }
        let calls: Vec<_> = self
            .lock()
            .calls
            .iter()
            .map(|it| format!("\n  {it:?}"))
            .collect();
        Err(format!("{}{}", broken.join("\n"), calls.concat()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

// === impl Call ===

impl Call {
    pub(crate) fn is_open(&self) -> bool {
        self.end.is_none()
    }

    /// Says whether it is a trial that is not decided yet, as that of a stream is by its first data.
    fn is_trial(&self) -> bool {
        let decided = self.streams && !self.sent.is_empty();
        self.trial && self.is_open() && !decided
    }

    /// Ends it; the first end counts.
    pub(crate) fn end(&mut self, end: End) {
        self.end.get_or_insert(end);
    }
}

// === impl Deployment ===

impl plan::Deployment {
    pub(crate) fn cooldown(&self) -> Option<&plan::Cooldown> {
        self.layers.iter().find_map(|layer| match layer {
            Layer::Cooldown(cooldown) => Some(cooldown),
            _ => None,
        })
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.layers.iter().find_map(|layer| match layer {
            Layer::Timeout(it) if it.limit > 0 => {
                Some(Duration::from_millis(it.limit.max(it.stream)))
            }
            _ => None,
        })
    }

    pub(crate) fn limits_silence(&self) -> bool {
        self.layers.iter().any(|layer| match layer {
            Layer::StreamTimeout(it) => it.first > 0 && it.idle != Some(0),
            _ => false,
        })
    }
}

/// A table instead of the filter's own rules: each list has to name the region, or what it lies in.
fn allows(lists: &[Vec<&'static str>], region: Option<&'static str>) -> bool {
    let names: &[_] = match region {
        None => &[],
        Some("eu-west-1") => &["eu-west-1", "eu"],
        Some("us-east-1") => &["us-east-1", "us"],
        Some("eu") => &["eu"],
        Some(other) => unreachable!("{other} is not in the table"),
    };
    lists
        .iter()
        .all(|list| list.iter().any(|asked| names.contains(asked)))
}
