//! The stack of one deployment: `Region · ContextWindow · Observe · Cooldown · StreamTimeout · Timeout · ProviderService`.

use std::sync::Arc;

use tower_layer::Layer;
use ziggurat_balance::Endpoint;
use ziggurat_config::{AllowedFailsPolicy, Config, Deployment};
use ziggurat_context_window::{ContextWindowFilterLayer, Family, Window};
use ziggurat_cooldown::{Breaker, CooldownLayer, FailureClass, Group, Rules};
use ziggurat_core::{AllowedRegions, Observer, Slim, Vitals};
use ziggurat_models::Provider;
use ziggurat_observe::ObserveLayer;
use ziggurat_provider::ProviderService;
use ziggurat_region::{RegionFilterLayer, infer};
use ziggurat_stream_timeout::{StreamCommit, StreamTimeoutLayer};
use ziggurat_timeout::TimeoutLayer;

use super::{Leaf, kept::Kept, leaf::Built};

/// What the stacks of one deployment share, in however many groups it serves.
pub(super) struct Parts {
    leaf: ProviderService,
    origin: String,
    timeout: TimeoutLayer,
    stream_timeout: StreamTimeoutLayer,
    breaker: Breaker,
    region: RegionFilterLayer,
    window: Window,
    observe: ObserveLayer,
    cost: Option<(f64, f64)>,
}

/// What a group says about each of its deployments.
pub(super) struct Membership {
    /// For the share of the group that may rest at once.
    pub(super) group: Group,
    /// No one else can be asked.
    pub(super) alone: bool,
    pub(super) last_resort: bool,
    /// Whatever it rests for.
    pub(super) last_resort_after_any_failure: bool,
    pub(super) checks_prompts: bool,
}

impl Parts {
    pub(super) fn new(
        config: &Config,
        deployment: &Deployment,
        built: Built,
        vitals: Arc<Vitals>,
        kept: &Kept,
        observer: Option<&Arc<dyn Observer>>,
    ) -> Self {
        let settings = &config.settings;
        let first = settings.stream_timeout_for(deployment);
        let idle = settings.stream_idle_timeout_for(deployment);
        let total = settings.stream_total_timeout_for(deployment);
        Self {
            leaf: built.service,
            origin: built.origin,
            timeout: TimeoutLayer::new(settings.timeout_for(deployment)).stream(first),
            stream_timeout: StreamTimeoutLayer::new(first)
                .idle(idle.unwrap_or(first))
                .total(total.unwrap_or_default())
                .commit(commit(config)),
            breaker: kept.breaker(&deployment.id, vitals, rules(config, deployment)),
            region: region(config, deployment, kept.region(&deployment.id)),
            window: window(config, deployment),
            observe: observe(observer),
            cost: cost(config, deployment),
        }
    }

    /// Returns how long prompts may be; not known unless prompts are to be checked before a call.
    pub(super) fn window(&self) -> &Window {
        &self.window
    }

    pub(super) fn region(&self) -> &RegionFilterLayer {
        &self.region
    }

    pub(super) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub(super) fn leaf(&self) -> &ProviderService {
        &self.leaf
    }

    /// The cooldown of the deployment as a member of a group.
    pub(super) fn cooldown(&self, membership: &Membership) -> CooldownLayer {
        CooldownLayer::new(self.breaker.clone())
            .protected(membership.alone)
            .group(membership.group.clone())
            .last_resort(membership.last_resort)
            .last_resort_after_any_failure(membership.last_resort_after_any_failure)
    }

    /// Builds the stack for one group.
    pub(super) fn endpoint(
        &self,
        config: &Config,
        deployment: &Deployment,
        membership: &Membership,
    ) -> Endpoint<Leaf> {
        let timed = self.timeout.layer(self.leaf.clone());
        let cooldown = self.cooldown(membership);
        let window = match membership.checks_prompts {
            true => self.window.clone(),
            false => Window::new(self.window.model(), None),
        };
        let sent = cooldown.layer(self.stream_timeout.layer(timed));
        let sent = self.observe.layer(sent);
        let checked = ContextWindowFilterLayer::new(window).layer(sent);
        let service = Slim::new(self.region.layer(checked));
        // Deployments at one address share its limits.
        let mut endpoint = Endpoint::new(deployment.id.as_str(), service)
            .vitals(self.breaker.vitals().clone())
            .origin(self.origin.as_str())
            .tags(deployment.tags.iter().map(String::as_str));
        if let Some(weight) = deployment.weight {
            endpoint = endpoint.weight(weight);
        }
        if let Some(rpm) = deployment.rpm {
            endpoint = endpoint.rpm(rpm);
        }
        if let Some(tpm) = deployment.tpm {
            endpoint = endpoint.tpm(tpm);
        }
        if let Some(order) = deployment.order {
            endpoint = endpoint.order(order);
        }
        if let Some((input, output)) = self.cost {
            endpoint = endpoint.cost(input, output);
        }
        let parallel = deployment
            .max_parallel_requests
            .or(config.settings.balance.default_max_parallel_requests);
        if let Some(parallel) = parallel {
            endpoint = endpoint.max_parallel_requests(parallel);
        }
        match deployment.num_retries {
            Some(retries) => endpoint.max_retries(retries),
            None => endpoint,
        }
    }
}

fn commit(config: &Config) -> StreamCommit {
    match config.settings.stream_commit {
        ziggurat_config::StreamCommit::Complete => StreamCommit::Complete,
        _ => StreamCommit::FirstContent,
    }
}

fn observe(observer: Option<&Arc<dyn Observer>>) -> ObserveLayer {
    observer.map_or_else(ObserveLayer::none, |observer| {
        ObserveLayer::attempts(Arc::clone(observer))
    })
}

/// What a deployment costs per token of prompt and answer: as its configuration says, else as its model does.
fn cost(config: &Config, deployment: &Deployment) -> Option<(f64, f64)> {
    let known = || {
        config
            .models
            .facts(Some(deployment.provider), &deployment.model)
    };
    let (input, output) = (
        deployment.input_cost_per_token,
        deployment.output_cost_per_token,
    );
    let (input, output) = match (input, output) {
        (Some(_), Some(_)) => (input, output),
        _ => {
            let facts = known();
            let listed = facts.as_ref();
            (
                input.or(listed.and_then(|facts| facts.input_cost_per_token)),
                output.or(listed.and_then(|facts| facts.output_cost_per_token)),
            )
        }
    };
    (input.is_some() || output.is_some())
        .then(|| (input.unwrap_or_default(), output.unwrap_or_default()))
}

/// When a deployment rests. What it says itself takes the place of the router's rules.
fn rules(config: &Config, deployment: &Deployment) -> Rules {
    let cooldown = &config.settings.cooldown;
    let mut rules = Rules::new()
        .cooldown_time(config.settings.cooldown_time_for(deployment))
        .max_time(cooldown.max_time.unwrap_or_default())
        .max_retry_after(cooldown.max_retry_after)
        .failure_share(cooldown.failure_share, cooldown.min_requests)
        .allowed_fails_window(cooldown.allowed_fails_window)
        .slow_start(cooldown.slow_start);
    if let Some(fails) = deployment.allowed_fails.or(cooldown.allowed_fails) {
        rules = rules.allowed_fails(fails);
    }
    let policies = [
        &cooldown.allowed_fails_policy,
        &deployment.allowed_fails_policy,
    ];
    for policy in policies.into_iter().flatten() {
        for (class, fails) in allowances(policy) {
            rules = fails.map_or(rules.clone(), |fails| rules.allowed_fails_for(class, fails));
        }
    }
    rules
}

fn allowances(policy: &AllowedFailsPolicy) -> [(FailureClass, Option<u32>); 9] {
    [
        (FailureClass::BadRequest, policy.bad_request),
        (FailureClass::Authentication, policy.authentication),
        (FailureClass::Timeout, policy.timeout),
        (FailureClass::RateLimit, policy.rate_limit),
        (FailureClass::ContentPolicy, policy.content_policy),
        (FailureClass::InternalServer, policy.internal_server),
        (FailureClass::ServiceUnavailable, policy.service_unavailable),
        (FailureClass::BadGateway, policy.bad_gateway),
        (FailureClass::NotFound, policy.not_found),
    ]
}

/// How long prompts may be, as far as they are to be checked before a call.
pub(super) fn window(config: &Config, deployment: &Deployment) -> Window {
    let base = deployment.base_model.as_deref();
    let known = config
        .models
        .input_window(
            deployment.provider,
            &deployment.model,
            base,
            deployment.max_input_tokens.map(u64::from),
        )
        .filter(|_| config.settings.enable_pre_call_checks);
    Window::new(
        deployment.litellm_model.as_str(),
        known.map(|known| known.max_input_tokens),
    )
    .shared(known.is_some_and(|known| known.shared))
    .family(Family::of(base.unwrap_or(&deployment.model)))
}

/// Where a deployment is: as its configuration says, else as its provider's settings tell, else as it has told `before`.
pub(super) fn region(
    config: &Config,
    deployment: &Deployment,
    before: Option<&RegionFilterLayer>,
) -> RegionFilterLayer {
    let settings = &config.settings.region;
    let layer = match regions(config, deployment) {
        regions if !regions.is_empty() => RegionFilterLayer::new(regions),
        _ if deployment.provider == Provider::Azure && settings.enable_preview => {
            let learned = before.and_then(RegionFilterLayer::learns_with);
            learned.unwrap_or_else(RegionFilterLayer::learned)
        }
        _ => RegionFilterLayer::unknown(),
    };
    let layer = layer.wider_europe(settings.wider_europe);
    match &*settings.allowed_model_region {
        [] => layer,
        allowed => layer.allowed(AllowedRegions::new(allowed.iter().map(String::as_str))),
    }
}

/// Returns the regions that a deployment answers in; none if they are not known.
pub(super) fn regions(config: &Config, deployment: &Deployment) -> Vec<String> {
    if !deployment.region_name.is_empty() {
        return deployment.region_name.clone();
    }
    let setting = match deployment.provider {
        Provider::VertexAi => "vertex_location",
        Provider::Bedrock => "aws_region_name",
        Provider::Watsonx | Provider::WatsonxText => "watsonx_region_name",
        _ => return Vec::new(),
    };
    let mut known = infer::Deployment::new(deployment.provider.as_str(), &deployment.model);
    if let Some(location) = deployment.provider_params.text(setting) {
        known = known.location(location);
    }
    if let Some(url) = &deployment.api_base {
        known = known.url(url);
    }
    known.regions(|name| config.env(name))
}
