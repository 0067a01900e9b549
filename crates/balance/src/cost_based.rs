use crate::{Candidate, Pick};

/// What a token costs where no price is declared, in dollars: so much that a known price is always lower. LiteLLM's.
const UNKNOWN: f64 = 5.0 + 5.0;

/// Picks the one with the lowest price: that of a token of the prompt and of one of the answer together. Of several
/// with the same price, the first.
#[derive(Clone, Copy, Debug, Default)]
pub struct CostBased;

impl CostBased {
    /// Creates the policy.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

impl Pick for CostBased {
    fn pick(&self, candidates: &[Candidate<'_>]) -> usize {
        let price = |place: &usize| {
            let cost = candidates[*place].cost();
            cost.map_or(UNKNOWN, |(input, output)| input + output)
        };
        (0..candidates.len())
            .min_by(|a, b| price(a).total_cmp(&price(b)))
            .unwrap_or(0)
    }
}
