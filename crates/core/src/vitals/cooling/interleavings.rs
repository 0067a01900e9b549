//! Every order in which threads may come to the word of a cooldown.

use loom::{model, thread};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// A deployment that has rested.
fn waiting() -> Arc<Vitals> {
    let vitals = Arc::new(Vitals::new());
    let over = Word::at(0).open_until(0);
    vitals
        .cooling()
        .state
        .store(over.into_bits(), Ordering::Relaxed);
    vitals
}

#[test]
fn there_is_one_trial_at_a_time() {
    model(|| {
        let vitals = waiting();
        let other = {
            let vitals = Arc::clone(&vitals);
            thread::spawn(move || Trial::reserve(&vitals))
        };
        let mine = Trial::reserve(&vitals);
        let other = other.join().unwrap();
        assert!(mine.is_some() != other.is_some());
        drop((mine, other));
        assert!(!vitals.cooling().word().has_trial());
        assert!(Trial::reserve(&vitals).is_some());
    });
}

#[test]
fn a_cooldown_that_begins_during_a_trial_is_not_lost() {
    model(|| {
        let vitals = waiting();
        let trial = Trial::reserve(&vitals).unwrap();
        let other = {
            let vitals = Arc::clone(&vitals);
            thread::spawn(move || vitals.cooling().cool_for(HOUR))
        };
        // It may have come before or after.
        let _ = trial.succeed();
        let change = other.join().unwrap();
        assert!(matches!(change, Change::Began | Change::Reopened));
        assert!(matches!(vitals.cooling().phase(), Phase::Cooling(_)));
        assert!(!vitals.cooling().word().has_trial());
    });
}

#[test]
fn a_recovery_that_is_revoked_shortens_no_cooldown() {
    model(|| {
        let vitals = waiting();
        let recovery = Trial::reserve(&vitals).unwrap().succeed_early().unwrap();
        let other = {
            let vitals = Arc::clone(&vitals);
            thread::spawn(move || vitals.cooling().cool_for(HOUR))
        };
        recovery.revoke(FailureKind::Server, None, |_| HOUR / 2);
        other.join().unwrap();
        let left = vitals.cooling().remaining().unwrap();
        assert!(left > HOUR * 3 / 4, "{left:?}");
    });
}

#[test]
fn a_trial_that_fails_is_a_strike_once() {
    model(|| {
        let vitals = waiting();
        let trial = Trial::reserve(&vitals).unwrap();
        let other = {
            let vitals = Arc::clone(&vitals);
            thread::spawn(move || Trial::reserve(&vitals).is_some())
        };
        trial.fail(FailureKind::Server, None, |_| HOUR);
        assert!(!other.join().unwrap(), "a trial beside the trial");
        assert_eq!(vitals.cooling().snapshot().strikes, 1);
    });
}
