//! What a request may wish for.

use std::time::Duration;

use ziggurat_core::{FailureKind, overrides};
use ziggurat_edge::EnvelopeLayer;

use crate::{layer, post, seen, send};

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

#[tokio::test]
async fn the_limits_of_streams_and_of_the_whole_request() {
    let body =
        r#"{"model":"m","stream_idle_timeout":2,"stream_total_timeout":"30","total_timeout":90}"#;
    let secs = Duration::from_secs;
    let (req, _) = send(layer(), post(body)).await.unwrap();
    let extensions = req.extensions();
    assert_eq!(
        extensions.get(),
        Some(&overrides::StreamIdleTimeout(secs(2)))
    );
    assert_eq!(
        extensions.get(),
        Some(&overrides::StreamTotalTimeout(secs(30)))
    );
    assert_eq!(extensions.get(), Some(&overrides::TotalTimeout(secs(90))));
    assert_eq!(req.body().to_bytes(), r#"{"model":"m"}"#);

    let mut req = post(body);
    let value = http::HeaderValue::from_static("7");
    req.headers_mut().insert("x-litellm-total-timeout", value);
    let capped = layer().timeout_cap(secs(5));
    let (req, _) = send(capped, req).await.unwrap();
    let extensions = req.extensions();
    assert_eq!(
        extensions.get(),
        Some(&overrides::StreamIdleTimeout(secs(2)))
    );
    assert_eq!(
        extensions.get(),
        Some(&overrides::StreamTotalTimeout(secs(5)))
    );
    assert_eq!(extensions.get(), Some(&overrides::TotalTimeout(secs(5))));

    let (req, ignored) = send(EnvelopeLayer::new(), post(body)).await.unwrap();
    assert!(req.extensions().get::<overrides::TotalTimeout>().is_none());
    assert_eq!(req.body().to_bytes(), r#"{"model":"m"}"#);
    assert_eq!(
        ignored.as_deref(),
        Some("stream_idle_timeout, stream_total_timeout, total_timeout")
    );
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
    let target = r#"{"model":"a","num_retries":4294967295,"timeout":1e9,"stream_timeout":99,"stream_idle_timeout":98,"stream_total_timeout":1e5,"stream":true}"#;
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
                chain[0].stream_timeout,
                chain[0].stream_idle_timeout,
                chain[0].stream_total_timeout,
            ),
            (Some(3), minute, minute, minute, minute)
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
