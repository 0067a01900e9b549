//! What the envelope reads, cuts, refuses and passes on.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_core::{BoxError, Failure, FailureKind, JsonBody, LlmRequest, ModelGroup, overrides};
use ziggurat_edge::EnvelopeLayer;

type Seen = Request<JsonBody>;

fn layer() -> EnvelopeLayer {
    EnvelopeLayer::new().accept_overrides(true)
}

/// Sends a body and gives back what the inner service saw, and the header that names ignored members.
async fn send<B>(layer: EnvelopeLayer, req: Request<B>) -> Result<(Seen, Option<String>), Failure>
where
    B: http_body::Body + 'static,
    B::Error: Into<BoxError>,
{
    let (seen, got) = std::sync::mpsc::channel();
    let service = layer.layer(service_fn(move |req: Seen| {
        seen.send(req).unwrap();
        async { Ok::<_, Infallible>(Response::new(())) }
    }));
    let response = service.oneshot(req).await?;
    let ignored = response
        .headers()
        .get("x-ziggurat-ignored")
        .map(|v| v.to_str().unwrap().to_owned());
    Ok((got.recv().unwrap(), ignored))
}

fn post(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::new(Full::new(body.into()))
}

async fn seen(body: &'static str) -> Seen {
    send(layer(), post(body)).await.unwrap().0
}

async fn refused(body: &'static str) -> Failure {
    send(layer(), post(body)).await.unwrap_err()
}

#[tokio::test]
async fn reads_model_and_stream() {
    let req = seen(r#"{"model":"a\u0062c","stream":true,"messages":[]}"#).await;
    let llm = req.extensions().get::<LlmRequest>().unwrap();
    assert_eq!((llm.model(), llm.stream()), ("abc", true));
    assert_eq!(req.extensions().get(), Some(&ModelGroup::from("abc")));
    let req = seen(r#"{"model":"m","stream":null}"#).await;
    assert!(!req.extensions().get::<LlmRequest>().unwrap().stream());
    for absent in [
        req.extensions().get::<overrides::Timeout>().is_none(),
        req.extensions().get::<overrides::StreamTimeout>().is_none(),
        req.extensions().get::<overrides::MaxRetries>().is_none(),
        req.extensions().get::<overrides::Fallbacks>().is_none(),
        req.extensions().get::<overrides::ClientRetries>().is_none(),
    ] {
        assert!(absent);
    }
}

/// R182: routing members are cut, unknown ones forwarded, every other byte stays.
#[tokio::test]
async fn cuts_what_is_for_the_gateway_and_nothing_else() {
    let req = seen(
        r#"{"model": "m", "metadata":{"a":1},"messages":[{"role":"user","content":"hi"}], "top_k":4,"foo" : 1.0e2,
"num_retries":1,"timeout":9,"litellm_trace_id":"x","tags":["a"],"session_id":"s","fallbacks":["b"],"user":"u"}"#,
    )
    .await;
    assert_eq!(
        req.body().to_bytes(),
        r#"{"model": "m", "messages":[{"role":"user","content":"hi"}], "top_k":4,"foo" : 1.0e2,
"session_id":"s","user":"u"}"#
    );
}

/// R57, R94, R96: headers count before members, `timeout` before `request_timeout`, whatever the order.
#[tokio::test]
async fn wishes_become_extensions() {
    let req = seen(
        r#"{"request_timeout":3,"model":"m","timeout":1.5,"stream_timeout":"0.5","num_retries":4}"#,
    )
    .await;
    assert_eq!(
        req.extensions().get(),
        Some(&overrides::Timeout(Duration::from_millis(1500)))
    );
    assert_eq!(
        req.extensions().get(),
        Some(&overrides::StreamTimeout(Duration::from_millis(500)))
    );
    assert_eq!(req.extensions().get(), Some(&overrides::MaxRetries(4)));
    let mut req = post(r#"{"model":"m","timeout":1,"num_retries":4}"#);
    for (name, value) in [
        ("x-litellm-timeout", "7"),
        ("x-litellm-stream-timeout", "0"),
        ("x-litellm-num-retries", "0"),
        ("x-stainless-retry-count", "2"),
    ] {
        req.headers_mut().insert(name, value.parse().unwrap());
    }
    let (req, _) = send(layer(), req).await.unwrap();
    assert_eq!(
        req.extensions().get(),
        Some(&overrides::Timeout(Duration::from_secs(7)))
    );
    assert!(req.extensions().get::<overrides::StreamTimeout>().is_none());
    assert_eq!(req.extensions().get(), Some(&overrides::MaxRetries(0)));
    assert_eq!(req.extensions().get(), Some(&overrides::ClientRetries(2)));
}

/// R97: zero, null and the empty string mean "not set".
#[tokio::test]
async fn zero_null_and_empty_limits_are_unset() {
    for value in ["0", "null", "\"\"", "0.0"] {
        let body = format!(r#"{{"model":"m","timeout":{value},"request_timeout":2}}"#);
        let (req, _) = send(layer(), post(body)).await.unwrap();
        assert_eq!(
            req.extensions().get(),
            Some(&overrides::Timeout(Duration::from_secs(2))),
            "{value}"
        );
    }
}

#[tokio::test]
async fn wishes_are_capped() {
    let capped = layer().retries_cap(3).timeout_cap(Duration::from_secs(60));
    let (req, _) = send(
        capped,
        post(r#"{"model":"m","num_retries":9,"timeout":1e300}"#),
    )
    .await
    .unwrap();
    assert_eq!(req.extensions().get(), Some(&overrides::MaxRetries(3)));
    assert_eq!(
        req.extensions().get(),
        Some(&overrides::Timeout(Duration::from_secs(60)))
    );
}

#[tokio::test]
async fn wishes_of_single_targets_are_capped_too() {
    let capped = || layer().retries_cap(3).timeout_cap(Duration::from_secs(60));
    let target =
        r#"{"model":"a","num_retries":4294967295,"timeout":1e9,"stream_timeout":99,"stream":true}"#;
    for (name, key) in [
        ("fallbacks", None),
        ("context_window_fallbacks", Some("*")),
        ("fallbacks", Some("g")),
    ] {
        let list = match key {
            Some("g") => format!(r#"[{{"g":[{target}]}}]"#),
            _ => format!("[{target}]"),
        };
        let (req, _) = send(
            capped(),
            post(format!(r#"{{"model":"m","{name}":{list}}}"#)),
        )
        .await
        .unwrap();
        let fallbacks = req.extensions().get::<overrides::Fallbacks>().unwrap();
        let table = fallbacks
            .context_window
            .as_ref()
            .or(fallbacks.general.as_ref());
        let chain = fallbacks
            .chain
            .as_ref()
            .or_else(|| table.unwrap().get(key.unwrap()))
            .unwrap();
        let minute = Some(Duration::from_secs(60));
        assert_eq!(
            (
                chain[0].max_retries,
                chain[0].timeout,
                chain[0].stream_timeout
            ),
            (Some(3), minute, minute)
        );
        assert!(
            chain[0].parameters.is_empty(),
            "a stream stays what the client asked for"
        );
    }
}

/// A request does not choose how deep the stack grows.
#[tokio::test]
async fn nested_tables_are_refused_however_deep() {
    for depth in [1, 2, 100_000] {
        let body = format!(
            r#"{{"model":"m","fallbacks":{}{}}}"#,
            r#"[{"a":"#.repeat(depth + 1),
            format_args!("[]{}", "}]".repeat(depth + 1))
        );
        let failure = send(layer(), post(body)).await.unwrap_err();
        assert_eq!(
            (failure.kind(), failure.param()),
            (FailureKind::BadRequest, Some("fallbacks")),
            "{depth}"
        );
    }
}

#[tokio::test]
async fn wishes_are_not_taken_unless_told_so() {
    let (req, ignored) = send(
        EnvelopeLayer::new(),
        post(r#"{"model":"m","timeout":"abc","num_retries":1}"#),
    )
    .await
    .unwrap();
    assert!(req.extensions().get::<overrides::MaxRetries>().is_none());
    assert_eq!(req.body().to_bytes(), r#"{"model":"m"}"#);
    assert_eq!(ignored.as_deref(), Some("timeout, num_retries"));
}

fn chain(fallbacks: &overrides::Fallbacks) -> Vec<String> {
    fallbacks
        .chain
        .iter()
        .flat_map(|chain| chain.iter())
        .map(|target| target.group.to_string())
        .collect()
}

/// R86 with its BETTERs: each form that a request may use.
#[tokio::test]
async fn fallbacks_are_read_in_all_forms() {
    let read = |body| async move {
        seen(body)
            .await
            .extensions()
            .get::<overrides::Fallbacks>()
            .unwrap()
            .clone()
    };
    let list = read(r#"{"model":"m","fallbacks":["a","b"]}"#).await;
    assert_eq!(chain(&list), ["a", "b"]);
    assert!(list.general.is_none());
    assert_eq!(
        chain(&read(r#"{"model":"m","fallbacks":"a"}"#).await),
        ["a"]
    );

    let table = read(r#"{"model":"m","fallbacks":[{"g":["a"]},{"*":["b"]}],"context_window_fallbacks":[{"g":["c"]}],"content_policy_fallbacks":["d"]}"#).await;
    let first = |table: &Option<ziggurat_core::fallbacks::Table>, group| {
        table.as_ref().unwrap().get(group).unwrap()[0]
            .group
            .to_string()
    };
    assert!(table.chain.is_none());
    assert_eq!(
        (first(&table.general, "g"), first(&table.general, "x")),
        ("a".into(), "b".into())
    );
    assert_eq!(
        (
            first(&table.context_window, "g"),
            first(&table.content_policy, "x")
        ),
        ("c".into(), "d".into())
    );

    let mixed = read(r#"{"model":"m","fallbacks":["a",{"g":["b"]},"c"]}"#).await;
    assert_eq!(
        (first(&mixed.general, "g"), first(&mixed.general, "x")),
        ("b".into(), "a".into())
    );
    assert_eq!(mixed.general.as_ref().unwrap().get("x").unwrap().len(), 2);

    let mapped = read(r#"{"model":"m","fallbacks":[{"model":"a","messages":[1],"temperature":0,"timeout":3,"num_retries":1,"metadata":{}}]}"#).await;
    let target = &mapped.chain.as_ref().unwrap()[0];
    let parameters: Vec<_> = target
        .parameters
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    assert_eq!(
        parameters,
        [("messages", &b"[1]"[..]), ("temperature", b"0")]
    );
    assert_eq!(
        (target.timeout, target.max_retries),
        (Some(Duration::from_secs(3)), Some(1))
    );

    let both =
        read(r#"{"model":"m","fallbacks":[{"model":"a","timeout":3,"request_timeout":5}]}"#).await;
    assert_eq!(both.chain.unwrap()[0].timeout, Some(Duration::from_secs(3)));

    // R74: an empty list switches the configured table off.
    assert!(
        read(r#"{"model":"m","fallbacks":[]}"#)
            .await
            .general
            .unwrap()
            .is_empty()
    );
    assert!(
        read(r#"{"model":"m","disable_fallbacks":true}"#)
            .await
            .disabled
    );
}

#[tokio::test]
async fn bad_members_are_refused_by_name() {
    for (body, param) in [
        (r#"{"messages":[]}"#, "model"),
        (r#"{"model":null}"#, "model"),
        (r#"{"model":""}"#, "model"),
        (r#"{"model":5}"#, "model"),
        (r#"{"model":"a","model":"b"}"#, "model"),
        (r#"{"model":"a","stream":"yes"}"#, "stream"),
        (r#"{"model":"a","timeout":-1}"#, "timeout"),
        (r#"{"model":"a","timeout":"soon"}"#, "timeout"),
        (r#"{"model":"a","timeout":[1]}"#, "timeout"),
        (r#"{"model":"a","stream_timeout":{}}"#, "stream_timeout"),
        (r#"{"model":"a","request_timeout":true}"#, "request_timeout"),
        (r#"{"model":"a","timeout":1,"timeout":2}"#, "timeout"),
        (r#"{"model":"a","num_retries":-1}"#, "num_retries"),
        (r#"{"model":"a","num_retries":1.5}"#, "num_retries"),
        (r#"{"model":"a","num_retries":"abc"}"#, "num_retries"),
        (r#"{"model":"a","fallbacks":5}"#, "fallbacks"),
        (r#"{"model":"a","fallbacks":[5]}"#, "fallbacks"),
        (
            r#"{"model":"a","fallbacks":[{"g":[{"h":["x"]}]}]}"#,
            "fallbacks",
        ),
        (
            r#"{"model":"a","fallbacks":[{"g":[{"model":"x","timeout":-1}]}]}"#,
            "fallbacks",
        ),
        (
            r#"{"model":"a","disable_fallbacks":"no"}"#,
            "disable_fallbacks",
        ),
        (
            r#"{"model":"a","include_fallback_errors":1}"#,
            "include_fallback_errors",
        ),
        (r#"{"model":"a","guardrails":["x"]}"#, "guardrails"),
        (r#"{"model":"a","api_base":"http://evil"}"#, "api_base"),
        (
            r#"{"model":"a","mock_testing_fallbacks":true}"#,
            "mock_testing_fallbacks",
        ),
        (
            r#"{"model":"a","allowed_model_region":"eu"}"#,
            "allowed_model_region",
        ),
        ("not json", "request_body"),
        ("", "request_body"),
        ("[]", "request_body"),
    ] {
        let failure = refused(body).await;
        assert_eq!(
            (failure.kind(), failure.param()),
            (FailureKind::BadRequest, Some(param)),
            "{body}"
        );
        assert!(failure.message().is_some(), "{body}");
    }
    for (name, value) in [
        ("x-litellm-timeout", "x"),
        ("x-litellm-timeout", "-1"),
        ("x-litellm-num-retries", "1.5"),
    ] {
        let mut req = post(r#"{"model":"m"}"#);
        req.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(
            send(layer(), req).await.unwrap_err().kind(),
            FailureKind::BadRequest,
            "{name}: {value}"
        );
    }
    let failure = send(layer().require("messages"), post(r#"{"model":"m"}"#))
        .await
        .unwrap_err();
    assert_eq!(failure.param(), Some("messages"));
}

#[tokio::test]
async fn members_without_effect_are_named() {
    let body = r#"{"model":"m","cache":{"ttl":1},"ttl":5,"priority":1,"api_key":"sk-secret","max_retries":2,"caching":null}"#;
    let (req, ignored) = send(layer(), post(body)).await.unwrap();
    assert_eq!(
        ignored.as_deref(),
        Some("cache, ttl, priority, api_key, max_retries")
    );
    assert_eq!(req.body().to_bytes(), r#"{"model":"m"}"#);
}

#[tokio::test]
async fn client_headers_stay_behind() {
    let mut req = post(r#"{"model":"m"}"#);
    for (name, value) in [
        ("authorization", "Bearer sk-secret"),
        ("cookie", "a=b"),
        ("traceparent", "00-1"),
        ("openai-beta", "x"),
        ("x-mine", "1"),
        ("x-other", "2"),
        ("x-api-key", "sk-secret"),
        ("x-stainless-lang", "python"),
    ] {
        req.headers_mut().insert(name, value.parse().unwrap());
    }
    let custom = req.clone();
    let forwarding = layer().forward_headers([http::HeaderName::from_static("x-mine")]);
    let (req, _) = send(forwarding, req).await.unwrap();
    let mut names: Vec<_> = req.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["openai-beta", "traceparent", "x-mine"]);
    let (req, _) = send(layer().forward_custom_headers(true), custom)
        .await
        .unwrap();
    let mut names: Vec<_> = req.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["openai-beta", "traceparent", "x-mine", "x-other"]);
}

fn chunks(
    chunks: Vec<Result<&'static [u8], BoxError>>,
) -> impl http_body::Body<Data = Bytes, Error = BoxError> {
    StreamBody::new(
        stream::iter(chunks).map(|chunk| chunk.map(|c| Frame::data(Bytes::from_static(c)))),
    )
}

#[tokio::test]
async fn bodies_come_in_pieces() {
    let body = chunks(vec![
        Ok(b"{\"mod"),
        Ok(b""),
        Ok(b"el\":\"m\","),
        Ok(b"\"n\":1}"),
    ]);
    let (req, _) = send(layer(), Request::new(body)).await.unwrap();
    assert_eq!(req.body().to_bytes(), r#"{"model":"m","n":1}"#);
}

#[tokio::test]
async fn the_limit_counts_bytes_as_they_arrive() {
    let text = br#"{"model":"m"}"#;
    assert!(
        send(
            layer().limit(text.len()),
            Request::new(chunks(vec![Ok(text)]))
        )
        .await
        .is_ok()
    );
    let kind = |limit, body| async move {
        send(layer().limit(limit), Request::new(body))
            .await
            .unwrap_err()
            .kind()
    };
    assert_eq!(
        kind(text.len() - 1, chunks(vec![Ok(text)])).await,
        FailureKind::PayloadTooLarge
    );
    // The body never ends: the refusal must not wait for it.
    let endless = StreamBody::new(stream::repeat_with(|| {
        Ok::<_, BoxError>(Frame::data(Bytes::from_static(b"xxxx")))
    }));
    let failure = send(layer().limit(10), Request::new(endless))
        .await
        .unwrap_err();
    assert_eq!(failure.kind(), FailureKind::PayloadTooLarge);
    // A known length is refused before the first byte.
    let failure = send(layer().limit(10), post("x".repeat(11)))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.kind(), failure.status().as_u16()),
        (FailureKind::PayloadTooLarge, 413)
    );
    // tower-http's and http-body-util's limit outside says the same.
    let limited = Limited::new(Full::new(Bytes::from("x".repeat(11))), 5);
    assert_eq!(
        send(layer(), Request::new(limited))
            .await
            .unwrap_err()
            .kind(),
        FailureKind::PayloadTooLarge
    );
}

#[tokio::test]
async fn a_client_that_hangs_up_is_no_server_error() {
    let body = chunks(vec![Ok(b"{\"mod"), Err("reset".into())]);
    let failure = send(layer(), Request::new(body)).await.unwrap_err();
    assert_eq!(
        (failure.kind(), failure.param()),
        (FailureKind::BadRequest, Some("request_body"))
    );
}

#[tokio::test]
async fn json_errors_name_the_place_and_quote_it_to_the_sender_only() {
    let failure = refused("{\n  \"model\": \"zephyr-beta\"\",\n  \"messages\": []\n}").await;
    assert!(
        failure.message().unwrap().contains("line 2 column 25"),
        "{failure}"
    );
    assert_eq!(failure.excerpt(), Some("\","));
    let failure = refused("{\"model\": \"m\",\n \"logit_bias\": {12481: 100}}").await;
    assert!(
        failure.message().unwrap().contains("line 2 column"),
        "{failure}"
    );
    assert_eq!(failure.excerpt(), Some("12481: 100}}"));
    assert!(!format!("{failure} {failure:?}").contains("12481"));
}

#[tokio::test]
async fn the_instance_that_was_made_ready_is_called() {
    let service = layer().layer(tower::limit::ConcurrencyLimit::new(
        service_fn(|req: Seen| async move {
            Ok::<_, BoxError>(Response::new(req.into_body().collect().await?.to_bytes()))
        }),
        1,
    ));
    for _ in 0..3 {
        let response = service
            .clone()
            .oneshot(post(r#"{"model":"m"}"#))
            .await
            .unwrap();
        assert_eq!(response.into_body(), r#"{"model":"m"}"#);
    }
}

#[tokio::test]
async fn dropping_the_future_drops_the_body_being_read() {
    let (alive, watch) = (std::sync::Arc::new(()), std::sync::Arc::downgrade);
    let watch = watch(&alive);
    let body = StreamBody::new(stream::once(async move {
        std::future::pending::<()>().await;
        drop(alive);
        Ok::<_, BoxError>(Frame::data(Bytes::new()))
    }));
    let service = layer().layer(service_fn(|_: Seen| async {
        Ok::<_, BoxError>(Response::new(()))
    }));
    let mut future = Box::pin(service.oneshot(Request::new(Box::pin(body))));
    assert!(futures_util::FutureExt::now_or_never(&mut future).is_none());
    assert!(watch.upgrade().is_some());
    drop(future);
    assert!(watch.upgrade().is_none());
}
