use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use http::HeaderValue;

/// The token that a call was made with. Whoever authorizes the call notes it, in the extensions of the request; whoever
/// reads the answer cuts it out of what is shown, and has it forgotten if it was refused. Clones share it.
#[derive(Clone, Default)]
pub struct Used(Arc<OnceLock<HeaderValue>>);

impl Used {
    /// Notes the value of the `Authorization` header. A call is made once: the first counts.
    pub fn note(&self, header: &HeaderValue) {
        let _ = self.0.set(header.clone());
    }

    /// Says whether the call was made with this header.
    #[must_use]
    pub fn is(&self, header: &HeaderValue) -> bool {
        self.0.get() == Some(header)
    }

    /// Returns the token itself, without its scheme, once it is noted.
    #[must_use]
    pub fn secret(&self) -> Option<Box<str>> {
        let header = self.0.get()?.to_str().ok()?;
        header.strip_prefix("Bearer ").map(Box::from)
    }
}

impl fmt::Debug for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Used").finish_non_exhaustive()
    }
}
