//! What `tonic-prost-build` would generate of this, cut to the bone, as the workspace is built without `protoc`:
//!
//! ```proto
//! package demo;
//! service Greeter { rpc Greet(Question) returns (Answer); }
//! ```

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::uri::PathAndQuery;
use tonic::{Request, Response, Status, body::Body, client::GrpcService, server::NamedService};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

/// Who asks.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Question {
    /// A name.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// What is answered.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Answer {
    /// A greeting.
    #[prost(string, tag = "1")]
    pub text: String,
}

/// The server: greets, or is down.
#[derive(Clone, Debug)]
pub struct Greeter {
    /// Its own name.
    pub site: &'static str,
    /// Whether it answers; else it fails with UNAVAILABLE.
    pub up: bool,
}

impl NamedService for Greeter {
    const NAME: &'static str = "demo.Greeter";
}

impl Service<http::Request<Body>> for Greeter {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let Self { site, up } = *self;
        let greet = service_fn(move |question: Request<Question>| async move {
            let name = question.into_inner().name;
            let text = format!("hello {name}, from {site}");
            match up {
                true => Ok(Response::new(Answer { text })),
                false => Err(Status::unavailable("down for the day")),
            }
        });
        let codec = ProstCodec::<Answer, Question>::default();
        Box::pin(async move { Ok(tonic::server::Grpc::new(codec).unary(greet, request).await) })
    }
}

/// The client: asks over any service that speaks gRPC.
///
/// # Errors
///
/// The status that the server gave, or that tonic made of a failed call.
pub async fn greet<S>(service: S, name: &str) -> Result<String, Status>
where
    S: GrpcService<Body, ResponseBody: Send + 'static>,
    <S::ResponseBody as http_body::Body>::Error: Into<ziggurat::core::BoxError> + Send,
{
    let path = PathAndQuery::from_static("/demo.Greeter/Greet");
    let codec = ProstCodec::<Question, Answer>::default();
    let mut grpc = tonic::client::Grpc::new(service);
    grpc.ready()
        .await
        .map_err(|error| Status::from_error(error.into()))?;
    let question = Question { name: name.into() };
    let answer = grpc.unary(Request::new(question), path, codec).await?;
    Ok(answer.into_inner().text)
}
