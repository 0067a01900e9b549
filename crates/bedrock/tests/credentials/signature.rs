//! Signatures, against those that were recorded.

use http::{Request, header::CONTENT_TYPE};
use serde_json::Value;
use ziggurat_bedrock::Bedrock;
use ziggurat_core::json::Printed;
use ziggurat_provider::{Authorized, Dialect};

use crate::then;

/// The recorded bodies were printed by Python: a space behind commas and colons, escapes beyond ASCII.
fn as_python_prints(json: &str) -> String {
    let mut out = String::new();
    let (mut in_text, mut escaped) = (false, false);
    for char in json.chars() {
        match (in_text, char) {
            (true, char) if !char.is_ascii() => {
                let mut units = [0; 2];
                for unit in char.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
                continue;
            }
            (true, '"') if !escaped => in_text = false,
            (false, '"') => in_text = true,
            (false, char) if char.is_whitespace() => continue,
            _ => {}
        }
        escaped = in_text && char == '\\' && !escaped;
        out.push(char);
        if !in_text && matches!(char, ',' | ':') {
            out.push(' ');
        }
    }
    out
}

/// The text of a member of the recording, in the order in which it was sent.
fn recorded_body(text: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Recording<'a> {
        #[serde(borrow)]
        upstream_request: Upstream<'a>,
    }
    #[derive(serde::Deserialize)]
    struct Upstream<'a> {
        #[serde(borrow)]
        body: &'a serde_json::value::RawValue,
    }
    let recording: Recording<'_> = serde_json::from_str(text).unwrap();
    as_python_prints(recording.upstream_request.body.get())
}

#[test]
fn recorded_requests_get_the_recorded_signatures() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/bedrock");
    let mut compared = 0;
    for file in std::fs::read_dir(root).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let fixture: Value = serde_json::from_str(&text).unwrap();
        let sent = &fixture["upstream_request"];
        let Some(signature) = sent["headers"]["authorization"]
            .as_str()
            .filter(|signature| signature.starts_with("AWS4"))
        else {
            continue;
        };
        let param = |name: &str| {
            fixture["litellm_params"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let environment = fixture["env"].clone();
        let dialect = Bedrock::builder(param("model"))
            .aws_region_name(param("aws_region_name"))
            .aws_access_key_id(param("aws_access_key_id"))
            .aws_secret_access_key(param("aws_secret_access_key"))
            .aws_session_token(param("aws_session_token"))
            .environment(move |name| environment[name].as_str().map(str::to_owned))
            .clock(then)
            .build()
            .unwrap();
        let uri = [
            sent["origin"].as_str().unwrap(),
            sent["path"].as_str().unwrap(),
        ]
        .concat();
        let request = Request::post(uri)
            .header(CONTENT_TYPE, "application/json")
            .header("traceparent", "not signed")
            .body(Printed::from(bytes::Bytes::from(recorded_body(&text))))
            .unwrap();
        let Authorized::Now(request) = dialect.authorize(request) else {
            panic!("the keys are at hand");
        };
        let name = path.display();
        assert_eq!(request.headers()["authorization"], signature, "{name}");
        assert_eq!(
            request.headers()["x-amz-date"],
            "20250115T120000Z",
            "{name}"
        );
        compared += 1;
    }
    assert!(compared > 50, "{compared} signatures compared");
}
