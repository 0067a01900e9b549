use crate::{
    Candidate, CostBased, LatencyBased, LeastBusy, Needs, PeakEwma, Pick, Pool, Shuffle, UsageBased,
};

/// Any of the policies of this crate, where the choice is made at run time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Strategy {
    /// `simple-shuffle`
    Shuffle(Shuffle),
    /// `least-busy`
    LeastBusy(LeastBusy),
    /// `latency-based-routing`
    LatencyBased(LatencyBased),
    /// `peak-ewma`
    PeakEwma(PeakEwma),
    /// `usage-based-routing`, `usage-based-routing-v2`
    UsageBased(UsageBased),
    /// `cost-based-routing`
    CostBased(CostBased),
}

impl Strategy {
    /// The names that [`named`](Self::named) knows.
    pub const NAMES: [&str; 7] = [
        "simple-shuffle",
        "least-busy",
        "latency-based-routing",
        "peak-ewma",
        "usage-based-routing",
        "usage-based-routing-v2",
        "cost-based-routing",
    ];

    /// Returns the policy of a name, as LiteLLM's `routing_strategy` has it, with its defaults and a random seed.
    ///
    /// Both usage-based ones are the same here: per deployment and process, any of several with as few tokens.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "simple-shuffle" => Self::Shuffle(Shuffle::new()),
            "least-busy" => Self::LeastBusy(LeastBusy::new()),
            "latency-based-routing" => Self::LatencyBased(LatencyBased::new()),
            "peak-ewma" => Self::PeakEwma(PeakEwma::new()),
            "usage-based-routing" | "usage-based-routing-v2" => Self::UsageBased(UsageBased::new()),
            "cost-based-routing" => Self::CostBased(CostBased::new()),
            _ => return None,
        })
    }

    fn policy(&self) -> &dyn Pick {
        match self {
            Self::Shuffle(policy) => policy,
            Self::LeastBusy(policy) => policy,
            Self::LatencyBased(policy) => policy,
            Self::PeakEwma(policy) => policy,
            Self::UsageBased(policy) => policy,
            Self::CostBased(policy) => policy,
        }
    }
}

impl Default for Strategy {
    fn default() -> Self {
        Self::Shuffle(Shuffle::new())
    }
}

impl Pick for Strategy {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        self.policy().pick(candidates)
    }

    fn guess(&self, all: &Pool) -> Option<usize> {
        self.policy().guess(all)
    }

    fn draw_two(&self, count: usize) -> Option<[usize; 2]> {
        self.policy().draw_two(count)
    }

    fn prepare(&self, endpoints: &[Candidate<'_>]) {
        self.policy().prepare(endpoints);
    }

    fn needs(&self) -> Needs {
        self.policy().needs()
    }
}
