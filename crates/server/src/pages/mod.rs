//! The pages beside the calls of models: what is served, how, and how it fares.

mod cooldowns;
mod health;
mod info;
mod models;
pub(crate) mod refusal;
mod settings;

use std::{borrow::Cow, future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use http_body_util::Full;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use ziggurat::{
    config::Config,
    core::{Board, DeploymentId, Failure, FailureKind},
    edge::{ErrorForm, ErrorTypes},
    gateway::HealthCheck,
};

use self::models::Models;
use crate::{
    MasterKey, Metrics,
    app::Facts,
    key::Shown,
    metrics::METRICS_TYPE,
    route::{PATHS, Route},
};

/// Seconds until a client that there was no room for asks again: the shortest time that the header can tell, for room is
/// made with every request that ends.
const OVERLOAD_WAIT: &str = "1";

/// Tells the SDKs whether to ask again.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// A page.
pub(crate) type Page = Response<Full<Bytes>>;

/// A page that deployments are asked for first.
pub(crate) type Later = Pin<Box<dyn Future<Output = Page> + Send>>;

/// What becomes of a request.
pub(crate) enum Answer {
    Now(Page),
    Later(Later),
    /// It is for the gateway; these of its headers are not.
    Gateway(Shown),
}

/// All pages, as far as they can be printed at the start.
#[derive(Debug)]
pub(crate) struct Pages {
    master_key: Option<MasterKey>,
    error_types: ErrorTypes,
    config: Arc<Config>,
    models: Models,
    readiness: Bytes,
    router_settings: Bytes,
    board: Board,
    groups: Vec<(DeploymentId, String)>,
    checks: Arc<[HealthCheck]>,
    metrics: Option<Arc<Metrics>>,
}

impl Pages {
    pub(crate) fn print(facts: &Facts) -> Self {
        let config = Arc::clone(&facts.config);
        let serving = config.deployments.iter().filter(|one| !one.blocked);
        let groups = serving.map(|one| (one.id.as_str().into(), one.model_name.clone()));
        Self {
            master_key: facts.master_key.clone(),
            error_types: facts.error_types,
            models: Models::print(&config),
            readiness: readiness(&config),
            router_settings: settings::print(&config),
            board: facts.board.clone(),
            groups: groups.collect(),
            checks: Arc::clone(&facts.checks),
            metrics: facts.metrics.clone(),
            config,
        }
    }

    /// Answers what is not for the gateway. Refusals are counted and logged, as those of the gateway are.
    pub(crate) fn answer<B>(&self, req: &Request<B>) -> Answer {
        let answer = self.find(req);
        if let Answer::Now(page) = &answer
            && !page.status().is_success()
        {
            let status = page.status();
            let kind = FailureKind::from_status(status).unwrap_or(FailureKind::Other);
            refusal::tell(req, status, kind, self.metrics.as_deref());
        }
        answer
    }

    /// Refuses a request for which there is no room at the moment; counted and logged, too.
    pub(crate) fn overloaded<B>(&self, req: &Request<B>) -> Page {
        let kind = FailureKind::Overloaded;
        let failure = Failure::new(kind);
        let mut page = error(&failure, &self.form(req));
        let headers = page.headers_mut();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(OVERLOAD_WAIT));
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("true"));
        refusal::tell(req, page.status(), kind, self.metrics.as_deref());
        page
    }

    fn find<B>(&self, req: &Request<B>) -> Answer {
        let shown = self.shown(req);
        let Some(route) = Route::of(req.uri().path()) else {
            let message = match is_stored_response(req.uri().path()) {
                true => {
                    "stored responses are not served: which deployment keeps one is not known here"
                }
                false => "no such path",
            };
            let failure = Failure::new(FailureKind::NotFound).with_message(message);
            return Answer::Now(match shown {
                Some(_) => error(&failure, &self.form(req)),
                None => self.refusal(req),
            });
        };
        let Some(shown) = shown.or(self.is_open(route).then(Shown::default)) else {
            return Answer::Now(self.refusal(req));
        };
        if !route.allows(req.method()) {
            return Answer::Now(Self::wrong_method(route, &self.form(req)));
        }
        match route {
            Route::Call => Answer::Gateway(shown),
            Route::Health => self.health(req),
            Route::Metrics => Answer::Now(self.metrics()),
            _ => {
                let page = self.page(route, req.uri());
                Answer::Now(match page {
                    Ok(text) => json(text),
                    Err(failure) => self.error(&failure),
                })
            }
        }
    }

    fn page(&self, route: Route<'_>, uri: &Uri) -> Result<Bytes, Failure> {
        let config = &self.config;
        Ok(match route {
            Route::Models => self.models.list(),
            Route::Model(name) => self.models.one(&decoded(name)?)?,
            Route::ModelInfo => info::models(config, query(uri, "litellm_model_id")?.as_deref())?,
            Route::GroupInfo => info::groups(config, query(uri, "model_group")?.as_deref())?,
            Route::Fallback(name) => {
                let kind = query(uri, "fallback_type")?;
                settings::fallback(config, &decoded(name)?, kind.as_deref())?
            }
            Route::RouterSettings => self.router_settings.clone(),
            Route::Routes => routes(),
            Route::Cooldowns => cooldowns::print(&self.board, &self.groups),
            Route::Readiness => self.readiness.clone(),
            Route::Liveness => Bytes::from_static(br#""I'm alive!""#),
            Route::Call | Route::Health | Route::Metrics => unreachable!("answered elsewhere"),
        })
    }

    /// Asks deployments only if the request says so: each question costs a call.
    fn health<B>(&self, req: &Request<B>) -> Answer {
        let read = || {
            let cached = match query(req.uri(), "cached")?.as_deref() {
                None | Some("true" | "1") => true,
                Some("false" | "0") => false,
                Some(_) => return Err(invalid("cached", "`cached` is `true` or `false`")),
            };
            Ok((query(req.uri(), "model")?, cached))
        };
        let (model, cached) = match read() {
            Ok(read) => read,
            Err(failure) => return Answer::Now(self.error(&failure)),
        };
        let asked = health::Asked::new(&self.config, &self.board, model.as_deref());
        if asked.is_empty() {
            let message = "no deployment serves this model";
            let failure = Failure::new(FailureKind::NotFound).with_message(message);
            return Answer::Now(self.error(&failure.with_param("model")));
        }
        if cached || req.method() == Method::HEAD {
            return Answer::Now(json(asked.print()));
        }
        let checks = self.checks.iter();
        let checks = checks.filter(|check| asked.has(check.deployment()));
        let checks: Vec<_> = checks.cloned().collect();
        Answer::Later(Box::pin(async move {
            health::check(checks).await;
            json(asked.print())
        }))
    }

    /// Says whether a page is for everyone, key or not.
    fn is_open(&self, route: Route<'_>) -> bool {
        let settings = &self.config.settings;
        let is_open = route == Route::Metrics && !settings.require_auth_for_metrics_endpoint;
        is_open || route.is_open()
    }

    fn metrics(&self) -> Page {
        let Some(metrics) = &self.metrics else {
            let failure = Failure::new(FailureKind::NotFound);
            return self.error(&failure.with_message("metrics are not counted"));
        };
        let page = metrics.print(&self.config, &self.board);
        let mut response = Response::new(Full::new(page.into()));
        let kind = HeaderValue::from_static(METRICS_TYPE);
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }

    fn wrong_method(route: Route<'_>, form: &ErrorForm) -> Page {
        let failure = Failure::new(FailureKind::BadRequest)
            .with_status(StatusCode::METHOD_NOT_ALLOWED)
            .with_message(format!("this path takes {}", route.allow()));
        let mut response = error(&failure, form);
        let allow = HeaderValue::from_static(route.allow());
        response.headers_mut().insert(ALLOW, allow);
        response
    }

    /// Finds the key in a request; `None` if there has to be one, and there is not.
    fn shown<B>(&self, req: &Request<B>) -> Option<Shown> {
        let Some(key) = &self.master_key else {
            return Some(Shown::default());
        };
        Some(key.find(req.headers())).filter(|shown| shown.any())
    }

    /// Refuses a request that does not show the key.
    fn refusal<B>(&self, req: &Request<B>) -> Page {
        tracing::debug!(target: "ziggurat::server", path = req.uri().path(), "refused: no valid key");
        let failure = Failure::new(FailureKind::Authentication)
            .with_message("the API key is missing or not valid");
        let mut response = error(&failure, &self.form(req));
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        response
    }

    fn error(&self, failure: &Failure) -> Page {
        error(failure, &self.error_types.into())
    }

    /// The form of errors that the caller of a path reads.
    fn form<B>(&self, req: &Request<B>) -> ErrorForm {
        ErrorForm::of(req, self.error_types)
    }
}

/// Says whether a path is of a response that some upstream may keep.
fn is_stored_response(path: &str) -> bool {
    let prefixes = ["/responses/", "/v1/responses/", "/openai/v1/responses/"];
    prefixes.iter().any(|prefix| path.starts_with(prefix))
}

fn error(failure: &Failure, form: &ErrorForm) -> Page {
    let mut response = json(form.json(failure));
    *response.status_mut() = form.status(failure);
    response
}

fn json(text: Bytes) -> Page {
    let mut response = Response::new(Full::new(text));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Prints a page.
fn text(page: &impl Serialize) -> Bytes {
    serde_json::to_vec(page)
        .expect("strings, numbers and maps with string keys serialise")
        .into()
}

fn invalid(param: &str, message: &'static str) -> Failure {
    Failure::new(FailureKind::BadRequest)
        .with_param(param)
        .with_message(message)
}

fn decoded(name: &str) -> Result<Cow<'_, str>, Failure> {
    let decoded = percent_decode_str(name).decode_utf8();
    decoded.map_err(|_| invalid("path", "the path is not UTF-8"))
}

/// Reads a parameter of the query; an empty one is none.
fn query<'a>(uri: &'a Uri, name: &'static str) -> Result<Option<Cow<'a, str>>, Failure> {
    let pairs = uri.query().unwrap_or_default().split('&');
    let value = pairs
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| (key == name && !value.is_empty()).then_some(value));
    let decode = |value| percent_decode_str(value).decode_utf8();
    let decoded = value.map(decode).transpose();
    decoded.map_err(|_| invalid(name, "the query is not UTF-8"))
}

fn readiness(config: &Config) -> Bytes {
    #[derive(Serialize)]
    struct Readiness<'a> {
        status: &'static str,
        db: &'static str,
        deployments: usize,
        left_out: Vec<LeftOut<'a>>,
    }
    #[derive(Serialize)]
    struct LeftOut<'a> {
        model_name: &'a str,
        reason: String,
    }
    let left_out = config.left_out.iter().map(|one| LeftOut {
        model_name: &one.model_name,
        reason: one.reason(),
    });
    text(&Readiness {
        status: "healthy",
        db: "Not connected",
        deployments: config.deployments.iter().filter(|one| !one.blocked).count(),
        left_out: left_out.collect(),
    })
}

fn routes() -> Bytes {
    #[derive(Serialize)]
    struct List {
        routes: Vec<Entry>,
    }
    #[derive(Serialize)]
    struct Entry {
        path: &'static str,
        methods: [&'static str; 1],
    }
    let routes = PATHS.iter().map(|&(method, path)| Entry {
        path,
        methods: [method],
    });
    text(&List {
        routes: routes.collect(),
    })
}
