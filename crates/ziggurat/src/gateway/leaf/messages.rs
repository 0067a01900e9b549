//! Anthropic's Messages API in front of every provider.

use std::sync::Arc;

use ziggurat_anthropic::Messages;
use ziggurat_config::{Config, Deployment};
use ziggurat_models::Provider;

use super::Spoken;
use crate::gateway::endpoint;

/// Lets a deployment take requests in Anthropic's form, whatever its provider speaks.
pub(super) fn add(config: &Config, deployment: &Deployment, spoken: Spoken) -> Spoken {
    let provider = deployment.provider;
    let own_words = matches!(
        provider,
        Provider::Bedrock | Provider::VertexAi | Provider::Gemini
    );
    let name = deployment.base_model.as_deref();
    let facts = config
        .models
        .facts(Some(provider), name.unwrap_or(&deployment.model));
    let messages = Messages::new(spoken.dialect)
        .own_words(own_words)
        .reasons(facts.is_none_or(|facts| facts.supports("reasoning")));
    let messages = match cfg!(feature = "exact-tokens") {
        true => {
            let window = endpoint::window(config, deployment);
            messages.counter(Arc::new(move |request, parameters| {
                window.count(request, parameters)
            }))
        }
        // Estimates by bytes are too far off to be told.
        false => messages,
    };
    Spoken {
        dialect: Arc::new(messages),
        ..spoken
    }
}
