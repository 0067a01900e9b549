//! What upstreams answer: as recorded, the texts of plain answers lengthened to about 1 KB in all.

use bytes::Bytes;

/// The place of the text in a plain answer.
const POEM: &str = "POEM";

/// Puts text there.
fn lengthened(answer: &str) -> Bytes {
    let verses = [
        "Roses are red,\\n",
        "violets are \\\"blue\\\",\\n",
        "Grüße, ",
    ];
    let len = 1024_usize.saturating_sub(answer.len());
    let mut text = String::new();
    for verse in verses.iter().cycle() {
        if text.len() >= len {
            break;
        }
        text += verse;
    }
    answer.replace(POEM, &text).into()
}

pub(super) mod openai {
    use bytes::Bytes;

    const PLAIN: &str = r#"{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1741569952,"model":"gpt-3.5-turbo-0125","choices":[{"index":0,"message":{"role":"assistant","content":"POEM","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_44709d6fcb"}"#;
    const START: &str = r#"data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-3.5-turbo-0125","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"service_tier":"default","system_fingerprint":"fp_44709d6fcb","usage":null}

data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-3.5-turbo-0125","choices":[{"index":0,"delta":{"content":"Roses are red,\nvi"},"logprobs":null,"finish_reason":null}],"service_tier":"default","system_fingerprint":"fp_44709d6fcb","usage":null}

"#;
    const EVENT: &str = r#"data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-3.5-turbo-0125","choices":[{"index":0,"delta":{"content":"olets are blue,\nt"},"logprobs":null,"finish_reason":null}],"service_tier":"default","system_fingerprint":"fp_44709d6fcb","usage":null}

"#;

    pub(crate) fn start() -> Bytes {
        Bytes::from_static(START.as_bytes())
    }

    pub(crate) fn event() -> Bytes {
        Bytes::from_static(EVENT.as_bytes())
    }

    pub(crate) fn plain() -> Bytes {
        super::lengthened(PLAIN)
    }
}

pub(super) mod azure {
    use bytes::Bytes;

    const PLAIN: &str = r#"{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1741569952,"model":"gpt-35-turbo","choices":[{"index":0,"message":{"role":"assistant","content":"POEM","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop","content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}}],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}}],"system_fingerprint":"fp_ded0d14823"}"#;
    const START: &str = r#"data: {"id":"","object":"","created":0,"model":"","choices":[],"prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}}]}

data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-35-turbo","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"system_fingerprint":"fp_ded0d14823"}

data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-35-turbo","choices":[{"index":0,"delta":{"content":"Roses are red,\nvi"},"logprobs":null,"finish_reason":null}],"system_fingerprint":"fp_ded0d14823"}

"#;
    const EVENT: &str = r#"data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-35-turbo","choices":[{"index":0,"delta":{"content":"olets are blue,\nt"},"logprobs":null,"finish_reason":null}],"system_fingerprint":"fp_ded0d14823"}

"#;

    pub(crate) fn start() -> Bytes {
        Bytes::from_static(START.as_bytes())
    }

    pub(crate) fn event() -> Bytes {
        Bytes::from_static(EVENT.as_bytes())
    }

    pub(crate) fn plain() -> Bytes {
        super::lengthened(PLAIN)
    }
}

pub(super) mod anthropic {
    use bytes::Bytes;

    const PLAIN: &str = r#"{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","model":"claude-3-opus-20240229","content":[{"type":"text","text":"POEM"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":19,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":10,"service_tier":"standard"}}"#;
    const START: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_01XFDUDYJgAACzvnptvVoYEL","type":"message","role":"assistant","model":"claude-3-opus-20240229","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":19,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1,"service_tier":"standard"}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type":"ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Roses are red,\nvi"}}

"#;
    const EVENT: &str = r#"event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"olets are blue,\nt"}}

"#;

    pub(crate) fn start() -> Bytes {
        Bytes::from_static(START.as_bytes())
    }

    pub(crate) fn event() -> Bytes {
        Bytes::from_static(EVENT.as_bytes())
    }

    pub(crate) fn plain() -> Bytes {
        super::lengthened(PLAIN)
    }
}

pub(super) mod bedrock {
    use bytes::Bytes;

    const PLAIN: &str = r#"{"output":{"message":{"role":"assistant","content":[{"text":"POEM"}]}},"stopReason":"end_turn","usage":{"inputTokens":19,"outputTokens":10,"totalTokens":29},"metrics":{"latencyMs":1275}}"#;
    const START: &str = r#"{"p":"abcdefgh","role":"assistant"}"#;
    const EVENT: &str = r#"{"contentBlockIndex":0,"delta":{"text":"olets are blue,\nt"}}"#;

    pub(crate) fn start() -> Bytes {
        super::frame("messageStart", START)
    }

    pub(crate) fn event() -> Bytes {
        super::frame("contentBlockDelta", EVENT)
    }

    pub(crate) fn plain() -> Bytes {
        super::lengthened(PLAIN)
    }
}

pub(super) mod vertex {
    use bytes::Bytes;

    const PLAIN: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"POEM"}]},"finishReason":"STOP","avgLogprobs":-0.21}],"usageMetadata":{"promptTokenCount":19,"candidatesTokenCount":10,"totalTokenCount":29,"trafficType":"ON_DEMAND","promptTokensDetails":[{"modality":"TEXT","tokenCount":19}],"candidatesTokensDetails":[{"modality":"TEXT","tokenCount":10}]},"modelVersion":"gemini-2.5-flash","createTime":"2025-01-15T12:00:00.123456Z","responseId":"FaX0ZqLMHfCDnvgPzZ2J-Ac"}"#;
    const START: &str = r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":"Roses are red,\nvi"}]}}],"usageMetadata":{"trafficType":"ON_DEMAND"},"modelVersion":"gemini-2.5-flash","createTime":"2025-01-15T12:00:00.123456Z","responseId":"FaX0ZqLMHfCDnvgPzZ2J-Ac"}

"#;
    const EVENT: &str = r#"data: {"candidates":[{"content":{"role":"model","parts":[{"text":"olets are blue,\nt"}]}}],"usageMetadata":{"trafficType":"ON_DEMAND"},"modelVersion":"gemini-2.5-flash","createTime":"2025-01-15T12:00:00.123456Z","responseId":"FaX0ZqLMHfCDnvgPzZ2J-Ac"}

"#;

    pub(crate) fn start() -> Bytes {
        START.replace('\n', "\r\n").into()
    }

    pub(crate) fn event() -> Bytes {
        EVENT.replace('\n', "\r\n").into()
    }

    pub(crate) fn plain() -> Bytes {
        super::lengthened(PLAIN)
    }
}

pub(super) mod watsonx {
    use bytes::Bytes;

    const PLAIN: &str = r#"{"id":"chat-8d1a0b2c3d4e4f5a9b8c7d6e5f4a3b2c","model_id":"ibm/granite-3-8b-instruct","model":"ibm/granite-3-8b-instruct","choices":[{"index":0,"message":{"role":"assistant","content":"POEM"},"finish_reason":"stop"}],"created":1736942400,"model_version":"1.1.0","created_at":"2025-01-15T12:00:00.123Z","usage":{"completion_tokens":10,"prompt_tokens":19,"total_tokens":29},"system":{"warnings":[{"message":"This model is a Non-IBM Product governed by a third-party license that may impose use restrictions and other obligations.","id":"disclaimer_warning"}]}}"#;
    const START: &str = r#"id: 1
event: message
data: {"id":"chat-8d1a0b2c3d4e4f5a9b8c7d6e5f4a3b2c","model_id":"ibm/granite-3-8b-instruct","model":"ibm/granite-3-8b-instruct","choices":[{"index":0,"finish_reason":null,"delta":{"role":"assistant","content":"Roses are red,\nvi"}}],"created":1736942400,"model_version":"1.1.0","created_at":"2025-01-15T12:00:00.456Z"}

"#;
    const EVENT: &str = r#"id: 2
event: message
data: {"id":"chat-8d1a0b2c3d4e4f5a9b8c7d6e5f4a3b2c","model_id":"ibm/granite-3-8b-instruct","model":"ibm/granite-3-8b-instruct","choices":[{"index":0,"finish_reason":null,"delta":{"content":"olets are blue,\nt"}}],"created":1736942400,"model_version":"1.1.0","created_at":"2025-01-15T12:00:00.456Z"}

"#;

    pub(crate) fn start() -> Bytes {
        Bytes::from_static(START.as_bytes())
    }

    pub(crate) fn event() -> Bytes {
        Bytes::from_static(EVENT.as_bytes())
    }

    pub(crate) fn plain() -> Bytes {
        super::lengthened(PLAIN)
    }
}

/// A frame of AWS's event stream: lengths and their checksum, headers, payload, checksum of all.
fn frame(event: &str, payload: &str) -> Bytes {
    let mut headers = Vec::new();
    for (name, value) in [
        (":event-type", event),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ] {
        headers.push(u8::try_from(name.len()).expect("it is short"));
        headers.extend(name.as_bytes());
        // The type of a string.
        headers.push(7);
        headers.extend(
            u16::try_from(value.len())
                .expect("it is short")
                .to_be_bytes(),
        );
        headers.extend(value.as_bytes());
    }
    let be = |len: usize| u32::try_from(len).expect("it is short").to_be_bytes();
    let mut frame = Vec::new();
    frame.extend(be(headers.len() + payload.len() + 16));
    frame.extend(be(headers.len()));
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload.as_bytes());
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame.into()
}
