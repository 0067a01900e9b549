//! Which group is asked after which failure, by configured tables.

mod common;

use common::{World, general, request, table};
use http::StatusCode;
use ziggurat_core::{
    FailureKind::{
        self, BadRequest, ContentPolicy, ContextWindow, NoCandidate, Region, Server, UnknownModel,
    },
    FallbackReason, Tried,
    fallbacks::{Table, Target},
};
use ziggurat_fallback::FallbackLayer;

type Chains<'a> = &'a [(&'a str, &'a [&'a str])];

/// Asks for `a` and checks which groups were asked, in order. Returns the status of the answer.
async fn expect(layer: &FallbackLayer, world: &World, asked: &[&str]) -> StatusCode {
    let answer = world.ask(layer, request("a")).await.expect("a response");
    assert_eq!(world.asked(), asked);
    answer.status()
}

#[tokio::test]
async fn a_success_asks_no_other_group() {
    let world = World::default();
    let status = expect(&general(&[("a", &["b"])]), &world, &["a"]).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn r79d_a_failure_leads_along_the_chain_of_its_group() {
    let world = World::down(["a", "b"]);
    let layer = general(&[("b", &[]), ("a", &["b", "c", "d"]), ("*", &["e"])]);
    let status = expect(&layer, &world, &["a", "b", "c"]).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn r75_the_chain_is_found_without_the_provider_prefix_and_by_star() {
    let world = World::down(["azure/a", "x"]);
    let layer = general(&[("a", &["b"]), ("*", &["c"])]);
    world.ask(&layer, request("azure/a")).await.unwrap();
    world.ask(&layer, request("x")).await.unwrap();
    assert_eq!(world.asked(), ["azure/a", "b", "x", "c"]);
}

#[tokio::test]
async fn r76_a_chain_found_by_name_is_final() {
    let world = World::down(["a", "b"]);
    let status = expect(
        &general(&[("a", &["b"]), ("b", &["a"]), ("*", &["c"])]),
        &world,
        &["a", "b"],
    )
    .await;
    assert_eq!(status, 500);

    let world = World::down(["a"]);
    let status = expect(&general(&[("a", &[]), ("*", &["c"])]), &world, &["a"]).await;
    assert_eq!(status, 500);
}

#[tokio::test]
async fn r79b_a_long_prompt_takes_the_context_window_chain() {
    let layer = general(&[("*", &["g"])]);
    let tables: [(Chains<'_>, &[&str]); 4] = [
        (&[("a", &["w"])], &["a", "w"]),
        (&[("*", &["w"])], &["a", "w"]),
        // BETTER: a table without a chain for the group leaves it to the general one.
        (&[("x", &["w"])], &["a", "g"]),
        (&[("a", &[])], &["a"]),
    ];
    for (chains, asked) in tables {
        let world = World::failing([("a", ContextWindow)]);
        expect(&layer.clone().context_window(table(chains)), &world, asked).await;
    }
    // No table at all.
    let world = World::failing([("a", ContextWindow)]);
    expect(&layer, &world, &["a", "g"]).await;
    // Not for other failures.
    let world = World::down(["a"]);
    expect(
        &layer.context_window(table(&[("a", &["w"])])),
        &world,
        &["a", "g"],
    )
    .await;
}

#[tokio::test]
async fn r79c_refused_content_takes_the_content_policy_chain_alone() {
    let layer = general(&[("*", &["g"])]);
    let tables: [(Chains<'_>, &[&str]); 4] = [
        (&[("a", &["p"])], &["a", "p"]),
        (&[("*", &["p"])], &["a", "p"]),
        (&[("x", &["p"])], &["a"]),
        (&[], &["a"]),
    ];
    for allow in [false, true] {
        for (chains, asked) in tables {
            let layer = layer.clone().allow_generic_fallback_on_refusal(allow);
            let world = World::failing([("a", ContentPolicy)]);
            expect(&layer.content_policy(table(chains)), &world, asked).await;
        }
    }
    // BETTER: without a table, the general chain only if allowed.
    let world = World::failing([("a", ContentPolicy)]);
    let status = expect(&layer, &world, &["a"]).await;
    assert_eq!(status, 400);
    let world = World::failing([("a", ContentPolicy)]);
    expect(
        &layer.allow_generic_fallback_on_refusal(true),
        &world,
        &["a", "g"],
    )
    .await;
}

#[tokio::test]
async fn r79c_a_refusal_on_the_way_closes_the_chains_of_other_failures() {
    let layer = general(&[("a", &["b", "c"]), ("p", &["e"])]);
    let failures = [
        ("a", Server),
        ("b", ContentPolicy),
        ("p", Server),
        ("e", Server),
    ];

    let world = World::failing(failures);
    let status = expect(&layer, &world, &["a", "b"]).await;
    assert_eq!(status, 500, "the first group's");

    // Chains for refusals go on, and stand-ins of their targets are found as ever.
    let world = World::failing(failures);
    let with_table = layer.clone().content_policy(table(&[("b", &["p", "q"])]));
    let status = expect(&with_table, &world, &["a", "b", "p", "e", "q"]).await;
    assert_eq!(status, 200);

    let world = World::failing(failures);
    expect(
        &layer.allow_generic_fallback_on_refusal(true),
        &world,
        &["a", "b", "c"],
    )
    .await;
}

#[tokio::test]
async fn r80_a_failing_hop_consults_its_own_chain_first() {
    let world = World::down(["a", "b", "b1", "b2"]);
    let layer = general(&[("a", &["b", "c"]), ("b", &["b1", "b2"])]);
    expect(&layer, &world, &["a", "b", "b1", "b2", "c"]).await;

    // By its own failure.
    let world = World::failing([("a", Server), ("b", ContextWindow)]);
    let layer = layer.context_window(table(&[("a", &["x"]), ("b", &["large"])]));
    expect(&layer, &world, &["a", "b", "large"]).await;
}

#[tokio::test]
async fn r80_max_fallbacks_counts_all_hops() {
    let flat: Chains<'_> = &[("a", &["b", "c", "d", "e", "f", "g", "h"])];
    let nested: Chains<'_> = &[("a", &["b", "e", "f", "g"]), ("b", &["c", "d"])];
    let all = ["a", "b", "c", "d", "e", "f", "g"];
    for chains in [flat, nested] {
        for (max, hops) in [(0, 0), (1, 1), (3, 3)] {
            let world = World::down(all);
            expect(&general(chains).max_fallbacks(max), &world, &all[..=hops]).await;
        }
        // The default.
        let world = World::down(all);
        expect(&general(chains), &world, &all[..=5]).await;
    }
}

#[tokio::test]
async fn r81_no_target_is_asked_twice() {
    let world = World::down(["a", "b"]);
    expect(
        &general(&[("a", &["b"]), ("b", &["a"])]),
        &world,
        &["a", "b"],
    )
    .await;

    let world = World::down(["a", "b", "c"]);
    let layer = general(&[("*", &["a", "b", "b", "c", "a"])]);
    expect(&layer, &world, &["a", "b", "c"]).await;
}

#[tokio::test]
async fn r81_a_target_is_its_name_with_its_parameters() {
    let cold = || Target::new("b").with_parameter("temperature", "0");
    let own = Target::new("a").with_parameter("max_tokens", "1");
    let targets = [
        cold(),
        Target::new("b"),
        cold(),
        own,
        Target::new("a"),
        Target::new("c"),
    ];
    let layer = FallbackLayer::new(Table::from_iter([("a", targets)]));
    let world = World::down(["a", "b"]);
    // The failing group is passed over under its bare name, not with other parameters.
    expect(&layer, &world, &["a", "b", "b", "a", "c"]).await;

    let world = World::down(["a", "b"]);
    let bare = |group: &str| Target::new(group);
    let layer = FallbackLayer::new(Table::from_iter([
        ("a", vec![cold()]),
        ("b", vec![bare("b"), bare("c")]),
    ]));
    expect(&layer, &world, &["a", "b", "c"]).await;
}

#[tokio::test]
async fn r82_any_failure_of_any_group_moves_on() {
    for first in [
        BadRequest,
        FailureKind::Authentication,
        FailureKind::Timeout,
        Region,
    ] {
        let world = World::failing([("a", first), ("b", BadRequest), ("c", ContextWindow)]);
        let status = expect(
            &general(&[("a", &["b", "c", "d"])]),
            &world,
            &["a", "b", "c", "d"],
        )
        .await;
        assert_eq!(status, 200);
    }
}

#[tokio::test]
async fn r82_fallback_on_ends_the_walk_at_other_kinds() {
    let layer = general(&[("a", &["b", "c"])]).fallback_on(|kind| kind != BadRequest);
    let world = World::failing([("a", BadRequest)]);
    assert_eq!(expect(&layer, &world, &["a"]).await, 400);
    let world = World::failing([("a", Server), ("b", BadRequest)]);
    assert_eq!(expect(&layer, &world, &["a", "b"]).await, 500);
    let world = World::down(["a", "b"]);
    assert_eq!(expect(&layer, &world, &["a", "b", "c"]).await, 200);
}

#[tokio::test]
async fn r36_and_r84_local_refusals_fall_back() {
    for kind in [UnknownModel, NoCandidate, FailureKind::CoolingDown, Region] {
        let world = World::erring([("a", kind)]);
        expect(&general(&[("*", &["b"])]), &world, &["a", "b"]).await;
    }
    // Not to anything if nothing applies.
    let world = World::erring([("a", UnknownModel)]);
    let failure = world
        .ask(&general(&[("x", &["b"])]), request("a"))
        .await
        .unwrap_err();
    assert_eq!(failure.kind(), UnknownModel);
}

#[tokio::test]
async fn r87_if_all_fail_the_first_outcome_is_returned() {
    let layer = general(&[("a", &["b", "c"])]);
    let failures = [("a", NoCandidate), ("b", Server), ("c", Region)];

    let answer = World::failing(failures)
        .ask(&layer, request("a"))
        .await
        .unwrap();
    assert_eq!(
        (answer.status(), answer.body().as_str()),
        (NoCandidate.status(), "a")
    );

    let failure = World::erring(failures)
        .ask(&layer, request("a"))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.kind(), failure.message()),
        (NoCandidate, Some("a"))
    );
}

#[tokio::test]
async fn r89_and_r170_the_ledger_counts_hops_and_knows_why() {
    let layer = general(&[("a", &["b", "c"])])
        .context_window(table(&[("w", &["b", "c"])]))
        .content_policy(table(&[("p", &["b", "c"])]));
    for (group, kind, reason) in [
        ("a", Server, FallbackReason::Error),
        ("a", ContextWindow, FallbackReason::ContextWindow),
        ("w", ContextWindow, FallbackReason::ContextWindow),
        ("p", ContentPolicy, FallbackReason::ContentPolicy),
    ] {
        // What opened the chain is the reason for all of it.
        let world = World::failing([(group, kind), ("b", Server)]);
        let tried = Tried::new();
        let mut request = request(group);
        request.extensions_mut().insert(tried.clone());
        world.ask(&layer, request).await.unwrap();
        assert_eq!((tried.hops(), tried.reason()), (2, Some(reason)));
        let hops: Vec<_> = tried.read(|all| all.iter().map(|attempt| attempt.hop).collect());
        assert_eq!(hops, [0, 1, 2], "each attempt belongs to its hop");
    }
}

#[tokio::test]
async fn r56_no_hop_once_the_attempts_are_spent() {
    let layer = general(&[("a", &["b", "c"])]);
    for (max, asked) in [(1, &["a"][..]), (2, &["a", "b"]), (3, &["a", "b", "c"])] {
        let world = World::down(["a", "b", "c"]);
        expect(&layer.clone().max_attempts_per_request(max), &world, asked).await;
        assert!(!world.ahead().last().unwrap());
        assert!(world.ahead()[..asked.len() - 1].iter().all(|ahead| *ahead));
    }
}

#[tokio::test]
async fn fallback_ahead_says_whether_an_ordinary_failure_leads_on() {
    let ahead = async |layer: &FallbackLayer, failures: &[(&'static str, FailureKind)]| {
        let world = World::failing(failures.iter().copied());
        world.ask(layer, request("a")).await.unwrap();
        world.ahead()
    };
    let layer = general(&[("a", &["b", "c"]), ("c", &["d", "a"])]);
    let all = [("a", Server), ("b", Server), ("c", Server), ("d", Server)];
    assert_eq!(ahead(&layer, &all).await, [true, true, true, false]);
    assert_eq!(
        ahead(&layer.max_fallbacks(2), &all).await,
        [true, true, false]
    );
    // A chain for special failures is none for ordinary ones.
    let layer = general(&[]).context_window(table(&[("a", &["b"])]));
    assert_eq!(ahead(&layer, &[("a", ContextWindow)]).await, [false, false]);
}

#[tokio::test]
async fn d6_fallback_ahead_says_after_which_failures() {
    // Retries must not be cut short for a fallback that will not follow.
    let layer = general(&[("a", &["b"])]).fallback_on(|kind| kind != FailureKind::RateLimited);
    let world = World::down(["a"]);
    world.ask(&layer, request("a")).await.unwrap();
    assert_eq!(world.ahead(), [true, false]);
    assert_eq!(world.ahead_after(FailureKind::RateLimited), [false, false]);

    let layer = general(&[]).context_window(table(&[("a", &["b"])]));
    let world = World::failing([("a", ContextWindow)]);
    world.ask(&layer, request("a")).await.unwrap();
    assert_eq!(world.ahead(), [false, false]);
    assert_eq!(world.ahead_after(ContextWindow), [true, false]);
}

#[tokio::test]
async fn the_classifier_decides_what_a_failure_is() {
    #[derive(Clone)]
    struct Teapots;
    impl ziggurat_core::Classify for Teapots {
        fn head(&self, head: ziggurat_core::Head<'_>) -> Option<FailureKind> {
            (head.status == StatusCode::BAD_GATEWAY).then_some(ContextWindow)
        }
    }
    let layer = general(&[("a", &["b"])])
        .context_window(table(&[("a", &["w"])]))
        .classify(Teapots);
    let world = World::failing([("a", FailureKind::Disconnected), ("w", Server)]);
    let answer = world.ask(&layer, request("a")).await.unwrap();
    assert_eq!(world.asked(), ["a", "w"]);
    assert_eq!(answer.status(), 500, "no failure in its eyes");
}
