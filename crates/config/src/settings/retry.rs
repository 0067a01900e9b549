//! How many retries all requests together may cost.

use std::time::Duration;

use serde_yaml::Value;

use crate::{
    keys,
    scalar::{self, Read},
    section::Section,
};

/// Retries for each request, beside the reserve: the default of tower's `TpsBudget`.
const RATIO: f32 = 0.2;
/// How long a request counts: the default of tower's `TpsBudget`.
const TTL: Duration = Duration::from_secs(10);
/// The reserve: the default of tower's `TpsBudget`.
const MIN_PER_SECOND: u32 = 10;

/// The share of retries in all traffic of the process (`router_settings.retry_budget`). The ranges
/// are those that tower's `TpsBudget` accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RetryBudget {
    /// Retries for each request, from 0 (the reserve only) to 1000; 0.2 by default.
    pub ratio: f32,
    /// How long a request counts, from 1 s to 60 s; 10 s by default.
    pub ttl: Duration,
    /// Retries per second that are always allowed; 10 by default.
    pub min_per_second: u32,
}

// === impl RetryBudget ===

impl RetryBudget {
    /// Reads a mapping, or a number that is the ratio.
    pub(super) fn read(router: &mut Section<'_>) -> Option<Self> {
        const KEY: &str = "retry_budget";
        if !router.get(KEY)?.is_mapping() {
            return router.read(KEY, number).map(|ratio| Self {
                ratio,
                ..Self::default()
            });
        }
        let mut section = router.section(KEY);
        section.check_keys(&keys::BUDGET);
        let budget = Self {
            ratio: section.read("ratio", ratio).unwrap_or(RATIO),
            ttl: section.read("ttl", ttl).unwrap_or(TTL),
            min_per_second: section
                .read("min_per_second", min_per_second)
                .unwrap_or(MIN_PER_SECOND),
        };
        router.findings.append(&mut section.findings);
        Some(budget)
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            ratio: RATIO,
            ttl: TTL,
            min_per_second: MIN_PER_SECOND,
        }
    }
}

fn number(value: &Value) -> Read<f32> {
    match value {
        Value::Sequence(_) | Value::Bool(_) => {
            Err(scalar::expected("a number, or a mapping", value))
        }
        other => ratio(other),
    }
}

fn ratio(value: &Value) -> Read<f32> {
    match scalar::number(value)? {
        Some(ratio) if ratio > 1000.0 => Err("must be between 0 and 1000".to_owned()),
        ratio => Ok(ratio.map(|ratio| ratio as f32)),
    }
}

fn ttl(value: &Value) -> Read<Duration> {
    match scalar::seconds(value)? {
        Some(ttl) if !(1..=60).contains(&ttl.as_secs()) || ttl > Duration::from_secs(60) => {
            Err("must be between 1 and 60 seconds".to_owned())
        }
        ttl => Ok(ttl),
    }
}

fn min_per_second(value: &Value) -> Read<u32> {
    match scalar::count(value)? {
        Some(count) if count >= i32::MAX as u32 => {
            Err(format!("expected a whole number below {}", i32::MAX))
        }
        count => Ok(count),
    }
}
