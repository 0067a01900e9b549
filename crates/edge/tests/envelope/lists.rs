//! The regions that a request may be served in, and its tags.

use http::{HeaderValue, Request};
use ziggurat_core::{AllowedRegions, FailureKind, Tags};
use ziggurat_edge::EnvelopeLayer;

use crate::{Seen, layer, post, refused, send};

const REGION: &str = "x-litellm-allowed-model-region";

async fn ask(layer: EnvelopeLayer, body: &str, headers: &[(&'static str, &str)]) -> Seen {
    let mut req = post(body.to_owned());
    for (name, value) in headers {
        req.headers_mut().append(*name, value.parse().unwrap());
    }
    send(layer, req).await.unwrap().0
}

async fn regions(body: &str, headers: &[(&'static str, &str)]) -> Option<String> {
    let told = |req: &Request<_>| req.extensions().get().map(AllowedRegions::to_string);
    let taken = told(&ask(layer(), body, headers).await);
    // A restriction is no wish.
    let without_wishes = told(&ask(EnvelopeLayer::new(), body, headers).await);
    assert_eq!(taken, without_wishes);
    taken
}

#[tokio::test]
async fn regions_are_taken_from_body_and_header() {
    let plain = r#"{"model":"m"}"#;
    for (body, headers, expected) in [
        (plain, [].as_slice(), None),
        (r#"{"model":"m","allowed_model_region":null}"#, &[], None),
        (
            r#"{"model":"m","allowed_model_region":"eu"}"#,
            &[],
            Some("eu"),
        ),
        (
            r#"{"model":"m","allowed_model_region":[" eu ","us"]}"#,
            &[],
            Some("eu or us"),
        ),
        (plain, &[(REGION, "eu")], Some("eu")),
        (plain, &[(REGION, "eu, us,,ch")], Some("eu or us or ch")),
        // Lines of one header are one list.
        (plain, &[(REGION, "eu"), (REGION, "us")], Some("eu or us")),
        // Both hold.
        (
            r#"{"model":"m","allowed_model_region":["eu","us"]}"#,
            &[(REGION, "eu-west-1,ap")],
            Some("(eu-west-1 or ap) and (eu or us)"),
        ),
        (
            r#"{"model":"m","allowed_model_region":null}"#,
            &[(REGION, "eu")],
            Some("eu"),
        ),
    ] {
        assert_eq!(regions(body, headers).await.as_deref(), expected, "{body}");
        let req = ask(layer(), body, headers).await;
        assert_eq!(req.body().to_bytes(), plain);
        assert!(req.headers().is_empty());
    }
}

#[tokio::test]
async fn what_stands_outside_is_narrowed_not_replaced() {
    let mut req = post(r#"{"model":"m","allowed_model_region":"us"}"#);
    req.extensions_mut().insert(AllowedRegions::new(["eu"]));
    let (seen, _) = send(layer(), req).await.unwrap();
    let regions: &AllowedRegions = seen.extensions().get().unwrap();
    assert_eq!(regions.to_string(), "eu and us");

    let mut req = post(r#"{"model":"m"}"#);
    req.extensions_mut().insert(AllowedRegions::new(["eu"]));
    let (seen, _) = send(layer(), req).await.unwrap();
    assert_eq!(seen.extensions().get(), Some(&AllowedRegions::new(["eu"])));
}

#[tokio::test]
async fn a_restriction_that_cannot_be_read_is_refused() {
    let long = format!(r#""{}""#, "x".repeat(65));
    let many = format!("[{}]", vec![r#""eu""#; 65].join(","));
    for value in [
        r#""""#,
        r#"" ""#,
        "[]",
        r#"[""]"#,
        r#"["eu",""]"#,
        "5",
        "true",
        "{}",
        "[5]",
        r#"["eu",null]"#,
        r#""\n""#,
        r#""e\u0000u""#,
        &long,
        &many,
    ] {
        for layer in [layer(), EnvelopeLayer::new()] {
            let body = format!(r#"{{"model":"m","allowed_model_region":{value}}}"#);
            let failure = send(layer, post(body)).await.unwrap_err();
            assert_eq!(
                (failure.kind(), failure.param()),
                (FailureKind::BadRequest, Some("allowed_model_region")),
                "{value}"
            );
        }
    }
    for value in [&b""[..], b" ", b",", b"\xff"] {
        let mut req = post(r#"{"model":"m"}"#);
        let value = HeaderValue::from_bytes(value).unwrap();
        req.headers_mut().insert(REGION, value);
        let failure = send(EnvelopeLayer::new(), req).await.unwrap_err();
        assert_eq!(failure.param(), Some("allowed_model_region"));
    }
    // Twice, or for a single hop, it could be lost.
    for body in [
        r#"{"model":"m","allowed_model_region":"eu","allowed_model_region":"us"}"#,
        r#"{"model":"m","fallbacks":[{"model":"a","allowed_model_region":"eu"}]}"#,
    ] {
        assert_eq!(
            refused(body).await.kind(),
            FailureKind::BadRequest,
            "{body}"
        );
    }
}

#[tokio::test]
async fn r158_tags_of_the_body_count_before_the_header_and_that_before_metadata() {
    let tags = "x-litellm-tags";
    for (body, headers, expected) in [
        (
            r#"{"model":"m","tags":["a","!b"]}"#,
            [].as_slice(),
            &["a", "!b"][..],
        ),
        (r#"{"model":"m"}"#, &[(tags, "a, &b,")], &["a", "&b"]),
        (r#"{"model":"m"}"#, &[(tags, "a"), (tags, "b")], &["a", "b"]),
        (
            r#"{"model":"m","metadata":{"tags":["c"],"x":1}}"#,
            &[],
            &["c"],
        ),
        (
            r#"{"model":"m","metadata":{"tags":["c"]},"tags":["a"]}"#,
            &[(tags, "b")],
            &["a"],
        ),
        (
            r#"{"model":"m","metadata":{"tags":["c"]}}"#,
            &[(tags, "b")],
            &["b"],
        ),
        (
            r#"{"model":"m","tags":null,"metadata":null}"#,
            &[(tags, "b")],
            &["b"],
        ),
        (r#"{"model":"m","tags":[]}"#, &[(tags, "b")], &[]),
        (r#"{"model":"m","metadata":{"tags":null}}"#, &[], &[]),
        (r#"{"model":"m","metadata":"text"}"#, &[], &[]),
    ] {
        let req = ask(layer(), body, headers).await;
        let found = req.extensions().get::<Tags>();
        let found: Vec<_> = found.iter().flat_map(|tags| tags.iter()).collect();
        assert_eq!(found, expected, "{body}");
        assert_eq!(req.body().to_bytes(), r#"{"model":"m"}"#);
    }
}

#[tokio::test]
async fn tags_of_a_wrong_type_are_refused_and_without_wishes_not_taken() {
    for (body, param) in [
        (r#"{"model":"m","tags":"a"}"#, "tags"),
        (r#"{"model":"m","tags":[1]}"#, "tags"),
        (r#"{"model":"m","metadata":{"tags":"a"}}"#, "metadata.tags"),
    ] {
        assert_eq!(refused(body).await.param(), Some(param), "{body}");
    }
    let body = r#"{"model":"m","tags":["a"],"metadata":{"tags":["b"]}}"#;
    let (req, ignored) = send(EnvelopeLayer::new(), post(body)).await.unwrap();
    assert!(req.extensions().get::<Tags>().is_none());
    assert_eq!(req.body().to_bytes(), r#"{"model":"m"}"#);
    assert_eq!(ignored.as_deref(), Some("tags"));
}
