//! Where a deployment is, as far as its configuration tells.
//!
//! For whoever builds a stack: the result goes into [`RegionFilterLayer::new`](crate::RegionFilterLayer::new), where no
//! region means that it is not known.
//!
//! ```
//! use ziggurat_region::infer::Deployment;
//!
//! let unset = |_: &str| None;
//! let profile = Deployment::new("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0");
//! assert_eq!(profile.location("eu-central-1").regions(unset), ["eu", "eu-central-1"]);
//!
//! let vertex = Deployment::new("vertex_ai", "gemini-2.5-pro");
//! let environment = |name: &str| (name == "VERTEXAI_LOCATION").then(|| "europe-west4".to_owned());
//! assert_eq!(vertex.regions(environment), ["europe-west4"]);
//! assert!(vertex.location("global").regions(environment).is_empty());
//! ```

use crate::{areas, name::normal};

/// What is configured about a deployment.
#[derive(Clone, Copy, Debug)]
pub struct Deployment<'a> {
    provider: &'a str,
    model: &'a str,
    location: Option<&'a str>,
    url: Option<&'a str>,
}

/// What one source says. Of several, all are taken together: a request is only allowed where each of them is.
enum Says {
    Nothing,
    /// The requests go here.
    Here(String),
    /// They may go anywhere, or nobody can tell.
    Anywhere,
}

use Says::{Anywhere, Here, Nothing};

impl Says {
    const fn is_nothing(&self) -> bool {
        matches!(self, Nothing)
    }
}

/// Environment variables that name a location where nothing else does.
const VERTEX: [&str; 2] = ["VERTEXAI_LOCATION", "VERTEX_LOCATION"];
const BEDROCK: [&str; 2] = ["AWS_REGION_NAME", "AWS_REGION"];
const WATSONX: [&str; 2] = ["WATSONX_REGION", "WATSONX_REGION_NAME"];

/// What an ARN may name besides models, and is where the ARN says.
const OF_ONE_REGION: [&str; 5] = [
    "provisioned-model",
    "custom-model",
    "custom-model-deployment",
    "imported-model",
    "endpoint",
];

impl<'a> Deployment<'a> {
    /// A model, without the prefix of its provider, at one of `vertex_ai`, `bedrock` and `watsonx`. Nothing is known of
    /// others; of Azure, the configuration itself must name the region.
    #[must_use]
    pub const fn new(provider: &'a str, model: &'a str) -> Self {
        Self {
            provider,
            model,
            location: None,
            url: None,
        }
    }

    /// Adds the provider's own setting: `vertex_location`, `aws_region_name`, `watsonx_region_name`. Blank is not set.
    #[must_use]
    pub const fn location(mut self, location: &'a str) -> Self {
        self.location = Some(location);
        self
    }

    /// Adds the URL that requests are sent to, where it is configured. Hosts that are not the provider's say nothing.
    #[must_use]
    pub const fn url(mut self, url: &'a str) -> Self {
        self.url = Some(url);
        self
    }

    /// Returns the regions that requests to it may be served in; none if they are not known.
    ///
    /// `environment` gives the values of environment variables, which are looked at if nothing else tells.
    pub fn regions(&self, environment: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let host = self.url.map(host).unwrap_or_default();
        let (profile, mut sources, variables) = match self.provider {
            "vertex_ai" | "vertex_ai_beta" => (Nothing, vec![google(&host)], &VERTEX),
            "bedrock" | "bedrock_converse" => {
                let (profile, region) = bedrock(self.model);
                (profile, vec![region, amazon(&host)], &BEDROCK)
            }
            "watsonx" | "watsonx_text" => (Nothing, vec![ibm(&host)], &WATSONX),
            _ => return Vec::new(),
        };
        sources.push(named(self.location));
        if sources.iter().all(Says::is_nothing) {
            let values = variables.iter().map(|name| named(environment(name)));
            sources.extend(values.filter(|says| !says.is_nothing()).take(1));
        }
        let mut regions = Vec::new();
        for says in [profile].into_iter().chain(sources) {
            match says {
                Here(name) if !regions.contains(&name) => regions.push(name),
                Here(_) | Nothing => {}
                Anywhere => return Vec::new(),
            }
        }
        regions
    }
}

/// What the model's id or ARN says: the geography of a profile, and the region that is asked.
fn bedrock(model: &str) -> (Says, Says) {
    if model.contains('*') {
        // Requests name the model, and may name any profile.
        return (Anywhere, Nothing);
    }
    let model = model.replace("%3A", ":").replace("%3a", ":");
    let model = model.replace("%2F", "/").replace("%2f", "/");
    if let Some(start) = model.find("arn:") {
        let mut parts = model[start..].splitn(6, ':');
        let region = named(parts.nth(3));
        let (kind, id) = parts
            .nth(1)
            .and_then(|resource| resource.split_once('/'))
            .unwrap_or_default();
        let profile = match (kind, geography(id)) {
            ("inference-profile", Here(geography)) => Here(geography),
            ("foundation-model", Nothing) => Nothing,
            (kind, _) if OF_ONE_REGION.contains(&kind) => Nothing,
            // What is behind an application's own profile, or a router, is not in its name.
            _ => Anywhere,
        };
        return (profile, region);
    }
    // `converse/us-west-2/anthropic.claude-v2`
    let (path, id) = model.rsplit_once('/').unwrap_or(("", &model));
    let region = path.split('/').find(|part| areas::is_aws(part));
    (geography(id), named(region))
}

/// A name of a location; `global` is none.
fn named(name: Option<impl AsRef<str>>) -> Says {
    match name.map(|name| normal(name.as_ref())) {
        None => Nothing,
        Some(name) if name.is_empty() => Nothing,
        Some(name) if name == "global" => Anywhere,
        Some(name) => Here(name),
    }
}

/// The geographies of cross-region inference profiles:
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html>
const GEOGRAPHIES: [&str; 7] = ["us", "us-gov", "eu", "apac", "jp", "au", "ca"];

/// The geography in which an inference profile routes its requests, from its id: `eu.anthropic.…`. The id of a plain
/// model begins with its vendor: `anthropic.…`.
fn geography(id: &str) -> Says {
    let Some((first, rest)) = id.split_once('.') else {
        return Nothing;
    };
    let first = first.to_ascii_lowercase();
    // A geography that is new stands before a vendor as well; a model's name has digits or dashes (`zai.glm-4.6`).
    let is_before_vendor = rest.split_once('.').is_some_and(|(vendor, _)| {
        vendor == "ai21" || vendor.bytes().all(|b| b.is_ascii_alphabetic())
    }) && !first.is_empty();
    if first == "global" {
        Anywhere
    } else if GEOGRAPHIES.contains(&&*first) || is_before_vendor {
        Here(first)
    } else {
        Nothing
    }
}

/// The host of a URL, lower-case.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let host = host.split(':').next().unwrap_or(host);
    host.trim().trim_end_matches('.').to_ascii_lowercase()
}

/// `europe-west4-aiplatform.googleapis.com`, `aiplatform.eu.rep.googleapis.com`, and `aiplatform.googleapis.com` for
/// all the world.
fn google(host: &str) -> Says {
    let Some(host) = host.strip_suffix(".googleapis.com") else {
        return Nothing;
    };
    if host == "aiplatform" {
        return Anywhere;
    }
    let regional = host.strip_suffix("-aiplatform");
    let multi = || host.strip_prefix("aiplatform.")?.strip_suffix(".rep");
    named(regional.or_else(multi))
}

/// `bedrock-runtime.eu-west-1.amazonaws.com`, also behind the name of a VPC endpoint: the region follows the service.
fn amazon(host: &str) -> Says {
    let of_aws = [
        ".amazonaws.com",
        ".amazonaws.com.cn",
        ".amazonaws.eu",
        ".api.aws",
    ];
    if !of_aws.iter().any(|suffix| host.ends_with(suffix)) {
        return Nothing;
    }
    let mut labels = host
        .split('.')
        .skip_while(|label| !label.starts_with("bedrock"));
    named(labels.nth(1))
}

/// `eu-de.ml.cloud.ibm.com`, also `private.eu-de.…`, and `ap-south-1.aws.wxai.ibm.com`.
fn ibm(host: &str) -> Says {
    let location = host
        .strip_suffix(".ml.cloud.ibm.com")
        .or_else(|| host.strip_suffix(".aws.wxai.ibm.com"));
    named(location.and_then(|location| location.rsplit('.').next()))
}
