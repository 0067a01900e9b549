use std::{env, fs, process};

use http::{Request, header::AUTHORIZATION};
use ziggurat::{
    bedrock::Bedrock,
    core::{JsonBody, json::Document},
    openai::{Face, OpenAi},
    provider::{Authorized, Call, Dialect},
    vertex::{self, Vertex},
    watsonx::Watsonx,
};

use crate::{reader::check, wire::WIRE};

/// Between a file and what the server of tokens says to it.
const THEN: &[u8] = b"\n%%\n";

/// A file of credentials, and the answer of the server of tokens: of Google (`g`), AWS (`a`), Entra (`e`) or IBM (`i`), by the
/// first byte. They are taken or refused.
pub fn credentials(bytes: &[u8]) {
    let Some((whose, bytes)) = bytes.split_first() else {
        return;
    };
    let at = bytes.windows(THEN.len()).position(|part| part == THEN);
    let (file, answer) = bytes.split_at(at.unwrap_or(bytes.len()));
    let answer = answer.strip_prefix(THEN).unwrap_or_default();
    let Ok(file) = std::str::from_utf8(file) else {
        return;
    };
    if file.contains("file") {
        return; // names another, which may be any
    }
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
        answer.len()
    );
    let answer = [head.as_bytes(), answer].concat();
    match whose {
        b'g' => google(file, &answer),
        b'a' => aws(file, &answer),
        b'e' => entra(&answer),
        _ => ibm(&answer),
    }
}

fn google(file: &str, answer: &[u8]) {
    if !file.trim_start().starts_with('{') {
        return; // the path of a file
    }
    let builder = Vertex::builder(vertex::Face::VertexAi, "gemini-2.5-flash").environment(|_| None);
    let builder = builder
        .project("p")
        .credentials(file)
        .client(WIRE.client.clone());
    if let Ok(dialect) = builder.build() {
        authorized(&dialect, answer);
    }
}

fn aws(file: &str, answer: &[u8]) {
    let path = env::temp_dir().join(format!("ziggurat-fuzz-{}", process::id()));
    fs::write(&path, file).expect("a file");
    let name = path.to_string_lossy().into_owned();
    let builder = Bedrock::builder("anthropic.claude-3-5-sonnet-20241022-v2:0");
    let builder = builder.environment(move |variable| match variable {
        "AWS_CONFIG_FILE" | "AWS_SHARED_CREDENTIALS_FILE" => Some(name.clone()),
        _ => None,
    });
    let dialect = builder.http_client(WIRE.client.clone()).build();
    fs::remove_file(&path).expect("the file");
    if let Ok(dialect) = dialect {
        authorized(&dialect, answer);
    }
}

fn entra(answer: &[u8]) {
    let builder = OpenAi::builder(Face::Azure, "m").api_base("https://h.example");
    let builder = builder
        .tenant_id("t")
        .client_id("c")
        .client_secret("s")
        .environment(|_| None);
    let builder = builder.client(WIRE.client.clone());
    authorized(&builder.build().expect("a deployment"), answer);
}

fn ibm(answer: &[u8]) {
    let builder = Watsonx::builder("ibm/granite-3-8b-instruct").environment(|_| None);
    let builder = builder
        .api_base("https://eu-de.ml.cloud.ibm.com")
        .api_key("k")
        .project_id("p");
    let builder = builder.client(WIRE.client.clone());
    authorized(&builder.build().expect("a deployment"), answer);
}

fn authorized(dialect: &dyn Dialect, answer: &[u8]) {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let document = Document::parse(body.into()).expect("an object");
    let request = Request::new(JsonBody::new(document));
    let outgoing = match dialect.prepare(Call::new(&request, &[])) {
        Ok(outgoing) => outgoing.request,
        Err(failure) => return check(&failure),
    };
    let ready = WIRE.answer(answer, async {
        match dialect.authorize(outgoing) {
            Authorized::Now(request) => Ok(request),
            Authorized::Later(request) => request.await,
        }
    });
    match ready {
        Ok(request) => assert!(
            request.headers().contains_key(AUTHORIZATION),
            "without a key"
        ),
        Err(failure) => check(&failure),
    }
}
