use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::{Either, Full};
use pin_project_lite::pin_project;
use tower_service::Service;
use ziggurat_core::{BoxError, Failure, FailureKind, JsonBody, Tried};

use super::{ResponseBody, branch::Branch};
use crate::{ErrorForm, ErrorTypes, Ledger, TotalAttempts};

/// One of the models' answers, or a list of them.
type Answer<R> = Response<Either<R, Full<Bytes>>>;

/// Which answers are wanted.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    /// The first success; the others are given up.
    Fastest,
    /// All, in the order of their models.
    All(ErrorTypes),
}

pin_project! {
    /// The future of [`Fanout`](super::Fanout). Dropping it gives all calls up.
    pub struct ResponseFuture<S, E, T>
    where
        S: Service<Request<JsonBody>>,
        E: Service<Request<JsonBody>>,
    {
        #[pin]
        state: State<E, T, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<E, T, F>
    where
        E: Service<Request<JsonBody>>,
    {
        One { #[pin] future: F },
        Many { calls: Vec<Call<E, T>>, mode: Mode, outer: Option<Tried> },
        Refused { failure: Option<Failure> },
    }
}

struct Call<S, R>
where
    S: Service<Request<JsonBody>>,
{
    branch: Branch<S, R>,
    outcome: Option<Result<Bytes, Failure>>,
}

impl<S, E, T> ResponseFuture<S, E, T>
where
    S: Service<Request<JsonBody>>,
    E: Service<Request<JsonBody>>,
{
    pub(super) fn one(future: S::Future) -> Self {
        let state = State::One { future };
        Self { state }
    }

    /// `outer` is the ledger of the whole request.
    pub(super) fn many(branches: Vec<Branch<E, T>>, mode: Mode, outer: Option<Tried>) -> Self {
        let call = |branch| Call {
            branch,
            outcome: None,
        };
        let calls = branches.into_iter().map(call).collect();
        let state = State::Many { calls, mode, outer };
        Self { state }
    }

    pub(super) fn refused(failure: Failure) -> Self {
        let failure = Some(failure);
        let state = State::Refused { failure };
        Self { state }
    }
}

impl<S, E, T> fmt::Debug for ResponseFuture<S, E, T>
where
    S: Service<Request<JsonBody>>,
    E: Service<Request<JsonBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("fanout::ResponseFuture")
            .finish_non_exhaustive()
    }
}

impl<S, R, E, T> Future for ResponseFuture<S, E, T>
where
    S: Service<Request<JsonBody>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    E: Service<Request<JsonBody>, Response = Response<T>>,
    E::Error: Into<BoxError>,
    T: Body<Data = Bytes> + Unpin,
    T::Error: Into<BoxError>,
{
    type Output = Result<Response<ResponseBody<R, T>>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::One { future } => {
                let response = ready!(future.poll(cx)).map_err(Failure::wrap)?;
                Poll::Ready(Ok(response.map(Either::Left)))
            }
            StateProj::Refused { failure } => {
                Poll::Ready(Err(failure.take().expect("polled after completion")))
            }
            StateProj::Many { calls, mode, outer } => {
                let result = ready!(mode.poll(calls, cx));
                let mut branches = calls.iter().map(|call| &call.branch);
                if result.is_err()
                    && let Some(outer) = outer
                    && branches.any(|branch| branch.tried.are_retries_spent())
                {
                    outer.spend_retries();
                }
                Poll::Ready(result.map(|response| response.map(Either::Right)))
            }
        }
    }
}

impl Mode {
    /// Waits for what is wanted.
    fn poll<S, R>(
        self,
        calls: &mut Vec<Call<S, R>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Answer<R>, Failure>>
    where
        S: Service<Request<JsonBody>, Response = Response<R>>,
        S::Error: Into<BoxError>,
        R: Body<Data = Bytes> + Unpin,
        R::Error: Into<BoxError>,
    {
        match self {
            Self::Fastest => fastest(calls, cx).map_ok(|response| response.map(Either::Left)),
            Self::All(types) => all(calls, types, cx).map_ok(|text| {
                let mut response = Response::new(Either::Right(text.into()));
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(CONTENT_TYPE, json);
                let attempts = calls.iter().map(|call| call.branch.tried.sent()).sum();
                response.extensions_mut().insert(TotalAttempts(attempts));
                response
            }),
        }
    }
}

/// Waits for the first success; if there is none, for the failure of the first model.
fn fastest<S, R>(
    calls: &mut Vec<Call<S, R>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Response<R>, Failure>>
where
    S: Service<Request<JsonBody>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    let mut running = false;
    for call in calls.iter_mut().filter(|call| call.outcome.is_none()) {
        match call.branch.poll_head(cx) {
            Poll::Ready(Ok(mut response)) => {
                let ledger = Ledger(call.branch.tried.clone());
                response.extensions_mut().insert(ledger);
                calls.clear();
                return Poll::Ready(Ok(response));
            }
            Poll::Ready(Err(failure)) => call.outcome = Some(Err(failure)),
            Poll::Pending => running = true,
        }
    }
    match running {
        true => Poll::Pending,
        false => Poll::Ready(Err(first_failure(calls))),
    }
}

/// Waits for all answers, and writes them as a list. If all failed, the failure of the first stands for all.
fn all<S, R>(
    calls: &mut [Call<S, R>],
    types: ErrorTypes,
    cx: &mut Context<'_>,
) -> Poll<Result<Bytes, Failure>>
where
    S: Service<Request<JsonBody>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body<Data = Bytes> + Unpin,
    R::Error: Into<BoxError>,
{
    let mut running = false;
    for call in calls.iter_mut().filter(|call| call.outcome.is_none()) {
        match call.branch.poll_text(cx) {
            Poll::Ready(outcome) => call.outcome = Some(outcome),
            Poll::Pending => running = true,
        }
    }
    if running {
        return Poll::Pending;
    }
    if !calls.iter().any(|call| matches!(call.outcome, Some(Ok(_)))) {
        return Poll::Ready(Err(first_failure(calls)));
    }
    let mut list = BytesMut::new();
    for (at, call) in calls.iter().enumerate() {
        list.put_u8(if at == 0 { b'[' } else { b',' });
        match &call.outcome {
            Some(Ok(text)) => list.put_slice(text),
            Some(Err(failure)) => list.put_slice(&ErrorForm::from(types).json(failure)),
            None => unreachable!("no call is running"),
        }
    }
    list.put_u8(b']');
    Poll::Ready(Ok(list.freeze()))
}

fn first_failure<S, R>(calls: &[Call<S, R>]) -> Failure
where
    S: Service<Request<JsonBody>>,
{
    let outcomes = calls.iter().filter_map(|call| call.outcome.as_ref());
    let failure = outcomes.filter_map(|outcome| outcome.as_ref().err()).next();
    let none = || Failure::new(FailureKind::Other);
    failure.cloned().unwrap_or_else(none)
}
