use serde_json::{Value, json};

/// Says whether a parameter of OpenAI's asks for nothing by its value: what is so without it. An upstream that does not take
/// the parameter need not refuse it then.
///
/// The values are the defaults that OpenAI documents.
#[must_use]
pub fn asks_for_nothing(name: &str, value: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<Value>(value) else {
        return false;
    };
    if value.is_null() {
        return true;
    }
    match name {
        "frequency_penalty" | "presence_penalty" | "top_logprobs" => value.as_f64() == Some(0.0),
        "n" => value.as_f64() == Some(1.0),
        "logprobs" | "store" => value == false,
        "logit_bias" => value == json!({}),
        "functions" => value == json!([]),
        "function_call" => value == "auto" || value == "none",
        "modalities" => value == json!(["text"]),
        "service_tier" => value == "auto" || value == "default",
        "verbosity" => value == "medium",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_ask_for_nothing() {
        let nothing = [
            ("n", "1"),
            ("n", "1.0"),
            ("presence_penalty", "-0.0"),
            ("frequency_penalty", "0"),
            ("logit_bias", "{ }"),
            ("modalities", "[ \"text\" ]"),
            ("store", "false"),
            ("logprobs", "false"),
            ("service_tier", "\"default\""),
            ("seed", "null"),
        ];
        for (name, value) in nothing {
            assert!(asks_for_nothing(name, value.as_bytes()), "{name} {value}");
        }
        let something = [
            ("n", "2"),
            ("seed", "0"),
            ("store", "true"),
            ("logit_bias", "{\"1\":2}"),
            ("modalities", "[\"text\",\"audio\"]"),
            ("service_tier", "\"flex\""),
            // Its mere presence asks for a search.
            ("web_search_options", "{}"),
            ("n", "{"),
        ];
        for (name, value) in something {
            assert!(!asks_for_nothing(name, value.as_bytes()), "{name} {value}");
        }
    }
}
