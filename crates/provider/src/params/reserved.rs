/// Says whether a name is one of LiteLLM's settings, which are for a gateway and never for a provider.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    name.starts_with("litellm_")
        || name.starts_with("azure_")
        || name.starts_with("aws_")
        || name.starts_with("vertex_")
        || name.starts_with("watsonx_")
        || name.starts_with("input_cost_per_")
        || name.starts_with("output_cost_per_")
        || NAMES.binary_search(&name).is_ok()
}

/// Sorted.
const NAMES: &[&str] = &[
    "additional_drop_params",
    "allowed_model_region",
    "allowed_openai_params",
    "api_base",
    "api_key",
    "api_version",
    "base_model",
    "base_url",
    "budget_duration",
    "cache",
    "caching",
    "client_id",
    "client_secret",
    "configurable_clientside_auth_params",
    "content_policy_fallbacks",
    "context_window_fallbacks",
    "cooldown_time",
    "custom_llm_provider",
    "default_api_key_rpm_limit",
    "default_api_key_tpm_limit",
    "disable_fallbacks",
    "drop_params",
    "enable_tag_filtering",
    "extra_body",
    "extra_headers",
    "fallback_depth",
    "fallbacks",
    "fastest_response",
    "guardrails",
    "headers",
    "id",
    "include_fallback_errors",
    "keepalive_seconds",
    "max_budget",
    "max_fallbacks",
    "max_parallel_requests",
    "max_retries",
    "merge_reasoning_content_in_choices",
    "metadata",
    "mock_response",
    "model",
    "model_group_retry_policy",
    "model_info",
    "no-log",
    "num_retries",
    "order",
    "organization",
    "priority",
    "proxy_server_request",
    "region_name",
    "request_timeout",
    "retry_policy",
    "routing_strategy",
    "rpm",
    "specific_deployment",
    "ssl_verify",
    "stream_timeout",
    "tags",
    "tenant_id",
    "timeout",
    "tpm",
    "ttl",
    "use_in_pass_through",
    "use_litellm_proxy",
    "weight",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(NAMES.is_sorted());
        assert!(is_reserved("rpm") && is_reserved("litellm_credential_name"));
        assert!(!is_reserved("temperature"));
    }
}
