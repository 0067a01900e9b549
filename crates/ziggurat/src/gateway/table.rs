//! How requests are routed, as a table for people.

use std::{collections::HashMap, fmt};

use ziggurat_config::{Config, Deployment, FallbackTable, Strategy};

use super::summary::shown;

/// Rows of a group: its name and chain stand in the first, each deployment has its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    rows: Vec<Row>,
}

/// `group · deployment · weight · limits · id · chain`.
type Row = [String; 6];

const HEAD: [&str; 6] = ["GROUP", "DEPLOYMENT", "WEIGHT", "LIMITS", "ID", "FALLBACKS"];

/// So much of an id is enough to find it by.
const ID: usize = 12;

impl Table {
    pub(super) fn of(config: &Config) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for (name, deployments) in groups(config) {
            let weights = Weights::of(config, name, &deployments);
            for (n, deployment) in deployments.into_iter().enumerate() {
                let first = |text: &dyn Fn() -> String| match n {
                    0 => text(),
                    _ => String::new(),
                };
                rows.push([
                    first(&|| name.to_owned()),
                    target(deployment),
                    weights.print(deployment),
                    limits(config, deployment),
                    deployment.id.chars().take(ID).collect(),
                    first(&|| chain(config, name)),
                ]);
            }
        }
        Self { rows }
    }
}

/// Each line is indented; no line ends with spaces.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = HEAD.map(str::to_owned);
        let all = || std::iter::once(&head).chain(&self.rows);
        // A column that says nothing is left out.
        let is_used = |column: usize| self.rows.iter().any(|row| !row[column].is_empty());
        let widths: Vec<_> = (0..HEAD.len())
            .map(|column| all().map(|row| row[column].chars().count()).max())
            .collect();
        for row in all() {
            let mut line = String::from(" ");
            for (column, width) in widths.iter().enumerate().filter(|(n, _)| is_used(*n)) {
                let width = width.unwrap_or_default();
                line += &format!(" {:width$} ", row[column]);
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// The groups in the order of the configuration.
pub(super) fn groups(config: &Config) -> Vec<(&str, Vec<&Deployment>)> {
    let mut groups: Vec<(&str, Vec<_>)> = Vec::new();
    let mut places = HashMap::new();
    for deployment in config.deployments.iter().filter(|one| !one.blocked) {
        let name = deployment.model_name.as_str();
        let place = *places.entry(name).or_insert_with(|| {
            groups.push((name, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(deployment);
    }
    groups
}

/// The model, and where it is called if that is not its provider's own address.
fn target(deployment: &Deployment) -> String {
    match &deployment.api_base {
        Some(base) => format!("{} @ {}", deployment.litellm_model, shown(base)),
        None => deployment.litellm_model.clone(),
    }
}

/// What the choice among a group's deployments goes by.
enum Weights {
    /// Weights that were given, or limits in their place. Who has none takes the mean.
    By {
        measure: fn(&Deployment) -> Option<f64>,
        mean: f64,
        count: usize,
    },
    /// All have the same chance.
    Even(usize),
    Strategy(&'static str),
}

impl Weights {
    fn of(config: &Config, group: &str, deployments: &[&Deployment]) -> Self {
        let (strategy, _) = config.settings.balance.strategy_for(group);
        if strategy != Strategy::SimpleShuffle {
            return Self::Strategy(strategy.as_str());
        }
        let measures: [fn(&Deployment) -> Option<f64>; 3] =
            [|one| one.weight, |one| one.rpm, |one| one.tpm];
        let count = deployments.len();
        let means = measures.into_iter().filter_map(|measure| {
            let values: Vec<_> = deployments.iter().filter_map(|one| measure(one)).collect();
            let sum: f64 = values.iter().sum();
            (sum > 0.0).then(|| (measure, sum / values.len() as f64))
        });
        let used = means.into_iter().next();
        used.map_or(Self::Even(count), |(measure, mean)| Self::By {
            measure,
            mean,
            count,
        })
    }

    fn print(&self, deployment: &Deployment) -> String {
        match self {
            Self::By {
                measure,
                mean,
                count,
            } => {
                let own = measure(deployment);
                let value = own.map_or_else(|| "mean".to_owned(), |own| own.to_string());
                let share = own.unwrap_or(*mean) / mean / *count as f64;
                match count {
                    1 => value,
                    _ => format!("{value} ({:.0} %)", share * 100.0),
                }
            }
            Self::Even(1) => "1".to_owned(),
            Self::Even(count) => format!("1 ({:.0} %)", 100.0 / *count as f64),
            Self::Strategy(name) => (*name).to_owned(),
        }
    }
}

fn limits(config: &Config, deployment: &Deployment) -> String {
    let balance = &config.settings.balance;
    let parallel = deployment.max_parallel_requests;
    let parallel = parallel.or(balance.default_max_parallel_requests);
    let limits = [
        deployment.order.map(|order| format!("order {order}")),
        deployment.rpm.map(|rpm| format!("{rpm} rpm")),
        deployment.tpm.map(|tpm| format!("{tpm} tpm")),
        parallel.map(|parallel| format!("{parallel} parallel")),
    ];
    limits.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Where a group's requests go when it fails: those of its own, else those of all groups.
fn chain(config: &Config, group: &str) -> String {
    let tables = &config.fallbacks;
    let chain = |table: &FallbackTable, what: &str| {
        let own = table.iter().find(|(name, _)| name == group);
        let (_, targets) = own.or_else(|| table.iter().find(|(name, _)| name == "*"))?;
        let others = targets.iter().map(|target| target.model.as_str());
        let names: Vec<_> = others.filter(|name| *name != group).collect();
        (!names.is_empty()).then(|| format!("{what}{}", names.join(" > ")))
    };
    let chains = [
        chain(&tables.general, ""),
        chain(&tables.context_window, "too long: "),
        chain(&tables.content_policy, "refused: "),
    ];
    chains.into_iter().flatten().collect::<Vec<_>>().join("; ")
}
