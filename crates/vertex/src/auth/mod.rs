//! Access tokens of Google Cloud: where they come from.

mod external;
mod fetch;
mod file;
mod find;
mod key;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use http::{HeaderValue, header::AUTHORIZATION};
use ziggurat_core::{Failure, FailureKind};
use ziggurat_provider::{
    HttpClient,
    credentials::{Cached, Fresh},
};

use self::{external::External, fetch::Fetcher, key::ServiceAccount};
pub(crate) use self::{file::Credentials, find::find};

/// What Google's services of this kind ask for.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// How long impersonated tokens are asked to live; the most that is allowed everywhere.
const LIFETIME: Duration = Duration::from_secs(3600);

/// A token, ready to be sent.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) header: HeaderValue,
    /// The project of the machine, if it was asked for it.
    pub(crate) project: Option<Arc<str>>,
}

/// Where tokens come from.
pub(crate) enum Source {
    ServiceAccount(ServiceAccount),
    User(User),
    External(External),
    Metadata(Metadata),
    /// The token of another source is exchanged for that of a service account.
    Impersonated {
        url: String,
        delegates: Vec<String>,
        source: Box<Self>,
    },
}

/// Someone who has logged in with `gcloud auth application-default login`.
pub(crate) struct User {
    pub(crate) token_uri: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) refresh_token: String,
}

/// The server that tells machines of Google Cloud who they are.
pub(crate) struct Metadata {
    pub(crate) origin: String,
    /// Whether to ask for the project as well.
    pub(crate) wants_project: bool,
}

/// What a source gives.
struct Granted {
    token: String,
    lifetime: Option<Duration>,
    project: Option<Arc<str>>,
}

type Granting<'a> = Pin<Box<dyn Future<Output = Result<Granted, Failure>> + Send + 'a>>;

/// Keeps the tokens of a source, one for all that are described by the same `key`.
pub(crate) fn cached(source: Source, key: &str, client: &HttpClient) -> Cached<Token> {
    let shared = Arc::new((source, Fetcher::new(client.clone())));
    Cached::shared(client, key, move || {
        let shared = shared.clone();
        async move {
            let (source, fetcher) = &*shared;
            let granted = source.grant(fetcher).await?;
            let mut header = HeaderValue::try_from(format!("Bearer {}", granted.token))
                .map_err(|_| invalid("the token server gave a token that is none"))?;
            header.set_sensitive(true);
            let fresh = Fresh::new(Token {
                header,
                project: granted.project,
            });
            Ok(match granted.lifetime {
                Some(lifetime) => fresh.expires_in(lifetime),
                None => fresh,
            })
        }
    })
}

// === impl Source ===

impl Source {
    fn grant<'a>(&'a self, fetcher: &'a Fetcher) -> Granting<'a> {
        Box::pin(async move {
            match self {
                Self::ServiceAccount(account) => account.grant(fetcher).await,
                Self::User(user) => user.grant(fetcher).await,
                Self::External(external) => external.grant(fetcher).await,
                Self::Metadata(metadata) => metadata.grant(fetcher).await,
                Self::Impersonated {
                    url,
                    delegates,
                    source,
                } => {
                    let granted = source.grant(fetcher).await?;
                    fetcher.impersonate(url, delegates, &granted.token).await
                }
            }
        })
    }
}

// === impl User ===

impl User {
    async fn grant(&self, fetcher: &Fetcher) -> Result<Granted, Failure> {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", &self.client_id),
            ("client_secret", &self.client_secret),
            ("refresh_token", &self.refresh_token),
        ];
        fetcher.exchange(&self.token_uri, &form).await
    }
}

// === impl Metadata ===

impl Metadata {
    async fn grant(&self, fetcher: &Fetcher) -> Result<Granted, Failure> {
        let path = "/computeMetadata/v1";
        let flavor = [("metadata-flavor", "Google")];
        let origin = &self.origin;
        let account = format!("{origin}{path}/instance/service-accounts/default/token");
        let mut granted = fetch::granted(&fetcher.get(&account, &flavor).await?)?;
        if self.wants_project {
            let url = format!("{origin}{path}/project/project-id");
            let answer = fetcher.get(&url, &flavor).await?;
            let project = String::from_utf8_lossy(answer.body()).trim().to_owned();
            if !crate::url::is_project(&project) {
                return Err(invalid("the metadata server does not name the project"));
            }
            granted.project = Some(project.into());
        }
        Ok(granted)
    }
}

/// The header that tokens are sent in.
pub(crate) const HEADER: http::HeaderName = AUTHORIZATION;

fn invalid(message: &str) -> Failure {
    Failure::new(FailureKind::InvalidResponse).with_message(message)
}
