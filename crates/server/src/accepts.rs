//! Connections that cannot be accepted.

use std::{io, time::Duration};

use tokio::time::{Instant, sleep};

/// Rest after a failed `accept`, which mostly means that file descriptors ran out: spinning does not bring them back.
const REST: Duration = Duration::from_millis(50);

/// Time between two lines of the log, while it goes on.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// Failed accepts: each is told that has none before it, others together.
#[derive(Debug, Default)]
pub(crate) struct Failed {
    /// Those that the log has not told of.
    untold: u64,
    told: Option<Instant>,
}

impl Failed {
    /// Logs that one failed, if it is time to, and rests.
    pub(crate) async fn rest(&mut self, error: &io::Error) {
        if let Some(failed) = self.count() {
            tracing::warn!(target: "ziggurat::server", %error, failed, "a connection could not be accepted");
        }
        sleep(REST).await;
    }

    /// Counts one more, and returns how many the log should tell of.
    fn count(&mut self) -> Option<u64> {
        self.untold += 1;
        let now = Instant::now();
        if self.told.is_some_and(|told| now - told < LOG_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_is_told_every_ten_seconds() {
        let (mut failed, began) = (Failed::default(), Instant::now());
        let mut told = Vec::new();
        while began.elapsed() < Duration::from_secs(25) {
            told.extend(failed.count());
            sleep(REST).await;
        }
        let often = u64::try_from(LOG_EVERY.as_millis() / REST.as_millis()).unwrap();
        assert_eq!(told, [1, often, often]);
        sleep(LOG_EVERY).await;
        assert_eq!(
            failed.count(),
            Some(often / 2),
            "the last ones, and a new one"
        );
    }
}
