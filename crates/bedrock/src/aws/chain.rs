//! Where keys are looked for, in which order.

use std::sync::Arc;

use serde::Serialize;
use ziggurat_core::{Failure, FailureKind};
use ziggurat_provider::credentials::{Cached, Fresh};

use super::{
    Keys, Profiles, Reach, Source, failed, metadata, profile::Profile, read_file, sts::Role,
};
use crate::ConfigError;

/// What is said when there are none.
const NONE: &str = "no AWS credentials: set aws_access_key_id and aws_secret_access_key, AWS_ACCESS_KEY_ID and \
                    AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or AWS_BEARER_TOKEN_BEDROCK";

/// What a deployment says about its credentials.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    pub(crate) access_key_id: Option<String>,
    pub(crate) secret_access_key: Option<String>,
    pub(crate) session_token: Option<String>,
    pub(crate) role_name: Option<String>,
    pub(crate) session_name: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) profile_name: Option<String>,
    pub(crate) web_identity_token: Option<String>,
}

/// The source that was chosen.
pub(crate) struct Chosen {
    pub(crate) source: Source,
    /// Whether it is known already that there are no keys.
    pub(crate) is_missing: bool,
}

/// What is looked up in the environment when keys are fetched, not before.
const LOOKED_UP: [&str; 8] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
];

/// How keys are got.
#[derive(Clone, Serialize)]
enum Plan {
    Keys(Keys),
    Profile(Profile),
    /// A role with a token: a file, or the token itself.
    Token(Role, Token),
    Role(Role, Box<Self>),
    Container,
    Machine,
    Nothing,
}

#[derive(Clone, Serialize)]
enum Token {
    File(String),
    Text(String),
}

impl Settings {
    /// Chooses the source of keys.
    ///
    /// # Errors
    ///
    /// The setting at fault.
    pub(crate) fn choose(&self, reach: Reach, profiles: &Profiles) -> Result<Chosen, ConfigError> {
        let plan = self.plan(&reach, profiles)?;
        let is_missing = matches!(plan, Plan::Nothing);
        let source = match plan {
            Plan::Keys(keys) | Plan::Profile(Profile::Keys(keys)) => Source::Fixed(Arc::new(keys)),
            plan => {
                let (client, key) = (reach.client.clone(), plan.key(&reach));
                Source::Fetched(Cached::shared(&client, key, move || {
                    let (plan, reach) = (plan.clone(), reach.clone());
                    async move { plan.fetch(&reach).await.map(|fresh| fresh.map(Arc::new)) }
                }))
            }
        };
        Ok(Chosen { source, is_missing })
    }

    fn plan(&self, reach: &Reach, profiles: &Profiles) -> Result<Plan, ConfigError> {
        let role = self.role_name.as_ref().map(|arn| Role {
            arn: arn.clone(),
            session: self.session_name.clone(),
            external_id: self.external_id.clone(),
        });
        if let Some(token) = &self.web_identity_token {
            let role = role.ok_or_else(|| {
                ConfigError::new("aws_web_identity_token", "needs aws_role_name beside it")
            })?;
            return Ok(Plan::Token(role, Token::of(token, reach)?));
        }
        let base = self.base(reach, profiles)?;
        Ok(match role {
            Some(role) if !matches!(base, Plan::Nothing) => Plan::Role(role, Box::new(base)),
            _ => base,
        })
    }

    fn base(&self, reach: &Reach, profiles: &Profiles) -> Result<Plan, ConfigError> {
        let keys = |id: Option<String>, secret: Option<String>, token: Option<String>| {
            let (id, secret) = (id?, secret?);
            Some(Keys { id, secret, token })
        };
        let (id, secret) = (&self.access_key_id, &self.secret_access_key);
        if id.is_some() != secret.is_some() {
            let missing = match id {
                Some(_) => "aws_secret_access_key",
                None => "aws_access_key_id",
            };
            return Err(ConfigError::new(missing, "missing; keys come in pairs"));
        }
        if let Some(keys) = keys(id.clone(), secret.clone(), self.session_token.clone()) {
            return Ok(Plan::Keys(keys));
        }
        let invalid = |problem: String| ConfigError::new("aws_profile_name", problem);
        if let Some(name) = &self.profile_name {
            let found = profiles.find(name).map_err(invalid)?;
            let missing = || invalid("there is no such profile with keys".to_owned());
            return found.map(Plan::Profile).ok_or_else(missing);
        }
        let variable = |name: &str| reach.variable(name);
        let set = keys(
            variable("AWS_ACCESS_KEY_ID"),
            variable("AWS_SECRET_ACCESS_KEY"),
            variable("AWS_SESSION_TOKEN"),
        );
        if let Some(keys) = set {
            return Ok(Plan::Keys(keys));
        }
        if let (Some(arn), Some(file)) = (
            variable("AWS_ROLE_ARN"),
            variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
        ) {
            let role = Role {
                arn,
                session: variable("AWS_ROLE_SESSION_NAME"),
                external_id: None,
            };
            return Ok(Plan::Token(role, Token::File(file)));
        }
        let named = variable("AWS_PROFILE");
        let name = named.as_deref().unwrap_or("default");
        if let Some(profile) = profiles.find(name).map_err(invalid)? {
            return Ok(Plan::Profile(profile));
        }
        Ok(match () {
            () if metadata::is_in_container(reach) => Plan::Container,
            () if metadata::may_ask_machine(reach) => Plan::Machine,
            () => Plan::Nothing,
        })
    }
}

impl Token {
    /// Reads LiteLLM's ways to name a token.
    fn of(text: &str, reach: &Reach) -> Result<Self, ConfigError> {
        let invalid = |problem: &str| ConfigError::new("aws_web_identity_token", problem);
        let Some(oidc) = text.strip_prefix("oidc/") else {
            if let Some(path) = text.strip_prefix('~') {
                let home = reach.variable("HOME");
                let home = home.ok_or_else(|| invalid("HOME is not set, in which it lies"))?;
                return Ok(Self::File(format!("{home}{path}")));
            }
            return Ok(match text.starts_with(['/', '.']) {
                true => Self::File(text.to_owned()),
                false => Self::Text(text.to_owned()),
            });
        };
        match oidc.split_once('/') {
            Some(("file", path)) => Ok(Self::File(format!("/{}", path.trim_start_matches('/')))),
            Some(("env", name)) => {
                let token = reach.variable(name).map(Self::Text);
                token.ok_or_else(|| invalid("the variable that it names is not set"))
            }
            Some(("env_path", name)) => {
                let path = reach.variable(name).map(Self::File);
                path.ok_or_else(|| invalid("the variable that it names is not set"))
            }
            _ => Err(invalid(
                "of oidc/… only file, env and env_path are supported",
            )),
        }
    }

    async fn read(self) -> Result<String, Failure> {
        match self {
            Self::File(path) => read_file(path).await,
            Self::Text(token) => Ok(token),
        }
    }
}

impl Plan {
    /// All that the fetched keys depend on: deployments with equal ones share them. It holds secrets.
    fn key(&self, reach: &Reach) -> Vec<u8> {
        // Only the token service has a region.
        let asks_sts = !matches!(self, Self::Container | Self::Machine | Self::Nothing);
        let sts = asks_sts.then_some((&*reach.region, reach.sts.as_deref()));
        let variables = LOOKED_UP.map(|name| reach.variable(name));
        let clock = format!("{:p}", reach.clock);
        serde_json::to_vec(&("aws", self, sts, variables, clock)).expect("its keys are strings")
    }

    async fn fetch(self, reach: &Reach) -> Result<Fresh<Keys>, Failure> {
        match self {
            Self::Keys(keys) => Ok(Fresh::new(keys)),
            Self::Profile(profile) => profile.fetch(reach).await,
            Self::Token(role, token) => role.assume_with_token(reach, &token.read().await?).await,
            Self::Role(role, base) => {
                let base = Box::pin(base.fetch(reach)).await?.into_value();
                role.assume(reach, &base).await
            }
            Self::Container => metadata::of_container(reach).await,
            Self::Machine => {
                metadata::of_machine(reach)
                    .await
                    .map_err(|cause| match cause.kind() {
                        // It is there, and has no time now.
                        FailureKind::Server | FailureKind::RateLimited => cause,
                        // The last place to look: what is wrong is that there are none anywhere.
                        _ => failed(NONE).with_source(cause),
                    })
            }
            Self::Nothing => Err(failed(NONE)),
        }
    }
}

impl Profile {
    async fn fetch(self, reach: &Reach) -> Result<Fresh<Keys>, Failure> {
        match self {
            Self::Keys(keys) => Ok(Fresh::new(keys)),
            Self::Role(role, base) => {
                let base = Box::pin(base.fetch(reach)).await?.into_value();
                role.assume(reach, &base).await
            }
            Self::Token(role, file) => role.assume_with_token(reach, &read_file(file).await?).await,
            Self::Surroundings(role, source) => {
                let base = match &*source {
                    "EcsContainer" => metadata::of_container(reach).await?,
                    "Ec2InstanceMetadata" => metadata::of_machine(reach).await?,
                    "Environment" => return role.assume(reach, &environment(reach)?).await,
                    _ => return Err(failed("the AWS profile names an unknown credential_source")),
                };
                role.assume(reach, &base.into_value()).await
            }
        }
    }
}

fn environment(reach: &Reach) -> Result<Keys, Failure> {
    let missing = || failed("AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set");
    Ok(Keys {
        id: reach.variable("AWS_ACCESS_KEY_ID").ok_or_else(missing)?,
        secret: reach
            .variable("AWS_SECRET_ACCESS_KEY")
            .ok_or_else(missing)?,
        token: reach.variable("AWS_SESSION_TOKEN"),
    })
}
