use std::{collections::HashMap, convert::Infallible, sync::mpsc};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::value::RawValue;
use tower::{Layer, ServiceExt, service_fn};
use ziggurat::{
    core::{Failure, JsonBody, LlmRequest, json::Document},
    edge::EnvelopeLayer,
};

/// A client's body: the scan of it agrees with `serde_json`, what is edited reads as edited, and what the envelope lets
/// through is a request with a model.
pub fn envelope(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    // A raw value skips its content as the scan does.
    let object = bytes.trim_ascii_start().first() == Some(&b'{');
    let theirs = serde_json::from_slice::<&RawValue>(&bytes).is_ok() && object;
    let ours = Document::parse(bytes.clone());
    assert_eq!(ours.is_ok(), theirs, "judged otherwise than by serde_json");
    match ours {
        Ok(document) => edited(&document),
        Err(error) => assert!(error.excerpt().len() < 1_024, "an excerpt without end"),
    }
    for overrides in [false, true] {
        let layer = EnvelopeLayer::new().accept_overrides(overrides);
        match pass(&layer, Request::new(Full::new(bytes.clone()))) {
            Ok(request) => {
                assert!(theirs, "no JSON went through");
                let llm = request.extensions().get::<LlmRequest>();
                assert!(llm.is_some_and(|llm| !llm.model().is_empty()), "no model");
                let printed = request.body().to_bytes();
                assert!(printed.len() <= bytes.len() + 64, "longer than it came");
                assert!(Document::parse(printed).is_ok(), "printed no JSON");
            }
            Err(failure) => assert!(failure.status().is_client_error(), "{failure}"),
        }
    }
}

/// Members agree with `serde_json`'s, and so does a document of which one was set and one removed.
fn edited(document: &Document) {
    let Some(expected) = members(document.raw()) else {
        return;
    };
    let ours = |body: &JsonBody| -> HashMap<String, Vec<u8>> {
        let members = body.members();
        members
            .map(|(name, value)| (name.into_owned(), value.to_vec()))
            .collect()
    };
    let mut body = JsonBody::new(document.clone());
    assert_eq!(ours(&body), expected);
    let mut expected = expected;
    let removed = expected.keys().min().cloned();
    if let Some(name) = removed {
        expected.remove(&name);
        body.remove(name);
    }
    expected.insert("model".to_owned(), b"1".to_vec());
    body.set("model", "1");
    assert_eq!(
        members(&body.to_bytes()),
        Some(expected),
        "edited otherwise"
    );
}

/// The members as `serde_json` reads them, the last of a name; `None` if it does not take a name, as with half a surrogate.
fn members(object: &[u8]) -> Option<HashMap<String, Vec<u8>>> {
    let members = serde_json::from_slice::<HashMap<String, &RawValue>>(object).ok()?;
    let members = members.into_iter();
    Some(
        members
            .map(|(name, value)| (name, value.get().into()))
            .collect(),
    )
}

/// What a request is when it has come through the envelope.
pub(crate) fn pass(
    layer: &EnvelopeLayer,
    request: Request<Full<Bytes>>,
) -> Result<Request<JsonBody>, Failure> {
    let (seen, got) = mpsc::channel();
    let service = layer.layer(service_fn(move |request: Request<JsonBody>| {
        let sent = seen.send(request).is_ok();
        async move { Ok::<_, Infallible>(Response::new(sent)) }
    }));
    let answer = service.oneshot(request);
    answer.now_or_never().expect("all is at hand")?;
    Ok(got.recv().expect("the request went through"))
}
