//! Flags of LiteLLM that have no meaning here, and what to do instead.

/// Each name, and what to do instead.
const FLAGS: &[(&str, &str)] = &[
    ("add_function_to_prompt", "use a model that takes tools"),
    (
        "add_key",
        "set `api_key` in the configuration, or the provider's environment variable",
    ),
    (
        "api_version",
        "set `api_version` in `litellm_params` of the configuration",
    ),
    ("azure_postgresql_auth", NO_DATABASE),
    (
        "ciphers",
        "leave it out; TLS 1.2 and 1.3 are spoken with the ciphers of rustls",
    ),
    (
        "drop_params",
        "set `litellm_settings.drop_params` in the configuration",
    ),
    ("enforce_prisma_migration_check", NO_DATABASE),
    (
        "granian_threads",
        "use --num_workers for the number of threads",
    ),
    (
        "headers",
        "set `extra_headers` in `litellm_params` of the configuration",
    ),
    ("health", "ask a running proxy: GET /health?cached=false"),
    ("iam_token_db_auth", NO_DATABASE),
    (
        "keepalive_timeout",
        "leave it out; idle connections are closed after 60 s",
    ),
    (
        "limit_concurrency",
        "set `max_parallel_requests` on the deployments",
    ),
    ("local", NO_EFFECT),
    ("log_config", "use --debug, --json_logs or RUST_LOG"),
    ("max_budget", "leave it out; there are no budgets"),
    ("max_requests_before_restart", NO_WORKERS),
    ("max_requests_before_restart_jitter", NO_WORKERS),
    (
        "max_tokens",
        "set `max_tokens` in `litellm_params` of the configuration",
    ),
    ("num_requests", "use a load generator"),
    (
        "prometheus_metrics_port",
        "leave it out; GET /metrics is served on the port of the proxy",
    ),
    (
        "reload",
        "leave it out; the configuration is read again when it changes",
    ),
    ("run_granian", ONE_SERVER),
    ("run_gunicorn", ONE_SERVER),
    ("run_hypercorn", ONE_SERVER),
    ("save", "write a configuration and give it with --config"),
    ("setup", "write a configuration and give it with --config"),
    ("skip_server_startup", "use `ziggurat-proxy check FILE`"),
    ("telemetry", "leave it out; nothing is sent anywhere"),
    (
        "temperature",
        "set `temperature` in `litellm_params` of the configuration",
    ),
    ("test", "ask a running proxy: POST /chat/completions"),
    ("test_async", "ask a running proxy: POST /chat/completions"),
    ("timeout_worker_healthcheck", NO_WORKERS),
    ("use_legacy_migration_resolver", NO_DATABASE),
    ("use_prisma_db_push", NO_DATABASE),
    ("use_prisma_migrate", NO_DATABASE),
    ("use_queue", NO_EFFECT),
    ("use_v2_migration_resolver", NO_DATABASE),
    ("validate_config", "use `ziggurat-proxy check FILE`"),
];

const NO_DATABASE: &str = "leave it out; there is no database";
const NO_EFFECT: &str = "leave it out; it would have no effect";
const NO_WORKERS: &str = "leave it out; one process serves everything and is not restarted";
const ONE_SERVER: &str = "leave it out; the server is built in, HTTP/2 included";

/// Says why a word of the command line is refused, if it is one of these flags.
pub(crate) fn advice(word: &str) -> Option<String> {
    let flag = word.strip_prefix("--")?;
    let flag = flag.split('=').next()?;
    let name = flag.replace('-', "_");
    let (_, instead) = FLAGS.iter().find(|(known, _)| *known == name)?;
    Some(format!("--{flag} is not available here: {instead}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_spelling_is_known() {
        let expected =
            "is not available here: leave it out; the server is built in, HTTP/2 included";
        for word in ["--run_gunicorn", "--run-gunicorn", "--run_gunicorn=true"] {
            let flag = word.trim_end_matches("=true");
            assert_eq!(advice(word).unwrap(), format!("{flag} {expected}"));
        }
        for word in ["--config", "--", "-c", "run_gunicorn", "--nope", ""] {
            assert_eq!(advice(word), None, "{word}");
        }
    }

    #[test]
    fn names_are_sorted_and_come_once() {
        assert!(FLAGS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
