//! What Claude demands of requests that let it think before it answers, for the dialects that serve it.
//!
//! The rules are those of Anthropic's page on extended thinking; the budgets are LiteLLM's.

/// The least budget that is taken.
const LEAST: u64 = 1024;
/// Room for an answer beside the thoughts, where the limit of tokens is not the client's.
const BESIDE: u64 = 4096;
/// The least `top_p` that goes with thoughts.
const LEAST_TOP_P: f64 = 0.95;

/// Returns the budget for one of OpenAI's efforts, in tokens; `None` if it is not known.
#[must_use]
pub fn budget(effort: &str) -> Option<u64> {
    Some(match effort {
        "minimal" | "low" => 1024,
        "medium" => 2048,
        "high" => 4096,
        "xhigh" => 8192,
        "max" => 16384,
        _ => return None,
    })
}

/// Fits a budget below the client's limit, and leaves half of that for the answer as far as the least budget permits.
/// `None` if there is no room for that.
#[must_use]
pub fn fit(budget: u64, limit: Option<u64>) -> Option<u64> {
    match limit {
        None => Some(budget),
        Some(limit) if budget < limit => Some(budget),
        Some(limit) if limit > LEAST => Some(LEAST.max(limit / 2)),
        Some(_) => None,
    }
}

/// Returns the limit for a request that has none: the thoughts, and room for an answer.
#[must_use]
pub fn limit(budget: u64) -> u64 {
    budget.saturating_add(BESIDE)
}

/// Returns what the newest models, which find their budget themselves, are told of an effort.
#[must_use]
pub fn word(effort: &str) -> &str {
    match effort {
        "minimal" => "low",
        effort => effort,
    }
}

/// Says whether a parameter does not go with thoughts.
#[must_use]
pub fn clashes(parameter: &str, value: f64) -> bool {
    match parameter {
        "temperature" => value != 1.0,
        "top_p" => value < LEAST_TOP_P,
        "top_k" => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_below_limits() {
        let cases = [
            (None, Some(4096)),
            (Some(4097), Some(4096)),
            (Some(4096), Some(2048)),
            (Some(1025), Some(1024)),
            (Some(1024), None),
        ];
        for (limit, fitted) in cases {
            assert_eq!(fit(4096, limit), fitted, "{limit:?}");
        }
        assert_eq!(limit(1024), 5120);
    }
}
