//! A chain skips a target only for a count that is above its window.

use tower::Layer;
use ziggurat_context_window::{ContextWindowFilterLayer, Window, exceeds};
use ziggurat_core::{Admit, Open};

use crate::support::{Words, parameters, request, with, words};

#[test]
fn only_what_was_counted_and_is_known_is_skipped() {
    let counter = Words::default();
    let request = request(&words(40));
    let skips = |window: &Window| exceeds(window, request.extensions());
    assert!(!skips(&counter.window(1)), "nobody has counted");
    let filter = ContextWindowFilterLayer::new(counter.window(30)).layer(Open::new(()));
    assert!(filter.admit(&request).is_err());
    assert!(skips(&counter.window(30)) && skips(&counter.window(46)));
    assert!(!skips(&counter.window(47)), "as long as the window");
    assert!(!skips(&Window::new("test", None)), "not known");
    assert!(
        !skips(&Window::new("gpt-4o", Some(1))),
        "counted in another way"
    );
    let hop = with(request.clone(), parameters(&words(1)));
    assert!(
        !exceeds(&counter.window(10), hop.extensions()),
        "another prompt"
    );
    assert_eq!(counter.counts(), 1);
    assert!(!exceeds(&counter.window(1), &http::Extensions::new()));
}

#[test]
fn a_stopped_count_says_only_what_it_has_seen() {
    let counter = Words::default();
    let request = request(&words(100_000));
    let filter = ContextWindowFilterLayer::new(counter.window(10_000)).layer(Open::new(()));
    assert!(filter.admit(&request).is_err());
    assert!(exceeds(&counter.window(9_000), request.extensions()));
    assert!(!exceeds(&counter.window(20_000), request.extensions()));
}
