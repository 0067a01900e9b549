//! Random stacks of our layers over scripted leaves, asked by several clients at once, and what must hold in any of them.
//!
//! Time is paused: all waits of a case pass at once. The cases are the same ones each time, unless `PROPTEST_CASES` sets
//! their number, which draws new ones; a case that fails is shrunk and printed with its whole stack.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod broken;
mod client;
mod draw;
mod leaf;
mod plan;
mod stack;
mod world;

use std::env;

use proptest::test_runner::{Config, TestCaseError, TestError, TestRng, TestRunner};
use tokio::task::JoinSet;

use self::{
    broken::Broken,
    client::Asking,
    plan::Case,
    world::{World, law},
};

/// Some ten seconds, unoptimised.
const CASES: u32 = 1000;

/// Plays a case, and says which laws it broke.
fn play(case: &Case, broken: Broken) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let world = World::new(case);
    runtime.block_on(async {
        let built = stack::build(&case.stack, &world, broken);
        let mut clients = JoinSet::new();
        for (number, client) in case.clients.iter().enumerate() {
            let asking = Asking {
                number,
                client: client.clone(),
                stack: case.stack.clone(),
                world: world.clone(),
            };
            clients.spawn(asking.run(built.service.clone()));
        }
        clients.join_all().await;
        world.check_rest(&built.sites);
        for (site, breaker) in &built.breakers {
            let successes = breaker.calls() - breaker.failures();
            if successes > world.whole(site) {
                world.broken(law::CUT, format!("{successes} counted on {}", site.id));
            }
        }
    });
    world.verdict()
}

fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    }
}

#[test]
fn all_laws_hold_in_any_stack() {
    let mut runner = match env::var_os("PROPTEST_CASES") {
        Some(_) => TestRunner::new(config(Config::default().cases)),
        None => {
            let config = config(CASES);
            let rng = TestRng::deterministic_rng(config.rng_algorithm);
            TestRunner::new_with_rng(config, rng)
        }
    };
    let played = runner.run(&draw::case(), |case| {
        play(&case, Broken::Nothing).map_err(TestCaseError::fail)
    });
    if let Err(error) = played {
        panic!("{error}");
    }
}

/// Looks for a case that shows what is broken by breaking the law.
fn shows(broken: Broken, law: &str) {
    let config = Config {
        max_shrink_iters: 0,
        ..config(20_000)
    };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let played = TestRunner::new_with_rng(config, rng).run(&draw::case(), |case| {
        match play(&case, broken) {
            Err(laws) if laws.contains(law) => Err(TestCaseError::fail(laws)),
            _ => Ok(()),
        }
    });
    assert!(
        matches!(played, Err(TestError::Fail(..))),
        "{broken:?} breaks no law: {law}"
    );
}

macro_rules! broken {
    ($($name:ident: $broken:ident breaks $law:ident;)*) => {$(
        #[test]
        fn $name() {
            shows(Broken::$broken, law::$law);
        }
    )*};
}

broken! {
    a_cap_that_is_ignored_shows: Cap breaks CAP;
    retries_without_number_show: Retries breaks RETRIES;
    a_region_filter_that_refuses_no_one_shows: Region breaks REGION;
    a_window_that_fits_all_shows: Window breaks WINDOW;
    a_call_during_a_rest_shows: Cooling breaks COOLING;
    a_second_trial_shows: Trial breaks TRIAL;
    a_call_without_a_place_shows: Places breaks PARALLEL;
    a_call_without_readiness_shows: Unready breaks READY;
    two_calls_at_once_show: Both breaks ONE_AT_A_TIME;
    a_call_after_the_answer_shows: Again breaks NOTHING_AFTER;
    a_frame_that_is_lost_shows: Shorter breaks ONE_ANSWER;
    a_request_without_an_end_shows: Never breaks ENDS;
    a_limit_that_does_not_end_shows: Total breaks IN_TIME;
    a_cut_that_is_hidden_shows: HidesCut breaks CUT;
    a_body_that_is_never_freed_shows: Leaks breaks IN_FLIGHT;
}
