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

/// Says what happens to a member of this name, given as the bytes that it is.
pub(super) fn fate(name: &[u8]) -> Fate {
    match name {
        b"model" | b"messages" | b"stream" => Fate::Forward,
        b"timeout"
        | b"request_timeout"
        | b"stream_timeout"
        | b"stream_idle_timeout"
        | b"stream_total_timeout"
        | b"total_timeout"
        | b"keepalive_seconds"
        | b"num_retries"
        | b"fallbacks"
        | b"context_window_fallbacks"
        | b"content_policy_fallbacks"
        | b"disable_fallbacks"
        | b"include_fallback_errors"
        | b"fastest_response"
        | b"tags" => Fate::Read,
        b"metadata" | b"litellm_metadata" => Fate::Note,
        b"allowed_model_region" => Fate::Restrict,
        b"model_info"
        | b"fallback_depth"
        | b"rpm"
        | b"tpm"
        | b"weight"
        | b"order"
        | b"max_parallel_requests"
        | b"region_name"
        | b"specific_deployment"
        | b"mock_response" => Fate::Cut,
        b"api_key"
        | b"client_id"
        | b"client_secret"
        | b"organization"
        | b"tenant_id"
        | b"api_version"
        | b"cache"
        | b"caching"
        | b"cooldown_time"
        | b"drop_params"
        | b"enable_tag_filtering"
        | b"max_fallbacks"
        | b"max_retries"
        | b"model_group_retry_policy"
        | b"priority"
        | b"retry_policy"
        | b"routing_strategy"
        | b"ttl" => Fate::Ignore,
        b"guardrails" => Fate::Refuse("guardrails are not supported"),
        b"api_base"
        | b"base_url"
        | b"custom_llm_provider"
        | b"user_config"
        | b"aws_bedrock_runtime_endpoint"
        | b"aws_sts_endpoint"
        | b"watsonx_url" => Fate::Refuse(REDIRECT),
        b"mock_testing_fallbacks"
        | b"mock_testing_context_fallbacks"
        | b"mock_testing_content_policy_fallbacks"
        | b"mock_timeout" => Fate::Mock,
        _ if name.starts_with(b"mock_") => Fate::Refuse(MOCK),
        _ if of_provider(name).is_some() => Fate::Ignore,
        _ if name.starts_with(b"litellm_") || name.starts_with(b"_litellm_") => Fate::Cut,
        _ => Fate::Forward,
    }
}

/// The settings of providers, credentials among them: those of a deployment are the operator's, and a caller's own must not reach
/// an upstream, which may be another provider's.
pub(super) fn of_provider(name: &[u8]) -> Option<&'static str> {
    const FAMILIES: [(&str, &str); 4] = [
        ("aws_", "aws_*"),
        ("azure_", "azure_*"),
        ("vertex_", "vertex_*"),
        ("watsonx_", "watsonx_*"),
    ];
    let family = FAMILIES
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix.as_bytes()));
    family.map(|(_, family)| *family)
}
