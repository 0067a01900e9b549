//! Every order in which threads may come to the window and its counts.

use std::sync::Arc;

use loom::{model, thread};

use super::*;

/// A little after the beginning, for a window begins then at the earliest.
const NOW: Duration = Duration::from_secs(1);

fn both<T: 'static>(
    minute: &Arc<Minute>,
    one: impl FnOnce(&Minute) -> T,
    other: impl FnOnce(&Minute) -> T + 'static,
) -> [T; 2] {
    let shared = Arc::clone(minute);
    let other = thread::spawn(move || other(&shared));
    let one = one(minute);
    [one, other.join().unwrap()]
}

#[test]
fn a_limit_admits_no_more_than_it_says_though_the_window_opens_meanwhile() {
    model(|| {
        let minute = Arc::new(Minute::default());
        let limits = Limits::new(Some(1), None);
        let count = move |minute: &Minute| minute.try_count(NOW, limits, 0).is_ok();
        let admitted = both(&minute, count, count);
        assert!(admitted[0] != admitted[1], "{admitted:?}");
        assert_eq!(minute.used(NOW).requests, 1);
    });
}

#[test]
fn who_is_refused_for_its_tokens_counts_as_no_request() {
    model(|| {
        let minute = Arc::new(Minute::default());
        let limits = Limits::new(Some(9), Some(5));
        let count = move |minute: &Minute| minute.try_count(NOW, limits, 5).is_ok();
        let admitted = both(&minute, count, count);
        assert!(admitted[0] != admitted[1], "{admitted:?}");
        let used = minute.used(NOW);
        assert_eq!((used.requests, used.tokens), (1, 5));
    });
}

#[test]
fn what_is_late_for_its_window_does_not_count_in_the_next() {
    model(|| {
        let minute = Arc::new(Minute::default());
        let window = minute.count(NOW, 7);
        let next = NOW + Load::WINDOW;
        both(
            &minute,
            |minute| minute.settle(window, 7, 100),
            move |minute| {
                minute.count(next, 3);
            },
        );
        let used = minute.used(next);
        assert_eq!((used.requests, used.tokens), (1, 3));
    });
}
