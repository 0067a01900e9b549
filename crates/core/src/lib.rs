#![doc = include_str!("../README.md")]

mod admit;
mod atomic;
mod boxed;
mod classify;
mod deadline;
mod failure;
pub mod fallbacks;
mod ids;
pub mod json;
mod keep_alive;
mod metadata;
mod meter;
mod names;
pub mod observe;
mod operation;
pub mod overrides;
mod rate_limits;
mod request;
pub mod retry_after;
mod route;
mod served;
mod slim;
mod tokens;
mod tried;
mod unread_body;
pub mod vitals;
mod waited;
mod wildcard;

pub use self::{
    admit::{Admit, Open, Rejection},
    boxed::{BoxBody, BoxFuture, BoxLayer, BoxService},
    classify::{ByStatus, Classify, GrpcStatus, Head, judge},
    deadline::Deadline,
    failure::{BoxError, Failure, FailureKind, FailureKinds, UpstreamError},
    ids::{DeploymentId, ModelGroup},
    json::JsonBody,
    keep_alive::{AskedKeepAlive, KeepAlive, LateAnswer},
    metadata::Metadata,
    meter::Meter,
    names::{NameHasher, NameMap},
    observe::Observer,
    operation::Operation,
    rate_limits::{Quota, RateLimits},
    request::LlmRequest,
    route::{AllowedRegions, ContentFiltered, LastResort, Tags},
    served::Served,
    slim::{Slim, SlimFuture},
    tokens::{TokenCount, TokenCounts},
    tried::{Attempt, FallbackReason, Outcome, Recovery, Tried, Waits},
    unread_body::UnreadBody,
    vitals::{Board, Vitals},
    waited::Waited,
    wildcard::{Captures, Wildcard},
};
