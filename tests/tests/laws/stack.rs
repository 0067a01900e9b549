//! Builds the stack of a plan.

use std::{sync::Arc, time::Duration};

use ziggurat::{
    balance::{self, CostBased, LatencyBased, LeastBusy, PeakEwma, TagMatch, UsageBased},
    context_window::{Bytes, ContextWindowFilterLayer, PrecountLayer, Window},
    cooldown::{Breaker, CooldownLayer, Group, Rules},
    core::{Vitals, fallbacks::Table},
    prelude::*,
    region::RegionFilterLayer,
    stream_timeout::StreamTimeoutLayer,
    timeout::TotalTimeoutLayer,
};

use crate::{
    broken::Broken,
    leaf::Leaf,
    plan::{self, GroupLayer, Layer as Planned, Top},
    world::{Site, World},
};

type Boxed = BoxService<()>;

/// A deployment with what all its groups share.
struct Shared {
    site: Arc<Site>,
    breaker: Option<Breaker>,
    leaf: Leaf,
}

/// What a plan became.
pub(crate) struct Built {
    pub(crate) service: Boxed,
    pub(crate) sites: Vec<Arc<Site>>,
    pub(crate) breakers: Vec<(Arc<Site>, Breaker)>,
}

/// Returns the name of a group.
pub(crate) fn name(group: usize) -> String {
    format!("group-{group}")
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Builds it, with one thing broken if that is wanted.
pub(crate) fn build(plan: &plan::Stack, world: &World, broken: Broken) -> Built {
    let mut all: Vec<Arc<Shared>> = Vec::new();
    let mut groups = Vec::new();
    for (at, group) in plan.groups.iter().enumerate() {
        let mut members = Vec::new();
        for (place, deployment) in group.deployments.iter().enumerate() {
            if at > 0 && group.shares && place == 0 {
                members.push(Arc::clone(&all[0]));
                continue;
            }
            let id = format!("{at}.{place}");
            let shared = Arc::new(Shared::new(&id, deployment, plan.seed, world));
            members.push(Arc::clone(&shared));
            all.push(shared);
        }
        let built = build_group(plan, group, &members, broken);
        groups.push((name(at), broken.on_group(built)));
    }
    let is_routed = |top: &Top| matches!(top, Top::Fallback { .. });
    let mut service = match groups.len() {
        1 if !plan.routed && !plan.top.iter().any(is_routed) => groups.remove(0).1,
        _ => BoxService::new(Open::new(Router::new(groups))),
    };
    for top in plan.top.iter().rev() {
        service = build_top(plan, top, service, &all, broken);
    }
    let breaker = |it: &Arc<Shared>| Some((Arc::clone(&it.site), it.breaker.clone()?));
    Built {
        service: broken.on_top(service),
        sites: all.iter().map(|it| Arc::clone(&it.site)).collect(),
        breakers: all.iter().filter_map(breaker).collect(),
    }
}

impl Shared {
    fn new(id: &str, plan: &plan::Deployment, seed: u64, world: &World) -> Self {
        let vitals = Arc::new(Vitals::new());
        let site = Arc::new(Site {
            id: id.into(),
            plan: plan.clone(),
            vitals: Arc::clone(&vitals),
        });
        let rules = |it: &plan::Cooldown| {
            let rules = Rules::new()
                .cooldown_time(millis(it.time))
                .max_time(millis(it.time * 4))
                .slow_start(millis(it.slow_start))
                .failure_share(0.5, 2)
                .seed(seed);
            match it.allowed_fails {
                Some(fails) => rules.allowed_fails(fails),
                None => rules,
            }
        };
        Self {
            breaker: plan.cooldown().map(|it| Breaker::new(vitals, rules(it))),
            leaf: Leaf::new(Arc::clone(&site), world.clone()),
            site,
        }
    }
}

fn build_top(
    plan: &plan::Stack,
    top: &Top,
    inner: Boxed,
    all: &[Arc<Shared>],
    broken: Broken,
) -> Boxed {
    match top {
        Top::Total(_) if broken == Broken::Total => inner,
        Top::Total(limit) => BoxService::new(TotalTimeoutLayer::new(millis(*limit)).layer(inner)),
        Top::Precount { inline } => {
            let layers = all.iter().flat_map(|it| &it.site.plan.layers);
            let windows = layers.filter_map(|layer| match layer {
                Planned::Window { tokens, shared } => Some(window(*tokens, *shared)),
                _ => None,
            });
            let layer = PrecountLayer::new(windows);
            let layer = layer.inline_up_to(if *inline { u64::MAX } else { 1024 });
            BoxService::new(layer.layer(inner))
        }
        Top::Fallback {
            chains,
            max,
            on_refusal,
        } => {
            let chains = chains.iter().enumerate().map(|(of, chain)| {
                let targets = chain
                    .iter()
                    .map(|group| fallbacks::Target::new(name(*group)));
                (name(of), targets.collect::<Vec<_>>())
            });
            let table: Table = chains.collect();
            let layer = FallbackLayer::new(table).max_fallbacks(*max);
            let layer = layer.allow_generic_fallback_on_refusal(*on_refusal);
            let layer = match plan.cap {
                Some(cap) if broken != Broken::Cap => layer.max_attempts_per_request(cap),
                _ => layer,
            };
            BoxService::new(Open::new(layer.layer(inner)))
        }
    }
}

fn build_group(
    plan: &plan::Stack,
    group: &plan::Group,
    members: &[Arc<Shared>],
    broken: Broken,
) -> Boxed {
    let endpoints: Vec<_> = members
        .iter()
        .map(|it| endpoint(it, members, broken))
        .collect();
    let it = &group.balance;
    let balance = Balance::with_policy(endpoints, strategy(it.strategy, plan.seed))
        .enforce_limits(it.enforce_limits)
        .max_parallel_wait(millis(it.max_parallel_wait))
        .cooldown_wait(millis(it.cooldown_wait))
        .last_resort(it.last_resort);
    let balance = match it.tags {
        Some(true) => balance.tag_filtering(TagMatch::Any),
        Some(false) => balance.tag_filtering(TagMatch::All),
        None => balance,
    };
    let mut service = BoxService::new(balance);
    for layer in group.layers.iter().rev() {
        service = match layer {
            GroupLayer::Retry(it) => {
                let more = if broken == Broken::Retries { 9 } else { 0 };
                let layer = RetryLayer::new(it.retries + more)
                    .exhaust_untried(it.exhaust_untried)
                    .max_wait(millis(it.max_wait))
                    .seed(plan.seed);
                BoxService::new(match plan.cap {
                    Some(cap) if broken != Broken::Cap => {
                        layer.max_attempts_per_request(cap).layer(service)
                    }
                    _ => layer.layer(service),
                })
            }
            GroupLayer::StreamTimeout(it) => BoxService::new(stream_timeout(it).layer(service)),
            GroupLayer::Timeout(it) => BoxService::new(timeout(it).layer(service)),
        };
    }
    service
}

fn endpoint(shared: &Shared, members: &[Arc<Shared>], broken: Broken) -> Endpoint<Boxed> {
    let plan = &shared.site.plan;
    let mut service = BoxService::new(Open::new(shared.leaf.clone()));
    for layer in plan.layers.iter().rev() {
        let below = service.clone();
        service = match layer {
            Planned::Region(Some(region)) => {
                BoxService::new(RegionFilterLayer::new([region]).layer(service))
            }
            Planned::Region(None) => BoxService::new(RegionFilterLayer::unknown().layer(service)),
            Planned::Window { tokens, shared } => {
                let window = window(*tokens, *shared);
                BoxService::new(ContextWindowFilterLayer::new(window).layer(service))
            }
            Planned::Cooldown(it) => cooldown(it, shared, members, service),
            Planned::StreamTimeout(it) => BoxService::new(stream_timeout(it).layer(service)),
            Planned::Timeout(it) => BoxService::new(timeout(it).layer(service)),
        };
        service = broken.instead(layer, service, below, &shared.site);
    }
    let mut endpoint = Endpoint::new(shared.site.id.clone(), service)
        .vitals(Arc::clone(&shared.site.vitals))
        .tags(plan.tags.iter().copied());
    if let Some(weight) = plan.weight {
        endpoint = endpoint.weight(weight.into());
    }
    if let Some(order) = plan.order {
        endpoint = endpoint.order(order.into());
    }
    if let Some(rpm) = plan.rpm {
        endpoint = endpoint.rpm(rpm.into());
    }
    if let Some(tpm) = plan.tpm {
        endpoint = endpoint.tpm(tpm.into());
    }
    if let Some(calls) = plan.max_parallel_requests
        && broken != Broken::Places
    {
        endpoint = endpoint.max_parallel_requests(calls);
    }
    if let Some(origin) = plan.origin {
        endpoint = endpoint.origin(origin);
    }
    match plan.max_retries {
        Some(retries) => endpoint.max_retries(retries),
        None => endpoint,
    }
}

fn cooldown(
    plan: &plan::Cooldown,
    shared: &Shared,
    members: &[Arc<Shared>],
    inner: Boxed,
) -> Boxed {
    let breaker = shared.breaker.clone().expect("made with the deployment");
    let layer = CooldownLayer::new(breaker)
        .protected(plan.protected)
        .last_resort(plan.last_resort);
    BoxService::new(match plan.max_share {
        Some(share) => {
            let vitals = members.iter().map(|it| Arc::clone(&it.site.vitals));
            let group = Group::new(vitals, f64::from(share) / 100.0);
            layer.group(group).layer(inner)
        }
        None => layer.layer(inner),
    })
}

fn strategy(which: usize, seed: u64) -> balance::Strategy {
    use balance::Strategy as Any;
    match which {
        0 => Any::Shuffle(Shuffle::seeded(seed)),
        1 => Any::LeastBusy(LeastBusy::seeded(seed)),
        2 => Any::LatencyBased(LatencyBased::seeded(seed)),
        3 => Any::PeakEwma(PeakEwma::seeded(seed)),
        4 => Any::UsageBased(UsageBased::seeded(seed)),
        _ => Any::CostBased(CostBased::new()),
    }
}

/// Counted by bytes: what a word needs at least is enough to tell the long prompts.
fn window(tokens: u64, shared: bool) -> Window {
    let window = Window::new("scripted", Some(tokens)).shared(shared);
    window.counter(Arc::new(Bytes))
}

fn stream_timeout(plan: &plan::StreamTimeout) -> StreamTimeoutLayer {
    let layer = StreamTimeoutLayer::new(millis(plan.first)).total(millis(plan.total));
    match plan.idle {
        Some(idle) => layer.idle(millis(idle)),
        None => layer,
    }
}

fn timeout(plan: &plan::Timeout) -> TimeoutLayer {
    TimeoutLayer::new(millis(plan.limit)).stream(millis(plan.stream))
}
