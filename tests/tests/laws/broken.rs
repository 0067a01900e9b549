//! Stacks with one thing broken: each law has to fail on one of them.

use std::{
    future::pending,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use tower::{ServiceExt, service_fn};
use ziggurat::{
    core::{BoxBody, BoxFuture, vitals::Phase},
    prelude::*,
};

use crate::{plan, world::Site};

type Boxed = BoxService<()>;

/// What is wrong with a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Nothing,
    /// Neither retry nor fallback keep to the cap.
    Cap,
    /// Retry goes on for ever so long.
    Retries,
    /// No region is refused.
    Region,
    /// No prompt is too long.
    Window,
    /// Calls go to deployments that rest.
    Cooling,
    /// Calls go to deployments whose trial is running.
    Trial,
    /// Calls are sent beyond the places.
    Places,
    /// The call is made on a fresh clone.
    Unready,
    /// Two calls are made for one.
    Both,
    /// Another call is made after the answer.
    Again,
    /// The body comes without its last frame.
    Shorter,
    /// Failed requests are not answered.
    Never,
    /// There is no limit for the whole.
    Total,
    /// The end of a body that breaks looks like a good one.
    HidesCut,
    /// Bodies of failed answers are kept for ever.
    Leaks,
}

impl Broken {
    /// Stands in for a layer of a deployment, over what is below it.
    pub(crate) fn instead(
        self,
        layer: &plan::Layer,
        whole: Boxed,
        below: Boxed,
        site: &Arc<Site>,
    ) -> Boxed {
        match (self, layer) {
            (Self::Region, plan::Layer::Region(_)) | (Self::Window, plan::Layer::Window { .. }) => {
                below
            }
            (Self::Cooling | Self::Trial, plan::Layer::Cooldown(_)) => BoxService::new(Deaf {
                broken: self,
                site: Arc::clone(site),
                whole,
                below,
            }),
            (Self::Unready, plan::Layer::Timeout(_)) => BoxService::new(Hasty(whole)),
            _ => whole,
        }
    }

    /// Stands above a group.
    pub(crate) fn on_group(self, group: Boxed) -> Boxed {
        if !matches!(self, Self::Leaks | Self::HidesCut | Self::Shorter) {
            return group;
        }
        let service = service_fn(move |request| {
            let group = group.clone();
            async move {
                let response = group.oneshot(request).await?;
                let leaks = self == Self::Leaks && !response.status().is_success();
                let wrong = |inner| Wrong {
                    inner: Some(inner),
                    broken: self,
                    leaks,
                    last: None,
                };
                Ok::<_, Failure>(response.map(wrong))
            }
        });
        BoxService::new(Open::new(service))
    }

    /// Stands above all.
    pub(crate) fn on_top(self, stack: Boxed) -> Boxed {
        if !matches!(self, Self::Never | Self::Both | Self::Again) {
            return stack;
        }
        let service = service_fn(move |request: Request<()>| {
            let stack = stack.clone();
            async move {
                if self == Self::Both {
                    drop(stack.clone().oneshot(request.clone()).await);
                    let one = stack.clone().oneshot(request.clone());
                    return futures_util::future::join(one, stack.oneshot(request))
                        .await
                        .1;
                }
                let copy = request.clone();
                let result = stack.clone().oneshot(request).await;
                if self == Self::Never && result.is_err() {
                    pending::<()>().await;
                }
                if self == Self::Again {
                    tokio::spawn(stack.oneshot(copy));
                }
                result
            }
        });
        BoxService::new(Open::new(service))
    }
}

/// A cooldown that does not always keep to its own word.
#[derive(Clone)]
struct Deaf {
    broken: Broken,
    site: Arc<Site>,
    whole: Boxed,
    below: Boxed,
}

impl Deaf {
    fn passes(&self) -> bool {
        match self.site.vitals.cooling().phase() {
            Phase::Cooling(_) => self.broken == Broken::Cooling,
            Phase::Trial => self.broken == Broken::Trial,
            _ => false,
        }
    }
}

impl Service<Request<()>> for Deaf {
    type Response = Response<BoxBody>;
    type Error = Failure;
    type Future = BoxFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        ready!(self.below.poll_ready(cx))?;
        self.whole.poll_ready(cx)
    }

    fn call(&mut self, request: Request<()>) -> BoxFuture {
        match self.passes() {
            true => self.below.call(request),
            false => self.whole.call(request),
        }
    }
}

impl Admit<Request<()>> for Deaf {
    fn admit(&self, request: &Request<()>) -> Result<(), Rejection> {
        match self.passes() {
            true => self.below.admit(request),
            false => self.whole.admit(request),
        }
    }
}

/// Calls another instance than the one that was made ready.
#[derive(Clone)]
struct Hasty(Boxed);

impl Service<Request<()>> for Hasty {
    type Response = Response<BoxBody>;
    type Error = Failure;
    type Future = BoxFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<()>) -> BoxFuture {
        self.0.clone().call(request)
    }
}

impl Admit<Request<()>> for Hasty {
    fn admit(&self, request: &Request<()>) -> Result<(), Rejection> {
        self.0.admit(request)
    }
}

/// A body that does not pass on what it should.
struct Wrong {
    inner: Option<BoxBody>,
    broken: Broken,
    leaks: bool,
    /// Held back until the next one comes.
    last: Option<Frame<Bytes>>,
}

impl Body for Wrong {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(None);
        };
        loop {
            return Poll::Ready(match ready!(Pin::new(&mut *inner).poll_frame(cx)) {
                Some(Ok(frame)) if this.broken == Broken::Shorter => {
                    match this.last.replace(frame) {
                        Some(last) => Some(Ok(last)),
                        None => continue,
                    }
                }
                Some(Err(_)) if this.broken == Broken::HidesCut => None,
                other => other,
            });
        }
    }
}

impl Drop for Wrong {
    fn drop(&mut self) {
        if self.leaks {
            mem::forget(self.inner.take());
        }
    }
}
