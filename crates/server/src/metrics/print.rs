//! Prometheus' text format, <https://prometheus.io/docs/instrumenting/exposition_formats/>.

use std::{
    fmt::{Display, Write as _},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use ziggurat::{
    config::{Config, Deployment},
    core::{Board, DeploymentId, vitals::Phase},
};

use super::{
    Metrics,
    cells::{BOUNDS, Histogram, Outcomes},
    serving,
};
use crate::panics;

/// The type of the page.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Labels as they are written, each after a comma but the first.
type Labels = String;

struct Page(String);

/// Cells of one kind, with the labels of each.
struct Rows<'a, T>(Vec<(Labels, &'a T)>);

impl Metrics {
    /// Prints all counts, and how the deployments of a configuration fare at the moment.
    #[must_use]
    pub fn print(&self, config: &Config, board: &Board) -> String {
        let mut page = Page(String::with_capacity(16 * 1024));
        self.print_requests(&mut page);
        self.print_attempts(&mut page, config);
        print_vitals(&mut page, config, board);
        page.0
    }

    fn print_requests(&self, page: &mut Page) {
        let name = "ziggurat_requests_in_flight";
        page.family(name, GAUGE, "Requests that have not ended.");
        page.sample(name, "", self.in_flight().count());
        let name = "ziggurat_panics_total";
        page.family(name, COUNTER, "Panics of this process.");
        page.sample(name, "", panics::count());
        let mut models: Vec<_> = self.models.iter().collect();
        models.sort_by_key(|(name, _)| *name);
        let models = models
            .into_iter()
            .map(|(name, cells)| (label("model", name), &**cells));
        let rows = Rows(models.collect());
        rows.outcomes(
            page,
            "ziggurat_requests_total",
            "Requests that have ended.",
            |cells| &cells.outcomes,
        );
        rows.counter(
            page,
            "ziggurat_request_retries_total",
            "Attempts of requests after the first in a group.",
            |cells| &cells.retries,
        );
        rows.counter(
            page,
            "ziggurat_request_fallbacks_total",
            "Steps of requests to another group.",
            |cells| &cells.fallbacks,
        );
        rows.histogram(
            page,
            "ziggurat_request_duration_seconds",
            "Time to the end of requests.",
            |cells| &cells.duration,
        );
        rows.histogram(
            page,
            "ziggurat_request_first_chunk_seconds",
            "Time to the first bytes of streams.",
            |cells| &cells.first_chunk,
        );
    }

    fn print_attempts(&self, page: &mut Page, config: &Config) {
        let deployments = serving(config).filter_map(|one| {
            let cells = self.deployments.get(&DeploymentId::from(one.id.as_str()))?;
            Some((labels(one), &**cells))
        });
        let rows = Rows(deployments.collect());
        rows.outcomes(
            page,
            "ziggurat_attempts_total",
            "Calls of deployments that have ended.",
            |cells| &cells.outcomes,
        );
        rows.counter(
            page,
            "ziggurat_input_tokens_total",
            "Tokens of prompts, as upstreams counted.",
            |cells| &cells.input_tokens,
        );
        rows.counter(
            page,
            "ziggurat_output_tokens_total",
            "Tokens of answers, as upstreams counted.",
            |cells| &cells.output_tokens,
        );
        rows.histogram(
            page,
            "ziggurat_attempt_duration_seconds",
            "Time to the end of calls.",
            |cells| &cells.duration,
        );
        rows.histogram(
            page,
            "ziggurat_attempt_first_chunk_seconds",
            "Time to the first bytes of streams.",
            |cells| &cells.first_chunk,
        );
    }
}

fn print_vitals(page: &mut Page, config: &Config, board: &Board) {
    let deployments: Vec<_> = serving(config)
        .map(|one| (labels(one), board.vitals(&one.id.as_str().into())))
        .collect();
    let name = "ziggurat_deployment_in_flight";
    page.family(name, GAUGE, "Calls that have not ended.");
    for (labels, vitals) in &deployments {
        page.sample(name, labels, vitals.load().in_flight());
    }
    let name = "ziggurat_deployment_state";
    page.family(
        name,
        GAUGE,
        "1 for the state of a deployment: working, cooling, or on trial after that.",
    );
    for (labels, vitals) in &deployments {
        let now = state(vitals.cooling().phase());
        for state in STATES {
            let labels = format!("{labels},{}", label("state", state));
            page.sample(name, &labels, u8::from(state == now));
        }
    }
    let name = "ziggurat_deployment_cooldown_seconds";
    page.family(name, GAUGE, "What is left of cooldowns.");
    for (labels, vitals) in &deployments {
        let remaining = vitals.cooling().remaining().unwrap_or_default();
        page.sample(name, labels, remaining.as_secs_f64());
    }
}

const STATES: [&str; 4] = ["working", "cooling", "waiting_for_trial", "trial_running"];

const fn state(phase: Phase) -> &'static str {
    match phase {
        Phase::Cooling(_) => STATES[1],
        Phase::Waiting => STATES[2],
        Phase::Trial => STATES[3],
        _ => STATES[0],
    }
}

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";
const HISTOGRAM: &str = "histogram";

fn labels(deployment: &Deployment) -> Labels {
    let labels = [
        label("model_group", &deployment.model_name),
        label("deployment", &deployment.id),
        label("provider", deployment.provider.as_str()),
    ];
    labels.join(",")
}

fn label(name: &str, value: &str) -> Labels {
    let mut label = format!("{name}=\"");
    for c in value.chars() {
        match c {
            '\\' => label.push_str("\\\\"),
            '"' => label.push_str("\\\""),
            '\n' => label.push_str("\\n"),
            c => label.push(c),
        }
    }
    label.push('"');
    label
}

// === impl Rows ===

impl<T> Rows<'_, T> {
    fn outcomes(&self, page: &mut Page, name: &str, help: &str, of: fn(&T) -> &Outcomes) {
        page.family(name, COUNTER, help);
        for (labels, cells) in &self.0 {
            for (outcome, count) in of(cells).read() {
                let labels = format!("{labels},{}", label("outcome", outcome.as_str()));
                page.sample(name, &labels, count);
            }
        }
    }

    fn counter(&self, page: &mut Page, name: &str, help: &str, of: fn(&T) -> &AtomicU64) {
        page.family(name, COUNTER, help);
        for (labels, cells) in &self.0 {
            page.sample(name, labels, of(cells).load(Relaxed));
        }
    }

    fn histogram(&self, page: &mut Page, name: &str, help: &str, of: fn(&T) -> &Histogram) {
        page.family(name, HISTOGRAM, help);
        for (labels, cells) in &self.0 {
            page.histogram(name, labels, of(cells));
        }
    }
}

// === impl Page ===

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        match labels {
            "" => self.line(format_args!("{name} {value}")),
            _ => self.line(format_args!("{name}{{{labels}}} {value}")),
        }
    }

    fn histogram(&mut self, name: &str, labels: &str, histogram: &Histogram) {
        let (below, count, sum) = histogram.read();
        for (bound, below) in BOUNDS.iter().zip(below) {
            self.line(format_args!(
                "{name}_bucket{{{labels},le=\"{bound}\"}} {below}"
            ));
        }
        self.line(format_args!(
            "{name}_bucket{{{labels},le=\"+Inf\"}} {count}"
        ));
        self.line(format_args!("{name}_sum{{{labels}}} {sum}"));
        self.line(format_args!("{name}_count{{{labels}}} {count}"));
    }

    fn line(&mut self, text: impl Display) {
        writeln!(self.0, "{text}").expect("text can be written");
    }
}
