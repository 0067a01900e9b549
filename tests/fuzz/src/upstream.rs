use std::sync::{Arc, LazyLock};

use http::{Request, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use tower::ServiceExt;
use ziggurat::{
    core::{Failure, JsonBody, Served, json::Document},
    openai::{Face, OpenAi},
    provider::ProviderService,
};

use crate::{
    reader::{KEY, check, is_json},
    wire::WIRE,
};

/// All that an upstream sends, head and encodings included, in answer to a plain call (the first byte is even) or one for a
/// stream: it is an answer or a failure, and ends.
pub fn upstream(bytes: &[u8]) {
    static LEAF: LazyLock<ProviderService> = LazyLock::new(|| {
        let builder = OpenAi::builder(Face::OpenAi, "m").api_base("http://h.example/v1");
        let dialect = builder.api_key(KEY).build().expect("a deployment");
        let served = Served::new("one".into(), "openai/m", Some(dialect.api_base()));
        ProviderService::new(WIRE.client.clone(), Arc::new(dialect), served)
    });
    let Some((first, answer)) = bytes.split_first() else {
        return;
    };
    let streams = first % 2 == 1;
    let body = format!(r#"{{"model":"m","messages":[],"stream":{streams}}}"#);
    let document = Document::parse(body.into()).expect("an object");
    WIRE.answer(answer, asked(LEAF.clone(), JsonBody::new(document)));
}

async fn asked(leaf: ProviderService, body: JsonBody) {
    let response = match leaf.oneshot(Request::new(body)).await {
        Ok(response) => response,
        Err(failure) => return check(&failure),
    };
    let (head, body) = response.into_parts();
    let failure = head.extensions.get::<Failure>();
    failure.into_iter().for_each(check);
    let is_error = head.status.is_client_error() || head.status.is_server_error();
    assert_eq!(failure.is_some(), is_error, "{}", head.status);
    let media = head.headers.get(CONTENT_TYPE);
    let is_stream = media.is_some_and(|it| it.as_bytes().starts_with(b"text/event-stream"));
    match body.collect().await {
        Ok(body) if failure.is_none() => match is_stream {
            true => assert!(body.to_bytes().ends_with(b"data: [DONE]\n\n"), "no end"),
            false => is_json(&body.to_bytes()),
        },
        Ok(_) => {}
        Err(failure) => check(&failure),
    }
}
