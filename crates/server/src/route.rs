//! What a path leads to.

use http::Method;
use ziggurat::edge::path::Endpoint;

/// What a path leads to. Names that a path holds are as they stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// A call of a model.
    Call,
    Models,
    Model(&'a str),
    ModelInfo,
    GroupInfo,
    Fallback(&'a str),
    RouterSettings,
    Routes,
    Cooldowns,
    Health,
    Metrics,
    Liveness,
    Readiness,
}

/// The paths, for people.
pub(crate) const PATHS: [(&str, &str); 37] = [
    ("POST", "/chat/completions"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/engines/{model}/chat/completions"),
    ("POST", "/openai/deployments/{model}/chat/completions"),
    ("POST", "/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/engines/{model}/completions"),
    ("POST", "/openai/deployments/{model}/completions"),
    ("POST", "/embeddings"),
    ("POST", "/v1/embeddings"),
    ("POST", "/engines/{model}/embeddings"),
    ("POST", "/openai/deployments/{model}/embeddings"),
    ("POST", "/responses"),
    ("POST", "/v1/responses"),
    ("POST", "/openai/responses"),
    ("POST", "/openai/v1/responses"),
    ("POST", "/messages"),
    ("POST", "/v1/messages"),
    ("POST", "/anthropic/v1/messages"),
    ("POST", "/messages/count_tokens"),
    ("POST", "/v1/messages/count_tokens"),
    ("POST", "/anthropic/v1/messages/count_tokens"),
    ("GET", "/models"),
    ("GET", "/v1/models"),
    ("GET", "/models/{model}"),
    ("GET", "/v1/models/{model}"),
    ("GET", "/model/info"),
    ("GET", "/v1/model/info"),
    ("GET", "/model_group/info"),
    ("GET", "/fallback/{model}"),
    ("GET", "/router/settings"),
    ("GET", "/routes"),
    ("GET", "/cooldowns"),
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/health/liveliness"),
    ("GET", "/health/readiness"),
];

impl<'a> Route<'a> {
    pub(crate) fn of(path: &'a str) -> Option<Self> {
        let below = |prefix| path.strip_prefix(prefix).filter(|name| !name.is_empty());
        Some(match path {
            "/models" | "/v1/models" => Self::Models,
            "/model/info" | "/v1/model/info" => Self::ModelInfo,
            "/model_group/info" => Self::GroupInfo,
            "/router/settings" => Self::RouterSettings,
            "/routes" => Self::Routes,
            "/cooldowns" => Self::Cooldowns,
            "/health" => Self::Health,
            "/metrics" | "/metrics/" => Self::Metrics,
            "/health/liveliness" | "/health/liveness" => Self::Liveness,
            "/health/readiness" => Self::Readiness,
            _ if Endpoint::of(path).is_some() => Self::Call,
            _ => {
                let model = below("/v1/models/").or_else(|| below("/models/"));
                let fallback = || below("/fallback/").map(Self::Fallback);
                return model.map(Self::Model).or_else(fallback);
            }
        })
    }

    pub(crate) fn allow(self) -> &'static str {
        match self {
            Self::Call => "POST",
            _ => "GET, HEAD",
        }
    }

    pub(crate) fn allows(self, method: &Method) -> bool {
        match self {
            Self::Call => method == Method::POST,
            _ => matches!(*method, Method::GET | Method::HEAD),
        }
    }

    /// Whether it is for everyone, key or not.
    pub(crate) const fn is_open(self) -> bool {
        matches!(self, Self::Liveness | Self::Readiness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_path_leads_somewhere() {
        for (method, path) in PATHS {
            let path = path.replace("{model}", "a/b");
            let route = Route::of(&path);
            let allowed = route.is_some_and(|route| route.allows(&method.parse().unwrap()));
            assert!(allowed, "{method} {path}: {route:?}");
        }
        for path in ["/", "/models/", "/fallback/", "/v1/health", "/v1"] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }
}
