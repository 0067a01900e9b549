use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use ziggurat_core::{
    Vitals,
    vitals::{Change, Phase},
};

use crate::TARGET;

/// The deployments of a group, of which only a share may be away at once.
///
/// One group is shared by the layers of all its deployments. Cloning counts a reference. A deployment is away from the
/// beginning of its cooldown until its trial has succeeded.
#[derive(Clone)]
pub struct Group {
    inner: Arc<Inner>,
}

struct Inner {
    members: Box<[Arc<Vitals>]>,
    max_share: f64,
    /// Held while a member is sent away, so that two cannot take the last place at once.
    sending: Mutex<()>,
}

impl Group {
    /// Lets at most this share of the members be away.
    ///
    /// The members are all deployments of the group. A share of 1, and one that is not a number, sets no bound. With
    /// less than one member's share no cooldown begins at all.
    #[must_use]
    pub fn new(members: impl IntoIterator<Item = Arc<Vitals>>, max_share: f64) -> Self {
        if max_share.is_nan() {
            tracing::warn!(target: TARGET, max_share, "the share is not a number, there is no bound");
        }
        let inner = Inner {
            members: members.into_iter().collect(),
            max_share,
            sending: Mutex::new(()),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Begins a cooldown of `vitals`, unless that would send too many away.
    pub(crate) fn send_away(
        &self,
        vitals: &Arc<Vitals>,
        cool: impl FnOnce() -> Change,
    ) -> Option<Change> {
        let Inner {
            members, max_share, ..
        } = &*self.inner;
        if max_share.is_nan() || *max_share >= 1.0 {
            return Some(cool());
        }
        // It guards no data that a panic could leave half written.
        let _sending = self
            .inner
            .sending
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let others = members.iter().filter(|other| !Arc::ptr_eq(other, vitals));
        let (mut count, mut away) = (1_u32, 1_u32);
        for other in others {
            count += 1;
            away += u32::from(is_away(other));
        }
        let too_many = f64::from(away) > max_share * f64::from(count);
        (is_away(vitals) || !too_many).then(cool)
    }
}

fn is_away(vitals: &Vitals) -> bool {
    vitals.cooling().phase() != Phase::Closed
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("members", &self.inner.members.len())
            .field("max_share", &self.inner.max_share)
            .finish()
    }
}
