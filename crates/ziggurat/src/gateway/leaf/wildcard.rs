//! A deployment whose model is a pattern: a dialect for each model that it was asked for.

use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use http::Request;
use ziggurat_core::{Captures, Failure, FailureKind, Operation, json::Printed};
use ziggurat_provider::{Authorized, Call, Dialect, Outgoing};

/// Models whose dialects are kept. Names come from callers, so that their number must have an end; then all are made anew.
const MOST: usize = 256;

/// Makes the dialect of a model, named as in `litellm_params`; or says why there is none.
type Make = Box<dyn Fn(&str) -> Result<Arc<dyn Dialect>, String> + Send + Sync>;

/// Speaks the dialect of whichever model a request names.
pub(super) struct AnyModel {
    /// The model as configured, with `*`s.
    pattern: String,
    /// The dialect of the pattern itself: what all models have in common.
    common: Arc<dyn Dialect>,
    make: Make,
    /// Held for a look only: dialects are made outside.
    made: Mutex<HashMap<Box<str>, Arc<dyn Dialect>>>,
}

/// Who prepared a request: a request extension for [`Dialect::authorize`].
#[derive(Clone)]
struct PreparedBy(Arc<dyn Dialect>);

impl AnyModel {
    pub(super) fn new(pattern: &str, common: Arc<dyn Dialect>, make: Make) -> Self {
        Self {
            pattern: pattern.to_owned(),
            common,
            make,
            made: Mutex::default(),
        }
    }

    /// The dialect of the model that a call names.
    fn of(&self, call: Call<'_>) -> Result<Arc<dyn Dialect>, Failure> {
        let captures = call.extensions().get::<Captures>();
        let Some(model) = captures.map(|captures| captures.fill(&self.pattern)) else {
            let message = "this deployment serves many models: name one of them";
            return Err(Failure::new(FailureKind::BadRequest)
                .with_param("model")
                .with_message(Cow::Borrowed(message)));
        };
        self.dialect(&model)
    }

    fn dialect(&self, model: &str) -> Result<Arc<dyn Dialect>, Failure> {
        let lock = || self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = lock().get(model) {
            return Ok(Arc::clone(made));
        }
        let made = (self.make)(model).map_err(|reason| {
            Failure::new(FailureKind::BadRequest)
                .with_param("model")
                .with_message(format!("the model `{model}` cannot be called: {reason}"))
        })?;
        let mut all = lock();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(model.into(), Arc::clone(&made));
        Ok(made)
    }
}

impl Dialect for AnyModel {
    fn provider(&self) -> &'static str {
        self.common.provider()
    }

    fn speaks(&self, operation: Operation) -> bool {
        self.common.speaks(operation)
    }

    fn takes(&self, call: Call<'_>) -> bool {
        // What cannot be called is refused when it is prepared.
        self.of(call).is_ok_and(|dialect| dialect.takes(call))
    }

    fn prepare(&self, call: Call<'_>) -> Result<Outgoing, Failure> {
        let dialect = self.of(call)?;
        let mut outgoing = dialect.prepare(call)?;
        outgoing
            .request
            .extensions_mut()
            .insert(PreparedBy(dialect));
        Ok(outgoing)
    }

    fn authorize(&self, mut request: Request<Printed>) -> Authorized {
        match request.extensions_mut().remove::<PreparedBy>() {
            Some(PreparedBy(dialect)) => dialect.authorize(request),
            None => self.common.authorize(request),
        }
    }
}

impl fmt::Debug for AnyModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyModel")
            .field("pattern", &self.pattern)
            .field("common", &self.common)
            .finish_non_exhaustive()
    }
}
