//! What the name of a model tells: where it is, how it is called, what it can do.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Where calls go if nothing says it: LiteLLM's default.
const DEFAULT_REGION: &str = "us-west-2";

/// How the regions of the European Sovereign Cloud begin.
const SOVEREIGN: &str = "eusc";

/// What stays as it is in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A version of Claude, such as 4.5.
pub(crate) type ClaudeVersion = (u32, u32);

/// A model, as a deployment names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    /// As Bedrock knows it: an id, an inference profile, or an ARN.
    pub(crate) id: Box<str>,
    /// The region in front of the name, or in its ARN.
    pub(crate) region: Option<Box<str>>,
    pub(crate) route: Route,
    /// Whether the name demands Converse.
    is_bound: bool,
}

/// Which of Bedrock's operations is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// One format for all models.
    Converse,
    /// The format of the model's maker, which is Anthropic.
    Invoke,
}

impl Model {
    /// Reads `[converse/|invoke/][region/]id`.
    pub(crate) fn parse(name: &str) -> Result<Self, &'static str> {
        let name = name.strip_prefix("bedrock/").unwrap_or(name);
        let (route, rest) = match (name.strip_prefix("invoke/"), name.strip_prefix("converse/")) {
            (Some(rest), _) => (Route::Invoke, rest),
            (_, Some(rest)) => (Route::Converse, rest),
            (None, None) => (Route::Converse, name),
        };
        let is_bound = name.starts_with("converse/");
        let (region, id) = match rest.split_once('/') {
            Some((region, id)) if is_region(region) => (Some(region), id),
            _ => (region_of_arn(rest), rest),
        };
        if id.is_empty() {
            return Err("no model is named");
        }
        if route == Route::Invoke && !is_anthropic(id) {
            return Err("invoke/ is for Anthropic's models only; others are called by converse/");
        }
        Ok(Self {
            id: id.into(),
            region: region.map(Into::into),
            route,
            is_bound,
        })
    }

    /// The path of an operation.
    pub(crate) fn path(&self, route: Route, stream: bool) -> String {
        let operation = match (route, stream) {
            (Route::Converse, false) => "converse",
            (Route::Converse, true) => "converse-stream",
            (Route::Invoke, false) => "invoke",
            (Route::Invoke, true) => "invoke-with-response-stream",
        };
        // A plain id goes to these operations as it is, colon and all.
        let as_is = route == Route::Invoke && !self.id.contains('/');
        let id = match as_is {
            true => utf8_percent_encode(&self.id, COLON).to_string(),
            false => utf8_percent_encode(&self.id, SEGMENT).to_string(),
        };
        format!("/model/{id}/{operation}")
    }

    /// Whether it is one of Anthropic's; of ARNs of profiles nothing is known.
    pub(crate) fn is_claude(&self) -> bool {
        self.id.contains("claude")
    }

    /// Whether it may be sent requests in Anthropic's own format.
    pub(crate) fn takes_messages(&self) -> bool {
        is_anthropic(&self.id) && !self.is_bound
    }

    pub(crate) fn is_gpt_oss(&self) -> bool {
        self.id.contains("gpt-oss")
    }

    /// Whether it can be made to call a tool. Llama decides itself, and Converse refuses to ask more of it.
    pub(crate) fn can_be_forced(&self) -> bool {
        !self.id.contains("llama")
    }

    /// Whether it can think: Claude from 3.7 on.
    pub(crate) fn thinks(&self) -> bool {
        self.claude_version()
            .is_some_and(|version| version >= (3, 7))
    }

    /// Whether it decides itself how long it thinks: Claude from 4.6 on.
    pub(crate) fn adapts(&self) -> bool {
        self.claude_version()
            .is_some_and(|version| version >= (4, 6))
    }

    /// Whether answers can be bound to a schema: Claude from 4.5 on.
    pub(crate) fn takes_schemas(&self) -> bool {
        self.claude_version()
            .is_some_and(|version| version >= (4, 5))
    }

    /// Whether marks for the cache may say how long it keeps: Claude from 4.5 on.
    pub(crate) fn takes_cache_times(&self) -> bool {
        self.claude_version()
            .is_some_and(|version| version >= (4, 5))
    }

    /// The version in a name: `claude-3-5-sonnet-20241022`, `claude-sonnet-4-20250514`, `claude-opus-4-6-v1:0`.
    pub(crate) fn claude_version(&self) -> Option<ClaudeVersion> {
        let (_, name) = self.id.rsplit_once("claude-")?;
        let name = name.split([':', '@']).next()?;
        // Longer numbers are dates.
        let number =
            |part: &&str| part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        let mut parts = name.split('-').skip_while(|part| !number(part));
        let major = parts.next().filter(number)?.parse().ok()?;
        let minor = parts.next().filter(number);
        Some((
            major,
            minor.and_then(|minor| minor.parse().ok()).unwrap_or(0),
        ))
    }
}

/// What stays as it is in an id that is not encoded further.
const COLON: &AsciiSet = &SEGMENT.remove(b':');

/// The default region.
pub(crate) fn default_region() -> String {
    DEFAULT_REGION.to_owned()
}

/// The address of a region's endpoint.
pub(crate) fn endpoint(region: &str) -> String {
    format!("https://bedrock-runtime.{region}.{}", domain(region))
}

/// The domain of a region's endpoints.
pub(crate) fn domain(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "amazonaws.com.cn",
        Some(SOVEREIGN) => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

/// Whether a text has the form of a region: `us-west-2`, `us-gov-east-1`.
pub(crate) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    match &parts[..] {
        [words @ .., number] if words.len() >= 2 => {
            words.iter().all(is_word)
                && (words[0].len() == 2 || words[0] == SOVEREIGN)
                && !number.is_empty()
                && number.bytes().all(|b| b.is_ascii_digit())
        }
        _ => false,
    }
}

/// Whether an id names a model of Anthropic's in the words of AWS.
fn is_anthropic(id: &str) -> bool {
    id.contains("anthropic.claude")
}

fn region_of_arn(id: &str) -> Option<&str> {
    let mut parts = id.strip_prefix("arn:")?.split(':');
    parts.nth(2).filter(|region| is_region(region))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str) -> Model {
        Model::parse(name).expect("a model")
    }

    #[test]
    fn names_tell_route_region_and_path() {
        let plain = model("bedrock/anthropic.claude-3-5-sonnet-20241022-v2:0");
        assert_eq!(
            plain.path(plain.route, false),
            "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse"
        );
        let placed = model("us-gov-west-1/anthropic.claude-v2:1");
        assert_eq!(placed.region.as_deref(), Some("us-gov-west-1"));
        assert_eq!(&*placed.id, "anthropic.claude-v2:1");
        let arn =
            "arn:aws:bedrock:eu-west-3:123456789012:inference-profile/eu.amazon.nova-pro-v1:0";
        let profile = model(&format!("converse/{arn}"));
        assert_eq!(profile.region.as_deref(), Some("eu-west-3"));
        assert_eq!(
            profile.path(profile.route, true),
            "/model/arn%3Aaws%3Abedrock%3Aeu-west-3%3A123456789012%3Ainference-profile%2Feu.amazon.nova-pro-v1%3A0/converse-stream"
        );
        let invoked = model("invoke/anthropic.claude-3-haiku-20240307-v1:0");
        assert_eq!(
            invoked.path(invoked.route, false),
            "/model/anthropic.claude-3-haiku-20240307-v1:0/invoke"
        );
        assert!(Model::parse("invoke/meta.llama3-8b-instruct-v1:0").is_err());
        assert!(Model::parse("converse/").is_err());
    }

    #[test]
    fn anthropics_own_models_take_its_own_format() {
        for name in [
            "anthropic.claude-3-haiku-20240307-v1:0",
            "invoke/us.anthropic.claude-sonnet-4-20250514-v1:0",
            "arn:aws:bedrock:eu-west-3:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-20250514-v1:0",
        ] {
            assert!(model(name).takes_messages(), "{name}");
        }
        for name in [
            "converse/anthropic.claude-3-haiku-20240307-v1:0",
            "bedrock/converse/us-west-2/anthropic.claude-3-haiku-20240307-v1:0",
            "us.amazon.nova-pro-v1:0",
            "arn:aws:bedrock:eu-west-3:123456789012:application-inference-profile/a1b2c3",
            "*",
        ] {
            assert!(!model(name).takes_messages(), "{name}");
        }
    }

    #[test]
    fn partitions_have_domains_of_their_own() {
        let cases = [
            ("eu-west-1", "amazonaws.com"),
            ("us-gov-east-1", "amazonaws.com"),
            ("cn-north-1", "amazonaws.com.cn"),
            ("eusc-de-east-1", "amazonaws.eu"),
        ];
        for (region, domain) in cases {
            assert!(is_region(region), "{region}");
            let endpoint = endpoint(region);
            assert_eq!(
                endpoint,
                format!("https://bedrock-runtime.{region}.{domain}")
            );
        }
    }

    #[test]
    fn versions_are_read_from_names() {
        let cases = [
            ("anthropic.claude-3-5-sonnet-20241022-v2:0", Some((3, 5))),
            ("us.anthropic.claude-sonnet-4-20250514-v1:0", Some((4, 0))),
            ("global.anthropic.claude-opus-4-6-v1:0", Some((4, 6))),
            ("anthropic.claude-3-haiku-20240307-v1:0", Some((3, 0))),
            ("anthropic.claude-v2:1", None),
            ("us.amazon.nova-pro-v1:0", None),
        ];
        for (name, version) in cases {
            assert_eq!(model(name).claude_version(), version, "{name}");
        }
    }
}
