//! The names of LiteLLM's settings: those that have an effect, and those that are known and do
//! not have one yet. Names in this file are separated by white space; one ending in `*` stands
//! for all names that begin so.

/// The names that may stand in one mapping.
pub(crate) struct Keys {
    active: &'static str,
    not_active: &'static str,
}

/// What a name is.
pub(crate) enum Known {
    Active,
    NotActive,
    Not,
}

// === impl Keys ===

impl Keys {
    pub(crate) fn lookup(&self, key: &str) -> Known {
        let is_in = |names: &str| names.split_whitespace().any(|name| matches(name, key));
        // The more special of two lists is the one that spells the name out.
        if self.active.split_whitespace().any(|name| name == key) {
            Known::Active
        } else if is_in(self.not_active) {
            Known::NotActive
        } else if is_in(self.active) {
            Known::Active
        } else {
            Known::Not
        }
    }

    /// Whether a name is one of these itself, and does not only begin like some.
    pub(crate) fn spells_out(&self, key: &str) -> bool {
        self.all().any(|name| name == key)
    }

    pub(crate) fn nearest(&self, key: &str) -> Option<&'static str> {
        nearest(key, self.all())
    }

    pub(crate) fn active(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.active.split_whitespace()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &'static str> + use<> {
        let names = self.active.split_whitespace();
        names.chain(self.not_active.split_whitespace())
    }
}

fn matches(name: &str, key: &str) -> bool {
    match name.strip_suffix('*') {
        Some(prefix) => key.starts_with(prefix),
        None => name == key,
    }
}

/// Returns the name at the smallest edit distance: at most 2, and at most a third of the key's
/// length, so that short names are not taken for one another.
pub(crate) fn nearest(
    key: &str,
    names: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let limit = (key.chars().count() / 3).min(2);
    names
        .filter(|name| !name.ends_with('*'))
        .map(|name| (distance(key, name), name))
        .filter(|(distance, _)| (1..=limit).contains(distance))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Edit distance in which exchanging two neighbours is one edit.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.chars().collect::<Vec<_>>(), b.chars().collect::<Vec<_>>());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let same = a[i - 1] == b[j - 1];
            let mut best = (rows[i - 1][j] + 1)
                .min(row[j - 1] + 1)
                .min(rows[i - 1][j - 1] + usize::from(!same));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

const SECTIONS: [(&str, &Keys); 6] = [
    ("model_list", &ENTRY),
    ("litellm_params", &PARAMS),
    ("model_info", &INFO),
    ("router_settings", &ROUTER),
    ("litellm_settings", &LITELLM),
    ("general_settings", &GENERAL),
];

/// Returns the sections that a name has an effect in.
pub(crate) fn homes(key: &str) -> Vec<&'static str> {
    let homes = SECTIONS
        .into_iter()
        .filter(|(_, keys)| keys.active().any(|name| name == key));
    homes.map(|(home, _)| home).collect()
}

/// Returns the setting of a section, with its section, that a name is almost the same as.
pub(crate) fn nearest_elsewhere(key: &str) -> Option<String> {
    let settings = SECTIONS
        .into_iter()
        .filter(|(home, _)| home.ends_with("_settings"));
    let mut near = settings.filter_map(|(home, keys)| Some((home, nearest(key, keys.active())?)));
    near.next().map(|(home, name)| format!("{home}.{name}"))
}

/// What may stand under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// Other settings.
    Structure,
    /// A value that holds no key, token, header or text of a prompt.
    Harmless,
    /// A known setting that may hold one.
    Hidden,
    /// Anything.
    Unknown,
}

/// Says what may stand under a name, wherever it stands.
pub(crate) fn nature(key: &str) -> Nature {
    let is_in = |keys: &Keys| !matches!(keys.lookup(key), Known::Not);
    let is_spelled_out = |names: &str| names.split_whitespace().any(|name| name == key);
    let lists = [
        &FILE,
        &ENTRY,
        &PARAMS,
        &INFO,
        &LITELLM,
        &ROUTER,
        &GENERAL,
        &RETRIES,
        &FAILS,
        &BUDGET,
        &ROUTING_GROUP,
        &STRATEGY_ARGS,
    ];
    if is_spelled_out(HIDDEN) {
        Nature::Hidden
    } else if is_spelled_out(STRUCTURE) {
        Nature::Structure
    } else if is_spelled_out(PLACES) || lists.iter().any(|keys| is_spelled_out(keys.active)) {
        Nature::Harmless
    } else if lists.into_iter().chain([&PROVIDER, &REQUEST]).any(is_in) {
        Nature::Hidden
    } else {
        Nature::Unknown
    }
}

/// Active settings that may hold keys, or what is only for the model.
const HIDDEN: &str = "api_key description environment_variables extra_body extra_headers headers
    master_key metadata organization";

/// Settings that hold others.
const STRUCTURE: &str = "general_settings litellm_params litellm_settings model_info model_list
    router_settings";

/// Settings for a provider's client that say where it calls.
const PLACES: &str = "aws_region_name vertex_location watsonx_region_name";

/// Top level of the file.
pub(crate) const FILE: Keys = Keys {
    active: "environment_variables general_settings include litellm_settings model_list
        router_settings",
    not_active: "agent_list assistant_settings callback_settings credential_list
        default_vertex_config files_settings finetune_settings guardrails mcp_servers
        mcp_tools policies prompts search_tools vector_store_registry worker_config",
};

/// One entry of `model_list`.
pub(crate) const ENTRY: Keys = Keys {
    active: "litellm_params model_info model_name rpm tpm",
    not_active: "",
};

/// `litellm_params`: what is read here. Names neither here nor below are request parameters.
pub(crate) const PARAMS: Keys = Keys {
    active: "allowed_fails allowed_fails_policy api_base api_key api_version base_model base_url
        cooldown_time custom_llm_provider drop_params extra_body extra_headers headers
        input_cost_per_token keepalive_seconds max_parallel_requests max_retries mock_response model num_retries order
        organization output_cost_per_token region_name request_timeout rpm stream_idle_timeout
        stream_timeout stream_total_timeout tags timeout tpm weight",
    not_active: "additional_drop_params allowed_model_region
        api_type budget_duration cache caching
        configurable_clientside_auth_params content_policy_fallbacks context_window_fallbacks
        default_api_key_* disable_fallbacks enable_tag_filtering fallback_depth
        fallbacks fastest_response guardrails include_fallback_errors input_cost_per_*
        litellm_* max_budget max_fallbacks max_file_size_mb
        merge_reasoning_content_in_choices metadata mock_*
        model_group_retry_policy model_info output_cost_per_* priority
        retry_policy routing_strategy specific_deployment ssl_verify
        tag_regex ttl use_in_pass_through use_litellm_proxy",
};

/// `litellm_params` that tell a provider's client what to do and are not part of a request body.
pub(crate) const PROVIDER: Keys = Keys {
    active: "allowed_openai_params aws_access_key_id aws_bedrock_runtime_endpoint aws_external_id
        aws_profile_name aws_region_name aws_role_name aws_secret_access_key aws_session_name
        aws_session_token aws_sts_endpoint aws_web_identity_token azure_ad_token azure_scope
        client_id client_secret project_id space_id tenant_id token vertex_credentials
        vertex_location vertex_project watsonx_project watsonx_region_name watsonx_space_id
        watsonx_token watsonx_zen_api_key zen_api_key",
    not_active: "aws_* azure_* gcs_* hf_model_name project s3_* vertex_* watsonx_* wx_*",
};

/// Well-known request parameters, so that they are not taken for slips of others.
pub(crate) const REQUEST: Keys = Keys {
    active: "audio dimensions encoding_format frequency_penalty function_call functions
        logit_bias logprobs max_completion_tokens max_tokens messages modalities n
        parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_retention
        reasoning_effort response_format safety_identifier seed service_tier stop store stream
        stream_options temperature thinking tool_choice tools top_k top_logprobs top_p user
        verbosity web_search_options",
    not_active: "",
};

/// `model_info`.
pub(crate) const INFO: Keys = Keys {
    active: "allowed_fails allowed_fails_policy base_model blocked cooldown_time description
        disable_background_health_check id
        input_cost_per_token litellm_provider max_input_tokens max_output_tokens max_tokens
        metadata mode order output_cost_per_token supports_* supports_audio_input supports_audio_output
        supports_function_calling supports_parallel_function_calling supports_pdf_input
        supports_prompt_caching supports_reasoning supports_response_schema
        supports_system_messages supports_tool_choice supports_vision supports_web_search",
    not_active: "access_groups cache_creation_input_* cache_read_*
        created_at created_by db_model
        health_check_* input_cost_per_* output_cost_per_* output_vector_size
        supported_environments supported_openai_params team_id team_public_model_name tpm rpm
        updated_at updated_by",
};

/// `litellm_settings`.
pub(crate) const LITELLM: Keys = Keys {
    active: "aiohttp_trust_env allowed_fails allowed_fails_window allowed_model_region
        content_policy_fallbacks context_window_fallbacks cooldown_time default_fallbacks
        drop_params enable_preview fallbacks json_logs max_fallbacks num_retries
        num_retries_per_request request_timeout require_auth_for_metrics_endpoint
        sse_keepalive_ping_interval_seconds stream_idle_timeout stream_timeout
        stream_total_timeout",
    not_active: "add_function_to_prompt blocked_user_list budget_duration cache
        cache_params callbacks custom_provider_map default_in_memory_ttl
        default_internal_user_params default_key_* default_redis_* default_team_* disable_*
        enable_* expose_router_debug_in_errors failure_callback force_ipv4 guardrails
        include_cost_in_streaming_usage key_generation_settings langfuse_* max_budget
        max_end_user_budget max_internal_user_budget max_ui_session_budget
        max_user_budget mcp_aliases model_alias_map modify_params priority_reservation
        prometheus_* public_model_groups redact_* s3_callback_params service_callback
        service_callbacks set_verbose ssl_certificate ssl_verify store_audit_logs
        success_callback tag_budget_config telemetry turn_off_message_logging upperbound_key_*
        use_chat_completions_url_for_anthropic_messages user_url_validation",
};

/// `router_settings`.
pub(crate) const ROUTER: Keys = Keys {
    active: "allow_generic_fallback_on_refusal allowed_fails allowed_fails_policy
        allowed_fails_window allowed_model_region content_policy_fallbacks
        context_window_fallbacks cooldown_failure_share cooldown_last_resort
        cooldown_max_ejected_share cooldown_max_retry_after cooldown_max_time
        cooldown_min_requests cooldown_slow_start cooldown_time cooldown_wait
        default_fallbacks default_max_parallel_requests disable_cooldowns
        enable_health_check_routing enable_pre_call_checks enable_tag_filtering
        enable_weighted_failover fallback_on
        fallbacks max_fallbacks max_parallel_wait model_facts model_group_alias
        model_group_retry_policy num_retries num_retries_per_request optional_pre_call_checks
        retry_after retry_budget retry_policy routing_groups routing_strategy
        routing_strategy_args stream_commit stream_idle_timeout stream_recovery stream_timeout
        stream_total_timeout
        tag_filtering_match_any timeout total_timeout wider_europe",
    not_active: "alerting_config assistants_config cache_kwargs cache_responses caching_groups
        client_ttl debug_level default_litellm_params default_priority
        deployment_affinity_ttl_seconds
        ignore_invalid_deployments model_group_affinity_config polling_interval
        provider_budget_config redis_* router_general_settings search_tools set_verbose",
};

/// `retry_policy`, and each of `model_group_retry_policy`.
pub(crate) const RETRIES: Keys = Keys {
    active: "AuthenticationErrorRetries BadRequestErrorRetries
        ContentPolicyViolationErrorRetries DefaultRetries InternalServerErrorRetries
        NotFoundErrorRetries RateLimitErrorRetries ServiceUnavailableErrorRetries
        TimeoutErrorRetries",
    not_active: "",
};

/// `allowed_fails_policy`.
pub(crate) const FAILS: Keys = Keys {
    active: "AuthenticationErrorAllowedFails BadGatewayErrorAllowedFails
        BadRequestErrorAllowedFails ContentPolicyViolationErrorAllowedFails
        InternalServerErrorAllowedFails NotFoundErrorAllowedFails RateLimitErrorAllowedFails
        ServiceUnavailableErrorAllowedFails TimeoutErrorAllowedFails",
    not_active: "",
};

/// One of `model_group_alias`.
pub(crate) const ALIAS: Keys = Keys {
    active: "hidden model",
    not_active: "",
};

/// `retry_budget`.
pub(crate) const BUDGET: Keys = Keys {
    active: "min_per_second ratio ttl",
    not_active: "",
};

/// What `optional_pre_call_checks` may name.
pub(crate) const CHECKS: Keys = Keys {
    active: "enforce_model_rate_limits",
    not_active: "deployment_affinity encrypted_content_affinity
        forward_client_headers_by_model_group prompt_caching responses_api_deployment_check
        router_budget_limiting session_affinity",
};

/// One of `routing_groups`.
pub(crate) const ROUTING_GROUP: Keys = Keys {
    active: "group_name models routing_strategy routing_strategy_args",
    not_active: "",
};

/// `routing_strategy_args`.
pub(crate) const STRATEGY_ARGS: Keys = Keys {
    active: "lowest_latency_buffer",
    not_active: "max_latency_list_size rpm tpm ttft_percentile ttl",
};

/// `general_settings`.
pub(crate) const GENERAL: Keys = Keys {
    active: "background_health_checks compat_error_types
        dangerously_allow_mock_testing_request_params
        dangerously_permit_weak_or_unset_master_key enable_health_check_routing
        expose_fallback_errors_to_caller forward_client_headers_to_llm_api
        global_max_parallel_requests
        health_check_ignore_transient_errors health_check_interval
        health_check_staleness_threshold log_metadata_keys master_key max_request_size_mb",
    not_active: "admin_only_routes alert_* alerting alerting_* allow_client_side_credentials
        allow_requests_on_db_unavailable allow_user_auth allowed_ips allowed_routes
        always_include_stream_usage completion_model
        coordinate_background_health_check cors_origins custom_* dangerously_allow_* database_*
        default_team_disabled disable_* embedding_model enable_* enforce_user_param
        enforced_params forward_openai_org_id health_check_* image_generation_model
        infer_model_from_keys key_management_* litellm_* max_parallel_requests
        max_response_size_mb maximum_spend_logs_* moderation_model oauth2_*
        pass_through_endpoints proxy_* public_routes reject_clientside_metadata_tags
        require_end_user_mcp_access_defined service_account_settings spend_report_frequency
        store_* supported_db_objects ui_access_mode use_* user_api_key_cache_ttl
        user_header_mappings user_header_name user_mcp_management_mode",
};

/// Settings without effect that LiteLLM has switched on: switched off, they ask for something.
const ON: &str = "health_check_details ignore_invalid_deployments ssl_verify user_url_validation";

/// Whether a setting asks for something when it is switched off.
pub(crate) fn is_on_by_itself(key: &str) -> bool {
    ON.split_whitespace().any(|name| name == key)
}

/// The strategy that is known and not active.
pub(crate) const BUDGET_ROUTING: &str = "provider-budget-routing";

/// Kinds of failures that `fallback_on` may name.
pub(crate) const FAILURES: &str = "bad_request payload_too_large authentication payment_required
    permission_denied not_found conflict rate_limited quota_exceeded context_window content_policy
    timeout server connect disconnected invalid_response region tags cooling_down
    no_candidate unknown_model other";
