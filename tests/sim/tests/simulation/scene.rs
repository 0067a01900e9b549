//! A seed, played: the hosts, the troubles between them, and what must hold in the end.

use std::{cell::Cell, panic, sync::Once, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};
use turmoil::Sim;

use crate::{
    answer::{UPSTREAMS, WANTED},
    caller::{Outcome, ask, page},
    ledger::{Call, Ledger, Record},
    plan::{Ask, Conduct, Kind, LATENCY, Plan},
    proxy::proxy,
    upstream::upstream,
};

/// How finely time passes.
const TICK: Duration = Duration::from_millis(5);

/// After the last request of the load and all rests that deployments may need: the longest is the second that a 429 asks for.
const QUIET: Duration = Duration::from_secs(8);

/// What a hang-up needs to reach an upstream by way of the proxy, with what was sent before it.
const PARTING: Duration = Duration::from_millis(6 * LATENCY.end.as_millis() as u64);

/// Requests one after the other, when all troubles are over.
const QUIET_ASKS: usize = 8;

thread_local! {
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

/// What came of a seed.
pub(crate) struct Played {
    pub(crate) problems: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) whole: usize,
}

/// Plays a seed.
pub(crate) fn play(seed: u64) -> Played {
    count_panics();
    // Ids and the order of attempts are drawn from here by whoever has no seed of its own: all hosts are on this thread.
    fastrand::seed(seed);
    let before = PANICS.get();
    let plan = Plan::of(seed);
    let ledger = Ledger::default();
    if let Err(error) = run(&plan, &ledger) {
        ledger.problem(format_args!("the simulation ends: {error}"));
    }
    if PANICS.get() > before {
        ledger.problem("a task has panicked");
    }
    look_back(&plan, &ledger);
    let mut record = ledger.record();
    let Record {
        problems, trace, ..
    } = std::mem::take(&mut *record);
    Played {
        whole: trace.iter().filter(|line| line.contains("Whole")).count(),
        problems,
        trace,
    }
}

fn run(plan: &Plan, ledger: &Ledger) -> turmoil::Result {
    let mut sim = turmoil::Builder::new()
        .rng_seed(plan.seed)
        .tick_duration(TICK)
        .simulation_duration(Duration::from_secs(60))
        .min_message_latency(LATENCY.start)
        .max_message_latency(LATENCY.end)
        .tcp_capacity(1_024)
        .enable_random_order()
        .build();
    for name in UPSTREAMS {
        let (plan, ledger) = (plan.clone(), ledger.clone());
        sim.host(name, move || upstream(name, plan.clone(), ledger.clone()));
    }
    let (settings, shared) = (plan.settings.clone(), ledger.clone());
    sim.host("proxy", move || proxy(settings.clone(), shared.clone()));
    sim.client("callers", callers(plan.clone(), ledger.clone()));
    loop {
        ledger.record().now = sim.elapsed();
        trouble(&mut sim, plan, ledger);
        if sim.step()? {
            return Ok(());
        }
    }
}

/// Begins and ends the troubles whose time has come.
fn trouble(sim: &mut Sim<'_>, plan: &Plan, ledger: &Ledger) {
    let now = sim.elapsed();
    let is_now = |time: Duration| time <= now && now < time + TICK;
    for trouble in &plan.troubles {
        let (host, kind) = (trouble.upstream, trouble.kind);
        if is_now(trouble.during.end) {
            ledger.tell(format_args!("{host}: {kind:?} is over"));
            match kind {
                Kind::Partition | Kind::Deaf | Kind::Mute => sim.repair("proxy", host),
                Kind::Held => sim.release("proxy", host),
                Kind::Crash => sim.bounce(host),
            }
        }
        if is_now(trouble.during.start) {
            ledger.tell(format_args!("{host}: {kind:?}"));
            match kind {
                Kind::Partition => sim.partition("proxy", host),
                Kind::Deaf => sim.partition_oneway("proxy", host),
                Kind::Mute => sim.partition_oneway(host, "proxy"),
                Kind::Held => sim.hold("proxy", host),
                Kind::Crash => sim.crash(host),
            }
        }
    }
}

/// All callers: those of the load, then some who see whether all is well again.
async fn callers(plan: Plan, ledger: Ledger) -> turmoil::Result {
    let begun = Instant::now();
    let mut asks = JoinSet::new();
    for one in &plan.asks {
        asks.spawn(ask(one.clone(), ledger.clone()));
    }
    while let Some(done) = asks.join_next().await {
        done?;
    }
    sleep_until(begun + QUIET).await;
    nothing_runs(&ledger).await;
    let first = plan.asks.len();
    for nth in 0..QUIET_ASKS {
        let outcome = ask(Ask::quiet(first + nth, nth % 2 == 0), ledger.clone()).await;
        served(&ledger, first + nth, &outcome);
    }
    // As many at once as there are places: each that was not given back is missed here.
    let places = plan.settings.parallel.unwrap_or(4) * WANTED.len();
    let places = plan.settings.in_flight.unwrap_or(places).min(places);
    let first = first + QUIET_ASKS;
    for nth in 0..places {
        let ledger = ledger.clone();
        asks.spawn(async move {
            let outcome = ask(Ask::quiet(first + nth, nth % 2 == 0), ledger.clone()).await;
            served(&ledger, first + nth, &outcome);
            outcome
        });
    }
    let ends_busy = plan.seed.is_multiple_of(2);
    if ends_busy {
        // In every other simulation they are served by a proxy that ends.
        sleep(4 * LATENCY.end).await;
        ledger.stop().await;
    }
    while let Some(done) = asks.join_next().await {
        done?;
    }
    if !ends_busy {
        sleep(PARTING).await;
        nothing_runs(&ledger).await;
        ledger.stop().await;
    }
    Ok(())
}

/// After all troubles whoever is asked for serves again.
fn served(ledger: &Ledger, request: usize, outcome: &Outcome) {
    if !WANTED
        .iter()
        .any(|wanted| *outcome == Outcome::Whole(wanted))
    {
        ledger.problem(format_args!(
            "request {request} after all troubles: {outcome}"
        ));
    }
}

/// Every place is given back.
async fn nothing_runs(ledger: &Ledger) {
    let page = match page("/metrics").await {
        Ok(page) => page,
        Err(broken) => return ledger.problem(format_args!("no metrics: {broken}")),
    };
    let gauges = [
        "ziggurat_requests_in_flight",
        "ziggurat_deployment_in_flight",
    ];
    let gauges = page
        .lines()
        .filter(|line| gauges.iter().any(|gauge| line.starts_with(gauge)));
    let gauges: Vec<_> = gauges.collect();
    if gauges.len() != 1 + UPSTREAMS.len() {
        ledger.problem(format_args!("not all is counted: {gauges:?}"));
    }
    for gauge in gauges.iter().filter(|gauge| !gauge.ends_with(" 0")) {
        ledger.problem(format_args!("still in flight: {gauge}"));
    }
}

/// What must hold of all calls.
fn look_back(plan: &Plan, ledger: &Ledger) {
    let mut problems = Vec::new();
    let record = ledger.record();
    for call in &record.calls {
        let Some(&end) = record.ends.get(&call.request) else {
            continue; // its caller is a problem already
        };
        let latest = end + PARTING;
        // What was lost on the way does not come later here: an upstream may never hear of the end.
        let in_touch = !plan.is_troubled(
            call.upstream,
            &(call.begun.saturating_sub(4 * LATENCY.end)..latest),
        );
        if in_touch && call.ended.is_none_or(|ended| ended > latest) {
            let (upstream, request) = (call.upstream, call.request);
            problems.push(format!(
                "{upstream} goes on with {request} after its caller is gone"
            ));
        }
    }
    for &request in record.ends.keys() {
        for group in [&WANTED[..], &["three"]] {
            let calls = record.calls.iter().filter(|call| call.request == request);
            let calls: Vec<_> = calls
                .filter(|call| group.contains(&call.upstream))
                .collect();
            let free = calls.iter().filter(|call| is_free(plan, call)).count();
            // Each other deployment of the group is asked once for a stream that broke.
            let is_rescued =
                plan.settings.recovery != "off" && calls.iter().any(|call| breaks(call));
            let others = if is_rescued { group.len() - 1 } else { 0 };
            if calls.len() > 1 + plan.settings.retries + free + others {
                let calls = calls.len();
                problems.push(format!("request {request}: {calls} calls of {group:?}"));
            }
        }
    }
    drop(record);
    problems.iter().for_each(|problem| ledger.problem(problem));
}

/// Whether a call costs no retry: its connection may have closed when it was used again, or it was asked to go on with what
/// was said, which it does not do; then the request is sent once more.
fn is_free(plan: &Plan, call: &Call) -> bool {
    let ended = call.ended.unwrap_or(QUIET);
    match call.conduct {
        Conduct::Closed => true,
        Conduct::Status(400) if plan.settings.recovery == "continue" => true,
        _ => plan.is_troubled(call.upstream, &(call.begun..ended + PARTING)),
    }
}

/// Whether the answer of a call breaks after it has begun.
const fn breaks(call: &Call) -> bool {
    use Conduct::{Clipped, Cut, Error, Stalled};
    matches!(call.conduct, Cut | Stalled | Clipped | Error)
}

/// Counts the panics of each thread: those of tasks are caught, and would be seen by nobody.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            before(info);
        }));
    });
}
