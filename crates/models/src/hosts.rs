//! Hosts that are known to speak OpenAI's protocol.

use crate::Provider;

/// Host, path prefix, provider: the addresses in the providers' API references.
const HOSTS: &[(&str, &str, &str)] = &[
    ("ai-gateway.helicone.ai", "", "helicone"),
    ("ai-gateway.vercel.sh", "/v1", "vercel_ai_gateway"),
    ("api.cerebras.ai", "/v1", "cerebras"),
    ("api.clarifai.com", "/v2/ext/openai/v1", "clarifai"),
    ("api.deepinfra.com", "/v1/openai", "deepinfra"),
    ("api.deepseek.com", "", "deepseek"),
    ("api.endpoints.anyscale.com", "/v1", "anyscale"),
    ("api.featherless.ai", "/v1", "featherless_ai"),
    ("api.fireworks.ai", "/inference/v1", "fireworks_ai"),
    ("api.friendli.ai", "/serverless/v1", "friendliai"),
    ("api.galadriel.ai", "/v1", "galadriel"),
    ("api.groq.com", "/openai/v1", "groq"),
    ("api.hyperbolic.xyz", "/v1", "hyperbolic"),
    ("api.inference.wandb.ai", "/v1", "wandb"),
    ("api.lambda.ai", "/v1", "lambda_ai"),
    ("api.llama.com", "/compat/v1", "meta_llama"),
    ("api.mistral.ai", "/v1", "mistral"),
    ("api.moonshot.ai", "/v1", "moonshot"),
    ("api.morphllm.com", "/v1", "morph"),
    ("api.openai.com", "/v1", "openai"),
    ("api.perplexity.ai", "", "perplexity"),
    ("api.publicai.co", "/v1", "publicai"),
    ("api.sambanova.ai", "/v1", "sambanova"),
    ("api.studio.nebius.ai", "/v1", "nebius"),
    ("api.together.xyz", "/v1", "together_ai"),
    ("api.v0.dev", "/v1", "v0"),
    ("api.x.ai", "/v1", "xai"),
    ("app.empower.dev", "/api/v1", "empower"),
    ("codestral.mistral.ai", "/v1", "codestral"),
    (
        "dashscope-intl.aliyuncs.com",
        "/compatible-mode/v1",
        "dashscope",
    ),
    ("inference.api.nscale.com", "/v1", "nscale"),
    ("integrate.api.nvidia.com", "/v1", "nvidia_nim"),
    ("llm.chutes.ai", "/v1", "chutes"),
    ("openrouter.ai", "/api/v1", "openrouter"),
];

/// Returns the provider behind `api_base`: the host must be equal, the path must begin with whole
/// segments of the known one. A known address inside another's path says nothing.
pub(crate) fn provider_at(api_base: &str) -> Option<Provider> {
    let (scheme, rest) = api_base.split_once("://").unwrap_or(("https", api_base));
    if !scheme.eq_ignore_ascii_case("https") {
        return None; // a key for a public host never leaves in clear text
    }
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let (authority, path) = match rest[..end].find('/') {
        Some(slash) => rest[..end].split_at(slash),
        None => (&rest[..end], ""),
    };
    let host = authority.strip_suffix(":443").unwrap_or(authority);
    HOSTS
        .iter()
        .find(|(known, prefix, _)| host.eq_ignore_ascii_case(known) && has_prefix(path, prefix))
        .and_then(|(_, _, name)| Provider::from_name(name))
}

fn has_prefix(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
