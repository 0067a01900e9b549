//! Deployments that refuse a request for themselves, before anything is sent: others of the group may take it.

use ziggurat_core::{Failure, FailureKind};

use crate::{
    budget::Purse,
    support::{Group, ahead, code, exact, fail, member, one_second, request, script, status, with},
};

/// What a provider without words for a request makes of it.
fn no_words() -> crate::support::Reply {
    fail(Failure::new(FailureKind::BadRequest).with_unsent())
}

#[tokio::test(start_paused = true)]
async fn another_is_asked_at_once_though_there_are_no_retries() {
    for retries in [0, 1, 5] {
        let group = Group::new(
            [member("a"), member("b"), member("c")],
            script([
                ("a", 0, no_words()),
                ("b", 0, no_words()),
                ("c", 0, status(200)),
            ]),
        );
        let result = group.ask(&one_second(retries), request()).await;
        assert_eq!(code(&result), 200, "{retries}");
        assert_eq!(group.times(), [0, 0, 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn beside_a_fallback_the_group_is_asked_first() {
    let members = [member("a").origin("x"), member("b").origin("x")];
    let group = Group::new(
        members,
        script([("a", 0, no_words()), ("b", 0, status(200))]),
    );
    let result = group.ask(&exact(0), with(ahead())).await;
    assert_eq!((code(&result), group.visits()), (200, vec!["a", "b"]));
}

#[tokio::test(start_paused = true)]
async fn the_retries_are_left_for_those_that_take_it() {
    let group = Group::new(
        [member("a"), member("b")],
        script([
            ("a", 0, no_words()),
            ("b", 0, status(500)),
            ("a", 1, no_words()),
            ("b", 1, status(200)),
        ]),
    );
    let result = group.ask(&exact(2), request()).await;
    assert_eq!(code(&result), 200);
}

#[tokio::test(start_paused = true)]
async fn where_none_takes_it_the_refusal_is_the_answer() {
    let group = Group::new([member("a"), member("b")], |_, _| no_words());
    let result = group.ask(&exact(5), request()).await;
    assert_eq!((code(&result), group.visits()), (400, vec!["a", "b"]));
    let group = Group::nameless(|_| no_words());
    let result = group.ask(&exact(5), request()).await;
    assert_eq!((code(&result), group.times()), (400, vec![0]));
}

#[tokio::test(start_paused = true)]
async fn what_others_failed_with_outweighs_the_refusal() {
    let replies = |name: &str, _| match name {
        "a" => status(500),
        _ => no_words(),
    };
    let group = Group::new([member("a"), member("b")], replies);
    let result = group.ask(&exact(1), request()).await;
    // The retry finds the one without words, and its own count is not spent there; the next goes back.
    assert_eq!((code(&result), group.visits()), (500, vec!["a", "b"]));
}

#[tokio::test(start_paused = true)]
async fn it_costs_no_budget_but_counts_for_the_cap() {
    let purse = Purse::with(0);
    let members = [member("a"), member("b")];
    let reply = |name: &str, _| match name {
        "a" => no_words(),
        _ => status(200),
    };
    let group = Group::new(members, reply);
    let result = group.ask(&exact(2).budget(purse), request()).await;
    assert_eq!(code(&result), 200);
    let group = Group::new(members, reply);
    let result = group
        .ask(&exact(2).max_attempts_per_request(1), request())
        .await;
    assert_eq!((code(&result), group.visits()), (400, vec!["a"]));
}

#[tokio::test(start_paused = true)]
async fn an_upstreams_own_refusal_is_for_all() {
    let group = Group::new([member("a"), member("b")], |_, _| status(400));
    let result = group.ask(&exact(2), request()).await;
    assert_eq!((code(&result), group.visits()), (400, vec!["a"]));
}
