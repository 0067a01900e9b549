//! What is measured: the bare proxy, or the proxy as its users start it.

use std::{env, path::PathBuf};

use tokio::process::Command;

use crate::{
    Result,
    config::{Config, File},
    process::{self, MEASURED, Role},
};

/// Which proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Floor,
    Proxy(Config),
}

impl Target {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        [Self::Floor]
            .into_iter()
            .chain(Config::ALL.map(Self::Proxy))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Floor => "bare proxy",
            Self::Proxy(config) => config.name(),
        }
    }

    /// Starts it before an upstream, on one core.
    pub(crate) async fn start(self, upstream: &str) -> Result<Running> {
        self.start_by(process::on(MEASURED), upstream).await
    }

    /// Starts it by a command that takes another one.
    pub(crate) async fn start_by(self, mut by: Command, upstream: &str) -> Result<Running> {
        let config = match self {
            Self::Floor => {
                by.arg(env::current_exe()?).args(["floor", upstream]);
                None
            }
            Self::Proxy(config) => {
                let file = config.write(upstream)?;
                by.arg(binary()?)
                    .args(["--host", "127.0.0.1", "--port", "0", "--config"]);
                by.arg(&file.0);
                Some(file)
            }
        };
        let role = Role::start(by).await?;
        Ok(Running {
            role,
            _config: config,
        })
    }
}

/// A target that runs, with the file that it may read again.
pub(crate) struct Running {
    pub(crate) role: Role,
    _config: Option<File>,
}

/// The proxy of the same build: it lies beside this program.
fn binary() -> Result<PathBuf> {
    let path = env::current_exe()?.with_file_name("ziggurat-proxy");
    if !path.exists() {
        return Err("there is no proxy beside this program: build it with the same profile, by `cargo build --release -p ziggurat-proxy`".into());
    }
    Ok(path)
}
