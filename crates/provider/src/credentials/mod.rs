//! Credentials that expire: fetched once for all who wait, renewed before they end.

mod used;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::StatusCode;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use ziggurat_core::{Failure, FailureKind};

pub use self::used::Used;
use crate::HttpClient;

/// How long before its end a value is renewed: Google's libraries take 3 min 45 s.
const MARGIN: Duration = Duration::from_secs(225);

/// How long before its end a value is not handed out any more, so that it is still good when it arrives.
const LAST_MOMENT: Duration = Duration::from_secs(10);

/// How long a source may take, unless said otherwise.
const LIMIT: Duration = Duration::from_secs(10);

/// The wait after a source failed, doubled with each failure up to the second.
const BACKOFF: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

type Fetching<T> = Pin<Box<dyn Future<Output = Result<Fresh<T>, Failure>> + Send>>;

/// A value that expires, such as an access token, and where to get a new one.
///
/// However many ask at once, the source is asked once. A value is renewed 3 min 45 s before its end (at half its life if
/// that is shorter) while all are served from the one at hand; it is handed out until 10 s before its end (a tenth of its
/// life if that is less). Nothing is fetched before someone asks.
///
/// A source that fails is left alone for 1 s, then twice as long each time, up to 30 s. Meanwhile the value at hand is
/// handed out as long as it is good; after that whoever asks gets the source's failure at once. A source that does not
/// answer within 10 s has failed with [`Timeout`](FailureKind::Timeout), a 504.
///
/// The source runs in a task of its own: a caller that goes away does not stop it for the others. Cloning counts a
/// reference. [`Debug`](fmt::Debug) never shows the value.
pub struct Cached<T> {
    cell: Arc<Cell<T>>,
    margin: Duration,
    limit: Duration,
}

/// A value as its source gives it.
pub struct Fresh<T> {
    value: T,
    lifetime: Option<Duration>,
}

struct Cell<T> {
    source: Box<dyn Fn() -> Fetching<T> + Send + Sync>,
    state: Mutex<State<T>>,
}

struct State<T> {
    held: Option<Held<T>>,
    /// Open while the source is being asked.
    fetching: Option<watch::Receiver<()>>,
    failed: Option<Failed>,
}

/// A value, and until when it is good.
struct Held<T> {
    value: T,
    times: Option<Times>,
}

#[derive(Clone, Copy)]
struct Times {
    renew: Instant,
    end: Instant,
}

struct Failed {
    failure: Failure,
    until: Instant,
    wait: Duration,
}

/// What is at hand.
enum Found<T> {
    Value(T),
    Failure(Failure),
    Soon(watch::Receiver<()>),
}

// === impl Fresh ===

impl<T> Fresh<T> {
    /// A value that does not expire.
    pub fn new(value: T) -> Self {
        Self {
            value,
            lifetime: None,
        }
    }

    /// Returns the value.
    pub fn into_value(self) -> T {
        self.value
    }

    /// Makes another value of it, as long good.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Fresh<U> {
        Fresh {
            value: make(self.value),
            lifetime: self.lifetime,
        }
    }

    /// Sets how long the value is good from now. More than a year counts as a year.
    #[must_use]
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        self.lifetime = Some(lifetime.min(YEAR));
        self
    }
}

impl<T> fmt::Debug for Fresh<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fresh")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

// === impl Cached ===

impl<T: Clone + Send + 'static> Cached<T> {
    /// Asks `source` for values.
    pub fn new<F>(source: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Fresh<T>, Failure>> + Send + 'static,
    {
        Self::of(Arc::new(Cell::new(source)))
    }

    /// Asks `source` for values once for all who have clones of one client and the same `key`: deployments with the same
    /// credentials cause one fetch, and have the same failures. `source` is not used if others have one.
    ///
    /// The key has to say all that the values depend on, and what they are for; it is never shown. A shared value is there
    /// as long as anyone has it.
    pub fn shared<F>(
        client: &HttpClient,
        key: impl AsRef<[u8]>,
        source: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Fresh<T>, Failure>> + Send + 'static,
    {
        Self::of(client.shared.get(key.as_ref(), || Cell::new(source)))
    }

    fn of(cell: Arc<Cell<T>>) -> Self {
        Self {
            cell,
            margin: MARGIN,
            limit: LIMIT,
        }
    }

    /// Sets how long before its end a value is renewed. Default: 3 min 45 s; never more than half its life.
    #[must_use]
    pub fn renew_before(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// Limits how long the source may take. Default: 10 s.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Returns the value if a good one is at hand, and sees to it that it is renewed in time.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, if the value has to be renewed.
    #[must_use]
    pub fn at_hand(&self) -> Option<T> {
        let mut state = self.cell.lock();
        match state.held(Instant::now()) {
            Some(_) => match self.find(&mut state) {
                Found::Value(value) => Some(value),
                Found::Failure(_) | Found::Soon(_) => None,
            },
            None => None,
        }
    }

    /// Returns the value, waiting for the source if there is none at hand. Can be dropped at any time.
    ///
    /// # Errors
    ///
    /// The source failed, now or a moment ago.
    pub fn get(&self) -> impl Future<Output = Result<T, Failure>> + Send + 'static {
        let this = self.clone();
        async move {
            let found = this.find(&mut this.cell.lock());
            let mut soon = match found {
                Found::Value(value) => return Ok(value),
                Found::Failure(failure) => return Err(failure),
                Found::Soon(soon) => soon,
            };
            // It is closed, never changed, once the source has answered.
            while soon.changed().await.is_ok() {}
            this.cell.lock().outcome()
        }
    }

    /// Drops the value if it is the one that an upstream has refused before its time; the next who asks gets a new one.
    pub fn forget(&self, is_refused: impl FnOnce(&T) -> bool) {
        let mut state = self.cell.lock();
        if state
            .held
            .as_ref()
            .is_some_and(|held| is_refused(&held.value))
        {
            state.held = None;
        }
    }

    fn find(&self, state: &mut State<T>) -> Found<T> {
        let now = Instant::now();
        if state.is_renewal_due(now) {
            state.fetching = Some(self.fetch());
        }
        match (state.held(now), &state.fetching, &state.failed) {
            (Some(held), _, _) => Found::Value(held.value.clone()),
            (None, Some(fetching), _) => Found::Soon(fetching.clone()),
            (None, None, Some(failed)) => Found::Failure(failed.failure.clone()),
            (None, None, None) => unreachable!("without a value or a failure the source is asked"),
        }
    }

    /// Asks the source, in a task that outlives whoever asked for the value.
    fn fetch(&self) -> watch::Receiver<()> {
        let (done, fetching) = watch::channel(());
        let (cell, margin, limit) = (self.cell.clone(), self.margin, self.limit);
        let fetched = (cell.source)();
        tokio::spawn(async move {
            let fetched = timeout(limit, fetched).await.unwrap_or_else(|_| {
                // A server that does not answer a gateway: the caller was not slow.
                Err(Failure::new(FailureKind::Timeout)
                    .with_status(StatusCode::GATEWAY_TIMEOUT)
                    .with_message("no new credentials came in time"))
            });
            cell.lock().note(fetched, margin);
            drop(done);
        });
        fetching
    }
}

impl<T> Clone for Cached<T> {
    fn clone(&self) -> Self {
        Self {
            cell: self.cell.clone(),
            margin: self.margin,
            limit: self.limit,
        }
    }
}

impl<T> fmt::Debug for Cached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached").finish_non_exhaustive()
    }
}

// === impl Cell ===

impl<T> Cell<T> {
    fn new<F>(source: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Fresh<T>, Failure>> + Send + 'static,
    {
        let state = State {
            held: None,
            fetching: None,
            failed: None,
        };
        Self {
            source: Box::new(move || Box::pin(source())),
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing in it is half written when a clone of a value panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl<T> State<T> {
    /// The value, if it is good.
    fn held(&self, now: Instant) -> Option<&Held<T>> {
        let held = self.held.as_ref();
        held.filter(|held| held.times.is_none_or(|times| now < times.end))
    }

    fn is_renewal_due(&mut self, now: Instant) -> bool {
        // A task that panicked, or whose runtime is gone, has closed the channel without a word.
        if let Some(fetching) = &self.fetching
            && fetching.has_changed().is_err()
        {
            self.fetching = None;
        }
        let rests = self
            .failed
            .as_ref()
            .is_some_and(|failed| now < failed.until);
        let is_good = self
            .held(now)
            .is_some_and(|held| held.times.is_none_or(|times| now < times.renew));
        self.fetching.is_none() && !rests && !is_good
    }

    fn note(&mut self, fetched: Result<Fresh<T>, Failure>, margin: Duration) {
        let now = Instant::now();
        self.fetching = None;
        match fetched {
            Ok(fresh) => {
                let times = fresh.lifetime.map(|lifetime| Times {
                    renew: now + lifetime - margin.min(lifetime / 2),
                    end: now + lifetime - LAST_MOMENT.min(lifetime / 10),
                });
                self.held = Some(Held {
                    value: fresh.value,
                    times,
                });
                self.failed = None;
                tracing::debug!(target: "ziggurat.provider", "new credentials are at hand");
            }
            Err(failure) => {
                let [first, longest] = BACKOFF;
                let last = self.failed.as_ref();
                let wait = last.map_or(first, |last| (last.wait * 2).min(longest));
                let kind = failure.kind().as_str();
                tracing::warn!(
                    target: "ziggurat.provider", ?wait, error.r#type = kind, %failure, "no new credentials"
                );
                self.failed = Some(Failed {
                    failure,
                    until: now + wait,
                    wait,
                });
            }
        }
    }

    /// What those get who have waited for the source.
    fn outcome(&self) -> Result<T, Failure>
    where
        T: Clone,
    {
        match (&self.failed, &self.held) {
            (None, Some(held)) => Ok(held.value.clone()),
            (Some(failed), _) => Err(failed.failure.clone()),
            (None, None) => Err(Failure::new(FailureKind::Other)
                .with_message("the source of credentials broke off")),
        }
    }
}
