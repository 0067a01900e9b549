//! Providers and their names.

use std::fmt;

/// Who serves a model, under the name that configuration files use.
///
/// Names without a variant of their own are [`Provider::Other`]: known, so a model string may
/// carry them, but nothing here says how to talk to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Provider {
    /// OpenAI, and every server that speaks its protocol.
    OpenAi,
    /// OpenAI's older text completion.
    TextCompletionOpenAi,
    /// Azure OpenAI.
    Azure,
    /// Hugging Face: text-generation-inference, or its router.
    HuggingFace,
    /// Anthropic's Messages protocol.
    Anthropic,
    /// Anthropic's older text completion.
    AnthropicText,
    /// Google Vertex AI.
    VertexAi,
    /// Google AI Studio.
    Gemini,
    /// AWS Bedrock.
    Bedrock,
    /// IBM watsonx.ai.
    Watsonx,
    /// IBM watsonx.ai's older text generation.
    WatsonxText,
    /// Another known provider, by its name.
    Other(&'static str),
}

const NAMED: [Provider; 11] = [
    Provider::OpenAi,
    Provider::TextCompletionOpenAi,
    Provider::Azure,
    Provider::HuggingFace,
    Provider::Anthropic,
    Provider::AnthropicText,
    Provider::VertexAi,
    Provider::Gemini,
    Provider::Bedrock,
    Provider::Watsonx,
    Provider::WatsonxText,
];

/// Further provider names that LiteLLM's model strings may begin with.
const OTHERS: &str = "
    a2a ai21 ai21_chat aihubmix aiml aiohttp_openai amazon_nova anyscale azure_ai azure_text
    baseten bedrock_mantle bytez cerebras chatgpt chutes clarifai cloudflare codestral cognition
    cohere cohere_chat cometapi compactifai coralbricks crusoe custom custom_openai darkbloom
    dashscope databricks datarobot deepinfra deepseek docker_model_runner empower fal_ai
    featherless_ai fireworks_ai friendliai galadriel gigachat github github_copilot gmi
    gradient_ai groq helicone heroku hosted_vllm hyperbolic inception inferenceapis infinity
    jina_ai lambda_ai lemonade libertai litellm_proxy llamafile llamagate lm_studio manus
    maritalk meta meta_llama microsoft_365_copilot minimax mistral moonshot morph nano-gpt nebius
    nlp_cloud novita nscale nvidia_nim oci ollama ollama_chat oobabooga openai_like openinfer
    openrouter ovhcloud perplexity petals pinstripes poe predibase prism publicai qwen_ai_platform
    qwencloud ragflow replicate sagemaker sagemaker_chat sagemaker_nova sail sambanova sap sarvam
    scaledown scaleway scx-ai snowflake synthetic tencent tensormesh text-completion-codestral
    text-completion-inception together_ai topaz triton v0 vercel_ai_gateway vertex_ai_beta vllm
    volcengine voyage wandb xai xiaomi_mimo xinference zai
";

// === impl Provider ===

impl Provider {
    /// Returns the provider of a name, if the name is known.
    ///
    /// ```
    /// use ziggurat_models::Provider;
    ///
    /// assert_eq!(Provider::from_name("azure"), Some(Provider::Azure));
    /// assert_eq!(Provider::from_name("groq"), Some(Provider::Other("groq")));
    /// assert_eq!(Provider::from_name("example"), None);
    /// ```
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let named = NAMED.into_iter().find(|known| known.as_str() == name);
        named.or_else(|| {
            let mut others = OTHERS.split_whitespace();
            others.find(|&known| known == name).map(Self::Other)
        })
    }

    /// Returns the name that configuration files use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::TextCompletionOpenAi => "text-completion-openai",
            Self::Azure => "azure",
            Self::HuggingFace => "huggingface",
            Self::Anthropic => "anthropic",
            Self::AnthropicText => "anthropic_text",
            Self::VertexAi => "vertex_ai",
            Self::Gemini => "gemini",
            Self::Bedrock => "bedrock",
            Self::Watsonx => "watsonx",
            Self::WatsonxText => "watsonx_text",
            Self::Other(name) => name,
        }
    }

    /// Returns the provider of a table entry, where some providers are listed by model family
    /// (`vertex_ai-anthropic_models`) or by protocol (`bedrock_converse`).
    pub(crate) fn from_table(name: &str) -> Option<Self> {
        match name.split_once('-') {
            Some(("vertex_ai", _)) => Some(Self::VertexAi),
            Some((family @ "fireworks_ai", _)) => Self::from_name(family),
            _ if name == "bedrock_converse" => Some(Self::Bedrock),
            _ => Self::from_name(name),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
