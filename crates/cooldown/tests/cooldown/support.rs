use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tower::{Layer, Service as _};
use ziggurat_cooldown::{Breaker, Cooldown, CooldownLayer, ResponseBody, Rules};
use ziggurat_core::{
    Admit, Failure, FailureKind, Rejection, Vitals,
    vitals::{Cooling, Phase},
};
use ziggurat_testing::{ScriptedBody, ScriptedService};

pub(crate) type Inner = ScriptedService<Request<()>, Response<ScriptedBody>, Failure>;
pub(crate) type Answer = Result<Response<ScriptedBody>, Failure>;

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn rules() -> Rules {
    Rules::new().seed(7)
}

pub(crate) fn request() -> Request<()> {
    Request::new(())
}

pub(crate) fn with<T: Clone + Send + Sync + 'static>(extension: T) -> Request<()> {
    let mut request = request();
    request.extensions_mut().insert(extension);
    request
}

pub(crate) fn ok() -> Answer {
    Ok(Response::new(ScriptedBody::new().data("ok")))
}

pub(crate) fn body(body: ScriptedBody) -> Answer {
    Ok(Response::new(body))
}

pub(crate) fn status(code: u16) -> Answer {
    let body = ScriptedBody::new().data("error");
    Ok(Response::builder().status(code).body(body).unwrap())
}

pub(crate) fn limited(retry_after: &str) -> Answer {
    let response = Response::builder().status(429);
    let response = response.header("retry-after", retry_after);
    Ok(response.body(ScriptedBody::new()).unwrap())
}

pub(crate) fn fail(kind: FailureKind) -> Answer {
    Err(kind.into())
}

/// A deployment that answers as it is told, under a cooldown layer.
pub(crate) struct Deployment {
    pub(crate) vitals: Arc<Vitals>,
    pub(crate) breaker: Breaker,
    pub(crate) inner: Inner,
    pub(crate) service: Cooldown<Inner>,
    next: Arc<Mutex<Answer>>,
}

impl Deployment {
    pub(crate) fn new(rules: Rules) -> Self {
        Self::with(rules, |layer| layer)
    }

    pub(crate) fn with(rules: Rules, set: impl FnOnce(CooldownLayer) -> CooldownLayer) -> Self {
        Self::of(Arc::new(Vitals::new()), rules, set)
    }

    pub(crate) fn of(
        vitals: Arc<Vitals>,
        rules: Rules,
        set: impl FnOnce(CooldownLayer) -> CooldownLayer,
    ) -> Self {
        let breaker = Breaker::new(Arc::clone(&vitals), rules);
        let next = Arc::new(Mutex::new(ok()));
        let answer = Arc::clone(&next);
        let inner = Inner::new().answer(move |_| answer.lock().unwrap().clone());
        Self {
            service: set(CooldownLayer::new(breaker.clone())).layer(inner.clone()),
            vitals,
            breaker,
            inner,
            next,
        }
    }

    pub(crate) fn cooling(&self) -> &Cooling {
        self.vitals.cooling()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.cooling().phase()
    }

    /// Returns how long it rests, in seconds; 0 if it does not.
    pub(crate) fn rests(&self) -> f64 {
        self.cooling()
            .remaining()
            .map_or(0.0, |rest| rest.as_secs_f64())
    }

    pub(crate) fn admit(&self) -> Result<(), Rejection> {
        self.service.admit(&request())
    }

    /// Makes a call that is answered so, without reading its body.
    pub(crate) async fn head(
        &self,
        answer: Answer,
        request: Request<()>,
    ) -> Result<Response<ResponseBody<ScriptedBody>>, Failure> {
        *self.next.lock().unwrap() = answer;
        self.service.clone().call(request).await
    }

    /// Makes a call that is answered so, and reads its body to the end. Returns the kind of its failure.
    pub(crate) async fn send(&self, answer: Answer, request: Request<()>) -> Option<FailureKind> {
        match self.head(answer, request).await {
            Err(failure) => Some(failure.kind()),
            Ok(response) => {
                let status = response.status();
                match response.into_body().collect().await {
                    Err(failure) => Some(failure.kind()),
                    Ok(_) => FailureKind::from_status(status),
                }
            }
        }
    }

    pub(crate) async fn call(&self, answer: Answer) -> Option<FailureKind> {
        self.send(answer, request()).await
    }

    /// Makes several calls with the same answer.
    pub(crate) async fn calls(&self, count: usize, answer: Answer) {
        for _ in 0..count {
            self.call(answer.clone()).await;
        }
    }

    /// Has it wait for its trial.
    pub(crate) async fn expire(&self) {
        if self.phase() == Phase::Closed {
            self.cooling()
                .cool(FailureKind::Server, Some(StatusCode::BAD_GATEWAY), |_| {
                    seconds(1)
                });
        }
        tokio::time::advance(self.cooling().remaining().unwrap()).await;
        assert_eq!(self.phase(), Phase::Waiting);
    }
}
