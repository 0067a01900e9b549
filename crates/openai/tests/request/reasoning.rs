//! What reasoning models do not take.

use serde_json::json;
use ziggurat_core::FailureKind;

use crate::{openai, request, send, sent};

#[test]
fn max_tokens_is_renamed_for_reasoning_models() {
    let body = json!({"model": "g", "max_tokens": 5});
    for model in ["o1", "o3-mini", "o4-mini", "gpt-5", "gpt-5-mini"] {
        assert_eq!(
            sent(openai(model), &body),
            json!({"model": model, "max_completion_tokens": 5})
        );
    }
    assert_eq!(sent(openai("gpt-4o"), &body)["max_tokens"], 5);
    let body = json!({"model": "g", "max_tokens": 5, "max_completion_tokens": 6});
    assert_eq!(
        sent(openai("o1"), &body),
        json!({"model": "o1", "max_completion_tokens": 6})
    );
}

#[test]
fn parameters_that_a_reasoning_model_does_not_take_are_refused_by_name() {
    let body = r#"{"model":"g","temperature":0.2,"top_p":0.5,"presence_penalty":0,"logprobs":true,"reasoning_effort":"low"}"#;
    let failure = send(openai("o3-mini"), &request(body)).unwrap_err();
    assert_eq!(
        (failure.kind(), failure.status().as_u16()),
        (FailureKind::BadRequest, 400)
    );
    assert_eq!(failure.param(), Some("temperature"));
    assert!(
        failure
            .to_string()
            .contains("temperature, top_p, logprobs;"),
        "{failure}"
    );
    let failure = send(openai("gpt-5"), &request(body)).unwrap_err();
    assert!(failure.to_string().contains(": temperature;"), "{failure}");
}

#[test]
fn they_are_left_out_or_sent_if_told_so() {
    let body = json!({"model": "g", "temperature": 0.2, "top_p": 0.5, "presence_penalty": 0, "logprobs": null});
    let got = sent(openai("o3").drop_params(true), &body);
    assert_eq!(got, json!({"model": "o3", "logprobs": null}));
    let got = sent(
        openai("o3")
            .drop_params(true)
            .allowed_params(["temperature"]),
        &body,
    );
    assert_eq!(got["temperature"], 0.2);
    let mut body = body;
    body["allowed_openai_params"] = json!(["temperature", "top_p"]);
    let got = sent(openai("o3"), &body);
    assert_eq!(
        got,
        json!({"model": "o3", "temperature": 0.2, "top_p": 0.5, "logprobs": null})
    );
}

#[test]
fn the_only_temperature_that_they_take_passes() {
    let body = json!({"model": "g", "temperature": 1});
    assert_eq!(sent(openai("o3"), &body)["temperature"], 1);
}
