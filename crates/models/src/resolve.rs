//! From a model string to a provider.

use std::{error::Error, fmt};

use crate::{Provider, facts, hosts};

/// No rule says who serves the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownProvider {
    model: String,
}

/// Returns who serves `model`, and the model's name without the provider's prefix.
///
/// The first rule that fits decides:
/// 1. `custom_llm_provider` names the provider; `model` may repeat it as a prefix.
/// 2. `model` is `<provider>/<rest>` with a known provider. `rest` keeps its own slashes. Two
///    exceptions: `azure/<name of a Mistral or Cohere model>` speaks OpenAI's protocol and keeps
///    the whole string as its name; `anthropic/claude-2…` and `anthropic/claude-instant…` are
///    Anthropic's older text protocol.
/// 3. `api_base` lies on a host that is known to speak OpenAI's protocol.
/// 4. The model table lists `model`; fine-tuned `ft:gpt-3.5-turbo…` and `ft:gpt-4…` are OpenAI's.
/// 5. `claude-…` is Anthropic's, `gemini-…` is Vertex AI's, and `anthropic.claude-…`, also behind
///    a geography (`eu.anthropic.claude-…`), is Bedrock's.
///
/// # Errors
/// [`UnknownProvider`] if no rule fits, or if `custom_llm_provider` is not a known name.
///
/// ```
/// use ziggurat_models::{Provider, resolve};
///
/// let (provider, model) = resolve("huggingface/HuggingFaceH4/zephyr-7b-beta", None, None)?;
/// assert_eq!((provider, model), (Provider::HuggingFace, "HuggingFaceH4/zephyr-7b-beta"));
/// assert!(resolve("zephyr-beta", None, None).is_err());
/// # Ok::<(), ziggurat_models::UnknownProvider>(())
/// ```
pub fn resolve<'a>(
    model: &'a str,
    api_base: Option<&str>,
    custom_llm_provider: Option<&str>,
) -> Result<(Provider, &'a str), UnknownProvider> {
    let unknown = || UnknownProvider {
        model: model.to_owned(),
    };
    if let Some(name) = custom_llm_provider {
        let provider = Provider::from_name(name).ok_or_else(unknown)?;
        let rest = match model.split_once('/') {
            Some((prefix, rest)) if prefix == name && !rest.is_empty() => rest,
            _ => model,
        };
        return Ok((text_protocol(provider, rest), rest));
    }
    by_prefix(model)
        .or_else(|| Some((hosts::provider_at(api_base?)?, model)))
        .or_else(|| Some((by_table(model)?, model)))
        .or_else(|| Some((by_pattern(model)?, model)))
        .ok_or_else(unknown)
}

fn by_prefix(model: &str) -> Option<(Provider, &str)> {
    let (prefix, rest) = model.split_once('/').filter(|(_, rest)| !rest.is_empty())?;
    match Provider::from_name(prefix)? {
        Provider::Azure if is_hosted_on_azure(rest) => Some((Provider::OpenAi, model)),
        provider => Some((text_protocol(provider, rest), rest)),
    }
}

/// Mistral's and Cohere's models on Azure are served with OpenAI's paths, not Azure's.
fn is_hosted_on_azure(model: &str) -> bool {
    let mistral = Provider::Other("mistral");
    let cohere = Provider::Other("cohere_chat");
    let listed = |provider, name: &str| facts(None, name).is_some_and(|f| f.provider == provider);
    listed(cohere, model) || listed(mistral, &format!("mistral/{model}"))
}

fn text_protocol(provider: Provider, model: &str) -> Provider {
    let old = model.starts_with("claude-2") || model.starts_with("claude-instant");
    match provider {
        Provider::Anthropic if old => Provider::AnthropicText,
        provider => provider,
    }
}

fn by_table(model: &str) -> Option<Provider> {
    if model == "*" {
        return Some(Provider::OpenAi);
    }
    let fine_tuned = ["ft:gpt-3.5-turbo", "ft:gpt-4"];
    if fine_tuned.iter().any(|base| model.starts_with(base)) {
        return Some(Provider::OpenAi);
    }
    facts(None, model).map(|facts| facts.provider)
}

fn by_pattern(model: &str) -> Option<Provider> {
    let name = match model.split_once('.') {
        Some((geo, rest)) if geo.bytes().all(|b| b.is_ascii_lowercase() || b == b'-') => rest,
        _ => model,
    };
    let rules = [
        (model, "claude-", Provider::Anthropic),
        (model, "gemini-", Provider::VertexAi),
        (model, "anthropic.claude-", Provider::Bedrock),
        (name, "anthropic.claude-", Provider::Bedrock),
    ];
    rules
        .into_iter()
        .find(|(name, prefix, _)| name.len() > prefix.len() && name.starts_with(prefix))
        .map(|(_, _, provider)| provider)
}

// === impl UnknownProvider ===

impl UnknownProvider {
    /// Returns the model string that could not be resolved.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }
}

impl fmt::Display for UnknownProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model } = self;
        write!(
            f,
            "no known provider serves `{model}`; write it as `provider/model`"
        )
    }
}

impl Error for UnknownProvider {}
