//! Which headers of a client go to Bedrock.

use http::{HeaderName, Request};
use ziggurat_core::{JsonBody, json::Document};
use ziggurat_provider::{Authorized, Call, Dialect};

use crate::{NOVA, builder};

#[test]
fn no_client_speaks_in_the_headers_of_a_signature() {
    let text = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
    let mut request = Request::new(JsonBody::new(Document::parse(text.into()).unwrap()));
    for name in [
        "x-amz-security-token",
        "x-amz-date",
        "x-amz-content-sha256",
        "x-amz-target",
        "x-amz-own",
        "x-team",
    ] {
        request
            .headers_mut()
            .insert(HeaderName::from_static(name), "theirs".parse().unwrap());
    }
    let by_name = [HeaderName::from_static("x-amz-target")];
    let call = Call::new(&request, &by_name).with_custom_headers(true);
    let signing = ziggurat_bedrock::Bedrock::builder(NOVA)
        .aws_access_key_id("AKIA")
        .aws_secret_access_key("s");
    for builder in [builder(NOVA), signing] {
        let dialect = builder.header("x-amz-own", "ours").build().unwrap();
        let outgoing = dialect.prepare(call).unwrap();
        let Authorized::Now(sent) = dialect.authorize(outgoing.request) else {
            panic!("the keys are at hand");
        };
        let headers = sent.headers();
        assert_eq!(headers["x-team"], "theirs");
        // What the operator added stays.
        assert_eq!(headers["x-amz-own"], "ours");
        for name in [
            "x-amz-security-token",
            "x-amz-content-sha256",
            "x-amz-target",
        ] {
            assert!(!headers.contains_key(name), "{name}");
        }
        assert!(
            headers
                .get("x-amz-date")
                .is_none_or(|date| date != "theirs")
        );
    }
}
