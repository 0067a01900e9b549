//! What needs no vocabulary: bounds, families.

use serde_json::json;
use ziggurat_context_window::{Bytes, CountTokens, Family, Prompt};
use ziggurat_core::TokenCount;

use crate::support::{llm, words};

fn estimate(text: &str) -> TokenCount {
    let llm = llm(&json!({"input": text}));
    Bytes.count(&Prompt::new(&llm, None), u64::MAX).unwrap()
}

#[test]
fn bytes_give_a_range() {
    let prose = estimate("The quick brown fox, 12345 times: don't jump!");
    assert_eq!(
        (prose.least(), prose.tokens(), prose.most()),
        (9, 12, Some(45))
    );
    assert!(prose.is_counted() && !prose.is_exact());
    assert_eq!(estimate(&" ".repeat(1000)).least(), 8);
    assert_eq!(estimate("日本語").least(), 1);
    assert_eq!(estimate("").most(), Some(0));
}

#[test]
fn the_size_of_a_body_bounds_its_tokens() {
    let most = |body: &serde_json::Value, limit| Prompt::new(&llm(body), None).most(limit);
    let body = words(1000);
    let size = Prompt::new(&llm(&body), None).bytes();
    assert_eq!(most(&body, 100_000), Some((size + 64) * 32));
    assert_eq!(most(&body, 10_000), Some(size + 64));
    assert_eq!(most(&body, size), None);
    let images = json!({"messages": [{"content": [{"type": "image"}, {"type": "image"}]}]});
    assert_eq!(most(&images, 1000), None);
    assert!(most(&images, 4000).is_some());
}

#[test]
fn names_tell_the_family() {
    for (family, names) in [
        (
            Family::Cl100k,
            &[
                "gpt-4",
                "azure/gpt-4-0613",
                "gpt-3.5-turbo-16k",
                "azure/gpt-35-turbo",
                "ft:gpt-3.5-turbo:x",
                "text-embedding-3-small",
                "babbage-002",
                "gpt-4-1106-preview",
                "openai/GPT-4-turbo",
            ][..],
        ),
        (
            Family::O200k,
            &[
                "gpt-4o-mini",
                "chatgpt-4o-latest",
                "gpt-4.1",
                "o1",
                "azure/o3-mini",
                "o4-mini-2025-04-16",
                "gpt-5-mini",
                "openai/gpt-oss-120b",
                "ft:gpt-4o:x",
            ],
        ),
        (
            Family::Claude,
            &[
                "claude-3-opus-20240229",
                "bedrock/eu.anthropic.claude-3-5-sonnet-20240620-v1:0",
            ],
        ),
        (
            Family::Gemini,
            &["gemini-pro-1.5", "vertex_ai/gemini-2.5-flash"],
        ),
        (
            Family::Llama,
            &[
                "bedrock/meta.llama3-70b-instruct-v1:0",
                "watsonx/meta-llama/llama-3-3-70b-instruct",
            ],
        ),
        (
            Family::Mistral,
            &[
                "huggingface/HuggingFaceH4/zephyr-7b-beta",
                "llama-2-70b-chat",
                "mistral-large-latest",
            ],
        ),
        (Family::Qwen, &["deepseek-r1-distill-llama-70b", "qwen2.5"]),
        (
            Family::Other,
            &["my-own-model", "", "phi-4", "o1x", "pro1", "gpt-neox"],
        ),
    ] {
        for name in names {
            assert_eq!(Family::of(name), family, "{name}");
        }
        assert_eq!(
            family.is_exact(),
            matches!(family, Family::Cl100k | Family::O200k)
        );
    }
}
