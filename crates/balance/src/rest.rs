use tokio::time::Instant;
use ziggurat_core::Tried;

use crate::Balance;

impl<S, P, C> Balance<S, P, C> {
    /// Returns when the first endpoint takes requests again, if all rest and a further attempt would neither wait for
    /// that nor be a last resort.
    pub(crate) fn none_before(&self, tried: &Tried) -> Option<Instant> {
        let mut first = None;
        for endpoint in self.endpoints() {
            let rest = endpoint.declared().vitals.cooling().remaining()?;
            first = Some(first.map_or(rest, |first| rest.min(first)));
        }
        let first = first?;
        let options = self.options();
        let wait = options.cooldown_wait;
        if first <= wait.saturating_sub(tried.waited().for_rest) {
            return None;
        }
        let mut endpoints = self.endpoints().iter();
        if options.last_resort && endpoints.any(|it| tried.last_on(it.id()).is_none()) {
            return None;
        }
        Instant::now().checked_add(first)
    }
}
