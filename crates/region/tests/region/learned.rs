//! The region that an upstream's responses name.

use http::{HeaderName, Response};
use tower::{Layer, ServiceExt};
use ziggurat_core::{Admit, FailureKind};
use ziggurat_region::{RegionFilter, RegionFilterLayer};
use ziggurat_testing::ScriptedBody;

use crate::support::{Service, bound, plain};

type Answer = (u16, &'static str, &'static [u8]);

/// Answers with these statuses and headers, one after the other.
fn answering(answers: &[Answer]) -> Service {
    answers
        .iter()
        .fold(Service::new(), |service, (status, name, value)| {
            let response = Response::builder().status(*status).header(*name, *value);
            service.ok(response.body(ScriptedBody::new()).unwrap())
        })
}

fn admits(service: &RegionFilter<Service>, asked: &str) -> bool {
    service.admit(&bound([asked])).is_ok()
}

#[tokio::test]
async fn until_one_is_known_a_bound_request_is_refused() {
    let inner = answering(&[(200, "x-ms-region", b"Sweden Central")]);
    let service = RegionFilterLayer::learned().layer(inner.clone());
    let failure = service.clone().oneshot(bound(["eu"])).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Region);
    assert_eq!(inner.calls(), 0);

    service.clone().oneshot(plain()).await.unwrap();
    assert!(admits(&service, "eu") && admits(&service, "swedencentral"));
    assert!(!admits(&service, "us"));
    service.oneshot(bound(["eu"])).await.unwrap();
    assert_eq!(inner.calls(), 2);
}

#[tokio::test]
async fn the_last_response_counts_whatever_its_status_and_the_name_of_the_header() {
    let answers: [Answer; 6] = [
        (429, "llm_provider-x-ms-region", b"East US 2"),
        (200, "x-other", b"1"),
        (200, "x-ms-region", b"West Europe"),
        (500, "x-ms-region", b"UK South"),
        (200, "x-ms-region", b"\xff"),
        (200, "x-ms-region", b" "),
    ];
    let service = RegionFilterLayer::learned().layer(answering(&answers));
    let expected = [
        ["us"].as_slice(),
        &["us"],
        &["eu"],
        &["uk"],
        // One that cannot be read leaves nothing to rely on.
        &[],
        &[],
    ];
    for expected in expected {
        service.clone().oneshot(plain()).await.unwrap();
        let found: Vec<_> = ["eu", "us", "uk"]
            .into_iter()
            .filter(|asked| admits(&service, asked))
            .collect();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn all_services_of_one_layer_learn_together() {
    let layer = RegionFilterLayer::learned();
    let first = layer.layer(answering(&[(200, "x-ms-region", b"westus")]));
    let second = layer.clone().wider_europe(true).layer(Service::new());
    let other = RegionFilterLayer::learned().layer(Service::new());
    first.clone().oneshot(plain()).await.unwrap();
    assert!(admits(&first, "us") && admits(&second, "us"));
    assert!(!admits(&other, "us"), "another layer is another deployment");
}

#[tokio::test]
async fn the_header_may_be_another() {
    let header = HeaderName::from_static("x-served-from");
    let answers: [Answer; 2] = [
        (200, "x-ms-region", b"westus"),
        (200, "llm_provider-x-served-from", b"eu-de"),
    ];
    let service = RegionFilterLayer::learn_from_header(header).layer(answering(&answers));
    service.clone().oneshot(plain()).await.unwrap();
    assert!(!admits(&service, "us"));
    service.clone().oneshot(plain()).await.unwrap();
    assert!(admits(&service, "eu"));
}

#[tokio::test]
async fn a_new_stack_knows_what_the_old_one_learned() {
    let old = RegionFilterLayer::learned().wider_europe(true);
    let new = old.learns_with().unwrap().layer(Service::new());
    let old = old.layer(answering(&[(200, "x-ms-region", b"UK South")]));
    assert!(!admits(&new, "uk"));
    old.clone().oneshot(plain()).await.unwrap();
    assert!(admits(&old, "eu") && admits(&new, "uk"));
    assert!(!admits(&new, "eu"), "its rules are its own");
    assert!(RegionFilterLayer::new(["eu"]).learns_with().is_none());
    assert!(RegionFilterLayer::unknown().learns_with().is_none());
}
