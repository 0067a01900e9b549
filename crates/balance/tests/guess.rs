//! One endpoint is chosen from all and asked alone, where that is the same choice.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod support;

use http::Request;
use support::{Handle, Leaf, Readiness, ask, failed, request};
use ziggurat_balance::{Balance, Candidate, Endpoint, LeastBusy, PeakEwma, Pick, Pool, Shuffle};
use ziggurat_core::{FailureKind, Rejection, Vitals, vitals::InFlight};

/// Guesses this place, and picks the first otherwise.
#[derive(Clone, Copy, Debug)]
struct Guess(usize);

impl Pick for Guess {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        let mut all = candidates.iter();
        assert!(all.all(|it| it.index() != self.0), "it was chosen before");
        0
    }

    fn guess(&self, _: &Pool) -> Option<usize> {
        Some(self.0)
    }
}

/// Endpoints `0`, `1` and so on, which say how often they were asked.
fn asked(leaves: Vec<Leaf>) -> (Vec<Endpoint<Leaf>>, Vec<Handle>) {
    let handles = leaves.iter().map(Leaf::handle).collect();
    let named = |(n, leaf): (usize, Leaf)| Endpoint::new(n.to_string(), leaf);
    (leaves.into_iter().enumerate().map(named).collect(), handles)
}

fn leaves(count: usize) -> (Vec<Endpoint<Leaf>>, Vec<Handle>) {
    asked((0..count).map(|_| Leaf::new()).collect())
}

fn refusing() -> Leaf {
    Leaf::new().rejecting(Rejection::new(FailureKind::Region))
}

fn sum(handles: &[Handle]) -> usize {
    handles.iter().map(Handle::asked).sum()
}

#[tokio::test(start_paused = true)]
async fn only_the_chosen_one_is_asked() {
    let (endpoints, handles) = leaves(100);
    ask(&Balance::new(endpoints), Request::new(())).await;
    assert_eq!(sum(&handles), 1);
}

#[tokio::test(start_paused = true)]
async fn for_a_ledger_one_more_is_asked() {
    let (endpoints, handles) = leaves(100);
    let (tried, request) = request();
    ask(&Balance::new(endpoints), request).await;
    assert_eq!(sum(&handles), 2);
    tried.read(|attempts| assert!(attempts[0].untried_elsewhere && !attempts[0].untried_here));
}

#[tokio::test(start_paused = true)]
async fn for_a_ledger_one_of_the_origin_and_one_of_another_are_looked_for() {
    let of = |n: usize| if n.is_multiple_of(2) { "x" } else { "y" };
    let (endpoints, handles) = leaves(10);
    let endpoints = endpoints.into_iter().enumerate();
    let endpoints = endpoints.map(|(n, endpoint)| endpoint.origin(of(n)));
    let (tried, request) = request();
    ask(&Balance::with_policy(endpoints, Guess(4)), request).await;
    assert_eq!(sum(&handles), 3);
    tried.read(|attempts| assert!(attempts[0].untried_elsewhere && attempts[0].untried_here));
}

#[tokio::test(start_paused = true)]
async fn a_ledger_hears_of_no_one_if_all_others_refuse() {
    let (endpoints, _) = asked(vec![refusing(), Leaf::new(), refusing()]);
    let (tried, request) = request();
    let endpoints = endpoints.into_iter().map(|it| it.origin("x"));
    assert_eq!(ask(&Balance::new(endpoints), request).await, "1");
    tried.read(|attempts| assert!(!attempts[0].left_untried()));
}

#[tokio::test(start_paused = true)]
async fn all_are_asked_if_the_guess_refuses_or_does_not_exist() {
    for guess in [2, 3] {
        let (endpoints, handles) = asked(vec![Leaf::new(), Leaf::new(), refusing()]);
        let balance = Balance::with_policy(endpoints, Guess(guess));
        assert_eq!(ask(&balance, Request::new(())).await, "0");
        assert!(handles.iter().all(|it| it.asked() > 0));
    }
}

#[tokio::test(start_paused = true)]
async fn another_is_chosen_if_the_guess_is_not_ready() {
    let (endpoints, handles) = leaves(3);
    handles[1].set(Readiness::Pending);
    let balance = Balance::with_policy(endpoints, Guess(1));
    let (tried, request) = request();
    assert_eq!(ask(&balance, request).await, "0");
    // It is made ready once, and given up.
    assert_eq!(handles[1].alive(), 1);
    tried.read(|attempts| assert!(attempts[0].untried_elsewhere));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_guessed_with_an_order_or_an_attempt_in_the_ledger() {
    let (endpoints, _) = leaves(3);
    let ordered = endpoints.into_iter().enumerate();
    let ordered = ordered.map(|(n, endpoint)| endpoint.order(3.0 - n as f64));
    let balance = Balance::with_policy(ordered, Guess(0));
    assert_eq!(ask(&balance, Request::new(())).await, "2");

    let (endpoints, _) = leaves(3);
    let (tried, request) = request();
    failed(&tried, "0", None, None);
    let balance = Balance::with_policy(endpoints, Guess(0));
    assert_eq!(ask(&balance, request).await, "1");
}

#[tokio::test(start_paused = true)]
async fn one_without_room_is_passed_over() {
    let (endpoints, _) = leaves(2);
    let endpoints = endpoints.into_iter().map(|it| it.rpm(1.0));
    let balance = Balance::with_policy(endpoints, Guess(1));
    assert_eq!(ask(&balance, Request::new(())).await, "1");
    assert_eq!(ask(&balance, Request::new(())).await, "0");
}

#[tokio::test(start_paused = true)]
async fn the_least_busy_that_takes_the_request_is_any_of_several() {
    // In flight: 0 (refuses), 1, 2, 1, 1.
    let vitals: Vec<_> = (0..5).map(|_| std::sync::Arc::new(Vitals::new())).collect();
    let _calls = [1, 2, 2, 3, 4].map(|n| InFlight::enter(&vitals[n]));
    let all = vec![
        refusing(),
        Leaf::new(),
        Leaf::new(),
        Leaf::new(),
        Leaf::new(),
    ];
    let (endpoints, _) = asked(all);
    let endpoints = endpoints.into_iter().zip(vitals);
    let endpoints = endpoints.map(|(endpoint, vitals)| endpoint.vitals(vitals));
    let balance = Balance::with_policy(endpoints, LeastBusy::seeded(3));
    let mut counts = [0_u32; 5];
    for _ in 0..3000 {
        let name = ask(&balance, Request::new(())).await;
        counts[name.parse::<usize>().unwrap()] += 1;
    }
    assert_eq!((counts[0], counts[2]), (0, 0));
    // Five standard deviations of a share of a third are 129.
    for n in [1, 3, 4] {
        assert!(counts[n].abs_diff(1000) < 129, "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn shuffle_does_not_guess_where_shares_depend_on_the_others() {
    let (endpoints, handles) = leaves(3);
    let endpoints = endpoints.into_iter().enumerate();
    let some = endpoints.map(|(n, it)| if n == 0 { it.weight(2.0) } else { it });
    ask(
        &Balance::with_policy(some, Shuffle::seeded(1)),
        Request::new(()),
    )
    .await;
    assert_eq!(sum(&handles), 3);
}

#[tokio::test(start_paused = true)]
async fn of_two_that_are_drawn_only_these_are_asked() {
    let (endpoints, handles) = leaves(100);
    let balance = Balance::with_policy(endpoints, PeakEwma::seeded(1));
    ask(&balance, Request::new(())).await;
    assert_eq!(sum(&handles), 2);
}

/// Two of five refuse: the busy one is chosen only where it would be among the others, which is never.
#[tokio::test(start_paused = true)]
async fn where_one_of_two_refuses_the_choice_is_among_those_that_do_not() {
    let vitals: Vec<_> = (0..5).map(|_| std::sync::Arc::new(Vitals::new())).collect();
    let _call = InFlight::enter(&vitals[3]);
    let all = vec![
        refusing(),
        Leaf::new(),
        refusing(),
        Leaf::new(),
        Leaf::new(),
    ];
    let (endpoints, _) = asked(all);
    let endpoints = endpoints.into_iter().zip(vitals);
    let endpoints = endpoints.map(|(endpoint, vitals)| endpoint.vitals(vitals));
    let balance = Balance::with_policy(endpoints, PeakEwma::seeded(3));
    let mut counts = [0_u32; 5];
    for _ in 0..3000 {
        let name = ask(&balance, Request::new(())).await;
        counts[name.parse::<usize>().unwrap()] += 1;
    }
    assert_eq!((counts[0], counts[2], counts[3]), (0, 0, 0), "{counts:?}");
    // Five standard deviations of a share of a half are 137.
    assert!(counts[1].abs_diff(1500) < 137, "{counts:?}");
}
