//! What is known about the number of tokens, put together.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use ziggurat_core::{LlmRequest, TokenCount, TokenCounts, json::Document, overrides::Parameters};

fn parameters() -> Parameters {
    Parameters(Arc::new([("messages".into(), Bytes::from_static(b"[]"))]))
}

#[test]
fn copies_of_a_request_share_their_counts() {
    let document = Document::parse(Bytes::from_static(b"{}")).unwrap();
    let request = LlmRequest::new("gpt-4o", false, document);
    let copy = request.clone();
    request.tokens().add("a", None, TokenCount::exact(21));
    assert_eq!(copy.tokens().get("a", None), Some(TokenCount::exact(21)));
    assert_eq!(copy.tokens().get("b", None), None);
    assert_eq!(copy.tokens().guess(), Some(21));
}

#[test]
fn a_hop_with_parameters_has_counts_of_its_own() {
    let counts = TokenCounts::default();
    let (hop, other) = (parameters(), parameters());
    counts.add("a", None, TokenCount::exact(21));
    counts.add("a", Some(&hop), TokenCount::exact(3));
    assert_eq!(
        counts.get("a", Some(&hop.clone())),
        Some(TokenCount::exact(3))
    );
    assert_eq!(counts.get("a", Some(&other)), None);
    assert_eq!(counts.get("a", None), Some(TokenCount::exact(21)));
    assert_eq!(counts.guess(), Some(21));
}

#[test]
fn bounds_and_counts_add_up() {
    let counts = TokenCounts::default();
    let known = counts.add("a", None, TokenCount::at_most(100));
    assert_eq!((known.least(), known.most()), (0, Some(100)));
    assert_eq!(counts.guess(), None, "a bound is no guess");
    let known = counts.add("a", None, TokenCount::above(49));
    assert_eq!((known.least(), known.most()), (50, Some(100)));
    assert!(!known.is_counted());
    let known = counts.add("a", None, TokenCount::exact(77));
    assert!(known.is_exact() && known.is_counted());
    assert_eq!(known.tokens(), 77);
    // A late, poorer answer takes nothing away.
    assert_eq!(counts.add("a", None, TokenCount::above(10)), known);
}

fn count_of(tokens: u64) -> impl Strategy<Value = TokenCount> {
    prop_oneof![
        Just(TokenCount::exact(tokens)),
        (tokens..=tokens + 50).prop_map(TokenCount::at_most),
        (0..=tokens).prop_map(move |least| TokenCount::estimate(tokens, least)),
        (0..=tokens).prop_filter_map("stops below", move |limit| {
            (limit < tokens).then(|| TokenCount::above(limit))
        }),
    ]
}

proptest! {
    #[test]
    fn the_truth_stays_within_the_range(
        (tokens, counts) in (1..1000u64).prop_flat_map(|n| (Just(n), prop::collection::vec(count_of(n), 1..6)))
    ) {
        let known = counts.into_iter().reduce(TokenCount::and).unwrap();
        prop_assert!(known.least() <= tokens);
        prop_assert!(known.most().is_none_or(|most| tokens <= most));
        prop_assert!(known.least() <= known.tokens());
        if known.is_exact() { prop_assert_eq!(known.tokens(), tokens); }
    }
}
