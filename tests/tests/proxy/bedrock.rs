//! Bedrock behind the proxy: a scripted upstream speaks Converse, plain and in binary frames.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};
use ziggurat_testing::mock::{Running, Script, Step};

use crate::support::{Proxy, upstream};

const CONFIG: &str = r#"
model_list:
- model_name: claude
  litellm_params:
    model: bedrock/eu.anthropic.claude-3-5-sonnet-20241022-v2:0
    aws_region_name: eu-central-1
    aws_bedrock_runtime_endpoint: os.environ/BEDROCK
    aws_access_key_id: AKIAIOSFODNN7EXAMPLE
    aws_secret_access_key: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
- model_name: nova
  litellm_params:
    model: bedrock/eu.amazon.nova-pro-v1:0
    aws_region_name: eu-central-1
    aws_bedrock_runtime_endpoint: os.environ/BEDROCK
    api_key: bedrock-key-0123
- model_name: unlucky
  litellm_params:
    model: bedrock/amazon.nova-pro-v1:0
"#;

async fn proxy(steps: impl IntoIterator<Item = Step>) -> (Proxy, Running) {
    let bedrock = upstream("bedrock", Script::new(steps)).await;
    let environment = [
        ("BEDROCK", bedrock.url()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
    ];
    let proxy = Proxy::start(CONFIG, &environment).await;
    (proxy, bedrock)
}

fn plain(status: u16, body: &Value) -> Step {
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    Step::respond(response.body(Bytes::from(body.to_string())).unwrap())
}

pub(crate) fn frames(frames: &[(&str, Value)]) -> Step {
    let mut body = Vec::new();
    for (kind, payload) in frames {
        body.extend(frame(kind, payload));
    }
    let response = Response::builder().header("content-type", "application/vnd.amazon.eventstream");
    Step::respond(response.body(Bytes::from(body)).unwrap())
}

/// A frame, put together by hand.
fn frame(kind: &str, payload: &Value) -> Vec<u8> {
    let names = match kind.strip_prefix('!') {
        Some(exception) => [
            (":message-type", "exception"),
            (":exception-type", exception),
        ],
        None => [(":message-type", "event"), (":event-type", kind)],
    };
    let mut headers = Vec::new();
    for (name, value) in names {
        headers.push(name.len() as u8);
        headers.extend(name.as_bytes());
        headers.push(7);
        headers.extend((value.len() as u16).to_be_bytes());
        headers.extend(value.as_bytes());
    }
    let payload = payload.to_string();
    let total = 12 + headers.len() + payload.len() + 4;
    let mut frame = (total as u32).to_be_bytes().to_vec();
    frame.extend((headers.len() as u32).to_be_bytes());
    frame.extend(crc32(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload.as_bytes());
    frame.extend(crc32(&frame).to_be_bytes());
    frame
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1));
    !bytes
        .iter()
        .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// An event of Anthropic's, as InvokeModel wraps it.
pub(crate) fn chunk(event: &Value) -> (&'static str, Value) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = String::new();
    for three in event.to_string().as_bytes().chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or_default());
        let number = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            let value = number >> (18 - 6 * digit) & 63;
            bytes.push(match digit <= three.len() {
                true => char::from(DIGITS[value as usize]),
                false => '=',
            });
        }
    }
    ("chunk", json!({ "bytes": bytes }))
}

fn text(text: &str) -> (&'static str, Value) {
    let delta = json!({"contentBlockIndex": 0, "delta": {"text": text}});
    ("contentBlockDelta", delta)
}

#[tokio::test]
async fn a_plain_answer_comes_in_openais_words() {
    let answer = json!({
        "output": {"message": {"role": "assistant", "content": [{"text": "I am Claude."}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 4, "outputTokens": 5, "totalTokens": 9},
    });
    let (proxy, bedrock) = proxy([plain(200, &answer)]).await;
    let answer = proxy.chat("claude", &json!({"temperature": 0.5})).await;
    assert_eq!(answer.content(), "I am Claude.");
    assert_eq!(answer.json()["model"], "claude");
    assert_eq!(answer.json()["usage"]["total_tokens"], 9);
    let hits = bedrock.hits();
    assert_eq!(hits.len(), 1);
    assert_eq!(
        hits[0].path(),
        "/model/eu.anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse"
    );
    let signature = hits[0].header("authorization").unwrap();
    assert!(signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/"));
    assert!(signature.contains("/eu-central-1/bedrock/aws4_request"));
    assert_eq!(
        hits[0].json().unwrap()["inferenceConfig"]["temperature"],
        0.5
    );
}

#[tokio::test]
async fn a_stream_comes_as_events() {
    let (proxy, _bedrock) = proxy([frames(&[
        ("messageStart", json!({"role": "assistant"})),
        text("I am "),
        text("Claude."),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        ("messageStop", json!({"stopReason": "max_tokens"})),
        (
            "metadata",
            json!({"usage": {"inputTokens": 4, "outputTokens": 5}}),
        ),
    ])])
    .await;
    let asked = json!({"stream": true, "stream_options": {"include_usage": true}});
    let answer = proxy.chat("claude", &asked).await;
    assert_eq!(answer.content(), "I am Claude.");
    let events = answer.events();
    let [.., finish, usage, done] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(finish["choices"][0]["finish_reason"], "length");
    assert_eq!(usage["usage"]["prompt_tokens"], 4);
    assert_eq!(
        (&usage["model"], done),
        (&json!("claude"), &json!("[DONE]"))
    );
}

/// R189: who asks for the usage gets one, though Bedrock's last event is missing.
#[tokio::test]
async fn a_stream_that_tells_no_usage_has_an_estimate() {
    let stream = || {
        frames(&[
            text("I am "),
            text("Claude."),
            ("messageStop", json!({"stopReason": "end_turn"})),
        ])
    };
    let (proxy, _bedrock) = proxy([stream(), stream()]).await;
    let asked = json!({"stream": true, "stream_options": {"include_usage": true}});
    let answer = proxy.chat("nova", &asked).await;
    let events = answer.events();
    let [.., usage, _] = &events[..] else {
        panic!("{events:?}");
    };
    let usage = &usage["usage"];
    assert!(usage["prompt_tokens"].as_u64() > Some(0), "{usage}");
    assert_eq!(usage["completion_tokens"], 3);
    let message = json!({"model": "nova", "max_tokens": 9, "stream": true,
        "messages": [{"role": "user", "content": "hi, who are you?"}]});
    let request = proxy.request(Method::POST, "/v1/messages", message.to_string());
    let answer = proxy.call(request).await;
    let events = answer.events();
    let told = events.iter().find(|event| event["type"] == "message_delta");
    let usage = &told.unwrap()["usage"];
    assert!(usage["input_tokens"].as_u64() > Some(0), "{usage}");
    assert_eq!(usage["output_tokens"], 3);
}

#[tokio::test]
async fn an_exception_before_the_first_content_is_retried() {
    let throttled = (
        "!throttlingException",
        json!({"message": "Too many requests"}),
    );
    let (proxy, bedrock) = proxy([
        frames(&[("messageStart", json!({"role": "assistant"})), throttled]),
        frames(&[
            text("later"),
            ("messageStop", json!({"stopReason": "end_turn"})),
        ]),
    ])
    .await;
    let asked = json!({"stream": true, "num_retries": 1});
    let answer = proxy.chat("claude", &asked).await;
    assert_eq!(answer.content(), "later");
    assert_eq!(bedrock.count(), 2);
}

#[tokio::test]
async fn a_prompt_that_does_not_fit_is_said_to_be_one() {
    let refused = json!({"message": "Input is too long for requested model."});
    let (proxy, _bedrock) = proxy([plain(400, &refused)]).await;
    let answer = proxy.chat("claude", &json!({})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text.contains("Input is too long"), "{}", answer.text);
}

#[tokio::test]
async fn a_remote_image_is_refused_before_anything_is_sent() {
    let (proxy, bedrock) = proxy([Step::hello()]).await;
    let content =
        json!([{"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}]);
    let asked = json!({"messages": [{"role": "user", "content": content}]});
    let answer = proxy.chat("claude", &asked).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let named = "messages[0].content[0].image_url";
    assert!(answer.text.contains(named), "{}", answer.text);
    assert_eq!(bedrock.count(), 0);
}

#[tokio::test]
async fn a_deployment_without_credentials_is_left_out() {
    let (proxy, _bedrock) = proxy([Step::hello()]).await;
    let answer = proxy.chat("unlucky", &json!({})).await;
    assert!(answer.status.is_client_error(), "{}", answer.text);
    let ready = proxy.get("/health/readiness").await;
    assert!(ready.text.contains("AWS_ACCESS_KEY_ID"), "{}", ready.text);
}

/// R165: an answer that Bedrock kept back goes where refusals may go, and is passed on where there is no such place.
#[tokio::test(start_paused = true)]
async fn an_answer_that_bedrock_keeps_back_is_taken_to_the_chain_for_refusals() {
    for native in ["content_filtered", "guardrail_intervened"] {
        for (settings, reason) in [
            ("{content_policy_fallbacks: [{claude: [other]}]}", "stop"),
            ("{fallbacks: [{claude: [other]}]}", "content_filter"),
        ] {
            let kept = json!({
                "output": {"message": {"role": "assistant", "content": [{"text": "Sorry."}]}},
                "stopReason": native, "usage": {"inputTokens": 1, "outputTokens": 1},
            });
            let bedrock = upstream("bedrock", [plain(200, &kept)]).await;
            let other = upstream("other", Script::default()).await;
            let yaml = format!(
                "{CONFIG}
- {{model_name: other, litellm_params: {{model: openai/x, api_base: os.environ/OTHER}}}}
litellm_settings: {settings}"
            );
            let environment = [
                ("BEDROCK", bedrock.url()),
                ("OTHER", other.url()),
                ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ];
            let proxy = Proxy::start(&yaml, &environment).await;
            let answer = proxy.chat("claude", &json!({})).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
            assert_eq!(answer.json()["choices"][0]["finish_reason"], reason);
            assert_eq!(other.count(), u64::from(reason == "stop"), "{native}");
        }
    }
}

/// What cannot be said is named in OpenAI's own way.
#[tokio::test(start_paused = true)]
async fn a_refused_part_is_the_param_of_the_error() {
    let (proxy, bedrock) = proxy([Step::hello()]).await;
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
    let asked = json!({"messages": [
        {"role": "system", "content": [{"type": "text", "text": "x"}, image]},
        {"role": "user", "content": "y"},
    ]});
    let answer = proxy.chat("claude", &asked).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.json()["error"]["param"], "messages[0].content[1]");
    assert_eq!(bedrock.count(), 0);
}
