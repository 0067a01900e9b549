//! Credentials that expire: one fetch for all, renewal in time, sources that fail or hang.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod authorize;

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};
use ziggurat_core::{Failure, FailureKind};
use ziggurat_provider::{
    HttpClient,
    credentials::{Cached, Fresh},
};

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);

/// A source that counts its calls and takes a second for each; the value is the count.
#[derive(Clone, Default)]
pub(crate) struct Counting {
    is_quick: bool,
    calls: Arc<AtomicU32>,
    /// How many of the next calls fail.
    failing: Arc<AtomicU32>,
}

impl Counting {
    /// One that takes no time, for tests with connections.
    pub(crate) fn quick() -> Self {
        Self {
            is_quick: true,
            ..Self::default()
        }
    }

    pub(crate) fn calls(&self) -> u32 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn fail(&self, times: u32) {
        self.failing.store(times, Ordering::Relaxed);
    }

    pub(crate) fn cached(&self) -> Cached<u32> {
        let this = self.clone();
        Cached::new(move || {
            let this = this.clone();
            async move {
                if !this.is_quick {
                    sleep(SECOND).await;
                }
                let call = this.calls.fetch_add(1, Ordering::Relaxed) + 1;
                let fails = |left: u32| left.checked_sub(1);
                let failing = &this.failing;
                match failing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fails) {
                    Ok(_) => Err(FailureKind::Authentication.into()),
                    Err(_) => Ok(Fresh::new(call).expires_in(HOUR)),
                }
            }
        })
    }
}

async fn elapsed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    (future.await, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn twenty_at_once_cause_one_fetch() {
    let source = Counting::default();
    let cached = source.cached();
    assert_eq!(cached.at_hand(), None);
    let waiting: Vec<_> = (0..20).map(|_| tokio::spawn(cached.get())).collect();
    for one in waiting {
        assert_eq!(one.await.unwrap().unwrap(), 1);
    }
    assert_eq!(source.calls(), 1);
    assert_eq!(cached.at_hand(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_stop_the_fetch() {
    let source = Counting::default();
    let cached = source.cached();
    let gone = timeout(SECOND / 2, cached.get()).await;
    assert!(gone.is_err());
    let (value, waited) = elapsed(cached.get()).await;
    assert_eq!((value.unwrap(), waited), (1, SECOND / 2));
    assert_eq!(source.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_stops_nobody_who_holds_a_good_value() {
    let source = Counting::default();
    let cached = source.cached();
    cached.get().await.unwrap();
    sleep(HOUR - Duration::from_secs(226)).await;
    assert_eq!(elapsed(cached.get()).await.0.unwrap(), 1);
    sleep(2 * SECOND).await;
    assert_eq!(source.calls(), 1, "nobody asked since it was due");
    for _ in 0..20 {
        let (value, waited) = elapsed(cached.get()).await;
        assert_eq!((value.unwrap(), waited), (1, Duration::ZERO));
    }
    sleep(2 * SECOND).await;
    assert_eq!((source.calls(), cached.at_hand()), (2, Some(2)));
}

#[tokio::test(start_paused = true)]
async fn a_value_is_waited_for_once_it_is_over() {
    let source = Counting::default();
    let cached = source.cached();
    cached.get().await.unwrap();
    sleep(HOUR - Duration::from_secs(10)).await;
    assert_eq!(cached.at_hand(), None);
    let (value, waited) = elapsed(cached.get()).await;
    assert_eq!((value.unwrap(), waited), (2, SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_short_life_is_renewed_at_its_half() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let cached = Cached::new(move || {
        let call = counted.fetch_add(1, Ordering::Relaxed);
        async move { Ok(Fresh::new(call).expires_in(10 * SECOND)) }
    });
    assert_eq!(cached.get().await.unwrap(), 0);
    sleep(Duration::from_millis(4_999)).await;
    assert_eq!(cached.at_hand(), Some(0));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(cached.at_hand(), Some(0));
    tokio::task::yield_now().await;
    assert_eq!(cached.at_hand(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_value_without_an_end_is_kept() {
    let cached = Cached::new(|| async { Ok(Fresh::new(7)) });
    assert_eq!(cached.get().await.unwrap(), 7);
    sleep(1000 * HOUR).await;
    assert_eq!(cached.at_hand(), Some(7));
    cached.forget(|value| *value == 8);
    assert_eq!(cached.at_hand(), Some(7));
    cached.forget(|value| *value == 7);
    assert_eq!(cached.at_hand(), None);
    assert_eq!(cached.get().await.unwrap(), 7);
    let long = Cached::new(|| async { Ok(Fresh::new(1).expires_in(Duration::MAX)) });
    assert_eq!(long.get().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failing_source_is_left_alone_for_a_while() {
    let source = Counting::default();
    source.fail(2);
    let cached = source.cached();
    let waiting: Vec<_> = (0..20).map(|_| tokio::spawn(cached.get())).collect();
    for one in waiting {
        let failure = one.await.unwrap().unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Authentication);
    }
    let (failed, waited) = elapsed(cached.get()).await;
    assert_eq!(failed.unwrap_err().kind(), FailureKind::Authentication);
    assert_eq!((waited, source.calls()), (Duration::ZERO, 1));
    sleep(SECOND).await;
    cached.get().await.unwrap_err();
    sleep(SECOND).await;
    cached.get().await.unwrap_err();
    assert_eq!(source.calls(), 2, "the second wait is twice the first");
    sleep(SECOND).await;
    assert_eq!(cached.get().await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_failed_renewal_is_no_failure_while_the_value_is_good() {
    let source = Counting::default();
    let cached = source.cached();
    cached.get().await.unwrap();
    source.fail(1);
    sleep(HOUR - Duration::from_secs(200)).await;
    assert_eq!(cached.get().await.unwrap(), 1);
    sleep(1500 * SECOND / 1000).await;
    assert_eq!((cached.get().await.unwrap(), source.calls()), (1, 2));
    sleep(SECOND).await;
    assert_eq!(cached.get().await.unwrap(), 1);
    sleep(2 * SECOND).await;
    assert_eq!(cached.get().await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_has_failed_in_time() {
    let cached: Cached<u32> =
        Cached::new(pending::<Result<Fresh<u32>, Failure>>).time_limit(3 * SECOND);
    let (failed, waited) = elapsed(cached.get()).await;
    let failure = failed.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Timeout);
    assert_eq!((failure.status().as_u16(), waited), (504, 3 * SECOND));
    assert_eq!(failure.limit(), None, "it is none that a caller set");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_is_a_failure() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = calls.clone();
    let cached = Cached::new(move || {
        let call = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            assert!(call > 0, "the first call panics");
            Ok(Fresh::new(call))
        }
    });
    assert_eq!(cached.get().await.unwrap_err().kind(), FailureKind::Other);
    assert_eq!(cached.get().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn those_with_the_same_key_cause_one_fetch() {
    let (client, calls) = (HttpClient::new(), Arc::new(AtomicU32::new(0)));
    let shared = |client: &HttpClient, key: &str| {
        let calls = calls.clone();
        Cached::shared(client, key, move || {
            let call = calls.fetch_add(1, Ordering::Relaxed) + 1;
            async move { Ok(Fresh::new(call)) }
        })
    };
    let all: Vec<_> = (0..20).map(|_| shared(&client.clone(), "a")).collect();
    for one in &all {
        assert_eq!(one.get().await.unwrap(), 1);
    }
    assert_eq!(shared(&client, "b").get().await.unwrap(), 2);
    let other = HttpClient::new();
    assert_eq!(shared(&other, "a").get().await.unwrap(), 3);
    assert!(!format!("{client:?} {:?}", all[0]).contains("\"a\""));
    drop(all);
    assert_eq!(shared(&client, "a").get().await.unwrap(), 4);
}

#[test]
fn debug_shows_no_value() {
    let fresh = Fresh::new("secret");
    let cached = Cached::new(|| async { Ok(Fresh::new("secret")) });
    assert!(!format!("{fresh:?} {cached:?}").contains("secret"));
}
