//! Streams of answers that came whole.

use super::*;

/// An upstream that does not stream: SDKs would find no event in its JSON.
#[tokio::test]
async fn who_asked_for_a_stream_gets_one_of_an_answer_that_came_whole() {
    let whole = |document: Value| {
        let json = Response::builder().header("content-type", "application/json");
        Step::respond(json.body(document.to_string()).unwrap())
    };
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8});
    let chat = json!({
        "id": "c", "model": "x", "usage": usage,
        "choices": [{"index": 0, "message": {"content": "from a"}, "finish_reason": "stop"}],
    });
    let message = json!({
        "id": "m", "type": "message", "role": "assistant", "model": "x", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "from a"}], "usage": {"input_tokens": 3, "output_tokens": 5},
    });
    let text = json!({"id": "t", "model": "x", "choices": [{"index": 0, "text": "from a"}]});
    let part = json!({"type": "output_text", "text": "from a"});
    let response = json!({
        "id": "r", "model": "x", "status": "completed",
        "output": [{"id": "i", "type": "message", "role": "assistant", "content": [part]}],
    });
    let messages = json!([{"role": "user", "content": "hi"}]);
    let asked = json!({"stream": true, "messages": messages, "max_tokens": 9});
    let (to_text, to_response) = (
        json!({"stream": true, "prompt": "hi"}),
        json!({"stream": true, "input": "hi"}),
    );
    for (model, path, asked, answer, end) in [
        ("m", "/chat/completions", &asked, &chat, "data: [DONE]\n\n"),
        (
            "claude",
            "/chat/completions",
            &asked,
            &message,
            "data: [DONE]\n\n",
        ),
        (
            "m",
            "/v1/messages",
            &asked,
            &chat,
            "{\"type\":\"message_stop\"}\n\n",
        ),
        (
            "claude",
            "/v1/messages",
            &asked,
            &message,
            "{\"type\":\"message_stop\"}\n\n",
        ),
        ("m", "/completions", &to_text, &text, "data: [DONE]\n\n"),
        ("m", "/responses", &to_response, &response, "}\n\n"),
    ] {
        let (proxy, a, _b) = start([whole(answer.clone())]).await;
        let mut body = asked.clone();
        body["model"] = json!(model);
        let answer = post(&proxy, path, &body).await;
        let is_stream = answer.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/event-stream");
        assert!(answer.status == 200 && is_stream, "{path}: {}", answer.text);
        assert!(
            answer.text.contains("from a") && answer.text.ends_with(end),
            "{path}: {}",
            answer.text
        );
        assert!(
            answer.text.contains(&format!("\"model\":\"{model}\"")),
            "{path}: {}",
            answer.text
        );
        assert_eq!(a.count(), 1);
        if path != "/completions" && path != "/responses" {
            let metrics = proxy.get("/metrics").await.text;
            assert!(
                metrics.contains("} 5\n"),
                "{path}: the tokens are counted: {metrics}"
            );
        }
    }

    // What holds no answer is none, and the fallback is asked.
    for nothing in [
        json!({"object": "list"}),
        json!({"choices": []}),
        json!({"choices": [{}]}),
    ] {
        let (proxy, a, b) = start([whole(nothing.clone())]).await;
        let mut body = asked.clone();
        body["model"] = json!("m");
        let answer = post(&proxy, "/chat/completions", &body).await;
        assert!(
            answer.content() == "hello from b",
            "{nothing}: {}",
            answer.text
        );
        assert_eq!((a.count(), b.count()), (1, 1));
    }
}
