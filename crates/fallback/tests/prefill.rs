//! Streams that go on from what was said.
#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use common::{
    Req, general, group_of,
    streams::{Seen, broken, role, says, stream, streaming, whole},
};
use http::{Response, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt, service_fn};
use ziggurat_core::{LlmRequest, Tried, json::Document, overrides::Parameters};
use ziggurat_fallback::StreamRecovery;

const ASKED: &str = r#"{"messages":[{"role":"user","content":"build"}],"temperature":1.0}"#;

/// Answers with the rest of a message to those who send its beginning, and refuses that as told.
async fn play_on(request: Req, said: &'static str, refuses: bool) -> (Seen, Vec<String>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let service = {
        let sent = Arc::clone(&sent);
        service_fn(move |request: Req| {
            let parameters = request.extensions().get::<Parameters>().cloned();
            let group = group_of(&request);
            let own = parameters.unwrap_or_default();
            let messages = own.0.iter().find(|(name, _)| **name == *"messages");
            let messages = messages.map(|(_, text)| String::from_utf8(text.to_vec()).unwrap());
            sent.lock()
                .unwrap()
                .push(format!("{group} {}", messages.clone().unwrap_or_default()));
            async move {
                let response = Response::builder().header(CONTENT_TYPE, "text/event-stream");
                Ok::<_, Infallible>(
                    match (&*group, messages) {
                        ("a", _) => response.body(broken(role("one") + &says("one", said))),
                        (_, Some(_)) if refuses => response.status(400).body(whole("no")),
                        (_, Some(_)) => response.body(whole(stream("two", &[" of", " brick"]))),
                        (_, None) => response.body(whole(stream("two", &["a tower of stone"]))),
                    }
                    .unwrap(),
                )
            }
        })
    };
    let layer = general(&[("a", &["b", "c"])])
        .stream_recovery(StreamRecovery::Continue)
        .prefill(|group| group.as_str() == "b");
    let response = layer.layer(service).oneshot(request).await.unwrap();
    let collected = response.into_body().collect().await;
    let (bytes, end) = match collected {
        Ok(all) => (String::from_utf8(all.to_bytes().to_vec()).unwrap(), Ok(())),
        Err(failure) => (String::new(), Err(failure)),
    };
    let sent = sent.lock().unwrap().clone();
    let asked = Vec::new();
    (Seen { bytes, end, asked }, sent)
}

fn asking(body: &'static str) -> Req {
    let mut request = streaming();
    let document = Document::parse(Bytes::from_static(body.as_bytes())).unwrap();
    request
        .extensions_mut()
        .insert(LlmRequest::new("a", true, document));
    request
}

#[tokio::test]
async fn a_group_that_takes_a_prefill_goes_on_from_it() {
    let request = asking(ASKED);
    let tried = request.extensions().get::<Tried>().unwrap().clone();
    let (seen, sent) = play_on(request, "a tower", false).await;
    seen.end.as_ref().unwrap();
    assert_eq!(seen.text("content"), "a tower of brick");
    assert_eq!(seen.bytes.matches("assistant").count(), 1);
    assert!(seen.chunks().iter().all(|chunk| chunk["id"] == "one"));
    let [_, to_b] = &sent[..] else {
        panic!("{sent:?}");
    };
    let messages: serde_json::Value = serde_json::from_str(&to_b[2..]).unwrap();
    let begun = serde_json::json!({"role": "assistant", "content": "a tower", "prefix": true});
    assert_eq!(
        messages,
        serde_json::json!([{"role": "user", "content": "build"}, begun])
    );
    assert_eq!((tried.hops(), tried.recovery().unwrap().count), (1, 1));
}

#[tokio::test]
async fn a_group_that_refuses_a_prefill_is_asked_for_the_whole() {
    let request = asking(ASKED);
    let tried = request.extensions().get::<Tried>().unwrap().clone();
    let (seen, sent) = play_on(request, "a tower", true).await;
    seen.end.as_ref().unwrap();
    assert_eq!(seen.text("content"), "a tower of stone");
    assert_eq!((sent.len(), &*sent[2]), (3, "b "));
    assert_eq!(tried.hops(), 1);
}

#[tokio::test]
async fn a_prefill_is_sent_only_where_it_is_the_beginning_of_the_answer() {
    const TWO: &str = r#"{"messages":[{"role":"user","content":"build"}],"n":2}"#;
    const BEGUN: &str = r#"{"messages":[{"role":"assistant","content":"a"}]}"#;
    for (body, said) in [
        (TWO, "a tower"),
        (BEGUN, "a tower"),
        ("{}", "a tower"),
        (ASKED, "a tower "),
    ] {
        let (seen, sent) = play_on(asking(body), said, false).await;
        seen.end.as_ref().unwrap();
        assert_eq!(seen.text("content"), "a tower of stone", "{body}");
        assert_eq!(sent, ["a ", "b "]);
    }
}
