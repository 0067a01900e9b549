//! Deployments with keys that never change, and clocks that stand.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ziggurat_anthropic::Anthropic;
use ziggurat_bedrock::Bedrock;
use ziggurat_openai::{Face, OpenAi};
use ziggurat_vertex::Vertex;
use ziggurat_watsonx::Watsonx;

const KEY: &str = "a-key-that-opens-nothing";

pub(super) fn openai() -> OpenAi {
    let builder = OpenAi::builder(Face::OpenAi, "gpt-4o-mini").api_key(KEY);
    builder.build().expect("it is complete")
}

pub(super) fn azure() -> OpenAi {
    let builder = OpenAi::builder(Face::Azure, "gpt-4o-mini")
        .api_base("https://example.openai.azure.com")
        .api_version("2024-10-21")
        .api_key(KEY);
    builder.build().expect("it is complete")
}

pub(super) fn anthropic() -> Anthropic {
    let builder = Anthropic::builder("claude-3-opus-20240229").api_key(KEY);
    builder.build().expect("it is complete")
}

pub(super) fn bedrock() -> Bedrock {
    let builder = Bedrock::builder("anthropic.claude-3-5-sonnet-20241022-v2:0")
        .aws_region_name("eu-central-1")
        .aws_access_key_id("AKIDEXAMPLE")
        .aws_secret_access_key(KEY)
        .clock(noon);
    builder.build().expect("it is complete")
}

pub(super) fn vertex() -> Vertex {
    // A metadata server is named so that no file is looked for. Nobody asks it.
    let environment = |name: &str| (name == "GCE_METADATA_HOST").then(|| "127.0.0.1:1".to_owned());
    let builder = Vertex::builder(ziggurat_vertex::Face::VertexAi, "gemini-2.5-flash")
        .project("a-project")
        .location("europe-west1")
        .environment(environment);
    builder.build().expect("it is complete")
}

pub(super) fn watsonx() -> Watsonx {
    let builder = Watsonx::builder("ibm/granite-3-8b-instruct")
        .api_base("https://eu-de.ml.cloud.ibm.com")
        .project_id("a-project")
        .token(KEY);
    builder.build().expect("it is complete")
}

fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_736_942_400)
}
