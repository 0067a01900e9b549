use std::sync::LazyLock;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use ziggurat::{
    anthropic::Anthropic,
    bedrock::Bedrock,
    core::{JsonBody, Operation},
    edge::EnvelopeLayer,
    openai::{Face, OpenAi},
    provider::{Call, Dialect},
    vertex::{self, Vertex},
    watsonx::Watsonx,
};

use crate::{
    envelope::pass,
    reader::{KEY, check, is_json},
};

/// A client's request to one of the endpoints, which the first byte names, as each provider that has it is sent it: JSON
/// without the key of the deployment, or a failure that is the client's.
pub fn requests(bytes: &[u8]) {
    static DIALECTS: LazyLock<Vec<Box<dyn Dialect>>> = LazyLock::new(dialects);
    let Some((first, body)) = bytes.split_first() else {
        return;
    };
    let operation = Operation::ALL[usize::from(*first) % Operation::ALL.len()];
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(body)));
    let path = format!("/v1{}", operation.path());
    *request.uri_mut() = Uri::try_from(path).expect("a path");
    let Ok(request) = pass(&EnvelopeLayer::new(), request) else {
        return; // what is refused here is for another target
    };
    for dialect in DIALECTS.iter().filter(|dialect| dialect.speaks(operation)) {
        let call = Call::new(&request, &[]);
        if dialect.takes(call) && dialect.answer(call).is_none() {
            prepare(&**dialect, &request);
        }
    }
}

fn prepare(dialect: &dyn Dialect, request: &Request<JsonBody>) {
    let outgoing = match dialect.prepare(Call::new(request, &[])) {
        Ok(outgoing) => outgoing.request,
        Err(failure) => {
            check(&failure);
            assert!(failure.status().is_client_error(), "{failure}");
            return;
        }
    };
    assert!(outgoing.uri().authority().is_some(), "to nowhere");
    let body = outgoing
        .into_body()
        .collect()
        .now_or_never()
        .expect("all is at hand");
    let Ok(body) = body;
    let body = body.to_bytes();
    is_json(&body);
    let shown = body.windows(KEY.len()).any(|part| part == KEY.as_bytes());
    let asked = request.body().to_bytes();
    let theirs = asked.windows(KEY.len()).any(|part| part == KEY.as_bytes());
    assert!(!shown || theirs, "the key is in the body");
}

fn dialects() -> Vec<Box<dyn Dialect>> {
    let openai = [Face::OpenAi, Face::Azure, Face::HuggingFace].map(|face| {
        let builder = OpenAi::builder(face, "m").api_base("https://h.example");
        Box::new(builder.api_key(KEY).build().expect("a deployment")) as Box<dyn Dialect>
    });
    let claude = Anthropic::builder("claude-opus-4-5").environment(|_| None);
    let bedrock = ["", "invoke/"].map(|route| {
        let model = format!("{route}anthropic.claude-3-5-sonnet-20241022-v2:0");
        let builder = Bedrock::builder(model).environment(|_| None);
        Box::new(builder.api_key(KEY).build().expect("a deployment")) as Box<dyn Dialect>
    });
    let gemini = Vertex::builder(vertex::Face::Gemini, "gemini-2.5-flash").environment(|_| None);
    let watsonx = Watsonx::builder("ibm/granite-3-8b-instruct").environment(|_| None);
    let watsonx = watsonx
        .api_base("https://eu-de.ml.cloud.ibm.com")
        .token(KEY);
    let mut all: Vec<Box<dyn Dialect>> = vec![
        Box::new(claude.api_key(KEY).build().expect("a deployment")),
        Box::new(gemini.api_key(KEY).build().expect("a deployment")),
        Box::new(watsonx.project_id("p-1").build().expect("a deployment")),
    ];
    all.extend(openai);
    all.extend(bedrock);
    all
}
