//! The router through its public API.

use std::{
    convert::Infallible,
    error::Error as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};
use tower::{Service, ServiceExt, limit::ConcurrencyLimit, service_fn};
use tower_test::mock;
use ziggurat_core::{BoxError, Captures, Failure, FailureKind, ModelGroup, Wildcard};
use ziggurat_router::{Router, error::UnknownModel, future::ResponseFuture};

type Req = Request<Full<Bytes>>;

fn request(group: &str) -> Req {
    let mut request = Request::default();
    request.extensions_mut().insert(ModelGroup::from(group));
    request
}

/// Answers with its own name. Panics when called without readiness, which a clone does not inherit.
struct Named {
    name: Arc<str>,
    calls: Arc<AtomicUsize>,
    ready: bool,
}

impl Named {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            calls: Arc::default(),
            ready: false,
        }
    }
}

impl Clone for Named {
    fn clone(&self) -> Self {
        Self {
            name: Arc::clone(&self.name),
            calls: Arc::clone(&self.calls),
            ready: false,
        }
    }
}

impl<B> Service<Request<B>> for Named {
    type Response = Response<Arc<str>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without readiness");
        self.calls.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(Response::new(Arc::clone(&self.name))))
    }
}

async fn ask(router: &Router<Named>, group: &str) -> Result<Arc<str>, Failure> {
    let answer = router.clone().oneshot(request(group)).await?;
    Ok(answer.into_body())
}

#[tokio::test]
async fn r34_the_exact_name_decides() {
    let router = Router::new(["gpt-4o", "gpt-4o-mini"].map(|name| (name, Named::new(name))));
    assert_eq!(&*ask(&router, "gpt-4o").await.unwrap(), "gpt-4o");
    assert_eq!(&*ask(&router, "gpt-4o-mini").await.unwrap(), "gpt-4o-mini");
    assert_eq!(
        ask(&router, "GPT-4o").await.unwrap_err().kind(),
        FailureKind::UnknownModel
    );
}

#[tokio::test]
async fn r33_an_alias_leads_to_its_group() {
    let gpt = Named::new("gpt");
    let calls = Arc::clone(&gpt.calls);
    let router = Router::new([("gpt", gpt), ("other", Named::new("other"))])
        .with_alias("smart", "gpt")
        .with_alias("smarter", "smart")
        .with_alias("other", "gpt")
        .with_alias("lost", "nowhere");

    assert_eq!(&*ask(&router, "smart").await.unwrap(), "gpt");
    // It goes before a group of its name.
    assert_eq!(&*ask(&router, "other").await.unwrap(), "gpt");
    assert_eq!(&*ask(&router, "gpt").await.unwrap(), "gpt");
    assert_eq!(calls.load(Ordering::Relaxed), 3, "all share one service");

    // One level only; an alias of nothing is unknown under the name that was asked for.
    for name in ["smarter", "lost"] {
        let failure = ask(&router, name).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::UnknownModel);
        assert!(failure.to_string().contains(name), "{failure}");
    }
}

#[tokio::test]
async fn r36_an_unknown_name_is_told_to_the_caller() {
    let router = Router::new([("gpt", Named::new("gpt"))]);
    let failure = ask(&router, "gtp").await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::UnknownModel);
    assert_eq!(failure.message(), Some("no model group is named `gtp`"));
    let source = failure.source().unwrap().downcast_ref::<UnknownModel>();
    assert_eq!(source.unwrap().model().unwrap().as_str(), "gtp");
}

#[tokio::test]
async fn a_request_without_a_group_is_refused() {
    let router = Router::new([("gpt", Named::new("gpt"))]);
    let failure = router.oneshot(Req::default()).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::UnknownModel);
    assert_eq!(failure.message(), Some("the request has no model group"));
    let source = failure.source().unwrap().downcast_ref::<UnknownModel>();
    assert_eq!(source.unwrap().model(), None);
}

#[tokio::test]
async fn the_request_arrives_as_it_was_sent() {
    let echo =
        service_fn(
            |request: Request<Bytes>| async move { Ok::<_, BoxError>(Response::new(request)) },
        );
    let router = Router::new([("gpt", echo)]).with_alias("smart", "gpt");
    let mut request = Request::put("http://x.test/a?b=c")
        .header("x-a", "1")
        .body(Bytes::from_static(b"body"))
        .unwrap();
    request.extensions_mut().insert(ModelGroup::from("smart"));
    let arrived = router.oneshot(request).await.unwrap().into_body();
    assert_eq!(arrived.method(), "PUT");
    assert_eq!(arrived.uri(), "http://x.test/a?b=c");
    assert_eq!(arrived.headers()["x-a"], "1");
    assert_eq!(arrived.body(), "body");
    // R33: the answer shows the name that was asked for.
    let group = arrived.extensions().get::<ModelGroup>().unwrap();
    assert_eq!(group.as_str(), "smart");
}

#[tokio::test]
async fn ten_thousand_groups() {
    let name = |n: usize| format!("group-{n}");
    let services: Vec<_> = (0..10_000).map(|n| Named::new(&name(n))).collect();
    let calls: Vec<_> = services.iter().map(|s| Arc::clone(&s.calls)).collect();
    let router = Router::new(services.into_iter().enumerate().map(|(n, s)| (name(n), s)));
    assert_eq!(router.groups().count(), 10_000);

    // Each service is held by the router once, however often that is cloned.
    let clones: Vec<_> = (0..100).map(|_| router.clone()).collect();
    assert!(calls.iter().all(|calls| Arc::strong_count(calls) == 2));

    for n in 0..10_000 {
        let answer = ask(&clones[n % 100], &name(n)).await.unwrap();
        assert_eq!(*answer, *name(n));
    }
    assert!(calls.iter().all(|calls| calls.load(Ordering::Relaxed) == 1));
    assert!(ask(&router, "group-10000").await.is_err());
}

#[test]
fn groups_and_aliases_are_listed() {
    let router = Router::new(["a", "b"].map(|name| (name, Named::new(name)))).with_alias("c", "a");
    let mut groups: Vec<_> = router.groups().map(ModelGroup::as_str).collect();
    groups.sort_unstable();
    assert_eq!(groups, ["a", "b"]);
    let aliases: Vec<_> = router
        .aliases()
        .map(|(alias, group)| (alias.as_str(), group.as_str()))
        .collect();
    assert_eq!(aliases, [("c", "a")]);
    assert_eq!(&*router.get("c").unwrap().name, "a");
    assert!(router.get("d").is_none());
}

#[test]
fn of_two_services_under_one_name_the_last_stays() {
    let router = Router::new(["first", "last"].map(|name| ("gpt", Named::new(name))));
    assert_eq!(&*router.get("gpt").unwrap().name, "last");
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_while_a_group_is_not() {
    let (busy, mut busy_handle) = mock::pair::<Req, Response<()>>();
    let (idle, mut idle_handle) = mock::pair::<Req, Response<()>>();
    busy_handle.allow(0);
    idle_handle.allow(1);
    let mut router = Router::new([("busy", busy), ("idle", idle)]);

    let mut readied = router.clone();
    assert_ready_ok!(
        task::spawn(async { ServiceExt::<Req>::ready(&mut readied).await.map(drop) }).poll()
    );
    let mut waits = task::spawn(router.call(request("busy")));
    assert_pending!(waits.poll());

    let mut goes = task::spawn(router.call(request("idle")));
    assert_pending!(goes.poll());
    let (_, answer) = idle_handle.next_request().await.unwrap();
    answer.send_response(Response::default());
    assert_ready_ok!(goes.poll());

    assert_pending!(waits.poll());
    busy_handle.allow(1);
    assert!(waits.is_woken());
    assert_pending!(waits.poll());
    let (arrived, answer) = busy_handle.next_request().await.unwrap();
    assert!(arrived.extensions().get::<ModelGroup>().is_some());
    answer.send_response(Response::default());
    assert_ready_ok!(waits.poll());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_future_frees_its_place() {
    let (inner, mut handle) = mock::pair::<Req, Response<()>>();
    handle.allow(u64::MAX);
    let mut router = Router::new([("gpt", ConcurrencyLimit::new(inner, 1))]);

    let mut first = task::spawn(router.call(request("gpt")));
    let mut second = task::spawn(router.call(request("gpt")));
    let mut third = task::spawn(router.call(request("gpt")));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    assert_pending!(third.poll());
    assert!(handle.next_request().await.is_some());

    // The second waits for its turn, the first is under way: neither keeps the third from it.
    drop(second);
    assert!(!third.is_woken());
    drop(first);
    assert!(third.is_woken());
    assert_pending!(third.poll());
    let (_, answer) = handle.next_request().await.unwrap();
    answer.send_response(Response::default());
    assert_ready_ok!(third.poll());
}

#[tokio::test(start_paused = true)]
async fn an_error_of_readiness_ends_the_call_only() {
    let (inner, mut handle) = mock::pair::<Req, Response<()>>();
    let mut router = Router::new([("gpt", inner)]);
    handle.send_error("out of order");
    let mut call = task::spawn(router.call(request("gpt")));
    let failure = assert_ready!(call.poll()).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Other);
    assert_ready_ok!(
        task::spawn(async { ServiceExt::<Req>::ready(&mut router).await.map(drop) }).poll()
    );
}

#[tokio::test]
async fn errors_of_any_type_become_failures() {
    async fn of<E: Into<BoxError> + Clone + Send + 'static>(error: E) -> Failure {
        let service = service_fn(move |_: Req| {
            let error = error.clone();
            async move { Err::<Response<()>, E>(error) }
        });
        let router = Router::new([("gpt", service)]);
        router.oneshot(request("gpt")).await.unwrap_err()
    }
    let failure = of(Failure::new(FailureKind::Region).with_message("not there")).await;
    assert_eq!(failure.kind(), FailureKind::Region);
    assert_eq!(failure.message(), Some("not there"));
    assert_eq!(of("text").await.kind(), FailureKind::Other);
    assert_eq!(of(std::fmt::Error).await.kind(), FailureKind::Other);
}

#[test]
fn types_are_as_free_as_their_services() {
    fn free<T: Send + Sync + 'static>() {}
    fn cheap<T: Clone>() {}
    free::<Router<Named>>();
    free::<ResponseFuture<Named, Req>>();
    free::<UnknownModel>();
    cheap::<Router<*const ()>>();
    // What a router shows of itself does not grow with its groups.
    let router = Router::new([("gpt", Named::new("gpt"))]);
    assert_eq!(
        format!("{router:?}"),
        "Router { groups: 1, wildcards: 0, aliases: 0, .. }"
    );
}

/// R28: a closed group is refused as such, under an alias too; one with a service stays open.
#[tokio::test]
async fn r28_closed_groups_are_refused_with_403() {
    let router = Router::new([("open", Named::new("open"))])
        .with_closed("open")
        .with_closed("shut")
        .with_alias("other", "shut");
    for name in ["shut", "other"] {
        let failure = router.clone().oneshot(request(name)).await.unwrap_err();
        assert_eq!(
            (failure.kind(), failure.status().as_u16()),
            (FailureKind::UnknownModel, 403)
        );
        assert!(failure.to_string().contains(name), "{failure}");
    }
    assert!(router.oneshot(request("open")).await.is_ok());
}

#[tokio::test]
async fn the_most_specific_pattern_counts_and_captures_go_with_the_request() {
    let seen = |name: &'static str| {
        service_fn(move |request: Req| async move {
            let captures = request.extensions().get::<Captures>();
            let parts = captures.map(|it| it.parts().map(str::to_owned).collect::<Vec<_>>());
            Ok::<_, Infallible>(Response::new((name, parts)))
        })
    };
    let pattern = |text: &'static str| (Wildcard::new(text).unwrap(), seen(text));
    let router = Router::new([("gpt-4o", seen("exact"))])
        .with_wildcards([pattern("*-4*"), pattern("gpt-*"), pattern("openai/*")])
        .with_alias("alias", "gpt-5")
        .with_closed("gpt-closed")
        .infer(|name| (name == "o3").then(|| format!("openai/{name}")));
    let ask = |name: &'static str| {
        let mut request = request(name);
        // Of an earlier hop.
        let stale = Wildcard::new("*").unwrap().matches("stale").unwrap();
        request.extensions_mut().insert(stale);
        router.clone().oneshot(request)
    };
    for (name, service, parts) in [
        ("gpt-4o", "exact", None),
        ("gpt-4", "gpt-*", Some(vec!["4"])),
        ("alias", "gpt-*", Some(vec!["5"])),
        ("x-41", "*-4*", Some(vec!["x", "1"])),
        ("o3", "openai/*", Some(vec!["o3"])),
    ] {
        let answer = ask(name).await.unwrap().into_body();
        let parts = parts.map(|parts| parts.into_iter().map(str::to_owned).collect());
        assert_eq!(answer, (service, parts), "{name}");
    }
    for (name, status) in [("gpt-closed", 403), ("o4", 400)] {
        assert_eq!(ask(name).await.unwrap_err().status(), status, "{name}");
    }
}
