//! A deployment on watsonx, which needs a token.

use std::time::Duration;

use futures_util::future::join_all;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use ziggurat_testing::mock::{Event, Running, Script, Step};

use crate::support::{Proxy, config, upstream};

const CONFIG: &str = r#"
model_list:
- model_name: granite
  litellm_params:
    model: watsonx/ibm/granite-3-8b-instruct
    api_base: os.environ/WATSONX
    api_key: os.environ/KEY
    project_id: my-project
- model_name: gpt-3.5-turbo
  litellm_params:
    model: gpt-3.5-turbo
    api_base: os.environ/GPT
    api_key: my-openai-key
- model_name: alone
  litellm_params:
    model: watsonx/ibm/granite-4-h-small
    api_base: os.environ/WATSONX
    api_key: os.environ/KEY
    project_id: my-project
- model_name: nowhere
  litellm_params:
    model: watsonx/ibm/granite-3-8b-instruct
    api_base: os.environ/WATSONX
    api_key: os.environ/KEY
litellm_settings:
  num_retries: 0
  fallbacks: [{"granite": ["gpt-3.5-turbo"]}]
"#;

fn answer(status: u16, body: &Value) -> Step {
    let response = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    Step::respond(response.body(body.to_string()).unwrap())
}

fn token() -> Step {
    answer(
        200,
        &json!({"access_token": "eyJ-token", "expires_in": 3600}),
    )
}

fn hello() -> Step {
    answer(
        200,
        &json!({"id": "chat-1", "model": "ibm/granite-3-8b-instruct", "created": 7, "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"},
        ], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}),
    )
}

struct Granite {
    proxy: Proxy,
    watsonx: Running,
    iam: Running,
    gpt: Running,
    environment: [(&'static str, String); 4],
}

async fn granite(watsonx: Step, iam: Step) -> Granite {
    let (watsonx, iam) = (
        upstream("watsonx", [watsonx]).await,
        upstream("iam", [iam]).await,
    );
    let gpt = upstream("gpt", Script::default()).await;
    let environment = [
        ("WATSONX", watsonx.url()),
        ("GPT", gpt.url()),
        ("KEY", "my-ibm-key".to_owned()),
        ("WATSONX_IAM_URL", format!("{}/identity/token", iam.url())),
    ];
    let proxy = Proxy::start(CONFIG, &environment).await;
    Granite {
        proxy,
        watsonx,
        iam,
        gpt,
        environment,
    }
}

#[tokio::test(start_paused = true)]
async fn twenty_requests_at_once_exchange_the_key_once() {
    let it = granite(hello(), token().delay(Duration::from_millis(50))).await;
    let members = json!({});
    let calls = (0..20).map(|_| it.proxy.chat("granite", &members));
    for answer in join_all(calls).await {
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let body: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(body["model"], "granite");
        assert_eq!(body["choices"][0]["message"]["content"], "hello");
    }
    assert_eq!(
        (it.iam.count(), it.watsonx.count(), it.gpt.count()),
        (1, 20, 0)
    );
    let hit = &it.watsonx.hits()[0];
    assert_eq!(hit.header("authorization"), Some("Bearer eyJ-token"));
    let body = hit.json().unwrap();
    assert_eq!(
        (&body["project_id"], &body["stream"]),
        (&json!("my-project"), &json!(false))
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_once_over_reloads() {
    let it = granite(hello(), token()).await;
    for retries in 1..4 {
        let answer = it.proxy.chat("granite", &json!({})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let other = CONFIG.replace("num_retries: 0", &format!("num_retries: {retries}"));
        let other = config(&other, &it.environment);
        it.proxy.handle.reload(other).await.unwrap();
    }
    assert_eq!((it.watsonx.count(), it.iam.count()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn streams_are_openais() {
    let event = |choices: Value, usage: Value| {
        let data =
            json!({"id": "chat-1", "model": "m", "created": 7, "choices": choices, "usage": usage});
        Event::raw(format!("id: 1\nevent: message\ndata: {data}\n\n"))
    };
    let events = [
        event(
            json!([{"index": 0, "delta": {"role": "assistant", "content": "hel"}}]),
            Value::Null,
        ),
        event(
            json!([{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}]),
            Value::Null,
        ),
        event(
            json!([]),
            json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}),
        ),
    ];
    let it = granite(Step::events(events), token()).await;
    let asked = json!({"stream": true, "stream_options": {"include_usage": true}});
    let answer = it.proxy.chat("granite", &asked).await;
    let chunks: Vec<_> = answer
        .text
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "))
        .collect();
    assert_eq!(chunks.len(), 4, "{}", answer.text);
    assert!(
        chunks[..3]
            .iter()
            .all(|chunk| chunk.contains(r#""model":"granite""#))
    );
    assert!(chunks[2].contains(r#""total_tokens":5"#));
    assert_eq!(chunks[3], "[DONE]");
    assert_eq!(it.watsonx.hits()[0].path(), "/ml/v1/text/chat_stream");
}

#[tokio::test(start_paused = true)]
async fn a_failing_token_server_leads_to_the_fallback() {
    for iam in [
        answer(500, &json!({})),
        answer(400, &json!({"errorMessage": "no"})),
        Step::reset(),
        Step::hang(),
    ] {
        let it = granite(hello(), iam).await;
        let answer = it.proxy.chat("granite", &json!({})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!((it.watsonx.count(), it.gpt.count()), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_server_that_hangs_is_no_fault_of_the_callers() {
    let it = granite(hello(), Step::hang()).await;
    let answer = it.proxy.chat("alone", &json!({})).await;
    assert_eq!(
        answer.status,
        StatusCode::GATEWAY_TIMEOUT,
        "{}",
        answer.text
    );
    assert!(
        answer.text.contains("internal_server_error"),
        "{}",
        answer.text
    );
    assert_eq!(it.watsonx.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn deployments_with_one_key_share_a_token() {
    let it = granite(hello(), token()).await;
    for model in ["granite", "alone"] {
        let answer = it.proxy.chat(model, &json!({})).await;
        assert_eq!(answer.content(), "hello");
    }
    assert_eq!((it.iam.count(), it.watsonx.count()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_choices_leads_to_the_fallback() {
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3});
    let empty = json!({"id": "chat-1", "model": "m", "created": 7, "choices": [], "usage": usage});
    let event = Event::raw(format!("id: 1\nevent: message\ndata: {empty}\n\n"));
    for (streams, step) in [(false, answer(200, &empty)), (true, Step::events([event]))] {
        let it = granite(step, token()).await;
        let answer = it.proxy.chat("granite", &json!({"stream": streams})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!((it.watsonx.count(), it.gpt.count()), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_without_a_project_is_out_and_the_rest_runs() {
    let it = granite(hello(), token()).await;
    let answer = it.proxy.chat("nowhere", &json!({})).await;
    assert!(answer.status.is_client_error(), "{}", answer.text);
    assert_eq!(
        it.proxy.chat("granite", &json!({})).await.status,
        StatusCode::OK
    );
}
