//! Every order in which a place may be given back and waited for.

use std::{pin::pin, task::Context};

use loom::{model, thread};

use super::*;

const CAP: u32 = 1;

#[test]
fn a_cap_admits_no_more_than_it_says() {
    model(|| {
        let vitals = Arc::new(Vitals::new());
        let other = {
            let vitals = Arc::clone(&vitals);
            thread::spawn(move || InFlight::try_enter(&vitals, CAP))
        };
        let mine = InFlight::try_enter(&vitals, CAP);
        let other = other.join().unwrap();
        assert!(mine.is_some() != other.is_some());
        drop((mine, other));
        assert_eq!(vitals.load().in_flight(), 0);
    });
}

#[test]
fn a_place_that_is_given_back_is_found_by_who_waits() {
    model(|| {
        let vitals = Arc::new(Vitals::new());
        let held = InFlight::try_enter(&vitals, CAP).unwrap();
        let other = thread::spawn(move || drop(held));
        let waiting = Waiting::new(&vitals);
        let mut freed = pin!(waiting.next());
        let mut cx = Context::from_waker(std::task::Waker::noop());
        // Comes to wait before it looks, as whoever waits does.
        let heard = freed.as_mut().poll(&mut cx).is_ready();
        let found = InFlight::try_enter(&vitals, CAP).is_some();
        other.join().unwrap();
        let mut hears = || freed.as_mut().poll(&mut cx).is_ready();
        assert!(heard || found || hears(), "it waits for ever");
    });
}
