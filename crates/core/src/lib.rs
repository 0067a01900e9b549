#![doc = include_str!("../README.md")]

mod admit;
mod classify;
mod failure;
pub mod fallbacks;
mod ids;
pub mod json;
pub mod overrides;
mod request;
pub mod retry_after;
mod served;
mod tried;

pub use self::{
    admit::{Admit, Open, Rejection},
    classify::{ByStatus, Classify, GrpcStatus, Head, judge},
    failure::{BoxError, Failure, FailureKind, UpstreamError},
    ids::{DeploymentId, ModelGroup},
    json::JsonBody,
    request::LlmRequest,
    served::Served,
    tried::{Attempt, FallbackReason, Outcome, Tried},
};
