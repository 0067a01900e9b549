use serde::Deserialize;
use serde_json::Value;

/// Says whether a parameter of OpenAI's, with this value, asks for nothing that would not happen without it. Dialects leave
/// such ones out, where they would refuse others: many clients send all of their settings, whether set or not.
///
/// The values are the defaults of OpenAI's reference, and empty ones where there is nothing to do. Null always asks for
/// nothing.
#[must_use]
pub fn is_neutral(name: &str, value: &[u8]) -> bool {
    let read = || serde_json::from_slice::<Value>(value).unwrap_or_default();
    match name {
        _ if value == b"null" => true,
        "logit_bias" | "metadata" => is(value, &["{}"]) || read() == serde_json::json!({}),
        "functions" | "tools" | "stop" => read() == serde_json::json!([]),
        "n" => number(value) == Some(1.0),
        "presence_penalty" | "frequency_penalty" | "top_logprobs" => number(value) == Some(0.0),
        "logprobs" | "store" => value == b"false",
        "parallel_tool_calls" => value == b"true",
        "service_tier" => is(value, &[r#""auto""#, r#""default""#]),
        "verbosity" => value == br#""medium""#,
        "function_call" | "tool_choice" => value == br#""auto""#,
        "modalities" => read() == serde_json::json!(["text"]),
        "response_format" => is_text(value),
        _ => false,
    }
}

fn is(value: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| value == word.as_bytes())
}

fn number(value: &[u8]) -> Option<f64> {
    serde_json::from_slice(value).ok()
}

fn is_text(format: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Format<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
    }
    serde_json::from_slice::<Format<'_>>(format).is_ok_and(|format| format.kind == "text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_ask_for_nothing_and_others_do() {
        let neutral = [
            ("anything", "null"),
            ("logit_bias", "{ }"),
            ("n", "1"),
            ("presence_penalty", "0.0"),
            ("frequency_penalty", "-0"),
            ("store", "false"),
            ("logprobs", "false"),
            ("parallel_tool_calls", "true"),
            ("service_tier", r#""default""#),
            ("modalities", r#"[ "text" ]"#),
            ("response_format", r#"{"type": "text"}"#),
            ("tools", "[]"),
        ];
        for (name, value) in neutral {
            assert!(is_neutral(name, value.as_bytes()), "{name}: {value}");
        }
        let others = [
            ("logit_bias", r#"{"1": 2}"#),
            ("n", "2"),
            ("n", r#""1""#),
            ("presence_penalty", "0.1"),
            ("logprobs", "true"),
            ("parallel_tool_calls", "false"),
            ("service_tier", r#""flex""#),
            ("modalities", r#"["text", "audio"]"#),
            ("response_format", r#"{"type": "json_object"}"#),
            ("temperature", "1"),
        ];
        for (name, value) in others {
            assert!(!is_neutral(name, value.as_bytes()), "{name}: {value}");
        }
    }
}
