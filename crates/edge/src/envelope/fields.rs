//! Which members of a request body are for the gateway, not for the upstream.

/// What happens to a member of the request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes upstream.
    Forward,
    /// It is read here and cut.
    Read,
    /// It is read here and cut, whatever wishes are taken: it must not be lost.
    Restrict,
    /// It is noted for observers and cut.
    Note,
    /// It is read here and cut where tests may bring their answers, else refused.
    Mock,
    /// It is cut without effect; callers expect no more (bookkeeping fields).
    Cut,
    /// It is cut without effect, and the response says so.
    Ignore,
    /// The request is refused, for this reason.
    Refuse(&'static str),
}

const REDIRECT: &str = "the upstream of a request cannot be chosen by the caller";
pub(super) const MOCK: &str = "test fields are not accepted";

/// Says what happens to a member of this name.
pub(super) fn fate(name: &str) -> Fate {
    match name {
        "model" | "messages" | "stream" => Fate::Forward,
        "timeout"
        | "request_timeout"
        | "stream_timeout"
        | "stream_idle_timeout"
        | "stream_total_timeout"
        | "total_timeout"
        | "keepalive_seconds"
        | "num_retries"
        | "fallbacks"
        | "context_window_fallbacks"
        | "content_policy_fallbacks"
        | "disable_fallbacks"
        | "include_fallback_errors"
        | "fastest_response"
        | "tags" => Fate::Read,
        "metadata" | "litellm_metadata" => Fate::Note,
        "allowed_model_region" => Fate::Restrict,
        "model_info"
        | "fallback_depth"
        | "rpm"
        | "tpm"
        | "weight"
        | "order"
        | "max_parallel_requests"
        | "region_name"
        | "specific_deployment"
        | "mock_response" => Fate::Cut,
        "api_key"
        | "client_id"
        | "client_secret"
        | "organization"
        | "tenant_id"
        | "api_version"
        | "cache"
        | "caching"
        | "cooldown_time"
        | "drop_params"
        | "enable_tag_filtering"
        | "max_fallbacks"
        | "max_retries"
        | "model_group_retry_policy"
        | "priority"
        | "retry_policy"
        | "routing_strategy"
        | "ttl" => Fate::Ignore,
        "guardrails" => Fate::Refuse("guardrails are not supported"),
        "api_base"
        | "base_url"
        | "custom_llm_provider"
        | "user_config"
        | "aws_bedrock_runtime_endpoint"
        | "aws_sts_endpoint"
        | "watsonx_url" => Fate::Refuse(REDIRECT),
        "mock_testing_fallbacks"
        | "mock_testing_context_fallbacks"
        | "mock_testing_content_policy_fallbacks"
        | "mock_timeout" => Fate::Mock,
        _ if name.starts_with("mock_") => Fate::Refuse(MOCK),
        _ if of_provider(name).is_some() => Fate::Ignore,
        _ if name.starts_with("litellm_") || name.starts_with("_litellm_") => Fate::Cut,
        _ => Fate::Forward,
    }
}

/// The settings of providers, credentials among them: those of a deployment are the operator's, and a caller's own must not reach
/// an upstream, which may be another provider's.
pub(super) fn of_provider(name: &str) -> Option<&'static str> {
    const FAMILIES: [(&str, &str); 4] = [
        ("aws_", "aws_*"),
        ("azure_", "azure_*"),
        ("vertex_", "vertex_*"),
        ("watsonx_", "watsonx_*"),
    ];
    let family = FAMILIES.iter().find(|(prefix, _)| name.starts_with(prefix));
    family.map(|(_, family)| *family)
}
