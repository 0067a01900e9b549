//! What a request may say for itself, and what a hop does to it.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{Req, World, chain, general, request, table, wishing};
use ziggurat_core::{
    DeploymentId,
    FailureKind::{ContentPolicy, ContextWindow, Server},
    Tried,
    fallbacks::{Table, Target},
    overrides::{
        MaxRetries, MockFailure, Parameters, StreamIdleTimeout, StreamTimeout, StreamTotalTimeout,
        Timeout,
    },
};
use ziggurat_fallback::FallbackLayer;

fn all_tables() -> FallbackLayer {
    general(&[("a", &["g"])])
        .context_window(table(&[("a", &["w"])]))
        .content_policy(table(&[("a", &["p"])]))
}

#[tokio::test]
async fn r77_fallbacks_can_be_disabled() {
    for kind in [Server, ContextWindow, ContentPolicy] {
        let world = World::failing([("a", kind)]);
        let request = wishing("a", |wishes| {
            wishes.disabled = true;
            wishes.chain = Some(chain(["b"]));
        });
        let answer = world.ask(&all_tables(), request).await.unwrap();
        assert_eq!(answer.status(), kind.status());
        assert_eq!(world.asked(), ["a"]);
        assert_eq!(world.ahead(), [false]);
    }
}

/// R184: a failure that a test brings is the first group's, which is not asked; the others are.
#[tokio::test]
async fn r184_a_mock_failure_stands_for_the_first_group() {
    for (kind, group) in [(Server, "g"), (ContextWindow, "w"), (ContentPolicy, "p")] {
        let mock = || {
            let mut request = request("a");
            request.extensions_mut().insert(MockFailure(kind));
            request
        };
        let world = World::failing([]);
        world.ask(&all_tables(), mock()).await.unwrap();
        assert_eq!(world.asked(), [group]);
        let passed_on = world.seen()[0].extensions().get::<MockFailure>().copied();
        assert_eq!(passed_on, None);
        // Where there is no other group, or it fails too, it is the outcome.
        let failure = world.ask(&general(&[]), mock()).await.unwrap_err();
        assert_eq!(failure.kind(), kind);
        let world = World::down([group]);
        let failure = world.ask(&all_tables(), mock()).await.unwrap_err();
        assert_eq!(
            (failure.kind(), world.asked()),
            (kind, vec![group.to_owned()])
        );
    }
}

#[tokio::test]
async fn r79_and_r86a_a_list_is_the_chain_for_any_failure_of_any_group() {
    for kind in [Server, ContextWindow, ContentPolicy] {
        // `b` has chains of its own in every table, which the list goes before.
        let layer = all_tables()
            .context_window(table(&[("*", &["x"])]))
            .content_policy(table(&[("*", &["x"])]));
        let world = World::failing([("a", kind), ("b", kind)]);
        let request = wishing("a", |wishes| wishes.chain = Some(chain(["b", "c"])));
        world.ask(&layer, request).await.unwrap();
        assert_eq!(world.asked(), ["a", "b", "c"]);
        assert_eq!(world.ahead(), [true, true, false]);
    }
    // A list of nothing leaves nothing.
    let world = World::down(["a"]);
    let request = wishing("a", |wishes| wishes.chain = Some(chain::<&str>([])));
    world.ask(&all_tables(), request).await.unwrap();
    assert_eq!(world.asked(), ["a"]);
}

#[tokio::test]
async fn r74_and_r86b_each_table_takes_the_place_of_its_kind() {
    let ask = async |kind, wish: fn(&mut ziggurat_core::overrides::Fallbacks)| {
        let world = World::failing([("a", kind)]);
        let _ = world.ask(&all_tables(), wishing("a", wish)).await.unwrap();
        world.asked().join(" ")
    };
    let general: fn(&mut _) = |f: &mut ziggurat_core::overrides::Fallbacks| {
        f.general = Some(table(&[("*", &["b"])]));
    };
    assert_eq!(ask(Server, general).await, "a b");
    assert_eq!(ask(ContextWindow, general).await, "a w");
    assert_eq!(ask(ContentPolicy, general).await, "a p");

    assert_eq!(
        ask(ContextWindow, |f| f.context_window =
            Some(table(&[("a", &["b"])])))
        .await,
        "a b"
    );
    assert_eq!(
        ask(ContentPolicy, |f| f.content_policy =
            Some(table(&[("a", &["b"])])))
        .await,
        "a b"
    );
    assert_eq!(
        ask(Server, |f| f.content_policy = Some(table(&[("a", &["b"])]))).await,
        "a g"
    );

    // Empty ones disable. For a long prompt that leaves the general chain.
    assert_eq!(
        ask(Server, |f| f.general = Some(Table::default())).await,
        "a"
    );
    assert_eq!(
        ask(ContextWindow, |f| f.context_window = Some(Table::default())).await,
        "a g"
    );
    assert_eq!(
        ask(ContentPolicy, |f| f.content_policy = Some(Table::default())).await,
        "a"
    );
}

#[tokio::test]
async fn r74_an_own_table_counts_as_a_content_policy_table() {
    let layer = general(&[("a", &["g"])]).allow_generic_fallback_on_refusal(true);
    let world = World::failing([("a", ContentPolicy)]);
    let request = wishing("a", |wishes| wishes.content_policy = Some(Table::default()));
    world.ask(&layer, request).await.unwrap();
    assert_eq!(world.asked(), ["a"]);
}

#[tokio::test]
async fn r36_an_unknown_group_may_bring_its_own_chain() {
    let world = World::erring([("nobody", ziggurat_core::FailureKind::UnknownModel)]);
    let request = wishing("nobody", |wishes| wishes.chain = Some(chain(["b"])));
    world.ask(&general(&[]), request).await.unwrap();
    assert_eq!(world.asked(), ["nobody", "b"]);
}

/// What a request carries for the layers below.
#[derive(Debug, Default, PartialEq)]
struct Settings<'a> {
    timeout: Option<u64>,
    stream_timeout: Option<u64>,
    stream_idle: Option<u64>,
    stream_total: Option<u64>,
    max_retries: Option<u32>,
    parameters: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Settings<'a> {
    fn of(request: &'a Req) -> Self {
        let extensions = request.extensions();
        let parameters = extensions.get::<Parameters>().into_iter();
        Self {
            timeout: extensions.get::<Timeout>().map(|limit| limit.0.as_secs()),
            stream_timeout: extensions
                .get::<StreamTimeout>()
                .map(|limit| limit.0.as_secs()),
            stream_idle: extensions
                .get::<StreamIdleTimeout>()
                .map(|limit| limit.0.as_secs()),
            stream_total: extensions
                .get::<StreamTotalTimeout>()
                .map(|limit| limit.0.as_secs()),
            max_retries: extensions.get::<MaxRetries>().map(|retries| retries.0),
            parameters: parameters
                .flat_map(|parameters| &*parameters.0)
                .map(|(name, value)| (&**name, &**value))
                .collect(),
        }
    }
}

#[tokio::test]
async fn r83_and_r85_settings_of_a_target_hold_for_its_hop_alone() {
    let special = Target::new("b")
        .with_parameter("temperature", "0")
        .with_timeout(Duration::from_secs(3))
        .with_stream_timeout(Duration::from_secs(2))
        .with_stream_idle_timeout(Duration::from_secs(1))
        .with_stream_total_timeout(Duration::from_secs(9))
        .with_max_retries(7);
    let layer = FallbackLayer::new(Table::from_iter([("a", [special, Target::new("c")])]));

    let world = World::down(["a", "b"]);
    world.ask(&layer, request("a")).await.unwrap();
    let seen = world.seen();
    assert_eq!(Settings::of(&seen[0]), Settings::default());
    let special = Settings {
        timeout: Some(3),
        stream_timeout: Some(2),
        stream_idle: Some(1),
        stream_total: Some(9),
        max_retries: Some(7),
        parameters: vec![("temperature", b"0")],
    };
    assert_eq!(Settings::of(&seen[1]), special);
    assert_eq!(Settings::of(&seen[2]), Settings::default());
}

#[tokio::test]
async fn r85_the_request_s_own_settings_come_back() {
    let special = Target::new("b")
        .with_parameter("temperature", "0")
        .with_timeout(Duration::from_secs(3));
    let layer = FallbackLayer::new(Table::from_iter([("a", [special, Target::new("c")])]));

    let mut request = request("a");
    let extensions = request.extensions_mut();
    extensions.insert(Timeout(Duration::from_secs(9)));
    extensions.insert(MaxRetries(0));
    let parameter = |name: &str, value| (name.into(), Bytes::from_static(value));
    extensions.insert(Parameters(
        [parameter("temperature", b"1"), parameter("top_p", b"1")].into(),
    ));
    let world = World::down(["a", "b"]);
    world.ask(&layer, request).await.unwrap();
    let seen = world.seen();
    let own = Settings {
        timeout: Some(9),
        max_retries: Some(0),
        parameters: vec![("temperature", b"1"), ("top_p", b"1")],
        ..Settings::default()
    };
    let special = Settings {
        timeout: Some(3),
        max_retries: Some(0),
        parameters: vec![("top_p", b"1"), ("temperature", b"0")],
        ..Settings::default()
    };
    assert_eq!(Settings::of(&seen[0]), own);
    assert_eq!(Settings::of(&seen[1]), special);
    assert_eq!(Settings::of(&seen[2]), own);
}

#[tokio::test]
async fn every_hop_gets_the_request_as_it_came() {
    let world = World::down(["a", "b"]);
    let mut sent = request("a");
    sent.extensions_mut().insert(DeploymentId::from("kept"));
    world
        .ask(&general(&[("a", &["b", "c"])]), sent)
        .await
        .unwrap();
    assert_eq!(world.asked(), ["a", "b", "c"]);
    for request in world.seen() {
        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri(), "/v1/chat/completions");
        assert_eq!(request.headers()["x-kept"], "yes");
        assert_eq!(request.body(), "{\"model\":\"a\"}");
        let kept = request.extensions().get::<DeploymentId>().unwrap();
        assert_eq!(kept.as_str(), "kept");
    }
}

#[tokio::test]
async fn all_groups_share_one_ledger() {
    let hops = |request: &Req| request.extensions().get::<Tried>().map(Tried::hops);
    // Put if missing …
    let world = World::down(["a"]);
    world
        .ask(&general(&[("a", &["b"])]), request("a"))
        .await
        .unwrap();
    assert_eq!(
        world.seen().iter().map(hops).collect::<Vec<_>>(),
        [Some(1), Some(1)]
    );
    // … not if there is nothing to write …
    let world = World::down(["a"]);
    world.ask(&general(&[]), request("a")).await.unwrap();
    assert_eq!(world.seen().iter().map(hops).collect::<Vec<_>>(), [None]);
    // … and never replaced: hops of an earlier walk count.
    let tried = Tried::new();
    tried.hop(
        ziggurat_core::FallbackReason::Error,
        ziggurat_core::FailureKind::Server.into(),
    );
    let mut sent = request("a");
    sent.extensions_mut().insert(tried.clone());
    let world = World::down(["a", "b", "c"]);
    world
        .ask(&general(&[("a", &["b", "c"])]).max_fallbacks(2), sent)
        .await
        .unwrap();
    assert_eq!(world.asked(), ["a", "b"]);
    assert_eq!(tried.hops(), 2);
}
