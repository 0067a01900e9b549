//! A target for each provider: its deployments, and what reads their answers.

use std::sync::LazyLock;

use ziggurat::{
    anthropic::Anthropic,
    bedrock::Bedrock,
    openai::{Face, OpenAi},
    vertex::{self, Vertex},
    watsonx::Watsonx,
};

use crate::{
    frames,
    reader::{KEY, Reader},
};

/// OpenAI, Azure OpenAI and Hugging Face.
pub fn openai(bytes: &[u8]) {
    static READERS: LazyLock<[Reader; 3]> = LazyLock::new(|| {
        [Face::OpenAi, Face::Azure, Face::HuggingFace].map(|face| {
            let builder = OpenAi::builder(face, "m").api_base("https://h.example");
            Reader::new(builder.api_key(KEY).build().expect("a deployment"))
        })
    });
    READERS.iter().for_each(|reader| reader.read(bytes));
}

/// Anthropic: one model with a format for JSON of its own, and one without.
pub fn anthropic(bytes: &[u8]) {
    static READERS: LazyLock<[Reader; 2]> = LazyLock::new(|| {
        ["claude-3-opus-20240229", "claude-opus-4-5"].map(|model| {
            let builder = Anthropic::builder(model).environment(|_| None);
            Reader::new(builder.api_key(KEY).build().expect("a deployment"))
        })
    });
    READERS.iter().for_each(|reader| reader.read(bytes));
}

/// Bedrock: bytes as they are, and each line of them in a frame of its own.
pub fn bedrock(bytes: &[u8]) {
    static READERS: LazyLock<[Reader; 2]> = LazyLock::new(|| {
        ["", "invoke/"].map(|route| {
            let model = format!("{route}anthropic.claude-3-5-sonnet-20241022-v2:0");
            let builder = Bedrock::builder(model).environment(|_| None);
            Reader::new(builder.api_key(KEY).build().expect("a deployment"))
        })
    });
    let [converse, invoke] = &*READERS;
    converse.read(bytes);
    invoke.read(bytes);
    converse.streams(&frames::converse(bytes));
    invoke.streams(&frames::invoke(bytes));
}

/// Gemini models; those on Vertex AI are read in the same way.
pub fn vertex(bytes: &[u8]) {
    static READER: LazyLock<Reader> = LazyLock::new(|| {
        let builder = Vertex::builder(vertex::Face::Gemini, "gemini-2.5-flash");
        let builder = builder.environment(|_| None).api_key(KEY);
        Reader::new(builder.build().expect("a deployment"))
    });
    READER.read(bytes);
}

/// watsonx.ai: chat, and the older text generation.
pub fn watsonx(bytes: &[u8]) {
    static READERS: LazyLock<[Reader; 2]> = LazyLock::new(|| {
        [false, true].map(|text| {
            let builder = Watsonx::builder("ibm/granite-3-8b-instruct").environment(|_| None);
            let builder = builder
                .api_base("https://eu-de.ml.cloud.ibm.com")
                .token(KEY);
            let builder = builder
                .project_id("p-1")
                .drop_params(true)
                .text_generation(text);
            Reader::new(builder.build().expect("a deployment"))
        })
    });
    READERS.iter().for_each(|reader| reader.read(bytes));
}
