//! The command line: LiteLLM's, as far as it means something here.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{ArgAction, Parser, Subcommand};
use ziggurat_server::{DEFAULT_PORT, TlsFiles};

use crate::check;

/// Balances, retries, falls back and times out over deployments of LLMs, as a LiteLLM YAML file says.
///
/// Without a configuration and without --model a demo runs, with scripted upstreams on this machine.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "ziggurat-proxy",
    version,
    disable_version_flag = true,
    args_conflicts_with_subcommands = true,
    next_line_help = false,
    max_term_width = 100,
    after_help = AFTER
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) served: Served,

    #[command(flatten)]
    pub(crate) listen: Listen,

    #[command(flatten)]
    pub(crate) run: Run,

    #[command(flatten)]
    pub(crate) logs: Logs,

    /// Prints the version.
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
}

const AFTER: &str = "\
Logs: RUST_LOG chooses what is logged, e.g. `RUST_LOG=warn`, `RUST_LOG=info,ziggurat::cooldown=debug`; it wins over
--debug. There is one line per request; `RUST_LOG=info,ziggurat::request=off` turns it off. NO_COLOR=1 turns colors off.

Reload: the configuration is read again when a file of it changes, and on SIGHUP; what cannot be used is logged, and the
proxy goes on as before. Ctrl-C or SIGTERM lets running requests end, a second one does not.";

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    Check(check::Check),
    /// Prints the JSON Schema of configurations, for editors.
    Schema,
}

/// What is served.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "What to serve", rename_all = "snake_case")]
pub(crate) struct Served {
    /// The configuration [env: CONFIG_FILE_PATH].
    #[arg(short, long, value_name = "FILE", conflicts_with = "model")]
    pub(crate) config: Option<PathBuf>,

    /// A model to serve under every name that is asked for, instead of a configuration.
    #[arg(short, long, value_name = "PROVIDER/MODEL")]
    pub(crate) model: Option<String>,

    /// The address of the model's API, if it is not its provider's.
    #[arg(long, alias = "api-base", value_name = "URL", requires = "model")]
    pub(crate) api_base: Option<String>,

    /// The name that the model is listed under.
    #[arg(long, value_name = "NAME", requires = "model")]
    pub(crate) alias: Option<String>,

    /// Time for one attempt on a deployment; takes the place of litellm_settings.request_timeout.
    #[arg(long, alias = "request-timeout", value_name = "SECONDS", value_parser = some_seconds)]
    pub(crate) request_timeout: Option<Duration>,
}

/// Where callers come in.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Where to listen", rename_all = "snake_case")]
pub(crate) struct Listen {
    /// The address to listen on [default: 127.0.0.1, or 0.0.0.0 with a master key].
    #[arg(long, env = "HOST", hide_env_values = true)]
    pub(crate) host: Option<String>,

    /// The port to listen on; 0 takes any free one.
    #[arg(long, env = "PORT", hide_env_values = true, default_value_t = DEFAULT_PORT)]
    pub(crate) port: u16,

    /// A certificate and its chain, in PEM: callers then use https.
    #[arg(
        long,
        alias = "ssl-certfile-path",
        value_name = "FILE",
        requires = "ssl_keyfile_path"
    )]
    ssl_certfile_path: Option<PathBuf>,

    /// The key of the certificate, in PEM.
    #[arg(
        long,
        alias = "ssl-keyfile-path",
        value_name = "FILE",
        requires = "ssl_certfile_path"
    )]
    ssl_keyfile_path: Option<PathBuf>,
}

/// How the process works.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "How to run", rename_all = "snake_case")]
pub(crate) struct Run {
    /// Threads that serve requests [default: one per core].
    #[arg(long, alias = "num-workers", value_name = "THREADS")]
    pub(crate) num_workers: Option<NonZeroUsize>,

    /// Time that running requests may go on after Ctrl-C or SIGTERM.
    #[arg(long = "drain-timeout", alias = "drain_timeout", value_name = "SECONDS", value_parser = seconds, default_value = "30")]
    pub(crate) drain_timeout: Duration,
}

/// What is told meanwhile.
#[derive(Clone, Copy, Debug, clap::Args)]
#[command(next_help_heading = "What to log", rename_all = "snake_case")]
pub(crate) struct Logs {
    /// Logs decisions too: why this deployment, why a retry.
    #[arg(long)]
    pub(crate) debug: bool,

    /// Logs all there is to log, connections included.
    #[arg(long, alias = "detailed-debug")]
    pub(crate) detailed_debug: bool,

    /// Logs JSON, one object per line; as does litellm_settings.json_logs.
    #[arg(long, alias = "json-logs")]
    pub(crate) json_logs: bool,
}

// === impl Listen ===

impl Listen {
    pub(crate) fn tls(&self) -> Option<TlsFiles> {
        Some(TlsFiles {
            certificate: self.ssl_certfile_path.clone()?,
            key: self.ssl_keyfile_path.clone()?,
        })
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn some_seconds(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        Duration::ZERO => Err("0 would leave no time for an answer".to_owned()),
        some => Ok(some),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn no_flag_is_both_taken_and_refused() {
        let command = Args::command();
        for argument in command.get_arguments() {
            let names = argument.get_long().into_iter();
            for name in names.chain(argument.get_all_aliases().unwrap_or_default()) {
                assert_eq!(crate::refused::advice(&format!("--{name}")), None);
            }
        }
    }
}
