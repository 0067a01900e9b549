//! How many requests are under way.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// The number of requests under way. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct InFlight(Arc<AtomicUsize>);

/// Counts for one request until it is dropped.
pub(crate) struct Place(Arc<AtomicUsize>);

pin_project! {
    /// A response body whose request counts as under way until it ends, fails or is dropped.
    pub struct Held<B> {
        #[pin]
        body: B,
        place: Place,
    }
}

// === impl InFlight ===

impl InFlight {
    /// Counts a request, unless there are `limit` already.
    pub(crate) fn enter(&self, limit: Option<u32>) -> Option<Place> {
        let limit = limit.map_or(usize::MAX, |limit| limit as usize);
        // Nothing else is read because of this number: its own order is all that it needs.
        let entered = self.0.fetch_update(Relaxed, Relaxed, |count| {
            (count < limit).then_some(count + 1)
        });
        entered.is_ok().then(|| Place(Arc::clone(&self.0)))
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InFlight").field(&self.count()).finish()
    }
}

// === impl Place ===

impl Place {
    pub(crate) const fn hold<B>(self, body: B) -> Held<B> {
        Held { body, place: self }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

// === impl Held ===

impl<B> fmt::Debug for Held<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

impl<B: Body> Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_when_its_body_is_dropped() {
        let all = InFlight::default();
        let clone = all.clone();
        let held = all.enter(Some(2)).unwrap().hold(());
        let place = clone.enter(Some(2)).unwrap();
        assert!(all.enter(Some(2)).is_none());
        assert_eq!(all.count(), 2);
        drop(held);
        assert_eq!(clone.count(), 1);
        // A limit that is lowered takes no place away.
        assert!(all.enter(Some(1)).is_none());
        assert!(all.enter(None).is_some());
        drop(place);
        assert_eq!(all.count(), 0);
    }
}
