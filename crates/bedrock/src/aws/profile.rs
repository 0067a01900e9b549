//! Profiles in `~/.aws/credentials` and `~/.aws/config`.

use std::collections::HashMap;

use serde::Serialize;

use super::{Keys, Lookup, sts::Role};

/// The sections of both files.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    all: HashMap<String, HashMap<String, String>>,
}

/// How a profile gets its keys.
#[derive(Clone, Debug, Serialize)]
pub(super) enum Profile {
    Keys(Keys),
    /// A role, taken with the keys of another profile.
    Role(Role, Box<Self>),
    /// A role, taken with a token from a file.
    Token(Role, String),
    /// A role, taken with the keys that a container or the machine has.
    Surroundings(Role, String),
}

impl Profiles {
    /// Reads the files, as far as they are there.
    pub(crate) fn read(environment: &Lookup) -> Self {
        let home = environment("HOME").or_else(|| environment("USERPROFILE"));
        let path = |name: &str, file: &str| {
            let default = || home.as_ref().map(|home| format!("{home}/.aws/{file}"));
            environment(name).or_else(default)
        };
        let mut profiles = Self::default();
        // What the file of credentials says wins.
        for (name, file) in [
            ("AWS_CONFIG_FILE", "config"),
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        ] {
            if let Some(path) = path(name, file)
                && let Ok(text) = std::fs::read_to_string(path)
            {
                profiles.add(&text);
            }
        }
        profiles
    }

    fn add(&mut self, text: &str) {
        let mut section = None;
        for line in text.lines() {
            // Indented lines belong to the setting above, which is none that is read here.
            let is_nested = line.starts_with([' ', '\t']);
            let line = without_comment(line).trim();
            if let Some(name) = line
                .strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
            {
                let name = name.trim();
                let name = name.strip_prefix("profile ").unwrap_or(name).trim();
                section = Some(name.to_owned());
                self.all.entry(name.to_owned()).or_default();
            } else if let Some((key, value)) = line.split_once('=')
                && let Some(section) = &section
                && !is_nested
            {
                let section = self.all.entry(section.clone()).or_default();
                section.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
            }
        }
    }

    /// The region of a profile.
    pub(crate) fn region(&self, profile: &str) -> Option<String> {
        self.all.get(profile)?.get("region").cloned()
    }

    /// Returns how a profile gets its keys, or `None` if it is not there or has none.
    ///
    /// # Errors
    ///
    /// What it asks for is not done here.
    pub(super) fn find(&self, name: &str) -> Result<Option<Profile>, String> {
        // Five are more than anyone chains.
        self.find_within(name, 5)
    }

    fn find_within(&self, name: &str, depth: u32) -> Result<Option<Profile>, String> {
        let Some(section) = self.all.get(name) else {
            return Ok(None);
        };
        let get = |key: &str| section.get(key).filter(|value| !value.is_empty()).cloned();
        let keys = || {
            Some(Keys {
                id: get("aws_access_key_id")?,
                secret: get("aws_secret_access_key")?,
                token: get("aws_session_token"),
            })
        };
        if let Some(arn) = get("role_arn") {
            let role = Role {
                arn,
                session: get("role_session_name"),
                external_id: get("external_id"),
            };
            if let Some(file) = get("web_identity_token_file") {
                return Ok(Some(Profile::Token(role, file)));
            }
            if let Some(source) = get("credential_source") {
                return Ok(Some(Profile::Surroundings(role, source)));
            }
            let Some(source) = get("source_profile") else {
                return Err(format!(
                    "the AWS profile {name} has a role but no source of keys"
                ));
            };
            let base = match (source == name, depth) {
                (true, _) => keys().map(Profile::Keys),
                (false, 0) => {
                    return Err(format!("the AWS profile {name} leads to too many others"));
                }
                (false, _) => self.find_within(&source, depth - 1)?,
            };
            return match base {
                Some(base) => Ok(Some(Profile::Role(role, Box::new(base)))),
                None => Err(format!("the AWS profile {source} has no keys")),
            };
        }
        if let Some(keys) = keys() {
            return Ok(Some(Profile::Keys(keys)));
        }
        for key in ["credential_process", "sso_session", "sso_start_url"] {
            if section.contains_key(key) {
                return Err(format!(
                    "the AWS profile {name} uses {key}, which is not supported"
                ));
            }
        }
        Ok(None)
    }
}

/// Cuts a comment off: a line of its own, or what stands after a space. Keys may have its signs inside.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, sign) in line.char_indices() {
        if matches!(sign, ';' | '#') && before.is_whitespace() {
            return &line[..at];
        }
        before = sign;
    }
    line
}
