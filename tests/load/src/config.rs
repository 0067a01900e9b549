//! Configurations of the proxy.

use std::{env, fs, path::PathBuf, process};

use crate::Result;

/// The model that is asked for.
pub(crate) const MODEL: &str = "gpt-4o-mini";
/// The key of the proxy.
pub(crate) const KEY: &str = "sk-load";

/// What the proxy is started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Config {
    /// Two deployments, a fallback, retries, cooldowns, a key.
    Usual,
    /// The same with checks before the call, whose window the byte bound settles.
    Checks,
    /// A thousand deployments in the group that is asked.
    Deployments,
    /// A thousand groups.
    Groups,
}

const MANY: usize = 1000;

const SETTINGS: &str = "
router_settings:
  routing_strategy: simple-shuffle
  num_retries: 2
  allowed_fails: 3
  cooldown_time: 30
  timeout: 60
  fallbacks: [{gpt-4o-mini: [backup]}]
";

impl Config {
    pub(crate) const ALL: [Self; 4] = [Self::Usual, Self::Checks, Self::Deployments, Self::Groups];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Usual => "proxy",
            Self::Checks => "proxy, checks on",
            Self::Deployments => "proxy, 1,000 deployments",
            Self::Groups => "proxy, 1,000 groups",
        }
    }

    fn yaml(self, upstream: &str) -> String {
        let deployment = |group: &str, key: usize| {
            let window = match self {
                Self::Checks => ", model_info: {max_input_tokens: 1000000}",
                _ => "",
            };
            format!(
                "  - {{model_name: {group}, litellm_params: {{model: openai/{MODEL}, api_base: 'http://{upstream}/v1', \
                 api_key: sk-{key}}}{window}}}\n"
            )
        };
        let asked = if self == Self::Deployments { MANY } else { 2 };
        let others = if self == Self::Groups { MANY } else { 0 };
        let mut yaml = "model_list:\n".to_owned();
        yaml.extend((0..asked).map(|key| deployment(MODEL, key)));
        yaml.extend((0..others).map(|key| deployment(&format!("group-{key}"), key)));
        yaml += &deployment("backup", asked);
        yaml += SETTINGS;
        if self == Self::Checks {
            yaml += "  enable_pre_call_checks: true\n";
        }
        yaml + &format!("general_settings: {{master_key: {KEY}}}\n")
    }

    /// Writes the configuration to a file, which goes when the result is dropped.
    pub(crate) fn write(self, upstream: &str) -> Result<File> {
        let name = format!("ziggurat-load-{}-{self:?}.yaml", process::id());
        let file = File(env::temp_dir().join(name));
        fs::write(&file.0, self.yaml(upstream))?;
        Ok(file)
    }
}

/// A file that is there for a while.
pub(crate) struct File(pub(crate) PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        // What cannot be removed stays in the temporary directory.
        let _ = fs::remove_file(&self.0);
    }
}
