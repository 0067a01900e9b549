//! What a health check has found, and for how long that counts.

use std::time::Duration;

use tokio::time::{Instant, advance};
use ziggurat_core::{FailureKind, vitals::Health};

const STALENESS: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_verdict_counts_until_it_is_stale() {
    let health = Health::default();
    assert!(health.verdict().is_none() && !health.is_failing(STALENESS));
    advance(Duration::from_secs(5)).await;
    assert_eq!(health.note(Some(FailureKind::Server)), None);
    let verdict = health.verdict().unwrap();
    assert_eq!(
        (verdict.failure, verdict.at),
        (Some(FailureKind::Server), Instant::now())
    );
    advance(STALENESS - Duration::from_millis(1)).await;
    assert!(health.is_failing(STALENESS));
    advance(Duration::from_millis(1)).await;
    assert!(!health.is_failing(STALENESS), "stale");
    assert!(!health.is_failing(Duration::ZERO), "switched off");
    assert!(health.is_failing(2 * STALENESS), "the reader decides");
}

#[tokio::test(start_paused = true)]
async fn the_last_verdict_counts() {
    let health = Health::default();
    health.note(Some(FailureKind::Timeout));
    let before = health.note(None).unwrap();
    assert_eq!(before.failure, Some(FailureKind::Timeout));
    assert!(!health.is_failing(STALENESS));
    assert_eq!(health.verdict().unwrap().failure, None);
    assert_eq!(health.note(None).unwrap().failure, None);
}
