use std::{collections::HashMap, fmt, sync::Arc};

use tokio::time::Instant;
use ziggurat_core::{RateLimits, Vitals, vitals::Limits};

use crate::{Candidate, endpoint::Declared, shuffle};

/// All endpoints of a balance, before any has been asked whether it would take a request.
pub struct Pool {
    all: Box<[Member]>,
    /// The sums of the shares up to each, if they are the same among any of them; see [`shuffle::shares`].
    shares: Option<Box<[f64]>>,
    ordered: bool,
    /// Those that declare a limit.
    limited: Box<[(Limits, Arc<Vitals>)]>,
}

struct Member {
    declared: Arc<Declared>,
    /// The place of the first that shares its origin, which may be its own.
    origin: usize,
    /// How many others share its origin.
    here: usize,
}

impl Pool {
    pub(crate) fn new(all: impl IntoIterator<Item = Arc<Declared>>) -> Self {
        let mut all: Box<[Member]> = all
            .into_iter()
            .map(|declared| Member {
                declared,
                origin: 0,
                here: 0,
            })
            .collect();
        let mut origins: HashMap<Arc<str>, (usize, usize)> = HashMap::new();
        for (index, member) in all.iter_mut().enumerate() {
            member.origin = match &member.declared.origin {
                Some(origin) => {
                    let (first, count) = origins.entry(Arc::clone(origin)).or_insert((index, 0));
                    *count += 1;
                    *first
                }
                None => index,
            };
        }
        for member in &mut all {
            let origin = member.declared.origin.as_ref();
            let (_, count) = origin.map_or((0, 1), |origin| origins[origin]);
            member.here = count - 1;
        }
        let limits = |it: &Member| {
            let vitals = Arc::clone(&it.declared.vitals);
            it.declared.limits().map(|limits| (limits, vitals))
        };
        let mut pool = Self {
            ordered: all.iter().any(|it| it.declared.order.is_some()),
            limited: all.iter().filter_map(limits).collect(),
            shares: None,
            all,
        };
        let candidates: Vec<_> = pool.iter().collect();
        pool.shares = shuffle::shares(&candidates);
        pool
    }

    /// Returns their number.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Says whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns them, in the order in which they were given. None says whether the request wants a stream.
    pub fn iter(&self) -> impl Iterator<Item = Candidate<'_>> + Clone {
        let all = self.all.iter().enumerate();
        all.map(|(index, member)| Candidate::new(index, &member.declared, false))
    }

    /// Says whether any has an order.
    pub(crate) fn is_ordered(&self) -> bool {
        self.ordered
    }

    /// Returns what their limits leave of the current minute, if any declares one.
    pub(crate) fn rate_limits(&self) -> Option<RateLimits> {
        if self.limited.is_empty() {
            return None;
        }
        let now = Instant::now();
        let mut left = RateLimits::default();
        for (limits, vitals) in &self.limited {
            left.add(*limits, vitals.load().used_at(now));
        }
        Some(left)
    }

    pub(crate) fn shares(&self) -> Option<&[f64]> {
        self.shares.as_deref()
    }

    /// Says who else would take a request that goes to one of them and has been nowhere before: any that shares its
    /// origin, and any that does not. No more of them are asked than that takes.
    pub(crate) fn others(&self, chosen: usize, takes: impl Fn(usize) -> bool) -> (bool, bool) {
        let len = self.len();
        let Member { origin, here, .. } = self.all[chosen];
        let (mut ask_here, mut ask_elsewhere) = (here > 0, here + 1 < len);
        // Those after it come first, so that not always the same is asked.
        for other in (chosen + 1..len).chain(0..chosen) {
            if !ask_here && !ask_elsewhere {
                break;
            }
            let ask = match self.all[other].origin == origin {
                true => &mut ask_here,
                false => &mut ask_elsewhere,
            };
            *ask = *ask && !takes(other);
        }
        // Whoever still would have to be asked has not been found.
        (here > 0 && !ask_here, here + 1 < len && !ask_elsewhere)
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
