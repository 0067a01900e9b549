//! Wrong values, and what is said of them.

/// Wrong values of a kind of settings, each with what is said.
pub(crate) type Wrongs = &'static [(&'static str, &'static str)];

pub(crate) const NUMBER: Wrongs = &[
    ("many", "expected a number, found text"),
    ("true", "expected a number, found a boolean"),
    ("[1]", "expected a number, found a list"),
    ("{a: 1}", "expected a number, found a mapping"),
    ("-1", "must not be negative"),
    ("'-0.5'", "must not be negative"),
    (".nan", "expected a finite number"),
    (".inf", "expected a finite number"),
    ("1e20", "the number is too large"),
    ("99999999999999999999", "the number is too large"),
];

pub(crate) const COUNT: Wrongs = &[
    ("1.5", "expected a whole number up to 4294967295"),
    ("4294967296", "expected a whole number up to 4294967295"),
];

pub(crate) const SHARE: Wrongs = &[
    ("1.5", "must be between 0 and 1"),
    ("50", "must be between 0 and 1"),
];

pub(crate) const FLAG: Wrongs = &[
    ("maybe", "expected true or false, found text"),
    ("1", "expected true or false, found a number"),
    ("[true]", "expected true or false, found a list"),
    ("{a: true}", "expected true or false, found a mapping"),
];

pub(crate) const TEXT: Wrongs = &[
    ("5", "expected text, found a number"),
    ("true", "expected text, found a boolean"),
    ("[x]", "expected text, found a list"),
    ("{a: x}", "expected text, found a mapping"),
];

pub(crate) const ID: Wrongs = &[
    ("1.5", "expected text, found a number"),
    ("true", "expected text, found a boolean"),
    ("[x]", "expected text, found a list"),
    ("{a: x}", "expected text, found a mapping"),
];

pub(crate) const TEXTS: Wrongs = &[
    ("5", "expected text, found a number"),
    ("true", "expected text, found a boolean"),
    ("{a: x}", "expected text, found a mapping"),
    ("[x, 5]", "expected a list of texts, found a number"),
    ("[[x]]", "expected a list of texts, found a list"),
];

pub(crate) const URL: Wrongs = &[
    ("5", "expected text, found a number"),
    ("[x]", "expected text, found a list"),
    ("host:8000", "expected an http:// or https:// address"),
    ("ftp://host", "expected an http:// or https:// address"),
    ("'http://'", "expected an http:// or https:// address"),
];

pub(crate) const HEADERS: Wrongs = &[
    ("x", "expected a mapping of headers, found text"),
    ("[x]", "expected a mapping of headers, found a list"),
    ("5", "expected a mapping of headers, found a number"),
    ("{'a b': x}", "not the name of an HTTP header"),
    (
        "{a: \"x\\ny\"}",
        "`a` has a value that no HTTP header can carry",
    ),
    ("{a: [x]}", "expected text, found a list"),
];

pub(crate) const LIST: Wrongs = &[
    ("x", "expected a list, found text"),
    ("5", "expected a list, found a number"),
    ("{a: x}", "expected a list, found a mapping"),
];

pub(crate) const MAPPING: Wrongs = &[
    ("x", "expected a mapping, found text"),
    ("5", "expected a mapping, found a number"),
    ("[x]", "expected a mapping, found a list"),
];

pub(crate) const SECRET: Wrongs = &[
    ("true", "expected text, found a boolean"),
    ("[x]", "expected text, found a list"),
    ("{a: x}", "expected text, found a mapping"),
];

/// Of what may be written out as a mapping.
const DOCUMENT: Wrongs = &[
    ("true", "expected text, found a boolean"),
    ("5", "expected text, found a number"),
    ("[x]", "expected text, found a list"),
];

/// Of the times between signs of life.
const KEEPALIVE: Wrongs = &[
    ("often", "expected a number, found text"),
    ("-1", "must not be negative"),
    ("0.5", "must be between 1 and 300 seconds"),
    ("301", "must be between 1 and 300 seconds"),
];

/// Settings that are of no kind, with values that are wrong as a whole.
pub(crate) const OTHERS: &[(&str, Wrongs)] = &[
    ("litellm_params.keepalive_seconds", KEEPALIVE),
    (
        "litellm_settings.sse_keepalive_ping_interval_seconds",
        KEEPALIVE,
    ),
    (
        "general_settings.compat_error_types",
        &[
            ("mine", "expected `litellm` or `openai`"),
            ("5", "expected text, found a number"),
        ],
    ),
    (
        "general_settings.forward_client_headers_to_llm_api",
        &[
            ("maybe", "expected true or false, found text"),
            ("['a b']", "expected the names of HTTP headers"),
            ("[5]", "expected a list of texts, found a number"),
            ("{a: x}", "expected true or false, found a mapping"),
        ],
    ),
    ("litellm_params.vertex_credentials", DOCUMENT),
    (
        "router_settings.stream_commit",
        &[
            ("last", "expected `first_content` or `complete`"),
            ("5", "expected text, found a number"),
        ],
    ),
    (
        "router_settings.stream_recovery",
        &[
            ("on", "expected `off`, `restart` or `continue`"),
            ("true", "expected text, found a boolean"),
            ("5", "expected text, found a number"),
        ],
    ),
    ("litellm_params.extra_body", MAPPING),
    ("router_settings.allowed_fails_policy", MAPPING),
    ("router_settings.model_group_alias", MAPPING),
    ("router_settings.model_group_retry_policy", MAPPING),
    ("router_settings.retry_policy", MAPPING),
    ("router_settings.routing_strategy_args", MAPPING),
    (
        "router_settings.fallback_on",
        &[
            ("weather", "unknown kind of failure"),
            ("serve", "unknown kind of failure; did you mean `server`?"),
            ("5", "expected text, found a number"),
            ("[5]", "expected a list of texts, found a number"),
        ],
    ),
    (
        "router_settings.optional_pre_call_checks",
        &[
            ("weather", "unknown check"),
            ("{a: x}", "expected text, found a mapping"),
        ],
    ),
    (
        "router_settings.retry_budget",
        &[
            ("x", "expected a number, found text"),
            ("true", "expected a number, or a mapping, found a boolean"),
            ("[1]", "expected a number, or a mapping, found a list"),
            ("-1", "must not be negative"),
            ("1001", "must be between 0 and 1000"),
        ],
    ),
    (
        "router_settings.routing_groups",
        &[
            ("x", "expected a list of groups, found text"),
            ("{a: x}", "expected a list of groups, found a mapping"),
        ],
    ),
    (
        "router_settings.routing_strategy",
        &[
            (
                "fastest",
                "unknown strategy; known are simple-shuffle, least-busy, usage-based-routing, \
                 usage-based-routing-v2, latency-based-routing, peak-ewma, cost-based-routing, \
                 provider-budget-routing",
            ),
            ("5", "expected text, found a number"),
        ],
    ),
];

/// Wrong values in the depth of a setting: line 2 of the file, and all that is said.
pub(crate) const DEEP: &[(&str, &[&str])] = &[
    (
        "router_settings: {timeout: !x 1}",
        &["2:31: router_settings.timeout: expected a number, found a tagged value"],
    ),
    (
        "router_settings: {retry_policy: {TimeoutErrorRetries: x}}",
        &["2:55: router_settings.retry_policy.TimeoutErrorRetries: expected a number, found text"],
    ),
    (
        "router_settings: {model_group_retry_policy: {a: {DefaultRetries: -1}}}",
        &["2:66: router_settings.model_group_retry_policy.a.DefaultRetries: must not be negative"],
    ),
    (
        "router_settings: {model_group_retry_policy: {a: x}}",
        &["2:49: router_settings.model_group_retry_policy.a: expected a mapping, found text"],
    ),
    (
        "router_settings: {allowed_fails_policy: {RateLimitErrorAllowedFails: 0.5}}",
        &[
            "2:70: router_settings.allowed_fails_policy.RateLimitErrorAllowedFails: expected a whole number up to 4294967295",
        ],
    ),
    (
        "router_settings: {retry_budget: {ratio: 1001, ttl: 0.5, min_per_second: 2147483647}}",
        &[
            "2:41: router_settings.retry_budget.ratio: must be between 0 and 1000",
            "2:52: router_settings.retry_budget.ttl: must be between 1 and 60 seconds",
            "2:73: router_settings.retry_budget.min_per_second: expected a whole number below 2147483647",
        ],
    ),
    (
        "router_settings: {retry_budget: {ttl: 61}}",
        &["2:39: router_settings.retry_budget.ttl: must be between 1 and 60 seconds"],
    ),
    (
        "router_settings: {model_group_alias: {x: 5, y: {hidden: true}, z: {model: a, hidden: 2}}}",
        &[
            "2:42: router_settings.model_group_alias.x: expected text, found a number",
            "2:48: router_settings.model_group_alias.y: expected a `model`",
            "2:86: router_settings.model_group_alias.z.hidden: expected true or false, found a number",
        ],
    ),
    (
        "router_settings: {routing_groups: [{models: [a]}, {group_name: g}, {group_name: h, models: [a], routing_strategy: x}]}",
        &[
            "2:36: router_settings.routing_groups[0].group_name: every routing group needs a `group_name`",
            "2:51: router_settings.routing_groups[1].models: every routing group needs `models`",
        ],
    ),
    (
        "router_settings: {routing_groups: [{group_name: default, models: [a]}, {group_name: g, models: [a]}, x]}",
        &[
            "2:49: router_settings.routing_groups[0].group_name: the name is reserved for all other models",
            "2:97: router_settings.routing_groups[1].models[0]: the model is in another routing group",
            "2:102: router_settings.routing_groups[2]: expected a mapping, found text",
        ],
    ),
    (
        "router_settings: {routing_strategy: latency-based-routing, routing_strategy_args: {lowest_latency_buffer: x, ttl: -1, max_latency_list_size: 1.5, ttft_percentile: 101}}",
        &[
            "2:142: router_settings.routing_strategy_args.max_latency_list_size: expected a whole number up to 4294967295",
            "2:115: router_settings.routing_strategy_args.ttl: must not be negative",
            "2:107: router_settings.routing_strategy_args.lowest_latency_buffer: expected a number, found text",
            "2:164: router_settings.routing_strategy_args.ttft_percentile: must be between 0 and 100",
        ],
    ),
    (
        "router_settings: {fallbacks: [a, {a: [b], c: [d]}, {1: [a]}, {a: b}, {a: [5, {temperature: 0}, {model: b, timeout: x}]}]}",
        &[
            "2:31: router_settings.fallbacks[0]: expected one group with its list of fallbacks",
            "2:34: router_settings.fallbacks[1]: expected one group with its list of fallbacks",
            "2:52: router_settings.fallbacks[2]: expected the name of a group, found a number",
            "2:66: router_settings.fallbacks[3].a: expected a list, found text",
        ],
    ),
    (
        "litellm_settings: {default_fallbacks: [5, {temperature: 0}, {model: b, num_retries: x}]}",
        &[
            "2:40: litellm_settings.default_fallbacks[0]: expected the name of a group, or a mapping, found a number",
            "2:43: litellm_settings.default_fallbacks[1]: expected a `model` beside the parameters",
            "2:85: litellm_settings.default_fallbacks[2].num_retries: expected a number, found text",
        ],
    ),
    (
        "environment_variables: {A: [1], B: {c: d}}",
        &[
            "2:28: environment_variables.A: expected text, found a list",
            "2:36: environment_variables.B: expected text, found a mapping",
        ],
    ),
    (
        "environment_variables: x",
        &["2:24: environment_variables: expected a mapping, found text"],
    ),
    (
        "router_settings: [x]",
        &["2:18: router_settings: expected a mapping, found a list"],
    ),
    (
        "litellm_settings: 5",
        &["2:19: litellm_settings: expected a mapping, found a number"],
    ),
    (
        "general_settings: yes",
        &["2:19: general_settings: expected a mapping, found text"],
    ),
    (
        "include: x",
        &["2:10: include: expected a list of files, found text"],
    ),
];
