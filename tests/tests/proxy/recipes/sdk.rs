//! What OpenAI's SDK and LangChain send for the calls that LiteLLM's page shows.

use serde_json::{Value, json};

/// `client.chat.completions.create(model=…, messages=[…])`, with `extra_body` and other arguments as members.
pub(super) fn openai(model: &str, content: &str, more: &Value) -> Value {
    let message = json!({"role": "user", "content": content});
    with(json!({"messages": [message], "model": model}), more)
}

/// The same with a long system message.
pub(super) fn openai_long(model: &str) -> Value {
    // The page multiplies the text by 5000, without a space between.
    let text = "What is the meaning of 42?".repeat(5000);
    json!({"messages": [
        {"role": "system", "content": text},
        {"role": "user", "content": "Who was Alexander?"},
    ], "model": model})
}

/// `ChatOpenAI(model=…, extra_body=…)([SystemMessage(…), HumanMessage(…)])`.
pub(super) fn langchain(model: &str, more: &Value) -> Value {
    let body = json!({
        "messages": [
            {"role": "system", "content": "You are a helpful assistant that im using to make a test request to."},
            {"role": "user", "content": "test from litellm. tell me why it's amazing in 1 sentence"},
        ],
        "model": model,
        "temperature": 0.7,
        "n": 1,
        "stream": false,
    });
    with(body, more)
}

fn with(mut body: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        body[name] = value;
    }
    body
}
