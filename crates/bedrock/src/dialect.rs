use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Uri};
use ziggurat_core::{Failure, Meter, json, json::Printed};
use ziggurat_provider::{Authorized, Call, Dialect, Outgoing};

use crate::{
    Builder,
    aws::{Clock, Keys, Signer, Source, sign},
    exchange::Chat,
    model::Model,
    request,
};

/// The dialect of one deployment on AWS Bedrock. See the [crate page](crate).
///
/// Cloning counts a reference.
#[derive(Clone)]
pub struct Bedrock {
    template: Arc<Template>,
}

/// What all requests of a deployment have in common. It holds keys: no `Debug`.
pub(crate) struct Template {
    pub(crate) model: Model,
    /// The model's name, as JSON.
    pub(crate) name: Bytes,
    pub(crate) region: Box<str>,
    pub(crate) api_base: Box<str>,
    /// For plain answers, and for streams.
    pub(crate) uris: [Uri; 2],
    /// The same for requests in Anthropic's own form; `None` if they are not for this deployment.
    pub(crate) invoke_uris: Option<[Uri; 2]>,
    pub(crate) headers: HeaderMap,
    pub(crate) auth: Auth,
    pub(crate) is_missing: bool,
    pub(crate) defaults: Vec<(Box<str>, Bytes)>,
    pub(crate) drop_params: bool,
    /// Parameters that are sent whatever is known of the model.
    pub(crate) allowed: Vec<Box<str>>,
    /// What must never be shown, should an upstream quote it.
    pub(crate) secrets: Vec<Box<str>>,
    pub(crate) clock: Clock,
}

/// How requests are authorized.
pub(crate) enum Auth {
    /// By a key that is sent, among the headers.
    Bearer(Box<str>),
    /// By keys that sign.
    Signed(Source),
}

impl Bedrock {
    /// Starts to describe a deployment: the model's id, its inference profile or its ARN, perhaps after `converse/` or
    /// `invoke/` and a region.
    pub fn builder(model: impl Into<String>) -> Builder {
        Builder::new(model)
    }

    /// Returns the environment variables that stand in for a setting (`api_key`, `api_base`) that is not given.
    #[must_use]
    pub fn env_defaults(setting: &str) -> &'static [&'static str] {
        match setting {
            "api_base" => &["AWS_BEDROCK_RUNTIME_ENDPOINT"],
            _ => &[],
        }
    }

    pub(crate) fn new(template: Arc<Template>) -> Self {
        Self { template }
    }

    /// Returns the base URL in use.
    #[must_use]
    pub fn api_base(&self) -> &str {
        &self.template.api_base
    }

    /// Says whether [`Claude`](crate::Claude) may send requests in Anthropic's own form: the model's name says that it is
    /// one of Anthropic's, `converse/` is not demanded, and no parameter of the deployment is Converse's own, such as
    /// `guardrailConfig`.
    #[must_use]
    pub fn takes_messages(&self) -> bool {
        self.template.invoke_uris.is_some()
    }

    /// Returns the region in use.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.template.region
    }

    /// Says whether it is certain that the deployment has no credentials; each call then fails. What a machine of EC2
    /// would tell is not known before it is asked.
    #[must_use]
    pub fn is_key_missing(&self) -> bool {
        self.template.is_missing
    }
}

impl Bedrock {
    pub(crate) fn template(&self) -> &Arc<Template> {
        &self.template
    }

    /// The deployment's headers, and the client's that may go to Bedrock. Those of AWS are for who signs: beside keys
    /// without a token, a client's token would be taken for theirs.
    pub(crate) fn headers(&self, call: Call<'_>) -> HeaderMap {
        let mut headers = self.template.headers.clone();
        call.forward(&mut headers);
        let own = &self.template.headers;
        let is_theirs =
            |name: &HeaderName| name.as_str().starts_with("x-amz-") && !own.contains_key(name);
        let theirs: Vec<_> = headers
            .keys()
            .filter(|name| is_theirs(name))
            .cloned()
            .collect();
        for name in theirs {
            headers.remove(name);
        }
        headers
    }
}

impl Dialect for Bedrock {
    fn provider(&self) -> &'static str {
        "aws.bedrock"
    }

    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        let template = &self.template;
        let stream = call.stream();
        let built = request::build(template, call)?;
        let model = call.public_model().map(json::string);
        let meter = call.extensions().get::<Meter>().cloned();
        let signer = Signer::default();
        let chat = Chat::new(template.clone(), model, meter, built.asked, signer.clone());
        let mut request = Request::new(Printed::from(built.body));
        request.extensions_mut().insert(signer);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = template.uris[usize::from(stream)].clone();
        *request.headers_mut() = self.headers(call);
        Ok(Outgoing {
            request,
            exchange: Box::new(chat),
        })
    }

    fn authorize(&self, request: Request<Printed>) -> Authorized {
        let keys = match &self.template.auth {
            Auth::Bearer(_) => return Authorized::Now(request),
            Auth::Signed(Source::Fixed(keys)) => keys.clone(),
            Auth::Signed(Source::Fetched(cached)) => match cached.at_hand() {
                Some(keys) => keys,
                None => {
                    let (keys, template) = (cached.get(), self.template.clone());
                    return Authorized::Later(Box::pin(async move {
                        template.signed(request, &keys.await?)
                    }));
                }
            },
        };
        match self.template.signed(request, &keys) {
            Ok(request) => Authorized::Now(request),
            Err(failure) => Authorized::Later(Box::pin(async { Err(failure) })),
        }
    }
}

impl Template {
    fn signed(
        &self,
        mut request: Request<Printed>,
        keys: &Arc<Keys>,
    ) -> Result<Request<Printed>, Failure> {
        if let Some(signer) = request.extensions().get::<Signer>() {
            signer.note(keys);
        }
        let body = request.body().clone().into_bytes();
        sign(
            &mut request,
            &body,
            keys,
            "bedrock",
            &self.region,
            (self.clock)(),
        )?;
        Ok(request)
    }
}

impl fmt::Debug for Bedrock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bedrock")
            .field("model", &self.template.model.id)
            .field("region", &self.template.region)
            .field("api_base", &self.template.api_base)
            .finish_non_exhaustive()
    }
}
