//! Anthropic's own surface in front of Google and AWS: Claude gets the bytes there too, the others a translation.

use bytes::Bytes;
use http::{Method, Response};
use serde_json::{Value, json};
use ziggurat_testing::mock::{Event, Running, Step};

use crate::{
    bedrock::{chunk, frames},
    support::{Answer, Proxy, upstream},
};

/// A key that is used for nothing else.
const KEY: &str = include_str!("../../../../crates/vertex/tests/keys/throwaway.pem");

const CONFIG: &str = "
model_list:
- {model_name: gemini, litellm_params: {model: gemini/gemini-2.5-flash, api_key: gem-key-0123, api_base: os.environ/U}}
- {model_name: converse, litellm_params: {model: 'bedrock/converse/eu.anthropic.claude-3-7-sonnet-20250219-v1:0', <<: &aws {aws_region_name: eu-central-1,
    aws_bedrock_runtime_endpoint: os.environ/U, aws_access_key_id: AKIAIOSFODNN7EXAMPLE, aws_secret_access_key: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY}}}
- {model_name: bedrock, litellm_params: {model: 'bedrock/eu.anthropic.claude-3-7-sonnet-20250219-v1:0', <<: *aws}}
- {model_name: any/*, litellm_params: {model: 'bedrock/*', <<: *aws}}
- {model_name: claude, litellm_params: {model: vertex_ai/claude-3-5-sonnet@20240620, vertex_project: p, vertex_location: us-east1,
    vertex_credentials: os.environ/ACCOUNT, api_base: os.environ/U}}
litellm_settings: {num_retries: 0}";

async fn start(step: Step) -> (Proxy, Running, Running) {
    let token = json!({"access_token": "ya29.token", "expires_in": 3600, "token_type": "Bearer"});
    let (upstream_, tokens) = (
        upstream("u", [step]).await,
        upstream("tokens", [document(&token)]).await,
    );
    let account = json!({"type": "service_account", "private_key": KEY, "client_email": "svc@p.iam.gserviceaccount.com",
        "token_uri": format!("{}/token", tokens.url())});
    let environment = [
        ("U", upstream_.url()),
        ("ACCOUNT", account.to_string()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("NO_GCE_CHECK", "true".to_owned()),
    ];
    (Proxy::start(CONFIG, &environment).await, upstream_, tokens)
}

fn document(body: &Value) -> Step {
    let response = Response::builder().header("content-type", "application/json");
    Step::respond(response.body(Bytes::from(body.to_string())).unwrap())
}

/// A conversation with all that has a place of its own: thoughts, a call, its result, marks for the cache.
fn conversation(model: &str, stream: bool) -> Value {
    let mark = json!({"type": "ephemeral"});
    json!({
        "model": model, "max_tokens": 2000, "stream": stream,
        "system": [{"type": "text", "text": "Be terse.", "cache_control": mark}],
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [{"name": "f", "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "go", "cache_control": mark}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "2"}]}]},
        ],
    })
}

async fn ask(proxy: &Proxy, model: &str, stream: bool) -> Answer {
    let body = conversation(model, stream).to_string();
    proxy
        .call(proxy.request(Method::POST, "/v1/messages", body))
        .await
}

fn generated(text: &str, finish: Option<&str>) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": finish}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7}, "responseId": "r"})
}

#[tokio::test]
async fn gemini_answers_with_messages() {
    let (proxy, google, _) = start(document(&generated("four", Some("STOP")))).await;
    let answer = ask(&proxy, "gemini", false).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let message = answer.json();
    assert_eq!(
        message["content"],
        json!([{"type": "text", "text": "four"}])
    );
    assert_eq!(
        (&message["model"], &message["stop_reason"]),
        (&json!("gemini"), &json!("end_turn"))
    );
    assert_eq!(message["usage"]["input_tokens"], 5);
    let sent: Value = google.hits()[0].json().unwrap();
    let turns = sent["contents"].as_array().unwrap();
    assert_eq!(turns[1]["parts"][0]["function_call"]["name"], "f", "{sent}");
    assert_eq!(
        turns[2]["parts"][0]["function_response"]["name"], "f",
        "{sent}"
    );
    assert_eq!(
        sent["generationConfig"]["thinkingConfig"]["thinkingBudget"], 1024,
        "{sent}"
    );

    let pieces = [generated("fo", None), generated("ur", Some("STOP"))];
    let events = Step::events(pieces.iter().map(|piece| Event::data(piece.to_string())));
    let (proxy, _google, _) = start(events).await;
    let answer = ask(&proxy, "gemini", true).await;
    let events = answer.events();
    let texts = events
        .iter()
        .filter_map(|event| event["delta"]["text"].as_str());
    assert_eq!(texts.collect::<String>(), "four", "{}", answer.text);
    assert_eq!(events.last().unwrap()["type"], "message_stop");
}

#[tokio::test]
async fn converse_keeps_thoughts_and_marks() {
    let said = json!([
        {"reasoningContent": {"reasoningText": {"text": "2+2", "signature": "bmV4dA=="}}},
        {"toolUse": {"toolUseId": "t2", "name": "f", "input": {"a": 4}}},
    ]);
    let body = json!({"output": {"message": {"role": "assistant", "content": said}}, "stopReason": "tool_use",
        "usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5, "cacheReadInputTokens": 7}});
    let (proxy, aws, _) = start(document(&body)).await;
    let answer = ask(&proxy, "converse", false).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let message = answer.json();
    let expected = json!([
        {"type": "thinking", "thinking": "2+2", "signature": "bmV4dA=="},
        {"type": "tool_use", "id": "t2", "name": "f", "input": {"a": 4}},
    ]);
    assert_eq!(
        (&message["content"], &message["stop_reason"]),
        (&expected, &json!("tool_use"))
    );
    let usage = &message["usage"];
    assert_eq!(
        (&usage["input_tokens"], &usage["cache_read_input_tokens"]),
        (&json!(3), &json!(7)),
        "{usage}"
    );
    let sent: Value = aws.hits()[0].json().unwrap();
    assert_eq!(
        sent["system"][1],
        json!({"cachePoint": {"type": "default"}}),
        "{sent}"
    );
    let thought = &sent["messages"][1]["content"][0]["reasoningContent"]["reasoningText"];
    assert_eq!(
        thought,
        &json!({"text": "hm", "signature": "c2ln"}),
        "{sent}"
    );
    let thinking = &sent["additionalModelRequestFields"]["thinking"];
    assert_eq!(
        thinking,
        &json!({"type": "enabled", "budget_tokens": 1024}),
        "{sent}"
    );
}

const CLAUDE_37: &str = "eu.anthropic.claude-3-7-sonnet-20250219-v1:0";

/// What InvokeModel is sent for a conversation.
fn sent_to_bedrock(model: &str, stream: bool) -> Value {
    let mut sent = conversation(model, stream);
    let members = sent.as_object_mut().unwrap();
    members.remove("model");
    members.remove("stream");
    sent["anthropic_version"] = json!("bedrock-2023-05-31");
    sent
}

#[tokio::test]
async fn the_bytes_pass_to_claude_on_bedrock() {
    let message = json!({"id": "m", "type": "message", "role": "assistant", "model": "claude-3-7-sonnet-20250219",
        "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1}});
    // A pattern is filled by the name that is asked for.
    for model in ["bedrock", &format!("any/{CLAUDE_37}")] {
        let (proxy, aws, _) = start(document(&message)).await;
        let answer = ask(&proxy, model, false).await;
        let mut expected = message.clone();
        expected["model"] = json!(model);
        assert_eq!(answer.json(), expected);
        let hit = aws.hits().pop().unwrap();
        assert_eq!(hit.path(), format!("/model/{CLAUDE_37}/invoke"));
        let signature = hit.header("authorization").unwrap();
        assert!(signature.starts_with("AWS4-HMAC-SHA256 "), "{signature}");
        assert_eq!(hit.json().unwrap(), sent_to_bedrock(model, false));
    }
}

#[tokio::test]
async fn a_stream_of_claude_on_bedrock_comes_as_anthropics_events() {
    let events = [
        json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "claude",
            "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "four"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
        json!({"type": "message_stop"}),
    ];
    let (proxy, aws, _) = start(frames(&events.each_ref().map(chunk))).await;
    let answer = ask(&proxy, "bedrock", true).await;
    let mut expected = events;
    expected[0]["message"]["model"] = json!("bedrock");
    assert_eq!(answer.events(), expected, "{}", answer.text);
    assert!(answer.text.starts_with("event: message_start\n"));
    let hit = aws.hits().pop().unwrap();
    let path = format!("/model/{CLAUDE_37}/invoke-with-response-stream");
    assert_eq!(hit.path(), path);
    assert_eq!(hit.json().unwrap(), sent_to_bedrock("bedrock", true));
}

#[tokio::test]
async fn errors_of_bedrock_come_in_anthropics_form() {
    let refused = Step::respond(
        Response::builder()
            .status(400)
            .header("x-amzn-errortype", "ValidationException")
            .body(Bytes::from(r#"{"message":"what Bedrock said"}"#))
            .unwrap(),
    );
    let (proxy, _aws, _) = start(refused).await;
    let answer = ask(&proxy, "bedrock", false).await;
    assert_eq!(answer.status, 400);
    let error = &answer.json()["error"];
    assert_eq!(error["type"], "invalid_request_error");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("what Bedrock said"), "{message}");

    let begun =
        json!({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}});
    let said = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "four"}});
    let thrown = (
        "!modelStreamErrorException",
        json!({"message": "what the model did"}),
    );
    let (proxy, _aws, _) = start(frames(&[chunk(&begun), chunk(&said), thrown])).await;
    let answer = ask(&proxy, "bedrock", true).await;
    let events = answer.events();
    let [_, text, error] = &events[..] else {
        panic!("{}", answer.text);
    };
    assert_eq!(
        (&text["delta"]["text"], &error["type"]),
        (&json!("four"), &json!("error"))
    );
    assert!(answer.text.contains("event: error\n"), "{}", answer.text);
}

#[tokio::test]
async fn what_invoke_lacks_goes_by_converse() {
    let body = json!({"output": {"message": {"role": "assistant", "content": [{"text": "four"}]}}, "stopReason": "end_turn"});
    let (proxy, aws, _) = start(document(&body)).await;
    let mut asked = conversation("bedrock", false);
    let guardrail = json!({"guardrailIdentifier": "g", "guardrailVersion": "1"});
    asked["guardrailConfig"] = guardrail.clone();
    let request = proxy.request(Method::POST, "/v1/messages", asked.to_string());
    let answer = proxy.call(request).await;
    assert_eq!(
        answer.json()["content"][0]["text"],
        "four",
        "{}",
        answer.text
    );
    let hit = aws.hits().pop().unwrap();
    assert!(hit.path().ends_with("/converse"), "{}", hit.path());
    assert_eq!(hit.json().unwrap()["guardrailConfig"], guardrail);
}

#[tokio::test]
async fn the_bytes_pass_to_claude_on_vertex() {
    let message = json!({"id": "m", "type": "message", "role": "assistant", "model": "claude-3-5-sonnet-20240620",
        "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}], "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1}});
    let (proxy, google, _tokens) = start(document(&message)).await;
    let answer = ask(&proxy, "claude", false).await;
    let mut expected = message;
    expected["model"] = json!("claude");
    assert_eq!(answer.json(), expected);
    let hit = google.hits().pop().unwrap();
    assert!(
        hit.path()
            .ends_with("claude-3-5-sonnet@20240620:rawPredict"),
        "{}",
        hit.path()
    );
    let mut sent: Value = hit.json().unwrap();
    assert_eq!(sent["anthropic_version"].take(), "vertex-2023-10-16");
    let mut asked = conversation("claude", false);
    sent.as_object_mut().unwrap().remove("anthropic_version");
    asked.as_object_mut().unwrap().remove("model");
    assert_eq!(sent, asked);
}
